/*
 * stats.c
 *		Counters of views and states of streams: see stats.h.
 *
 * One entry for each relation, in a hash table of fixed size. The table's lock is held shared to
 * find an entry and exclusively to add or remove one; the entry's spinlock guards what is in it.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/compat.h"
#include "common/guc.h"
#include "common/owner.h"
#include "common/version.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "stats/histogram.h"
#include "stats/node_stats.h"
#include "stats/shared_table.h"
#include "stats/stats.h"
#include "storage/spin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define ERROR_LENGTH	512
#define RATE_SECONDS	10.0	/* over which rates are averaged, the last second counting most */

typedef struct Entry
{
	CqSharedKey key;
	slock_t		mutex;
	TimestampTz stats_reset;
	CqBatchStats sum;
	int64		nbatches;
	int64		max_duration_us;
	CqHistogram batch_times;
	CqHistogram visible_times;	/* of rows, from produce to visible */
	TimestampTz last_batch_time;
	double		rate;			/* rows per second as of last_batch_time */
	double		bad_rate;		/* of these, those that failed */
	CqStreamState state;
	TimestampTz state_since;
	TimestampTz last_error_time;	/* 0: none */
	char		last_error[ERROR_LENGTH];
} Entry;

PG_FUNCTION_INFO_V1(cq_stats_relations);
PG_FUNCTION_INFO_V1(cq_stats_work);
PG_FUNCTION_INFO_V1(cq_stats_times);
PG_FUNCTION_INFO_V1(cq_stats_failing);
PG_FUNCTION_INFO_V1(cq_stats_reset);

static void revive(void *entry);

static CqSharedTable table = {
	.name = "pg_cq_stats", .entry_size = sizeof(Entry), .revive = revive
};

/* What was so before the server was started is not known to be so now. */
static void
revive(void *arg)
{
	Entry	   *entry = arg;

	SpinLockInit(&entry->mutex);
	entry->state = CQ_STREAM_UNREAD;
	entry->state_since = GetCurrentTimestamp();
}

void
cq_stats_init(void)
{
	cq_shared_table_request(&table);
}

/* Sets all counters to nothing, but leaves the stream's state. */
static void
reset(Entry *entry, TimestampTz now)
{
	entry->stats_reset = now;
	memset(&entry->sum, 0, sizeof(CqBatchStats));
	entry->nbatches = 0;
	entry->max_duration_us = 0;
	memset(&entry->batch_times, 0, sizeof(CqHistogram));
	memset(&entry->visible_times, 0, sizeof(CqHistogram));
	entry->last_batch_time = 0;
	entry->rate = entry->bad_rate = 0;
	entry->last_error_time = 0;
	entry->last_error[0] = '\0';
}

static void
add(const CqSharedKey *key)
{
	Entry	   *entry;
	bool		found;

	LWLockAcquire(table.lock, LW_EXCLUSIVE);
	entry = hash_search(table.entries, key, HASH_ENTER_NULL, &found);
	if (entry != NULL && !found)
	{
		SpinLockInit(&entry->mutex);
		reset(entry, GetCurrentTimestamp());
		entry->state = CQ_STREAM_UNREAD;
		entry->state_since = entry->stats_reset;
	}
	LWLockRelease(table.lock);
}

/*
 * The relation's entry with the table locked and the entry's spinlock held, or NULL with nothing
 * held: there is no room.
 */
static Entry *
acquire(Oid relation)
{
	CqSharedKey key = {MyDatabaseId, relation};
	Entry	   *entry;

	if (table.entries == NULL)
		return NULL;
	LWLockAcquire(table.lock, LW_SHARED);
	entry = hash_search(table.entries, &key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		LWLockRelease(table.lock);
		add(&key);
		LWLockAcquire(table.lock, LW_SHARED);
		entry = hash_search(table.entries, &key, HASH_FIND, NULL);
	}
	if (entry == NULL)
	{
		LWLockRelease(table.lock);
		cq_shared_table_tell_full(&table);
	}
	else
		SpinLockAcquire(&entry->mutex);
	return entry;
}

static void
release(Entry *entry)
{
	SpinLockRelease(&entry->mutex);
	LWLockRelease(table.lock);
}

