/*
 * view.c
 *		Rows of _cq.view.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/input.h"
#include "catalog/namespace.h"
#include "catalog/node.h"
#include "catalog/part.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/reads.h"
#include "catalog/view.h"
#include "common/owner.h"
#include "common/version.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* Columns of _cq.view, as in schema/catalog.sql. */
enum
{
	VIEW_VIEW = 1,
	/* null, as are STATE, STREAM, IS_STARTED, RESULT, OUTBOX and CHANGES: */
	VIEW_DEFINITION,
	VIEW_STATE,					/* see _cq.input and _cq.part */
	VIEW_STREAM,
	VIEW_STATUS,
	VIEW_STATUS_DETAIL,
	VIEW_ON_ERROR,
	VIEW_START,
	VIEW_RETENTION,
	VIEW_SETTINGS,
	VIEW_CREATED_AT,
	VIEW_IS_STARTED,
	VIEW_EMIT,
	VIEW_WATERMARK,
	VIEW_ALLOWED_LATENESS,
	VIEW_LATE,
	VIEW_RESULT,
	VIEW_SINK,
	VIEW_OUTBOX,
	VIEW_NOTIFY,
	VIEW_TELLS_CHANGES,
	VIEW_CHANGES,
	VIEW_STEPS_KEPT,
	VIEW_EXPIRES,
	VIEW_RETENTION_BY,
	VIEW_QUERY,
	VIEW_CREATED_START,
	VIEW_ON_EXPIRE,
	VIEW_MAX_ERROR_RATE,
	VIEW_POOL,
	VIEW_MAX_DRIFT,
	VIEW_NATTS = VIEW_MAX_DRIFT
};

