/*
 * drop.c
 *		What goes with a dropped view or stream: the sql_drop event trigger.
 *
 * However a relation goes (DROP VIEW, DROP SCHEMA CASCADE, DROP OWNED, of a stream, a type, a
 * function …), its rows in the catalog go in the same transaction: the view's own, the cursors that
 * nobody follows any more, dead letters. Parts go by dependency; where a restored database has not
 * yet recorded these, they are dropped here.
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/follow.h"
#include "catalog/maintained.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/reads.h"
#include "commands/event_trigger.h"
#include "common/version.h"
#include "ddl/ddl.h"
#include "ddl/maintain.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "stream/table_change.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(cq_on_sql_drop);

/* A column of what a statement returned, as an array of oid. */
static Datum
collect_oids(int column)
{
	Datum	   *oids = palloc(sizeof(Datum) * Max(SPI_processed, 1));
	bool		is_null;

	for (uint64 i = 0; i < SPI_processed; i++)
		oids[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, column, &is_null);
	return PointerGetDatum(construct_array(oids, SPI_processed, OIDOID, sizeof(Oid), true,
										   TYPALIGN_INT));
}

/* Runs a statement over an array of oid; what it returns is in SPI's variables. */
static void
run_over(const char *statement, Datum oids)
{
	Oid			types[] = {OIDARRAYOID};

	SPI_execute_with_args(statement, 1, types, &oids, NULL, false, 0);
}

/* Drops those relations of an array that are still there. */
static void
drop_remaining(Datum relations)
{
	ObjectAddresses *remaining = new_object_addresses();
	Datum	   *oids;
	int			noids;

	deconstruct_array(DatumGetArrayTypeP(relations), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &oids,
					  NULL, &noids);
	for (int i = 0; i < noids; i++)
	{
		ObjectAddress address;

		ObjectAddressSet(address, RelationRelationId, DatumGetObjectId(oids[i]));
		if (SearchSysCacheExists1(RELOID, oids[i]))
			add_exact_object_address(&address, remaining);
	}
	performMultipleDeletions(remaining, DROP_CASCADE, PERFORM_DELETION_INTERNAL);
	free_object_addresses(remaining);
}

/* Rows of views among the dropped relations. */
static void
forget_views(Datum dropped)
{
	SPITupleTable *gone;
	uint64		ngone;

	/* In the order in which workers lock them. */
	run_over("SELECT FROM _cq.view WHERE view = ANY ($1) ORDER BY view::oid FOR UPDATE", dropped);
	if (SPI_processed == 0)
		return;
	cq_version_require();
	/* Of a dump of 0.1.0 that was restored without triggers: makes rows of its columns. */
	run_over("UPDATE _cq.view SET stream = stream WHERE view = ANY ($1) AND stream IS NOT NULL",
			 dropped);
	run_over("DELETE FROM _cq.view WHERE view = ANY ($1) RETURNING view", dropped);
	gone = SPI_tuptable;
	ngone = SPI_processed;
	for (uint64 i = 0; i < ngone; i++)
	{
		bool		is_null;
		Oid			view = DatumGetObjectId(SPI_getbinval(gone->vals[i], gone->tupdesc, 1,
														  &is_null));

		cq_follow_forget(view);
		cq_reads_forget(view);
	}
	run_over("DELETE FROM _cq.input WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.version WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.node WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.closing WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.sink WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.outbox_end WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.late WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.budget WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.part WHERE view = ANY ($1) RETURNING relation", dropped);
	if (SPI_processed > 0)
		drop_remaining(collect_oids(1));
	cq_maintain_end_unused();
	cq_wake_catalog_changed();
}

/*
 * Rows of streams among the dropped relations. The views on them have gone with them, or before. A
 * worker may hold one cursor and wait for another that we hold: what is locked is left, as in
 * cq_follow_forget, and workers remove it.
 */
static void
forget_streams(Datum dropped)
{
	run_over("SELECT FROM _cq.cursor WHERE stream = ANY ($1)"
			 " UNION ALL SELECT FROM _cq.gap WHERE stream = ANY ($1)"
			 " UNION ALL SELECT FROM _cq.field WHERE stream = ANY ($1)"
			 " UNION ALL SELECT FROM _cq.sink WHERE view = ANY ($1)"
			 " UNION ALL SELECT FROM _cq.log WHERE stream = ANY ($1) LIMIT 1", dropped);
	if (SPI_processed == 0)
		return;
	cq_version_require();
	run_over("WITH gone AS (DELETE FROM _cq.maintained WHERE stream = ANY ($1) RETURNING relation) "
			 "DELETE FROM _cq.version v USING gone g WHERE v.view = g.relation", dropped);
	run_over("DELETE FROM _cq.cursor WHERE cursor_id IN (SELECT cursor_id FROM _cq.cursor WHERE "
			 "stream = ANY ($1) FOR UPDATE SKIP LOCKED)",
			 dropped);
	run_over("DELETE FROM _cq.gap WHERE stream = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.field WHERE stream = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.sink WHERE view = ANY ($1)", dropped);
	if (SPI_processed > 0)
		cq_wake_catalog_changed();
	run_over("DELETE FROM _cq.outbox_end WHERE view = ANY ($1)", dropped);
	run_over("DELETE FROM _cq.log WHERE stream = ANY ($1) RETURNING log::oid", dropped);
	if (SPI_processed > 0)
		drop_remaining(collect_oids(1));
}

/* Partitions, or children, of tables whose changes count: their rows are gone. */
static void
mark_tables(void)
{
	SPITupleTable *marked;
	uint64		nmarked;

	SPI_execute("SELECT DISTINCT m.stream::oid FROM pg_catalog.pg_event_trigger_dropped_objects() o "
				"JOIN _cq.maintained m ON pg_catalog.starts_with(o.address_names[3], '"
				CQ_TABLE_CHANGE_TRIGGER "' || m.stream::oid || '_') "
				"JOIN pg_catalog.pg_class c ON c.oid = m.stream "
				"JOIN pg_catalog.pg_class t ON t.oid = m.relation WHERE o.object_type = 'trigger'",
				false, 0);
	marked = SPI_tuptable;
	nmarked = SPI_processed;
	for (uint64 i = 0; i < nmarked; i++)
	{
		bool		is_null;

		cq_table_change_mark(DatumGetObjectId(SPI_getbinval(marked->vals[i], marked->tupdesc, 1,
															&is_null)));
	}
}

static Datum
dropped_relations(const char *type)
{
	Oid			types[] = {TEXTOID};
	Datum		args[] = {CStringGetTextDatum(type)};

	SPI_execute_with_args("SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects()"
						  " WHERE object_type = $1 AND objsubid = 0", lengthof(types), types, args,
						  NULL, false, 0);
	return collect_oids(1);
}

/*
 * _cq.on_sql_drop(): SECURITY DEFINER. Does nothing where the catalog itself is on its way out.
 */
Datum
cq_on_sql_drop(PG_FUNCTION_ARGS)
{
	Datum		dropped;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by the event trigger manager")));
	if (!cq_adopt_has_catalog())
		PG_RETURN_NULL();

	SPI_connect();
	dropped = dropped_relations("view");
	if (SPI_processed > 0)
		forget_views(dropped);
	dropped = dropped_relations("foreign table");
	if (SPI_processed > 0)
		forget_streams(dropped);
	if (cq_maintained_list() != NIL)
		mark_tables();
	SPI_finish();
	PG_RETURN_NULL();
}
