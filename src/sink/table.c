/*
 * table.c
 *		A table as the sink of a view: it gets what is new, what has changed and what is gone, with
 *		its own triggers, defaults and constraints.
 *
 * Rows of a view that only adds are inserted. Other rows are found again by the columns that tell
 * the view's rows apart: an index over them makes that fast. One that is not there, since it is new
 * or somebody else has deleted it, is inserted; one that is new to the view may be there, since the
 * view was reset. Where nothing tells rows apart, one that has the same bytes is taken, and any one
 * if there are several.
 *
 * A stream that is kept in the database takes rows that are added, and with mode upsert others as
 * well: a message without a value says that the row of its key is gone.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/query.h"
#include "catalog/stream.h"
#include "common/name.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "sink/sink.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef struct TableSink
{
	CqChangeReceiver pub;
	const CqSinkTarget *target;
	char	   *name;			/* qualified and quoted */
	/* of a row of the view; each is a parameter, the row before comes behind the row after */
	int			natts;
	Oid		   *types;
	Bitmapset  *compared;		/* columns of the view, from 1, by which its rows are found */
	bool		by_image;		/* and by all of their bytes: only one of those */
	bool		is_upsert;		/* a stream */
	Bitmapset  *message_key;	/* of that: columns of the view that are the message's key */
	SPIPlanPtr	insert;			/* the rest is prepared when it is first needed */
	SPIPlanPtr	update;
	SPIPlanPtr	delete;
	bool		is_connected;	/* to SPI */
	MemoryContext row_context;
} TableSink;

/* The stream, if it is one and takes rows by key; else NULL. */
static CqStream *
upsert_stream(const CqSinkTarget *target)
{
	CqStream   *stream;

	if (target->is_append_only || get_rel_relkind(target->sink) != RELKIND_FOREIGN_TABLE)
		return NULL;
	stream = cq_stream_get(target->sink, target->owner);
	return stream->mode == CQ_MODE_UPSERT && stream->key != InvalidAttrNumber ? stream : NULL;
}

static void
check_stream(const CqSinkTarget *target, Relation sink, const int *map)
{
	const CqStream *stream = upsert_stream(target);

	if (target->is_append_only)
		return;
	if (stream == NULL && target->tells_expired)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("with on_expire = 'delete' rows of the view go, and the sink \"%s\" takes "
						"only rows that are added",
						RelationGetRelationName(sink)),
				 errhint("Leave the option out, or set the sink's option mode to upsert; the "
						 "view's option changes has them themselves in a stream.")));
	if (stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rows of the view change, and the sink \"%s\" takes only rows that are "
						"added",
						RelationGetRelationName(sink)),
				 errhint("Set the view's option emit to close, or its option changes to have the "
						 "changes themselves in a stream; or set the sink's option mode to "
						 "upsert.")));
	if (map[stream->key - 1] == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the view has no column for the key of the sink \"%s\"",
						RelationGetRelationName(sink)),
				 errhint("Name one of its columns \"%s\".",
						 get_attname(target->sink, stream->key, false))));
}

void
cq_table_sink_check(const CqSinkTarget *target)
{
	Relation	sink = table_open(target->sink, AccessShareLock);
	bool		is_stream = sink->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
	AclMode		needed = target->is_append_only || is_stream ? ACL_INSERT :
		ACL_INSERT | ACL_UPDATE | ACL_DELETE | ACL_SELECT;
	const int  *map;
	AclResult	result = pg_class_aclmask(target->sink, target->owner, needed,
										  ACLMASK_ALL) == needed ? ACLCHECK_OK : ACLCHECK_NO_PRIV;

	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(sink->rd_rel->relkind),
					   RelationGetRelationName(sink));
	if (sink->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the sink of a continuous view cannot be temporary")));
	map = cq_mapping_map(target->sink, RelationGetDescr(sink), target->row);
	if (is_stream)
		check_stream(target, sink, map);
	table_close(sink, NoLock);
}

/* ---- statements ---- */

static const char *
column_name(const TableSink *sink, int column)
{
	return quote_identifier(NameStr(TupleDescAttr(sink->target->row, column)->attname));
}

/* "a, b, c", "$1, $2, $3", or both: "a = $1, b = $2, c = $3". */
static void
append_columns(const TableSink *sink, StringInfo statement, bool with_name, bool with_value)
{
	for (int i = 0; i < sink->natts; i++)
	{
		appendStringInfoString(statement, i > 0 ? ", " : "");
		if (with_name)
			appendStringInfoString(statement, column_name(sink, i));
		if (with_name && with_value)
			appendStringInfoString(statement, " = ");
		if (with_value)
			appendStringInfo(statement, "$%d", i + 1);
	}
}

