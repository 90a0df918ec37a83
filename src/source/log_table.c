/*
 * log_table.c
 *		The table behind a stream that is kept in this database: finds it, makes it, empties it.
 *
 * It is made by the first write, not by CREATE FOREIGN TABLE, so that a dump, which has both, can be restored. It is an ordinary
 * table of the stream's owner in schema _cq, made with the rights of the extension's owner, since who writes first need not be
 * allowed to make tables. _cq.log tells which stream it belongs to; a trigger there makes it a part of the stream, so
 * that DROP FOREIGN TABLE drops it.
 *
 * A row's value is a composite of the stream's own row type: so columns can be added, dropped and renamed as for any
 * foreign table, and a dump carries the rows by themselves. The server refuses to change a column's type while the row type is in use.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "source/log.h"
#include "source/log_table.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Columns of _cq.log. */
enum
{
	ANUM_STREAM = 1,
	ANUM_LOG,
	ANUM_BEGIN,
	NCOLUMNS = ANUM_BEGIN
};

PG_FUNCTION_INFO_V1(cq_log_adopt);

static Relation
open_catalog(LOCKMODE mode)
{
	Oid			schema = get_namespace_oid("_cq", false);

	return table_open(get_relname_relid("log", schema), mode);
}

/* A scan of _cq.log for the row of stream. */
static SysScanDesc
begin_lookup(Relation catalog, Oid stream)
{
	ScanKeyData key;

	ScanKeyInit(&key, ANUM_STREAM, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(stream));
	return systable_beginscan(catalog, cq_compat_primary_key(catalog), true, NULL, 1, &key);
}

bool
cq_log_table_find(Oid stream, CqLogTable *table)
{
	Relation	catalog = open_catalog(AccessShareLock);
	SysScanDesc scan = begin_lookup(catalog, stream);
	HeapTuple	tuple = systable_getnext(scan);
	bool		is_found = HeapTupleIsValid(tuple);

	if (is_found)
	{
		Datum		values[NCOLUMNS];
		bool		nulls[NCOLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
		table->stream = stream;
		table->relid = DatumGetObjectId(values[ANUM_LOG - 1]);
		table->begin = DatumGetInt64(values[ANUM_BEGIN - 1]);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return is_found;
}

void
cq_log_table_set_begin(Oid stream, int64 begin)
{
	Relation	catalog = open_catalog(RowExclusiveLock);
	SysScanDesc scan = begin_lookup(catalog, stream);
	HeapTuple	tuple = systable_getnext(scan);
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS] = {false};
	bool		replaced[NCOLUMNS] = {false};

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "no log for stream %u", stream);
	values[ANUM_BEGIN - 1] = Int64GetDatum(begin);
	replaced[ANUM_BEGIN - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replaced);
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
}

/* Runs commands as user; what they name must be qualified, whatever search_path says. */
static void
run_as(Oid user, const char *commands)
{
	Oid			caller;
	int			context;

	GetUserIdAndSecContext(&caller, &context);
	SetUserIdAndSecContext(user, context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	SPI_execute(commands, false, 0);
	SPI_finish();
	SetUserIdAndSecContext(caller, context);
}

static Oid
owner_of_schema(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

static Oid
owner_of_relation(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static const char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

static void
create_table(Oid stream)
{
	Oid			schema = get_namespace_oid("_cq", false);
	char	   *name = ChooseRelationName(get_rel_name(stream), NULL, "log", schema, false);
	const char *table = quote_qualified_identifier("_cq", name);
	const char *owner = quote_identifier(GetUserNameFromId(owner_of_relation(stream), false));

	run_as(owner_of_schema(schema),
		   psprintf("CREATE TABLE %s ("
					" \"offset\" pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY (MINVALUE 0 START 0) PRIMARY KEY,"
					" at pg_catalog.timestamptz NOT NULL,"
					" key pg_catalog.bytea,"
					" headers pg_catalog.jsonb,"
					" value %s) USING heap;"
					"ALTER TABLE %s OWNER TO %s;"
					"INSERT INTO _cq.log (stream, log) VALUES (%u, %s)",
					table, qualified_name(stream), table, owner,
					stream, quote_literal_cstr(table)));
}

void
cq_log_table_ensure(Oid stream, CqLogTable *table)
{
	if (cq_log_table_find(stream, table))
		return;
	/* To the end of the transaction: before that, others would not see what is made here. */
	LockRelationOid(stream, ShareUpdateExclusiveLock);
	if (cq_log_table_find(stream, table))
		return;
	create_table(stream);
	CommandCounterIncrement();
	if (!cq_log_table_find(stream, table))
		elog(ERROR, "no log for stream %u", stream);
}

static void
raise_altered(Relation relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" cannot be used as the log of a stream", RelationGetRelationName(relation)),
			 errdetail("Its columns or its primary key have been altered.")));
}

