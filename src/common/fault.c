/*
 * fault.c
 *		Errors, by whose fault they are: see fault.h.
 *
 * The SQLSTATE decides where only one of row, view and server can cause it. Where several can, it
 * is asked who has raised the error, and about what:
 *
 *		constraint (23)			on a table of the system's or of ours: a key that is there twice
 *								the server's, another the view's; on any other: the row's
 *		program limit (54000)	the server, where it hands out transaction ids, or extends files:
 *								the server's; elsewhere, of a value: the row's; a function of
 *								somebody's: uncertain
 *		internal error (XX000)	the server or this module: the view's, but for two that meet in one
 *								row of a catalog; another module, which says so of values: the row's
 *
 * If this were wrong, good rows would become dead letters as long as the server is in trouble, or
 * one bad row would hold up a view for ever.
 */
#include "postgres.h"

#include <dlfcn.h>
#include <execinfo.h>

#include "common/fault.h"
#include "miscadmin.h"

/* Whose code has raised an error. */
typedef enum Raiser
{
	RAISED_BY_SERVER,			/* or by this module */
	RAISED_BY_USER,				/* by a function in a language, or another server: of anything */
	RAISED_BY_MODULE			/* by another module, in C */
} Raiser;

/* Modules that raise errors of others' choosing. */
static const char *const speakers[] = {"plpgsql", "postgres_fdw", "dblink"};

/* Source files of the server that reach limits of the server, not of a value. */
static const char *const limited_files[] = {
	"varsup.c", "multixact.c", "xact.c", "slru.c", "md.c", "bufmgr.c", "localbuf.c", "lock.c",
	"predicate.c", "inval.c", "snapmgr.c", "combocid.c", "fd.c", "buffile.c", "async.c"
};

static bool
is_among(const char *name, const char *const *names, int nnames)
{
	for (int i = 0; i < nnames; i++)
	{
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* What an error's message domain is set to, once it is known who has raised it. */
static const char by_user[] = "raised by a function";
static const char by_module[] = "raised by a module";

static Raiser last_raiser = RAISED_BY_SERVER;

static bool
is_in_module_of(const Dl_info *module, const void *address)
{
	Dl_info		other;

	return dladdr(address, &other) != 0 && other.dli_fbase == module->dli_fbase;
}

static Raiser
raiser_at(const void *code)
{
	Dl_info		module;
	const char *name;

	if (dladdr(code, &module) == 0 ||
		is_in_module_of(&module, &MyProcPid) || is_in_module_of(&module, speakers))
		return RAISED_BY_SERVER;
	name = strrchr(module.dli_fname, '/');
	name = name != NULL ? name + 1 : module.dli_fname;
	for (int i = 0; i < (int) lengthof(speakers); i++)
	{
		if (strncmp(name, speakers[i], strcspn(name, ".")) == 0)
			return RAISED_BY_USER;
	}
	return RAISED_BY_MODULE;
}

/* Called by errfinish(), which the code that raises the error has called. */
static void
note_raiser(void *arg)
{
	void	   *frames[3];

	if (backtrace(frames, lengthof(frames)) == lengthof(frames))
		last_raiser = raiser_at(frames[2]);
}

void
cq_fault_watch(CqFaultWatch *watch)
{
	last_raiser = RAISED_BY_SERVER;
	watch->callback.callback = note_raiser;
	watch->callback.arg = NULL;
	watch->callback.previous = error_context_stack;
	error_context_stack = &watch->callback;
}

void
cq_fault_unwatch(const CqFaultWatch *watch)
{
	error_context_stack = watch->callback.previous;
}

void
cq_fault_note_raiser(ErrorData *error)
{
	if (last_raiser == RAISED_BY_USER)
		error->domain = by_user;
	else if (last_raiser == RAISED_BY_MODULE)
		error->domain = by_module;
}

static Raiser
raiser_of(const ErrorData *error)
{
	if (error->domain == NULL)
		return RAISED_BY_SERVER;
	return strcmp(error->domain, by_user) == 0 ? RAISED_BY_USER :
		strcmp(error->domain, by_module) == 0 ? RAISED_BY_MODULE : RAISED_BY_SERVER;
}

/* SQLSTATEs that the standard leaves to applications: a function of the user's said so. */
static bool
is_of_application(int sqlerrcode)
{
	return strchr("689IJKLMNOQRSTUVWYZ", *unpack_sql_state(sqlerrcode)) != NULL;
}

/* On a table that no user writes to: what the server, or this module, did with it failed. */
static bool
is_on_own_table(const ErrorData *error)
{
	static const char *const schemas[] = {"pg_catalog", "pg_toast", "_cq", "cq"};

	return error->schema_name != NULL && is_among(error->schema_name, schemas, lengthof(schemas));
}

/* By a source file of the server's. */
static bool
is_raised_in(const ErrorData *error, const char *const *files, int nfiles)
{
	return error->filename != NULL && is_among(error->filename, files, nfiles);
}

/* Of a query that a function runs: a table or column that it names, say, is not there. */
static bool
is_of_code(const ErrorData *error)
{
	return error->internalquery != NULL && ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION;
}

static CqFault
fault_of_limit(const ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_STATEMENT_TOO_COMPLEX)
		return CQ_FAULT_OF_ROW; /* it needs a deep stack */
	switch (raiser_of(error))
	{
		case RAISED_BY_SERVER:
			return is_raised_in(error, limited_files, lengthof(limited_files)) ?
				CQ_FAULT_OF_SERVER : CQ_FAULT_OF_ROW;
		default:
			return CQ_FAULT_UNCERTAIN;
	}
}

/* On a table that no row of a stream is stored in as such, but where it is kept or counted. */
static CqFault
fault_of_own_constraint(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION ? CQ_FAULT_OF_SERVER : CQ_FAULT_OF_VIEW;
}

static CqFault
fault_of_internal_error(const ErrorData *error)
{
	static const char *const heap[] = {"heapam.c"};

	if (raiser_of(error) == RAISED_BY_MODULE)
		return CQ_FAULT_OF_ROW;
	return is_raised_in(error, heap, lengthof(heap)) ? CQ_FAULT_OF_SERVER : CQ_FAULT_OF_VIEW;
}

/* By the class alone. */
static CqFault
fault_of_class(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case MAKE_SQLSTATE('2', '0', '0', '0', '0'):	/* no WHEN of a CASE in PL/pgSQL for it */
		case MAKE_SQLSTATE('2', '1', '0', '0', '0'):	/* cardinality: two rows of a sub-select */
		case MAKE_SQLSTATE('2', '2', '0', '0', '0'):	/* data exception */
		case MAKE_SQLSTATE('2', '3', '0', '0', '0'):	/* integrity constraint */
		case MAKE_SQLSTATE('2', 'F', '0', '0', '0'):	/* a function that ended without RETURN */
		case MAKE_SQLSTATE('3', '8', '0', '0', '0'):	/* external routine */
		case MAKE_SQLSTATE('3', '9', '0', '0', '0'):
		case MAKE_SQLSTATE('P', '0', '0', '0', '0'):	/* raised in PL/pgSQL */
			return CQ_FAULT_OF_ROW;
		case MAKE_SQLSTATE('0', '8', '0', '0', '0'):	/* connection, of a foreign table */
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'):	/* serialization, deadlock */
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'):	/* memory, disk */
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):	/* canceled, shutting down */
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'):	/* system */
			return CQ_FAULT_OF_SERVER;
		default:
			return is_of_application(sqlerrcode) ? CQ_FAULT_OF_ROW : CQ_FAULT_OF_VIEW;
	}
}