/* The operator by which groups are the same, with its schema. */
static char *
equality(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID,
										ObjectIdGetDatum(lookup_type_cache(type,
																		   TYPECACHE_EQ_OPR)->eq_opr));
	Form_pg_operator operator;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("type %s has no operator for equality", format_type_be(type))));
	operator = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(operator->oprnamespace)),
					NameStr(operator->oprname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * The collation by which the view tells the column's values apart, where the sink's own might do
 * it in another way, as " COLLATE …"; else nothing, so that an index of the sink's can serve.
 */
static char *
collation(const TableSink *sink, int column)
{
	Oid			wanted = TupleDescAttr(sink->target->row, column)->attcollation;
	AttrNumber	attno = get_attnum(sink->target->sink,
								   NameStr(TupleDescAttr(sink->target->row, column)->attname));
	Oid			type;
	int32		typmod;
	Oid			found;
	HeapTuple	tuple;
	Form_pg_collation row;
	char	   *clause;

	get_atttypetypmodcoll(sink->target->sink, attno, &type, &typmod, &found);
	if (wanted == found || !OidIsValid(wanted) ||
		(get_collation_isdeterministic(wanted) && get_collation_isdeterministic(found)))
		return "";
	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(wanted));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("collation with OID %u does not exist", wanted)));
	row = (Form_pg_collation) GETSTRUCT(tuple);
	clause = psprintf(" COLLATE %s",
					  quote_qualified_identifier(get_namespace_name(row->collnamespace),
												 NameStr(row->collname)));
	ReleaseSysCache(tuple);
	return clause;
}

/*
 * Which row it was: by the view's own equality, with an operator that an index can serve. A row
 * of nulls is no null, though IS NULL would take it for one.
 */
static void
append_condition(const TableSink *sink, StringInfo statement, const Bitmapset *nulls)
{
	const char *separator = " WHERE ";
	int			column = -1;

	while ((column = bms_next_member(sink->compared, column)) >= 0)
	{
		const char *name = column_name(sink, column - 1);

		if (bms_is_member(column, nulls) && type_is_rowtype(sink->types[column - 1]))
			appendStringInfo(statement, "%spg_catalog.num_nulls(%s) OPERATOR(pg_catalog.=) 1",
							 separator, name);
		else if (bms_is_member(column, nulls))
			appendStringInfo(statement, "%s%s IS NULL", separator, name);
		else
			appendStringInfo(statement, "%s%s %s $%d%s", separator, name,
							 equality(sink->types[column - 1]),
							 sink->natts + column, collation(sink, column - 1));
		separator = " AND ";
	}
}

/* That, or the place of one row with the same bytes. */
static void
append_search(const TableSink *sink, StringInfo statement, const Bitmapset *nulls)
{
	if (!sink->by_image)
	{
		append_condition(sink, statement, nulls);
		return;
	}
	appendStringInfo(statement, " WHERE (tableoid, ctid) OPERATOR(pg_catalog.=) "
					 "(SELECT tableoid, ctid FROM %s", sink->name);
	append_condition(sink, statement, nulls);
	appendStringInfo(statement, "%spg_catalog.record_image_eq(ROW(",
					 sink->compared != NULL ? " AND " : " WHERE ");
	append_columns(sink, statement, true, false);
	appendStringInfoString(statement, "), ROW(");
	for (int i = 0; i < sink->natts; i++)
		appendStringInfo(statement, "%s$%d", i > 0 ? ", " : "", sink->natts + i + 1);
	appendStringInfoString(statement, ")) LIMIT 1)");
}

static char *
insert_statement(const TableSink *sink)
{
	StringInfoData statement;

	initStringInfo(&statement);
	appendStringInfo(&statement, "INSERT INTO %s (", sink->name);
	append_columns(sink, &statement, true, false);
	appendStringInfoString(&statement, ") VALUES (");
	append_columns(sink, &statement, false, true);
	appendStringInfoChar(&statement, ')');
	return statement.data;
}

static char *
update_statement(const TableSink *sink, const Bitmapset *nulls)
{
	StringInfoData statement;

	initStringInfo(&statement);
	appendStringInfo(&statement, "UPDATE %s SET ", sink->name);
	append_columns(sink, &statement, true, true);
	append_search(sink, &statement, nulls);
	return statement.data;
}

static char *
delete_statement(const TableSink *sink, const Bitmapset *nulls)
{
	StringInfoData statement;

	initStringInfo(&statement);
	appendStringInfo(&statement, "DELETE FROM %s", sink->name);
	append_search(sink, &statement, nulls);
	return statement.data;
}

/* ---- running them ---- */

static SPIPlanPtr
prepare_statement(const TableSink *sink, const char *statement)
{
	return cq_query_prepare(statement, sink->natts * 2, sink->types);
}

/* The columns of the key that are null, as they are in the view's key. */
static Bitmapset *
null_keys(const TableSink *sink, const TupleTableSlot *row)
{
	Bitmapset  *nulls = NULL;
	int			column = -1;

	while ((column = bms_next_member(sink->compared, column)) >= 0)
	{
		if (row->tts_isnull[column - 1])
			nulls = bms_add_member(nulls, column);
	}
	return nulls;
}

static void
fill_half(const TableSink *sink, TupleTableSlot *row, int half, Datum *values, char *nulls)
{
	for (int i = 0; i < sink->natts; i++)
	{
		int			n = half * sink->natts + i;

		nulls[n] = row == NULL || row->tts_isnull[i] ? 'n' : ' ';
		values[n] = row ? row->tts_values[i] : (Datum) 0;
	}
}