static Oid
catalog_relation(const char *name)
{
	Oid			schema = get_namespace_oid("_cq", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* Calls for the row of relid; the tuple is valid until end_row. */
typedef struct RowScan
{
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;
} RowScan;

static bool
begin_row(RowScan *row, Oid relid, LOCKMODE lockmode)
{
	Oid			catalog = catalog_relation("view");
	ScanKeyData key;

	row->tuple = NULL;
	row->relation = NULL;
	if (!OidIsValid(catalog))
		return false;
	row->relation = table_open(catalog, lockmode);
	ScanKeyInit(&key, VIEW_VIEW, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	row->scan = systable_beginscan(row->relation, catalog_relation("view_pkey"), true, NULL, 1,
								   &key);
	row->tuple = systable_getnext(row->scan);
	return HeapTupleIsValid(row->tuple);
}

static void
end_row(RowScan *row)
{
	if (row->relation == NULL)
		return;
	systable_endscan(row->scan);
	table_close(row->relation, NoLock);
}

bool
cq_view_is(Oid relid)
{
	RowScan		row;
	bool		found = begin_row(&row, relid, AccessShareLock);

	end_row(&row);
	return found;
}

static List *
strings_of_array(Datum array)
{
	Datum	   *elements;
	int			nelements;
	List	   *strings = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &nelements);
	for (int i = 0; i < nelements; i++)
		strings = lappend(strings, TextDatumGetCString(elements[i]));
	return strings;
}

static Datum
array_of_strings(const List *strings)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(strings), 1));
	ListCell   *cell;

	foreach(cell, strings)
		elements[foreach_current_index(cell)] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(elements, list_length(strings), TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* Of CqExpiry. */
static const char *const expiry_names[] = {"nothing", "rows", "groups", "windows", "results"};

static CqExpiry
expiry_named(const char *name)
{
	int			i = lengthof(expiry_names) - 1;

	while (i > 0 && strcmp(expiry_names[i], name) != 0)
		i--;
	return (CqExpiry) i;
}

/* Such intervals have no months. */
static int64
microseconds_of(Datum interval)
{
	const Interval *value = DatumGetIntervalP(interval);

	return value->day * USECS_PER_DAY + value->time;
}

static Datum
interval_of(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

Oid
cq_view_only_stream(const CqView *view)
{
	if (list_length(view->streams) != 1)
		elog(ERROR, "continuous view %u has %d streams instead of one", view->view,
			 list_length(view->streams));
	return linitial_oid(view->streams);
}

char *
cq_view_stream_names(const CqView *view)
{
	const List *read = view->streams != NIL ? view->streams : view->named;
	int			n = list_length(read);
	StringInfoData names;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, read)
	{
		int			i = foreach_current_index(cell);

		appendStringInfo(&names, "%s\"%s\"", i == 0 ? "" : i == n - 1 ? " and " : ", ",
						 get_rel_name(lfirst_oid(cell)));
	}
	return names.data;
}

bool
cq_view_streams_are_readable(const CqView *view, Oid user)
{
	ListCell   *cell;

	foreach(cell, list_concat_copy(view->streams, view->named))
	{
		if (pg_class_aclcheck(lfirst_oid(cell), user, ACL_SELECT) != ACLCHECK_OK)
			return false;
	}
	return true;
}

Oid
cq_view_table(const CqView *view)
{
	return OidIsValid(view->result) ? view->result : view->state;
}

/* The parts of the root that a view may have, by the field that has them. */
static const struct
{
	char	   *role;
	size_t		field;
}			root_parts[] =
{
	{CQ_PART_DEFINITION, offsetof(CqView, definition)},
	{CQ_PART_STATE, offsetof(CqView, state)},
	{CQ_PART_RESULT, offsetof(CqView, result)},
	{CQ_PART_OUTBOX, offsetof(CqView, outbox)},
	{CQ_PART_CHANGES, offsetof(CqView, changes)}
};

static void
get_parts(CqView *view)
{
	ListCell   *cell;

	foreach(cell, cq_part_list(view->view))
	{
		const CqPart *part = lfirst(cell);

		for (int i = 0; part->node == 0 && i < (int) lengthof(root_parts); i++)
		{
			if (strcmp(root_parts[i].role, part->role) == 0)
				*(Oid *) ((char *) view + root_parts[i].field) = part->relation;
		}
	}
}

/* Its streams, the root, and the root's parts. */
static void
insert_belongings(const CqView *view)
{
	CqNodeRow	root = {.kind = "root", .fingerprint = view->fingerprint};

	cq_input_insert(view->view, view->streams);
	cq_reads_insert(view->view, view->named);
	cq_node_insert(view->view, &root);
	for (int i = 0; i < (int) lengthof(root_parts); i++)
	{
		CqPart		part = {
			.relation = *(const Oid *) ((const char *) view + root_parts[i].field),
			.role = root_parts[i].role, .number = 1
		};

		if (OidIsValid(part.relation))
			cq_part_insert(view->view, &part);
	}
}

CqView *
cq_view_get(Oid relid)
{
	RowScan		row;
	CqView	   *view = NULL;
	ListCell   *cell;

	if (begin_row(&row, relid, AccessShareLock))
	{
		Datum		values[VIEW_NATTS];
		bool		nulls[VIEW_NATTS];

		cq_version_require();
		cq_version_deform(row.tuple, RelationGetDescr(row.relation), VIEW_NATTS, values, nulls);
		view = palloc0(sizeof(CqView));
		view->view = relid;
		view->status = TextDatumGetCString(values[VIEW_STATUS - 1]);
		if (!nulls[VIEW_STATUS_DETAIL - 1])
			view->status_detail = TextDatumGetCString(values[VIEW_STATUS_DETAIL - 1]);
		view->pause_on_error = strcmp(TextDatumGetCString(values[VIEW_ON_ERROR - 1]), "pause") == 0;
		view->start = TextDatumGetCString(values[VIEW_START - 1]);
		if (!nulls[VIEW_RETENTION - 1])
		{
			view->retention = palloc(sizeof(Interval));
			*view->retention = *DatumGetIntervalP(values[VIEW_RETENTION - 1]);
		}
		view->emits_on_close = strcmp(TextDatumGetCString(values[VIEW_EMIT - 1]), "close") == 0;
		view->watermark_delay = nulls[VIEW_WATERMARK - 1] ? -1 :
			microseconds_of(values[VIEW_WATERMARK - 1]);
		view->allowed_lateness = nulls[VIEW_ALLOWED_LATENESS - 1] ? 0 :
			microseconds_of(values[VIEW_ALLOWED_LATENESS - 1]);
		view->keeps_late = strcmp(TextDatumGetCString(values[VIEW_LATE - 1]), "keep") == 0;
		view->amends_late = strcmp(TextDatumGetCString(values[VIEW_LATE - 1]), "amend") == 0;
		view->tells_expired = !nulls[VIEW_ON_EXPIRE - 1] &&
			strcmp(TextDatumGetCString(values[VIEW_ON_EXPIRE - 1]), "delete") == 0;
		view->sink = nulls[VIEW_SINK - 1] ? InvalidOid : DatumGetObjectId(values[VIEW_SINK - 1]);
		view->notify = nulls[VIEW_NOTIFY - 1] ? NULL : TextDatumGetCString(values[VIEW_NOTIFY - 1]);
		view->tells_changes = DatumGetBool(values[VIEW_TELLS_CHANGES - 1]);
		view->steps_kept = nulls[VIEW_STEPS_KEPT - 1] ? -1 :
			microseconds_of(values[VIEW_STEPS_KEPT - 1]);
		if (!nulls[VIEW_EXPIRES - 1])
			view->expiry = expiry_named(TextDatumGetCString(values[VIEW_EXPIRES - 1]));
		view->expires_by_event_time = !nulls[VIEW_RETENTION_BY - 1] &&
			strcmp(TextDatumGetCString(values[VIEW_RETENTION_BY - 1]), "event_time") == 0;
		view->settings = strings_of_array(values[VIEW_SETTINGS - 1]);
		if (!nulls[VIEW_QUERY - 1])
			view->query = TextDatumGetCString(values[VIEW_QUERY - 1]);
		if (!nulls[VIEW_CREATED_START - 1])
			view->created_start = TextDatumGetCString(values[VIEW_CREATED_START - 1]);
		view->max_error_rate = nulls[VIEW_MAX_ERROR_RATE - 1] ? 1 :
			DatumGetFloat8(values[VIEW_MAX_ERROR_RATE - 1]);
		if (!nulls[VIEW_POOL - 1])
			view->pool = TextDatumGetCString(values[VIEW_POOL - 1]);
		view->max_drift = nulls[VIEW_MAX_DRIFT - 1] ? -1 :
			microseconds_of(values[VIEW_MAX_DRIFT - 1]);
		view->is_changed_here =
			TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(row.tuple->t_data));
	}
	end_row(&row);
	if (view != NULL)
	{
		view->streams = cq_input_list(relid, &view->is_started);
		view->named = cq_reads_list(relid);
		view->is_started |= view->streams == NIL && view->named != NIL;
		foreach(cell, view->named)
			view->maintains_tables |= !cq_view_is(lfirst_oid(cell));
		get_parts(view);
	}
	return view;
}

