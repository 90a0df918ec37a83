/*
 * version_seen.c
 *		Versions of what is read by its name, and which of them readers have seen: see version_seen.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/version_seen.h"
#include "common/owner.h"

static Oid	oid_arrays[] = {OIDARRAYOID, OIDARRAYOID};	/* what the statements below take */

List *
cq_version_seen_behind(const List *views, List **with)
{
	static SPIPlanPtr plan = NULL;
	MemoryContext caller = CurrentMemoryContext;
	Datum		args[] = {cq_query_oids(views)};
	List	   *behind;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_run(&plan, "SELECT r.view::oid, r.named::oid FROM _cq.reads r "
				 "JOIN _cq.version t ON t.view = r.named "
				 "WHERE r.view = ANY ($1) AND r.seen IS DISTINCT FROM t.version",
				 lengthof(args), oid_arrays, args, SPI_OK_SELECT);
	behind = cq_query_take_oids(caller, 1);
	if (with != NULL)
		*with = cq_query_take_oids(caller, 2);
	SPI_finish();
	cq_owner_end(&actor);
	return behind;
}

List *
cq_version_seen_all_behind(List **running)
{
	static const char read[] =
		"SELECT r.view::oid, v.status = 'running' FROM _cq.reads r JOIN _cq.view v USING (view) "
		"JOIN _cq.version t ON t.view = r.named WHERE r.seen IS DISTINCT FROM t.version";
	MemoryContext caller = CurrentMemoryContext;
	List	   *behind;
	CqActor		actor;

	*running = NIL;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, 0, NULL, NULL, NULL);
	behind = cq_query_take_oids(caller, 1);
	MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		is_null;

		if (DatumGetBool(cq_query_column(i, 2, &is_null)))
			*running = list_append_unique_oid(*running,
											  DatumGetObjectId(cq_query_column(i, 1, &is_null)));
	}
	SPI_finish();
	cq_owner_end(&actor);
	return behind;
}

void
cq_version_seen_set(Oid table, int64 version)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(table), Int64GetDatum(version)};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_run(&plan, "UPDATE _cq.version SET version = $2 WHERE view = $1", lengthof(types),
				 types, args, SPI_OK_UPDATE);
	SPI_finish();
	cq_owner_end(&actor);
}

void
cq_version_seen_note(const List *changed, const List *tables, const List *followed)
{
	static SPIPlanPtr tell = NULL;
	static SPIPlanPtr note = NULL;
	Datum		told[] = {cq_query_oids(changed)};
	Datum		args[] = {
		cq_query_oids(list_concat_copy(changed, tables)), cq_query_oids(followed)
	};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_run(&tell, "UPDATE _cq.version SET version = version + 1 WHERE view = ANY ($1)", 1,
				 oid_arrays, told, SPI_OK_UPDATE);
	cq_query_run(&note, "UPDATE _cq.reads r SET seen = t.version FROM _cq.version t "
				 "WHERE t.view = r.named AND r.named = ANY ($1) AND r.view = ANY ($2)",
				 lengthof(args), oid_arrays, args, SPI_OK_UPDATE);
	SPI_finish();
	cq_owner_end(&actor);
}

void
cq_version_seen_note_all(Oid view)
{
	static SPIPlanPtr plan = NULL;
	Datum		args[] = {cq_query_oids(list_make1_oid(view))};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_run(&plan, "UPDATE _cq.reads r SET seen = t.version FROM _cq.version t "
				 "WHERE t.view = r.named AND r.view = ANY ($1)", lengthof(args), oid_arrays, args,
				 SPI_OK_UPDATE);
	SPI_finish();
	cq_owner_end(&actor);
}