/* What is left at a time of a rate that was measured at an earlier one. */
static double
decayed(double rate, TimestampTz measured, TimestampTz now)
{
	return now > measured ? rate * exp(-(now - measured) / (RATE_SECONDS * USECS_PER_SEC)) : rate;
}

void
cq_stats_view_batch(Oid view, const CqBatchStats *batch, const CqHistogram *visible)
{
	TimestampTz now = GetCurrentTimestamp();
	Entry	   *entry = acquire(view);

	if (entry == NULL)
		return;
	entry->sum.rows += batch->rows;
	entry->sum.bytes += batch->bytes;
	entry->sum.bad_rows += batch->bad_rows;
	entry->sum.late_rows += batch->late_rows;
	entry->sum.groups_inserted += batch->groups_inserted;
	entry->sum.groups_updated += batch->groups_updated;
	entry->sum.duration_us += batch->duration_us;
	entry->sum.cpu_ns += batch->cpu_ns;
	entry->sum.wal_bytes += batch->wal_bytes;
	entry->sum.commits += batch->commits;
	entry->nbatches++;
	entry->batch_times.counts[cq_histogram_step(batch->duration_us)]++;
	if (visible != NULL)
		cq_histogram_add(&entry->visible_times, visible);
	entry->max_duration_us = Max(entry->max_duration_us, batch->duration_us);
	entry->rate = decayed(entry->rate, entry->last_batch_time, now) + batch->rows / RATE_SECONDS;
	entry->bad_rate = decayed(entry->bad_rate, entry->last_batch_time, now) +
		batch->bad_rows / RATE_SECONDS;
	entry->last_batch_time = now;
	release(entry);
}

/* A message cut to what an entry has room for, at a character's end. */
static void
cut_message(char *buffer, const char *message)
{
	int			length = pg_mbcliplen(message, strlen(message), ERROR_LENGTH - 1);

	memcpy(buffer, message, length);
	buffer[length] = '\0';
}

void
cq_stats_view_error(Oid view, const char *message)
{
	char		text[ERROR_LENGTH];
	TimestampTz now = GetCurrentTimestamp();
	Entry	   *entry;

	cut_message(text, message);
	entry = acquire(view);
	if (entry == NULL)
		return;
	memcpy(entry->last_error, text, ERROR_LENGTH);
	entry->last_error_time = now;
	release(entry);
}

void
cq_stats_stream_state(Oid stream, CqStreamState state, const char *message)
{
	char		text[ERROR_LENGTH] = "";
	TimestampTz now = GetCurrentTimestamp();
	Entry	   *entry;

	if (message != NULL)
		cut_message(text, message);
	entry = acquire(stream);
	if (entry == NULL)
		return;
	if (entry->state != state)
		entry->state_since = now;
	entry->state = state;
	if (message != NULL)
	{
		memcpy(entry->last_error, text, ERROR_LENGTH);
		entry->last_error_time = now;
	}
	release(entry);
}

void
cq_stats_sweep(void)
{
	cq_shared_table_sweep(&table);
	cq_node_stats_sweep();
}

void
cq_stats_forget_database(Oid database)
{
	cq_shared_table_forget(&table, database, InvalidOid);
	cq_node_stats_forget_database(database);
}

/* ---- what SQL sees ---- */

static const char *
state_name(CqStreamState state)
{
	switch (state)
	{
		case CQ_STREAM_UNREAD:
			return "unread";
		case CQ_STREAM_READING:
			return "reading";
		case CQ_STREAM_DOWN:
			return "waiting for broker";
		case CQ_STREAM_HELD:
			return "waiting for schema";
		case CQ_STREAM_FAILED:
			return "failed";
	}
	elog(ERROR, "unexpected state %d", state);
}

static void
set_time(Datum *value, bool *isnull, TimestampTz time)
{
	*value = TimestampTzGetDatum(time);
	*isnull = time == 0;
}

/* What of an entry the current user may see. */
typedef enum Visibility
{
	SEES_NOTHING,
	SEES_NUMBERS,
	SEES_ALL
} Visibility;

/*
 * Who may read a relation sees its numbers, who owns it also its last error: that of a view may
 * quote columns of the stream which the view does not show. What goes wrong with a stream is said
 * by its source.
 */