Relation
cq_log_table_open(const CqLogTable *table, LOCKMODE mode)
{
	Relation	relation = table_open(table->relid, mode);
	TupleDesc	descriptor = RelationGetDescr(relation);
	const Oid	types[CQ_LOG_NCOLUMNS] = {
		INT8OID, TIMESTAMPTZOID, BYTEAOID, JSONBOID, get_rel_type_id(table->stream)
	};

	if (descriptor->natts < CQ_LOG_NCOLUMNS)
		raise_altered(relation);
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (i < CQ_LOG_NCOLUMNS ? attribute->atttypid != types[i] : !attribute->attisdropped)
			raise_altered(relation);
	}
	return relation;
}

Relation
cq_log_table_open_index(Relation relation, LOCKMODE mode)
{
	Oid			relid = cq_compat_primary_key(relation);
	Relation	index;

	if (!OidIsValid(relid))
		raise_altered(relation);
	index = index_open(relid, mode);
	if (index->rd_index->indnatts != 1 || index->rd_index->indkey.values[0] != CQ_LOG_OFFSET)
		raise_altered(relation);
	return index;
}

/* Trigger of _cq.log, for a new row, be it made here or restored from a dump: the log becomes a part of its stream. */
Datum
cq_log_adopt(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	descriptor;
	ObjectAddress log;
	ObjectAddress stream;
	bool		is_null;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger", "_cq.log_adopt")));
	descriptor = RelationGetDescr(trigger->tg_relation);
	ObjectAddressSet(log, RelationRelationId,
					 DatumGetObjectId(heap_getattr(trigger->tg_trigtuple, ANUM_LOG, descriptor, &is_null)));
	ObjectAddressSet(stream, RelationRelationId,
					 DatumGetObjectId(heap_getattr(trigger->tg_trigtuple, ANUM_STREAM, descriptor, &is_null)));
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(log.objectId)) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(stream.objectId)))
		recordDependencyOn(&log, &stream, DEPENDENCY_INTERNAL);
	return PointerGetDatum(NULL);
}

Oid
cq_log_table_sequence(Oid relid)
{
	return cq_compat_identity_sequence(relid, CQ_LOG_OFFSET);
}

/* Reads the sequence itself: who may read a stream need not have a right to its sequence. */
int64
cq_log_table_end(Oid relid)
{
	Relation	sequence = relation_open(cq_log_table_sequence(relid), AccessShareLock);
	Buffer		buffer = ReadBuffer(sequence, 0);
	Page		page;
	HeapTupleHeader tuple;
	Form_pg_sequence_data place;
	int64		end;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	tuple = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
	place = (Form_pg_sequence_data) ((char *) tuple + tuple->t_hoff);
	end = place->is_called ? place->last_value + 1 : place->last_value;
	UnlockReleaseBuffer(buffer);
	relation_close(sequence, AccessShareLock);
	return end;
}

bool
cq_log_lock(Oid relid, CqLogLock lock, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, relid, 0, lock);
	return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
cq_log_unlock(Oid relid, CqLogLock lock, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, relid, 0, lock);
	LockRelease(&tag, mode, false);
}

void
cq_log_truncate(Oid stream)
{
	CqLogTable	table;

	if (!cq_log_table_find(stream, &table))
		return;
	run_as(owner_of_relation(table.relid), psprintf("TRUNCATE %s", qualified_name(table.relid)));
	cq_log_table_set_begin(stream, cq_log_table_end(table.relid));
}