CqView *
cq_view_require(Oid relid)
{
	CqView	   *view = cq_view_get(relid);
	char	   *name = view == NULL ? get_rel_name(relid) : NULL;

	if (name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a continuous view", name)));
	if (view == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return view;
}

CqView *
cq_view_require_readable(Oid relid)
{
	CqView	   *view = cq_view_require(relid);
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_VIEW, get_rel_name(relid));
	return view;
}

static void
view_values(const CqView *view, Datum *values, bool *nulls)
{
	memset(values, 0, sizeof(Datum) * VIEW_NATTS);
	memset(nulls, 0, sizeof(bool) * VIEW_NATTS);
	nulls[VIEW_DEFINITION - 1] = nulls[VIEW_STATE - 1] = nulls[VIEW_STREAM - 1] = true;
	nulls[VIEW_IS_STARTED - 1] = nulls[VIEW_RESULT - 1] = nulls[VIEW_OUTBOX - 1] = true;
	nulls[VIEW_CHANGES - 1] = true;
	values[VIEW_VIEW - 1] = ObjectIdGetDatum(view->view);
	values[VIEW_STATUS - 1] = CStringGetTextDatum(view->status);
	nulls[VIEW_STATUS_DETAIL - 1] = view->status_detail == NULL;
	values[VIEW_STATUS_DETAIL - 1] = view->status_detail ?
		CStringGetTextDatum(view->status_detail) : (Datum) 0;
	values[VIEW_ON_ERROR - 1] = CStringGetTextDatum(view->pause_on_error ? "pause" : "skip");
	values[VIEW_START - 1] = CStringGetTextDatum(view->start);
	nulls[VIEW_RETENTION - 1] = view->retention == NULL;
	values[VIEW_RETENTION - 1] = IntervalPGetDatum(view->retention);
	values[VIEW_SETTINGS - 1] = array_of_strings(view->settings);
	values[VIEW_CREATED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[VIEW_EMIT - 1] = CStringGetTextDatum(view->emits_on_close ? "close" : "change");
	nulls[VIEW_WATERMARK - 1] = view->watermark_delay < 0;
	values[VIEW_WATERMARK - 1] = interval_of(view->watermark_delay);
	nulls[VIEW_ALLOWED_LATENESS - 1] = !view->emits_on_close;
	values[VIEW_ALLOWED_LATENESS - 1] = interval_of(view->allowed_lateness);
	values[VIEW_LATE - 1] = CStringGetTextDatum(view->amends_late ? "amend" : view->keeps_late ?
												"keep" : "drop");
	nulls[VIEW_SINK - 1] = !OidIsValid(view->sink);
	values[VIEW_SINK - 1] = ObjectIdGetDatum(view->sink);
	nulls[VIEW_NOTIFY - 1] = view->notify == NULL;
	values[VIEW_NOTIFY - 1] = view->notify ? CStringGetTextDatum(view->notify) : (Datum) 0;
	values[VIEW_TELLS_CHANGES - 1] = BoolGetDatum(view->tells_changes);
	nulls[VIEW_STEPS_KEPT - 1] = view->steps_kept < 0;
	values[VIEW_STEPS_KEPT - 1] = interval_of(view->steps_kept);
	nulls[VIEW_EXPIRES - 1] = nulls[VIEW_RETENTION_BY - 1] = view->expiry == CQ_EXPIRES_NOTHING;
	values[VIEW_EXPIRES - 1] = CStringGetTextDatum(expiry_names[view->expiry]);
	values[VIEW_RETENTION_BY - 1] = CStringGetTextDatum(view->expires_by_event_time ? "event_time" :
														"change");
	nulls[VIEW_QUERY - 1] = view->query == NULL;
	values[VIEW_QUERY - 1] = view->query ? CStringGetTextDatum(view->query) : (Datum) 0;
	nulls[VIEW_CREATED_START - 1] = view->created_start == NULL;
	values[VIEW_CREATED_START - 1] = view->created_start ?
		CStringGetTextDatum(view->created_start) : (Datum) 0;
	values[VIEW_ON_EXPIRE - 1] = CStringGetTextDatum(view->tells_expired ? "delete" : "forget");
	nulls[VIEW_MAX_ERROR_RATE - 1] = view->max_error_rate >= 1;
	values[VIEW_MAX_ERROR_RATE - 1] = Float8GetDatum(view->max_error_rate);
	nulls[VIEW_POOL - 1] = view->pool == NULL;
	values[VIEW_POOL - 1] = view->pool ? CStringGetTextDatum(view->pool) : (Datum) 0;
	nulls[VIEW_MAX_DRIFT - 1] = view->max_drift < 0;
	values[VIEW_MAX_DRIFT - 1] = interval_of(view->max_drift);
}

void
cq_view_insert(const CqView *view)
{
	Relation	relation = table_open(catalog_relation("view"), RowExclusiveLock);
	Datum		values[VIEW_NATTS];
	bool		nulls[VIEW_NATTS];

	cq_version_require();
	view_values(view, values, nulls);
	CatalogTupleInsert(relation,
					   cq_version_form(RelationGetDescr(relation), VIEW_NATTS, values, nulls));
	table_close(relation, NoLock);
	insert_belongings(view);
}

/* Sets columns of a view's row; $1 is the view. */
static void
update_row(const char *columns, int nargs, Oid *types, Datum *args, const char *nulls)
{
	CqActor		actor;

	cq_version_require();
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(psprintf("UPDATE _cq.view SET %s WHERE view OPERATOR(pg_catalog.=) $1",
							  columns), SPI_OK_UPDATE,
					 nargs, types, args, nulls);
	SPI_finish();
	cq_owner_end(&actor);
}

void
cq_view_replace(const CqView *view)
{
	Oid			types[VIEW_NATTS] = {
		OIDOID, OIDOID, OIDOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INTERVALOID,
		TEXTARRAYOID, TIMESTAMPTZOID, BOOLOID,
		TEXTOID, INTERVALOID, INTERVALOID, TEXTOID, OIDOID, OIDOID, OIDOID, TEXTOID, BOOLOID,
		OIDOID, INTERVALOID, TEXTOID, TEXTOID, TEXTOID,
		TEXTOID, TEXTOID, FLOAT8OID, TEXTOID, INTERVALOID
	};
	Datum		values[VIEW_NATTS];
	bool		is_null[VIEW_NATTS];
	char		nulls[VIEW_NATTS + 1];

	view_values(view, values, is_null);
	for (int i = 0; i < VIEW_NATTS; i++)
		nulls[i] = is_null[i] ? 'n' : ' ';
	nulls[VIEW_NATTS] = '\0';
	update_row("status = $5, status_detail = $6, on_error = $7, "
			   "start = $8, "
			   "retention = $9, settings = $10, created_at = $11, "
			   "emit = $13, watermark = $14, allowed_lateness = $15, late = $16, "
			   "sink = $18, notify = $20, tells_changes = $21, steps_kept = $23, "
			   "expires = $24, retention_by = $25, query = $26, created_start = $27, "
			   "on_expire = $28, max_error_rate = $29, pool = $30, max_drift = $31",
			   VIEW_NATTS, types, values, nulls);
	CommandCounterIncrement();
	cq_input_forget(view->view);
	cq_reads_forget(view->view);
	cq_node_forget(view->view);
	cq_part_forget(view->view);
	insert_belongings(view);
}

void
cq_view_set_options(const CqView *view)
{
	Oid			types[] = {OIDOID, TEXTOID, INTERVALOID, FLOAT8OID, TEXTOID, INTERVALOID};
	Datum		args[] = {
		ObjectIdGetDatum(view->view), CStringGetTextDatum(view->pause_on_error ? "pause" : "skip"),
		IntervalPGetDatum(view->retention), Float8GetDatum(view->max_error_rate),
		CStringGetTextDatum(view->pool ? view->pool : ""), interval_of(view->max_drift)
	};
	char		nulls[] = {' ', ' ', view->retention ? ' ' : 'n', ' ', ' ',
						   view->max_drift < 0 ? 'n' : ' ', '\0'};

	update_row("on_error = $2, retention = $3, max_error_rate = nullif($4, 1), "
			   "pool = nullif($5, ''), max_drift = $6", lengthof(types), types, args, nulls);
	/* Workers keep the row with the view's plan. */
	CacheInvalidateRelcacheByRelid(view->view);
}

void
cq_view_set_status(Oid relid, const char *status, const char *detail)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};
	Datum		args[] = {
		ObjectIdGetDatum(relid), CStringGetTextDatum(status), detail ? CStringGetTextDatum(detail) :
			(Datum) 0
	};

	update_row("status = $2, status_detail = $3", lengthof(types), types, args, detail ? "   " :
			   "  n");
}

void
cq_view_forget_closing(Oid relid)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(relid)};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("DELETE FROM _cq.closing WHERE view OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE,
					 1, types, args, NULL);
	cq_query_execute("DELETE FROM _cq.late WHERE view OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE, 1,
					 types, args, NULL);
	SPI_finish();
	cq_owner_end(&actor);
}