static Visibility
visibility_of(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Form_pg_class form;
	Visibility	visibility = SEES_NOTHING;

	if (!HeapTupleIsValid(tuple))
		return SEES_NOTHING;
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (has_privs_of_role(GetUserId(), form->relowner))
		visibility = SEES_ALL;
	else if (pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		visibility = form->relkind == RELKIND_FOREIGN_TABLE ? SEES_ALL : SEES_NUMBERS;
	else if (has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
		visibility = SEES_NUMBERS;
	ReleaseSysCache(tuple);
	return visibility;
}

bool
cq_stats_may_see(Oid relation)
{
	return visibility_of(relation) != SEES_NOTHING;
}

/* The views whose errors may quote what the current user may not read of their streams. */
static List *
views_to_hide(void)
{
	static const char read[] =
		"SELECT DISTINCT view::pg_catalog.oid FROM _cq.input"
		" WHERE pg_catalog.has_table_privilege($1, stream::pg_catalog.oid, 'SELECT') IS NOT TRUE";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(GetUserId())};
	MemoryContext caller = CurrentMemoryContext;
	List	   *views = NIL;
	CqActor		actor;

	if (superuser())
		return NIL;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	if (SPI_execute_with_args(read, lengthof(types), types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read _cq.input");
	MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		views = lappend_oid(views, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
																  SPI_tuptable->tupdesc, 1,
																  &isnull)));
	}
	SPI_finish();
	cq_owner_end(&actor);
	return views;
}

/* Lately nine of ten rows failed; of a few it is not said. */
static bool
fails(const Entry *entry)
{
	return entry->sum.bad_rows >= 10 && entry->bad_rate > 0 && entry->bad_rate >= 0.9 * entry->rate;
}

static void
put_entry(ReturnSetInfo *result, const Entry *entry, bool with_error)
{
	Datum		values[18];
	bool		nulls[18] = {false};
	int			n = 0;

	values[n++] = ObjectIdGetDatum(entry->key.relation);
	values[n++] = Int64GetDatum(entry->sum.rows);
	values[n++] = Int64GetDatum(entry->sum.bytes);
	values[n++] = Int64GetDatum(entry->sum.bad_rows);
	values[n++] = Int64GetDatum(entry->sum.late_rows);
	values[n++] = Int64GetDatum(entry->sum.groups_inserted);
	values[n++] = Int64GetDatum(entry->sum.groups_updated);
	values[n++] = Int64GetDatum(entry->nbatches);
	values[n++] = Float8GetDatum(entry->sum.duration_us / 1000.0);
	values[n++] = Float8GetDatum(entry->nbatches > 0 ?
								 entry->sum.duration_us / 1000.0 / entry->nbatches : 0);
	values[n++] = Float8GetDatum(entry->max_duration_us / 1000.0);
	values[n++] = Float8GetDatum(decayed(entry->rate, entry->last_batch_time,
										 GetCurrentTimestamp()));
	set_time(&values[n], &nulls[n], entry->last_batch_time);
	n++;
	values[n++] = CStringGetTextDatum(state_name(entry->state));
	set_time(&values[n], &nulls[n], entry->state_since);
	n++;
	values[n] = CStringGetTextDatum(entry->last_error);
	nulls[n++] = entry->last_error_time == 0 || !with_error;
	set_time(&values[n], &nulls[n], entry->last_error_time);
	n++;
	set_time(&values[n], &nulls[n], entry->stats_reset);
	n++;
	Assert(n == result->setDesc->natts);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* What there is of this database. */
static Entry *
copy_entries(int *ncopies)
{
	Entry	   *copies;
	Entry	   *entry;
	HASH_SEQ_STATUS scan;

	*ncopies = 0;
	if (table.entries == NULL)
		return NULL;
	copies = palloc(sizeof(Entry) * cq_max_views);
	LWLockAcquire(table.lock, LW_SHARED);
	hash_seq_init(&scan, table.entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database != MyDatabaseId || *ncopies >= cq_max_views)
			continue;
		SpinLockAcquire(&entry->mutex);
		copies[(*ncopies)++] = *entry;
		SpinLockRelease(&entry->mutex);
	}
	LWLockRelease(table.lock);
	return copies;
}

