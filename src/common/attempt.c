/*
 * attempt.c
 *		Doing something that may fail: see attempt.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/attempt.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

ErrorData *
cq_attempt(void (*run) (void *arg), void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		run(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	/*
	 * In our own processes only what somebody's function raises looks like that: they end by other
	 * means.
	 */
	if (error != NULL && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION &&
		MyBackendType != B_BG_WORKER)
		ReThrowError(error);
	return error;
}

void
cq_attempt_name_view(ErrorData *error, const char *name)
{
	if (name == NULL)
		return;
	error->context = error->context == NULL ? psprintf("continuous view \"%s\"", name) :
		psprintf("continuous view \"%s\"\n%s", name, error->context);
}

void
cq_attempt_warn(const ErrorData *error, char **last)
{
	if (*last != NULL && strcmp(*last, error->message) == 0)
		return;
	if (*last != NULL)
		pfree(*last);
	*last = MemoryContextStrdup(TopMemoryContext, error->message);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg_internal("%s", error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->context ? errcontext("%s", error->context) : 0));
}
