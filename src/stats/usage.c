/*
 * usage.c
 *		What each view has used: see usage.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/clock.h"
#include "common/version.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "stats/meter.h"
#include "stats/shared_table.h"
#include "stats/stats.h"
#include "stats/usage.h"
#include "storage/spin.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#define IDLE_MS 60000			/* between the times that what is nobody's is written down */

typedef struct Entry
{
	CqSharedKey key;
	slock_t		mutex;
	CqUsage		usage;
} Entry;

PG_FUNCTION_INFO_V1(cq_usage_write);
PG_FUNCTION_INFO_V1(cq_usage_pending);

static void
revive(void *entry)
{
	SpinLockInit(&((Entry *) entry)->mutex);
}

static CqSharedTable table = {
	.name = "pg_cq_usage", .entry_size = sizeof(Entry), .revive = revive
};

static bool is_charged = false;	/* this process */

void
cq_usage_init(void)
{
	cq_shared_table_request(&table);
}

static void
add_to(CqUsage *sum, const CqUsage *usage)
{
	sum->cpu_ns += usage->cpu_ns;
	sum->rows += usage->rows;
	sum->bytes_in += usage->bytes_in;
	sum->bytes_out += usage->bytes_out;
	sum->wal_bytes += usage->wal_bytes;
}

/* False where there is no entry. */
static bool
add_if_there(const CqSharedKey *key, const CqUsage *usage)
{
	Entry	   *entry;

	LWLockAcquire(table.lock, LW_SHARED);
	entry = hash_search(table.entries, key, HASH_FIND, NULL);
	if (entry != NULL)
	{
		SpinLockAcquire(&entry->mutex);
		add_to(&entry->usage, usage);
		SpinLockRelease(&entry->mutex);
	}
	LWLockRelease(table.lock);
	return entry != NULL;
}

/* False where there is no room. */
static bool
make_entry(const CqSharedKey *key)
{
	Entry	   *entry;
	bool		found;

	LWLockAcquire(table.lock, LW_EXCLUSIVE);
	entry = hash_search(table.entries, key, HASH_ENTER_NULL, &found);
	if (entry != NULL && !found)
	{
		SpinLockInit(&entry->mutex);
		memset(&entry->usage, 0, sizeof(CqUsage));
	}
	LWLockRelease(table.lock);
	return entry != NULL;
}

/* Views for which there is no room are nobody in particular. */
void
cq_usage_add(Oid view, const CqUsage *usage)
{
	CqSharedKey key = {MyDatabaseId, view};

	if (table.entries == NULL || !OidIsValid(MyDatabaseId))
		return;
	/* Between the two the keeper may take it away. */
	while (!add_if_there(&key, usage))
	{
		if (make_entry(&key))
			continue;
		cq_shared_table_tell_full(&table);
		if (!OidIsValid(key.relation))
			return;
		key.relation = InvalidOid;
	}
}

void
cq_usage_begin(void)
{
	is_charged = true;
}

void
cq_usage_charge(Oid view)
{
	CqMeter		used;
	CqUsage		usage = {0};

	if (!is_charged)
		return;
	used = cq_meter_take();
	usage.cpu_ns = used.cpu_ns;
	usage.wal_bytes = used.wal_bytes;
	cq_usage_add(view, &usage);
}

/* ---- writing it down ---- */