/*
 * _cq.stat_relations(): what is known of relations of this database, and the current user may know.
 * Anybody may call it.
 */
Datum
cq_stats_relations(PG_FUNCTION_ARGS)
{
	Entry	   *copies;
	int			ncopies;
	List	   *hidden;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	hidden = views_to_hide();
	copies = copy_entries(&ncopies);
	for (int i = 0; i < ncopies; i++)
	{
		Oid			relation = copies[i].key.relation;
		Visibility	visibility = visibility_of(relation);

		if (visibility != SEES_NOTHING)
			put_entry((ReturnSetInfo *) fcinfo->resultinfo, &copies[i],
					  visibility == SEES_ALL && !list_member_oid(hidden, relation));
	}
	return (Datum) 0;
}

/* _cq.stat_work(): what relations of this database that the current user may know have cost. */
Datum
cq_stats_work(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			ncopies;
	Entry	   *copies;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	copies = copy_entries(&ncopies);
	for (int i = 0; i < ncopies; i++)
	{
		Datum		values[] = {
			ObjectIdGetDatum(copies[i].key.relation),
			Float8GetDatum(copies[i].sum.cpu_ns / 1e6),
			Int64GetDatum(copies[i].sum.commits),
			Int64GetDatum(copies[i].sum.wal_bytes),
		};
		bool		nulls[lengthof(values)] = {false};

		if (cq_stats_may_see(copies[i].key.relation))
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
put_histogram(ReturnSetInfo *result, Oid relation, const char *what, const CqHistogram *histogram)
{
	int64		count = 0;

	for (int i = 0; i < CQ_HISTOGRAM_STEPS; i++)
	{
		Datum		values[] = {
			ObjectIdGetDatum(relation),
			CStringGetTextDatum(what),
			Float8GetDatum(cq_histogram_bound(i)),
			Int64GetDatum(count += histogram->counts[i]),
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* _cq.stat_times(): histograms, of relations that the current user may know. */
Datum
cq_stats_times(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			ncopies;
	Entry	   *copies;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	copies = copy_entries(&ncopies);
	for (int i = 0; i < ncopies; i++)
	{
		Oid			relation = copies[i].key.relation;

		if (!cq_stats_may_see(relation))
			continue;
		put_histogram(result, relation, "batch", &copies[i].batch_times);
		put_histogram(result, relation, "visible", &copies[i].visible_times);
	}
	return (Datum) 0;
}

/* _cq.failing_views(): of those whose numbers the current user may know. Anybody may call it. */
Datum
cq_stats_failing(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			ncopies;
	Entry	   *copies;

	cq_version_require();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	copies = copy_entries(&ncopies);
	for (int i = 0; i < ncopies; i++)
	{
		Datum		value = ObjectIdGetDatum(copies[i].key.relation);
		bool		isnull = false;

		if (fails(&copies[i]) && cq_stats_may_see(copies[i].key.relation))
			tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}

/*
 * cq.stat_reset(view regclass): its owner may; NULL, for all of the database, the database's owner.
 */
Datum
cq_stats_reset(PG_FUNCTION_ARGS)
{
	Oid			view = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	TimestampTz now = GetCurrentTimestamp();
	HASH_SEQ_STATUS scan;
	Entry	   *entry;

	cq_version_require();
	if (OidIsValid(view) && !object_ownercheck(RelationRelationId, view, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(view));
	if (!OidIsValid(view) && !object_ownercheck(DatabaseRelationId, MyDatabaseId, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_DATABASE, get_database_name(MyDatabaseId));
	if (table.entries == NULL)
		PG_RETURN_VOID();
	LWLockAcquire(table.lock, LW_SHARED);
	hash_seq_init(&scan, table.entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database != MyDatabaseId ||
			(OidIsValid(view) && entry->key.relation != view))
			continue;
		SpinLockAcquire(&entry->mutex);
		reset(entry, now);
		SpinLockRelease(&entry->mutex);
	}
	LWLockRelease(table.lock);
	cq_node_stats_reset(view, now);
	PG_RETURN_VOID();
}
