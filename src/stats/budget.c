/*
 * budget.c
 *		What budgets allow now: see budget.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/attempt.h"
#include "common/clock.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "stats/budget.h"
#include "storage/bufmgr.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/builtins.h"

#define LOOK_US			500000
#define LOOK_SHARE		20		/* of the time: no more than a part is spent on looking */

typedef struct ViewLimit
{
	Oid			view;
	bool		is_slow;
	char	   *stop;			/* why it stops, or NULL */
} ViewLimit;

static HTAB *limits = NULL;		/* of views with budgets */
static MemoryContext context = NULL;	/* theirs */
static int64 next_look = 0;

/* The usual case: nobody has ever set one. */
static bool
are_there_any(void)
{
	Oid			schema = get_namespace_oid("_cq", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("budget", schema) : InvalidOid;
	Relation	relation = OidIsValid(relid) ? try_table_open(relid, AccessShareLock) : NULL;
	bool		result;

	if (relation == NULL)
		return false;
	result = RelationGetNumberOfBlocks(relation) > 0;
	table_close(relation, AccessShareLock);
	return result;
}

/* Within a connection of SPI, whose rows are those of _cq.view_budget. */
static void
note_row(HTAB *read, const SPITupleTable *rows, uint64 i)
{
	bool		isnull;
	HeapTuple	row = rows->vals[i];
	Oid			view = DatumGetObjectId(SPI_getbinval(row, rows->tupdesc, 1, &isnull));
	char	   *at_limit = SPI_getvalue(row, rows->tupdesc, 2);
	char	   *told = SPI_getvalue(row, rows->tupdesc, 3);
	bool		found;
	ViewLimit	   *limit = hash_search(read, &view, HASH_ENTER, &found);

	if (!found)
	{
		limit->is_slow = false;
		limit->stop = NULL;
	}
	if (told == NULL)
		return;
	if (strcmp(at_limit, "stop") == 0 && limit->stop == NULL)
		limit->stop = MemoryContextStrdup(context, told);
	limit->is_slow |= strcmp(at_limit, "slow") == 0;
}

static void
forget(void)
{
	if (context != NULL)
		MemoryContextDelete(context);
	context = NULL;
	limits = NULL;
}

static void
read_all(void)
{
	static const char read[] = "SELECT view, at_limit, told FROM _cq.view_budget";
	static SPIPlanPtr plan = NULL;
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(ViewLimit)};

	SPI_connect();
	if (plan == NULL && ((plan = SPI_prepare(read, 0, NULL)) == NULL || SPI_keepplan(plan) != 0))
		elog(ERROR, "could not prepare to read the budgets");
	if (SPI_execute_plan(plan, NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the budgets");
	forget();
	context = AllocSetContextCreate(TopMemoryContext, "pg_cq budgets", ALLOCSET_SMALL_SIZES);
	control.hcxt = context;
	limits = hash_create("pg_cq budgets", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (uint64 i = 0; i < SPI_processed; i++)
		note_row(limits, SPI_tuptable, i);
	SPI_finish();
}

static void
read_if_any(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (are_there_any())
		read_all();
	else
		forget();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* What was known stays where they cannot be read: nobody is the worse for it. */
static void
look(void)
{
	static char *last_warning = NULL;
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		read_if_any();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		if (ProcDiePending)
			PG_RE_THROW();
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		cq_attempt_warn(error, &last_warning);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

void
cq_budget_look(bool at_once)
{
	int64		began = cq_clock_real_monotonic();

	if (began < next_look && !at_once)
		return;
	look();
	next_look = cq_clock_real_monotonic();
	next_look += Max(LOOK_US, (next_look - began) * LOOK_SHARE);
}

static const ViewLimit *
limit_of(Oid view)
{
	return limits != NULL ? hash_search(limits, &view, HASH_FIND, NULL) : NULL;
}

const char *
cq_budget_stops(Oid view)
{
	const ViewLimit *limit = limit_of(view);

	return limit != NULL ? limit->stop : NULL;
}

bool
cq_budget_slows(Oid view)
{
	const ViewLimit *limit = limit_of(view);

	return limit != NULL && limit->is_slow;
}

bool
cq_budget_has_any(const List *views)
{
	ListCell   *cell;

	foreach(cell, views)
	{
		if (limit_of(lfirst_oid(cell)) != NULL)
			return true;
	}
	return false;
}