CqFault
cq_fault_of(const ErrorData *error)
{
	static const char *const plans[] = {"plancache.c"};

	switch (error->sqlerrcode)
	{
		case ERRCODE_INTERNAL_ERROR:
			return fault_of_internal_error(error);
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			/*
			 * The server says it of a unit or a path in a value; but also of a plan that was made
			 * before somebody altered a table.
			 */
			return is_raised_in(error, plans, lengthof(plans)) ?
				CQ_FAULT_OF_SERVER : CQ_FAULT_OF_ROW;
		case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:	/* temp_file_limit: next time as well */
			return CQ_FAULT_OF_VIEW;
		case ERRCODE_DUPLICATE_TABLE:	/* two that make the same */
		case ERRCODE_DUPLICATE_OBJECT:
		case ERRCODE_LOCK_NOT_AVAILABLE:
			return CQ_FAULT_OF_SERVER;
	}
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		return fault_of_limit(error);
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION &&
		is_on_own_table(error))
		return fault_of_own_constraint(error);
	return fault_of_class(error->sqlerrcode);
}

bool
cq_fault_is_of_value(const ErrorData *error)
{
	switch (cq_fault_of(error))
	{
		case CQ_FAULT_OF_ROW:
		case CQ_FAULT_UNCERTAIN:
			return true;
		case CQ_FAULT_OF_SERVER:
			return false;
		case CQ_FAULT_OF_VIEW:
			break;
	}
	/* A name that is in no catalog, of a column of type regclass, say. */
	return !is_on_own_table(error) && !is_of_code(error) &&
		error->sqlerrcode != ERRCODE_INTERNAL_ERROR &&
		error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
}

bool
cq_fault_is_of_function(const ErrorData *error)
{
	return raiser_of(error) != RAISED_BY_SERVER;
}

bool
cq_fault_passes(const ErrorData *error)
{
	CqFault		fault = cq_fault_of(error);

	return fault == CQ_FAULT_OF_SERVER || fault == CQ_FAULT_UNCERTAIN;
}

char *
cq_fault_text(const ErrorData *error)
{
	return psprintf("%s (SQLSTATE %s)%s%s", error->message, unpack_sql_state(error->sqlerrcode),
					error->detail ? ": " : "", error->detail ? error->detail : "");
}

char *
cq_fault_public_text(const ErrorData *error)
{
	if (raiser_of(error) == RAISED_BY_SERVER)
		return cq_fault_text(error);
	return psprintf("a function has failed (SQLSTATE %s)", unpack_sql_state(error->sqlerrcode));
}
