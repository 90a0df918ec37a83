/*
 * sink_stats.c
 *		How sinks fare: see sink_stats.h.
 *
 * One entry for each, in a hash table of fixed size under one lock: there is one writer for each
 * database, and it writes once a transaction.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "common/guc.h"
#include "common/version.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "stats/shared_table.h"
#include "stats/sink_stats.h"
#include "stats/stats.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define ERROR_LENGTH	512

typedef struct Entry
{
	CqSharedKey key;
	CqSinkState state;
	TimestampTz state_since;
	int64		rows;
	int64		bytes;
	int64		ntransactions;
	TimestampTz last_sent_time; /* 0: never */
	TimestampTz level_at;		/* what was committed by then has been sent; 0: unknown */
	TimestampTz last_error_time;	/* 0: none */
	char		last_error[ERROR_LENGTH];
} Entry;

PG_FUNCTION_INFO_V1(cq_sink_stats);
PG_FUNCTION_INFO_V1(cq_sink_levels);

static void revive(void *entry);

static CqSharedTable table = {
	.name = "pg_cq_sinks", .entry_size = sizeof(Entry), .revive = revive
};

/* What was so before the server was started is not known to be so now. */
static void
revive(void *entry)
{
	((Entry *) entry)->state = CQ_SINK_UNSERVED;
	((Entry *) entry)->state_since = GetCurrentTimestamp();
}

void
cq_sink_stats_init(void)
{
	cq_shared_table_request(&table);
}

/* The view's entry with the lock held, or NULL with the lock held: there is no room. */
static Entry *
acquire(Oid view)
{
	CqSharedKey key = {MyDatabaseId, view};
	Entry	   *entry;
	bool		found;

	LWLockAcquire(table.lock, LW_EXCLUSIVE);
	entry = hash_search(table.entries, &key, HASH_ENTER_NULL, &found);
	if (entry != NULL && !found)
	{
		memset(entry, 0, sizeof(Entry));
		entry->key = key;
		entry->state_since = GetCurrentTimestamp();
	}
	return entry;
}

void
cq_sink_stats_state(Oid view, CqSinkState state, const char *message)
{
	int			length = message != NULL ? pg_mbcliplen(message, strlen(message),
														ERROR_LENGTH - 1) : 0;
	Entry	   *entry;

	if (table.entries == NULL)
		return;
	entry = acquire(view);
	if (entry != NULL && entry->state != state)
	{
		entry->state = state;
		entry->state_since = GetCurrentTimestamp();
	}
	if (entry != NULL && message != NULL)
	{
		memcpy(entry->last_error, message, length);
		entry->last_error[length] = '\0';
		entry->last_error_time = GetCurrentTimestamp();
	}
	LWLockRelease(table.lock);
}

void
cq_sink_stats_sent(Oid view, int64 rows, int64 bytes)
{
	Entry	   *entry;

	if (table.entries == NULL)
		return;
	entry = acquire(view);
	if (entry != NULL)
	{
		entry->rows += rows;
		entry->bytes += bytes;
		entry->ntransactions++;
		entry->last_sent_time = GetCurrentTimestamp();
	}
	LWLockRelease(table.lock);
}

void
cq_sink_stats_level(Oid view, TimestampTz at)
{
	Entry	   *entry;

	if (table.entries == NULL)
		return;
	entry = acquire(view);
	if (entry != NULL)
		entry->level_at = Max(entry->level_at, at);
	LWLockRelease(table.lock);
}

void
cq_sink_stats_sweep(void)
{
	cq_shared_table_sweep(&table);
}

void
cq_sink_stats_forget(Oid database, Oid view)
{
	cq_shared_table_forget(&table, database, view);
}

/* ---- what SQL sees ---- */

static const char *
state_name(CqSinkState state)
{
	switch (state)
	{
		case CQ_SINK_UNSERVED:
			return "unserved";
		case CQ_SINK_CONNECTING:
			return "connecting";
		case CQ_SINK_RUNNING:
			return "running";
		case CQ_SINK_DOWN:
			return "down";
	}
	elog(ERROR, "unexpected state %d", state);
}