/* How many rows it was for. */
static uint64
execute_for_row(const TableSink *sink, SPIPlanPtr plan, TupleTableSlot *before,
				TupleTableSlot *after)
{
	Datum	   *values = palloc(sizeof(Datum) * sink->natts * 2);
	char	   *nulls = palloc(sink->natts * 2);

	fill_half(sink, after, 0, values, nulls);
	fill_half(sink, before, 1, values, nulls);
	if (SPI_execute_plan(plan, values, nulls, false, 0) < 0)
		elog(ERROR, "could not write to %s: %s", sink->name, SPI_result_code_string(SPI_result));
	return SPI_processed;
}

/*
 * The row before says which. With a key that is null the statement is another one, made for this
 * row alone.
 */
static uint64
execute_by_key(const TableSink *sink, SPIPlanPtr *plan,
			   char *(*statement) (const TableSink *, const Bitmapset *),
			   TupleTableSlot *before, TupleTableSlot *after)
{
	Bitmapset  *nulls = null_keys(sink, before);
	SPIPlanPtr	special;
	uint64		nrows;

	if (nulls == NULL)
	{
		if (*plan == NULL)
			*plan = prepare_statement(sink, statement(sink, NULL));
		return execute_for_row(sink, *plan, before, after);
	}
	special = prepare_statement(sink, statement(sink, nulls));
	nrows = execute_for_row(sink, special, before, after);
	SPI_freeplan(special);
	return nrows;
}

static void
insert_row(TableSink *sink, TupleTableSlot *row)
{
	if (sink->insert == NULL)
		sink->insert = prepare_statement(sink, insert_statement(sink));
	(void) execute_for_row(sink, sink->insert, NULL, row);
}

/* What is not the key becomes null. */
static void
insert_tombstone(TableSink *sink, TupleTableSlot *row)
{
	for (int i = 0; i < sink->natts; i++)
		row->tts_isnull[i] |= !bms_is_member(i + 1, sink->message_key);
	insert_row(sink, row);
}

static void
change_row(TableSink *sink, TupleTableSlot *before, TupleTableSlot *after)
{
	bool		is_new = sink->by_image && before == NULL;

	if (is_new || execute_by_key(sink, &sink->update, update_statement,
								 before ? before : after, after) == 0)
		insert_row(sink, after);
}

static void
write_to_table(CqChangeReceiver *self, TupleTableSlot *before, TupleTableSlot *after)
{
	TableSink  *sink = (TableSink *) self;
	MemoryContext caller = CurrentMemoryContext;

	if (!sink->is_connected)
		SPI_connect();
	sink->is_connected = true;
	MemoryContextSwitchTo(sink->row_context);
	if (after == NULL && sink->is_upsert)
		insert_tombstone(sink, before);
	else if (after == NULL)
		(void) execute_by_key(sink, &sink->delete, delete_statement, before, NULL);
	else if (sink->target->is_append_only || sink->is_upsert)
		insert_row(sink, after);
	else
		change_row(sink, before, after);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(sink->row_context);
}

static void
finish_table(CqChangeReceiver *self)
{
	if (((TableSink *) self)->is_connected)
		SPI_finish();
}

/* All that have an equality; the others are compared by their bytes alone. */
static Bitmapset *
comparable_columns(const TableSink *sink)
{
	Bitmapset  *columns = NULL;

	for (int i = 0; i < sink->natts; i++)
	{
		if (OidIsValid(lookup_type_cache(sink->types[i], TYPECACHE_EQ_OPR)->eq_opr))
			columns = bms_add_member(columns, i + 1);
	}
	return columns;
}

static void
choose_search(TableSink *sink)
{
	const CqSinkTarget *target = sink->target;
	const CqStream *stream = upsert_stream(target);

	sink->by_image = target->key == NULL;
	sink->compared = sink->by_image ? comparable_columns(sink) : target->key;
	sink->is_upsert = stream != NULL;
	for (int i = 0; stream != NULL && i < sink->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(target->row, i)->attname);

		if (get_attnum(target->sink, name) == stream->key)
			sink->message_key = bms_make_singleton(i + 1);
	}
}

CqChangeReceiver *
cq_table_sink_open(const CqSinkTarget *target)
{
	TableSink  *sink = palloc0(sizeof(TableSink));

	cq_table_sink_check(target);
	sink->pub.take = write_to_table;
	sink->pub.finish = finish_table;
	sink->target = target;
	sink->name = cq_name_qualified(target->sink);
	sink->natts = target->row->natts;
	sink->types = palloc(sizeof(Oid) * sink->natts * 2);
	for (int i = 0; i < sink->natts; i++)
		sink->types[i] = sink->types[sink->natts + i] = TupleDescAttr(target->row, i)->atttypid;
	choose_search(sink);
	sink->row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq table sink",
											  ALLOCSET_SMALL_SIZES);
	return &sink->pub;
}
