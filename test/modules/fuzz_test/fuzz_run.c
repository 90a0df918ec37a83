/*
 * fuzz_run.c
 *		libFuzzer in a backend. Calls that end in an error are crashes, and so is memory without bounds.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "fuzz_test.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Of one input, in what our own objects allocate. */
#define MOST_MEMORY ((size_t) 64 * 1024 * 1024)
/* Of all the backend's contexts, of what stays. */
#define MOST_GROWTH ((Size) 256 * 1024 * 1024)

extern int	LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback) (const uint8_t *data, size_t size));

PG_FUNCTION_INFO_V1(fuzz_run);

static char *target_name;
static FuzzTarget target;
static MemoryContext input_context;

/* Every so often: does anything stay behind, in a context or for good? */
static void
check_growth(void)
{
	static uint64 ninputs = 0;
	static Size first = 0;
	Size		now;

	if (ninputs++ % 65536 != 4096)
		return;
	now = MemoryContextMemAllocated(TopMemoryContext, true);
	if (first == 0)
		first = now;
	if (now > first + MOST_GROWTH)
	{
		MemoryContextStats(TopMemoryContext);
		write_stderr("memory grows: %zu bytes after %zu\n", now, first);
		abort();
	}
}

static int
run_one(const uint8_t *bytes, size_t length)
{
	FuzzOutcome outcome = {0};

	PG_TRY();
	{
		MemoryContextSwitchTo(input_context);
		fuzz_memory_limit = fuzz_memory_used + MOST_MEMORY;
		target(target_name, bytes, length, &outcome);
		fuzz_memory_limit = 0;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(ErrorContext);
		write_stderr("raised: %s\n", CopyErrorData()->message);
		abort();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(input_context);
	check_growth();
	return 0;
}

/* Arguments are libFuzzer's. Does not come back. */
Datum
fuzz_run(PG_FUNCTION_ARGS)
{
	static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGINT, SIGTERM, SIGXFSZ, SIGUSR1, SIGUSR2};
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	Datum	   *elements;
	int			nelements;
	int			argc = 1;
	char	  **argv;
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	target_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	target = fuzz_target(target_name);
	input_context = AllocSetContextCreate(TopMemoryContext, "input", ALLOCSET_DEFAULT_SIZES);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &nelements);
	argv = palloc0(sizeof(char *) * (nelements + 2));
	argv[0] = "fuzz";
	for (int i = 0; i < nelements; i++)
		argv[argc++] = TextDatumGetCString(elements[i]);
	for (int i = 0; i < lengthof(signals); i++)
		pqsignal(signals[i], SIG_DFL);
	(void) LLVMFuzzerRunDriver(&argc, &argv, run_one);
	MemoryContextSwitchTo(caller);
	PG_RETURN_NULL();
}
