/*
 * named.c
 *		Continuous views that others read by their names: see named.h.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/reads.h"
#include "common/owner.h"
#include "ddl/ddl.h"
#include "ddl/named.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#define CIRCLE_LOCK	1

/*
 * Whoever maintains such a view has to know of its readers. So no batch is under way when one is
 * added; the next one begins after the commit, and asks again.
 */
void
cq_named_lock(const List *named)
{
	ListCell   *cell;

	foreach(cell, named)
		LockRelationOid(lfirst_oid(cell), ShareRowExclusiveLock);
}

/* Of a view, which never loses any. */
static int
count_columns(Oid view)
{
	int			n = 0;

	while (OidIsValid(get_atttype(view, n + 1)))
		n++;
	return n;
}

void
cq_named_check_replaced(Oid replaced, const CqView *row, const Query *query)
{
	List	   *readers = cq_reads_readers(replaced);

	if (readers == NIL)
		return;
	if (ExecCleanTargetListLength(query->targetList) > count_columns(replaced))
		cq_whole_row_require_none(replaced, readers);
	if (row->steps_kept < 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("continuous view \"%s\" cannot slide with the clock, because continuous view "
					"\"%s\" reads it", get_rel_name(replaced),
					get_rel_name(linitial_oid(readers))),
			 errhint("Drop that one first.")));
}

/*
 * Of the views that read what the view writes or shows, itself or through others: one that feeds
 * it.
 */
static Oid
find_circle(const CqView *row)
{
	static const char above[] =
		"WITH RECURSIVE written AS (SELECT view, sink AS stream FROM _cq.view "
		"UNION ALL SELECT view, relation FROM _cq.part WHERE role = 'changes'), "
		"link AS (SELECT w.view, i.view AS reader FROM written w JOIN _cq.input i USING (stream) "
		"UNION ALL SELECT w.view, r.view FROM written w JOIN _cq.reads r ON r.named = w.stream "
		"UNION ALL SELECT named, view FROM _cq.reads), "
		"above AS (SELECT view FROM _cq.input WHERE stream = $1 "
		"UNION SELECT view FROM _cq.reads WHERE named = $1 "
		"UNION SELECT view FROM _cq.reads WHERE named = $2 "
		"UNION SELECT l.reader FROM above a JOIN link l USING (view) WHERE a.view <> $2) "
		"SELECT a.view FROM above a LEFT JOIN written w USING (view) "
		"WHERE a.view = $2 OR a.view = ANY ($3) OR w.stream = ANY ($4) LIMIT 1";
	Oid			types[] = {OIDOID, OIDOID, OIDARRAYOID, OIDARRAYOID};
	Datum		args[] = {
		ObjectIdGetDatum(row->sink), ObjectIdGetDatum(row->view), cq_query_oids(row->named),
		cq_query_oids(list_concat_copy(row->streams, row->named))
	};
	Oid			found = InvalidOid;
	bool		is_null;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	/*
	 * Two at once would not see each other's half of a circle, nor would an old snapshot. Not on
	 * the table itself: workers write to it, and this is held to the commit.
	 */
	LockDatabaseObject(RelationRelationId,
					   get_relname_relid("view", get_namespace_oid("_cq", false)), CIRCLE_LOCK,
					   ExclusiveLock);
	SPI_connect();
	cq_query_look(above, lengthof(types), types, args);
	if (SPI_processed > 0)
		found = DatumGetObjectId(cq_query_column(0, 1, &is_null));
	SPI_finish();
	cq_owner_end(&actor);
	return found;
}

void
cq_named_check_circle(const CqView *row)
{
	bool		has_sink = OidIsValid(row->sink);
	Oid			found;

	if (has_sink && (list_member_oid(row->streams, row->sink) ||
					 list_member_oid(row->named, row->sink)))
		found = row->view;
	else if (has_sink || row->named != NIL || cq_reads_readers(row->view) != NIL)
		found = find_circle(row);
	else
		return;
	if (!OidIsValid(found))
		return;
	if (has_sink)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the continuous view would read what it writes to \"%s\"",
						get_rel_name(row->sink)),
				 errdetail("The sink feeds, by itself or through other continuous views, %s.",
						   list_length(row->streams) == 1 ? "the stream that the view reads" :
						   "a stream that the view reads")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("the continuous view would read what is made of its own rows"),
			 errdetail("Continuous view \"%s\" reads it, by itself or through others.",
					   get_rel_name(found))));
}