/* Of this database, has any view used something? */
static bool
has_views(void)
{
	HASH_SEQ_STATUS scan;
	const Entry *entry;
	bool		found = false;

	LWLockAcquire(table.lock, LW_SHARED);
	hash_seq_init(&scan, table.entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
		found |= entry->key.database == MyDatabaseId && OidIsValid(entry->key.relation);
	LWLockRelease(table.lock);
	return found;
}

/* The keeper of a database in which nothing happens does not write all the time. */
static bool
can_wait(void)
{
	static TimestampTz next = 0;
	TimestampTz now = cq_clock_real_monotonic();

	if (is_charged && now < next && !has_views())
		return true;
	next = TimestampTzPlusMilliseconds(now, IDLE_MS);
	return false;
}

/* All entries of this database, of Entry *; takes: they go. */
static List *
copy_entries(bool takes)
{
	HASH_SEQ_STATUS scan;
	Entry	   *entry;
	List	   *copies = NIL;

	/* Nobody adds to one meanwhile. */
	LWLockAcquire(table.lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, table.entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database != MyDatabaseId)
			continue;
		copies = lappend(copies, memcpy(palloc(sizeof(Entry)), entry, sizeof(Entry)));
		if (takes)
			hash_search(table.entries, &entry->key, HASH_REMOVE, NULL);
	}
	if (takes)
		*table.was_full = false;
	LWLockRelease(table.lock);
	return copies;
}

/* One of the figures of all entries, as an array of bigint. */
static Datum
figures_of(const List *entries, Size offset)
{
	Datum	   *figures = palloc(sizeof(Datum) * list_length(entries));
	ListCell   *cell;

	foreach(cell, entries)
	{
		const char *usage = (const char *) &((const Entry *) lfirst(cell))->usage;

		figures[foreach_current_index(cell)] = Int64GetDatum(*(const int64 *) (usage + offset));
	}
	return PointerGetDatum(construct_array(figures, list_length(entries), INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
views_of(const List *entries)
{
	Datum	   *views = palloc(sizeof(Datum) * list_length(entries));
	ListCell   *cell;

	foreach(cell, entries)
		views[foreach_current_index(cell)] =
			ObjectIdGetDatum(((const Entry *) lfirst(cell))->key.relation);
	return PointerGetDatum(construct_array(views, list_length(entries), OIDOID, sizeof(Oid), true,
										   TYPALIGN_INT));
}

static void
write_entries(const List *entries)
{
	static const char write[] = "SELECT _cq.note_usage($1, $2, $3, $4, $5, $6)";
	Oid			types[] = {
		OIDARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID
	};
	Datum		args[] = {
		views_of(entries),
		figures_of(entries, offsetof(CqUsage, cpu_ns)),
		figures_of(entries, offsetof(CqUsage, rows)),
		figures_of(entries, offsetof(CqUsage, bytes_in)),
		figures_of(entries, offsetof(CqUsage, bytes_out)),
		figures_of(entries, offsetof(CqUsage, wal_bytes)),
	};

	SPI_connect();
	if (SPI_execute_with_args(write, lengthof(types), types, args, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not write down what was used");
	SPI_finish();
}

/* _cq.write_usage(): writes down what was used; of how many views. */
Datum
cq_usage_write(PG_FUNCTION_ARGS)
{
	List	   *volatile taken;
	ListCell   *cell;

	cq_version_require();
	if (table.entries == NULL || can_wait())
		PG_RETURN_INT64(0);
	taken = copy_entries(true);
	PG_TRY();
	{
		write_entries(taken);
	}
	PG_CATCH();
	{
		/* Another time. */
		foreach(cell, taken)
			cq_usage_add(((const Entry *) lfirst(cell))->key.relation,
						 &((const Entry *) lfirst(cell))->usage);
		PG_RE_THROW();
	}
	PG_END_TRY();
	PG_RETURN_INT64(list_length(taken));
}

/*
 * _cq.usage_pending(): of views that the current user may know, what has not been written down yet.
 * Anybody may call it.
 */
Datum
cq_usage_pending(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, table.entries != NULL ? copy_entries(false) : NIL)
	{
		const Entry *entry = lfirst(cell);
		Datum		values[] = {
			ObjectIdGetDatum(entry->key.relation),
			Float8GetDatum(entry->usage.cpu_ns / 1e9),
			Int64GetDatum(entry->usage.rows),
			Int64GetDatum(entry->usage.bytes_out)
		};
		bool		nulls[lengthof(values)] = {false};

		if (superuser() || cq_stats_may_see(entry->key.relation))
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