static void
set_time(Datum *value, bool *isnull, TimestampTz time)
{
	*value = TimestampTzGetDatum(time);
	*isnull = time == 0;
}

/* Errors are for the view's owner: they may quote names of what only the owner may know. */
static bool
may_see_error(Oid view)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
	bool		may = false;

	if (HeapTupleIsValid(tuple))
	{
		may = has_privs_of_role(GetUserId(), ((Form_pg_class) GETSTRUCT(tuple))->relowner);
		ReleaseSysCache(tuple);
	}
	return may;
}

char *
cq_sink_stats_trouble(Oid view)
{
	CqSharedKey key = {MyDatabaseId, view};
	char		trouble[ERROR_LENGTH];
	bool		is_down;
	Entry	   *entry;

	if (table.entries == NULL)
		return NULL;
	LWLockAcquire(table.lock, LW_SHARED);
	entry = hash_search(table.entries, &key, HASH_FIND, NULL);
	is_down = entry != NULL && entry->state == CQ_SINK_DOWN;
	if (is_down)
		strlcpy(trouble, entry->last_error, sizeof(trouble));
	LWLockRelease(table.lock);
	if (!is_down)
		return NULL;
	return pstrdup(may_see_error(view) ? trouble : "");
}

static void
put_entry(ReturnSetInfo *result, const Entry *entry)
{
	Datum		values[9];
	bool		nulls[9] = {false};
	int			n = 0;

	values[n++] = ObjectIdGetDatum(entry->key.relation);
	values[n++] = CStringGetTextDatum(state_name(entry->state));
	set_time(&values[n], &nulls[n], entry->state_since);
	n++;
	values[n++] = Int64GetDatum(entry->rows);
	values[n++] = Int64GetDatum(entry->bytes);
	values[n++] = Int64GetDatum(entry->ntransactions);
	set_time(&values[n], &nulls[n], entry->last_sent_time);
	n++;
	values[n] = CStringGetTextDatum(entry->last_error);
	nulls[n++] = entry->last_error_time == 0 || !may_see_error(entry->key.relation);
	set_time(&values[n], &nulls[n], entry->last_error_time);
	n++;
	Assert(n == result->setDesc->natts);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_level(ReturnSetInfo *result, const Entry *entry)
{
	Datum		values[2] = {ObjectIdGetDatum(entry->key.relation)};
	bool		nulls[2] = {false};

	set_time(&values[1], &nulls[1], entry->level_at);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Of this database, of views that the current user may know of. */
static void
put_entries(FunctionCallInfo fcinfo, void (*put) (ReturnSetInfo *result, const Entry *entry))
{
	HASH_SEQ_STATUS scan;
	Entry	   *entry;
	Entry	   *copies;
	int			ncopies = 0;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	if (table.entries == NULL)
		return;
	copies = palloc(sizeof(Entry) * cq_max_views);
	LWLockAcquire(table.lock, LW_SHARED);
	hash_seq_init(&scan, table.entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database == MyDatabaseId && ncopies < cq_max_views)
			copies[ncopies++] = *entry;
	}
	LWLockRelease(table.lock);
	for (int i = 0; i < ncopies; i++)
	{
		if (cq_stats_may_see(copies[i].key.relation))
			put((ReturnSetInfo *) fcinfo->resultinfo, &copies[i]);
	}
}

/* _cq.stat_sinks(): anybody may call it. */
Datum
cq_sink_stats(PG_FUNCTION_ARGS)
{
	put_entries(fcinfo, put_entry);
	return (Datum) 0;
}

/* _cq.sink_levels(): anybody may call it. */
Datum
cq_sink_levels(PG_FUNCTION_ARGS)
{
	put_entries(fcinfo, put_level);
	return (Datum) 0;
}
