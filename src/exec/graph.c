/*
 * graph.c
 *		Views that read others by their names: see graph.h.
 *
 *		batch ──► view 1 ──rows, ±1──► view 2 ──┐
 *		             └─────────────────────────►└─► view 3		each once, in this order; all or nothing
 *
 * Each view that is read has a version (_cq.version), one more with each transaction that changes
 * it; one that reads has noted the version that it has seen (_cq.reads). Where the two are equal,
 * for it and for all below it, it is level: what it shows is its query over what they show. Only
 * then does it follow, and it follows all that a transaction changes below it at once; so it never
 * shows a moment that was not. One that cannot follow (it is paused, has failed, somebody has
 * locked it) stays behind with all that is above it, and is brought level later.
 *
 * Locks: those on relations without waiting (lock.h); then the views that are maintained by one
 * transaction at a time, by level and oid, for all of the transaction's views before the first of
 * them is touched. Whoever reads is on a higher level than what it reads, so that two transactions
 * take them in the same order, whatever they begin with.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/maintained.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/reads.h"
#include "catalog/version_seen.h"
#include "common/owner.h"
#include "common/wake.h"
#include "exec/graph.h"
#include "exec/limit.h"
#include "exec/lock.h"
#include "exec/output.h"
#include "exec/table_turn.h"
#include "exec/told.h"
#include "exec/view_lock.h"
#include "exec/view_run.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "stats/stats.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

typedef struct Member
{
	Oid			view;
	CqViewExec *exec;			/* NULL: left out from the beginning, or: */
	CqToldView *told;			/* what has become of its rows, where that is known before */
	bool		is_table;
	int64		version;		/* of a table, which it has then */
	int			level;
	bool		is_left_out;
	bool		has_followed;
} Member;

struct CqGraph
{
	List	   *members;			/* of Member *, by level and oid */
};

/* ---- its views ---- */

static Member *
find_member(const CqGraph *graph, Oid view)
{
	ListCell   *cell;

	foreach(cell, graph->members)
	{
		Member	   *member = lfirst(cell);

		if (member->view == view)
			return member;
	}
	return NULL;
}

static Member *
add_member(CqGraph *graph, Oid view, CqViewExec *exec)
{
	Member	   *member = palloc0(sizeof(Member));

	member->view = view;
	member->exec = exec;
	member->level = exec != NULL ? exec->level : cq_reads_level(view);
	member->is_left_out = exec == NULL;
	graph->members = lappend(graph->members, member);
	return member;
}

static void
stop(Oid view, const char *status, const char *reason)
{
	cq_view_set_status(view, status, reason);
	cq_stats_view_error(view, reason);
	cq_wake_catalog_changed();
}

/*
 * One that is above others, or NULL: it is not to be run. A batch waits a little for one that
 * somebody has locked, with nothing held (lock.h), so that what is over in a moment has nobody stay
 * behind.
 */
static CqViewExec *
get_reader(Oid view, bool waits)
{
	const char *reason;
	CqViewExec *exec;

	/* It makes transactions fail, or is locked for longer: it is brought level by itself. */
	if (*cq_view_exec_failures(view) >= CQ_FAILURES_TOGETHER)
		return NULL;
	if (!cq_lock_keep_view(view))
	{
		if (!waits || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(view)))
			return NULL;
		(*cq_view_exec_failures(view))++;
		cq_lock_relation(view, view, RowExclusiveLock);
	}
	exec = cq_view_run_get(view, InvalidOid, waits, &reason);
	if (reason != NULL)
		stop(view, "failed", reason);
	return exec;
}

static int
compare_members(const ListCell *one, const ListCell *other)
{
	const Member *a = lfirst(one);
	const Member *b = lfirst(other);

	if (a->level != b->level)
		return a->level - b->level;
	return (a->view > b->view) - (a->view < b->view);
}

static List *
readers_of(const Member *member)
{
	if (member->exec != NULL)
		return member->exec->readers;
	return member->told != NULL ? cq_reads_readers(member->view) : NIL;
}

static void
add_above(CqGraph *graph, bool waits)
{
	for (int i = 0; i < list_length(graph->members); i++)
	{
		ListCell   *cell;

		foreach(cell, readers_of(list_nth(graph->members, i)))
		{
			if (find_member(graph, lfirst_oid(cell)) == NULL)
				add_member(graph, lfirst_oid(cell), get_reader(lfirst_oid(cell), waits));
		}
	}
	list_sort(graph->members, compare_members);
}

CqGraph *
cq_graph_open(const List *execs)
{
	CqGraph    *graph = palloc0(sizeof(CqGraph));
	ListCell   *cell;

	foreach(cell, execs)
		add_member(graph, ((CqViewExec *) lfirst(cell))->view, lfirst(cell));
	add_above(graph, true);
	return graph;
}

/* Of the last lock that this transaction has waited for. */
static int	locked_level = -1;
static Oid	locked_view;

void
cq_graph_begin_order(void)
{
	locked_level = -1;
	locked_view = InvalidOid;
}

static bool
is_in_order(const Member *member)
{
	return member->level > locked_level ||
		(member->level == locked_level && member->view > locked_view);
}

/* A deadlock or a cancellation while it waits counts as the view's failure. */
static void
wait_for(CqViewExec *exec)
{
	exec->nfailures++;
	cq_view_lock_exclusive(exec->row->state);
	exec->nfailures--;
}

static void
lock_exclusively(const Member *member)
{
	CqViewExec *exec = member->exec;

	if (is_in_order(member))
	{
		wait_for(exec);
		locked_level = member->level;
		locked_view = member->view;
	}
	else if (!cq_view_lock_try(exec->row->state))
	{
		exec->nfailures++;
		cq_lock_want_view(member->view, exec->row->state);
	}
}

void
cq_graph_lock(CqGraph *graph)
{
	ListCell   *cell;

	foreach(cell, graph->members)
	{
		const Member *member = lfirst(cell);

		if (member->exec == NULL || !member->exec->is_exclusive)
			continue;
		lock_exclusively(member);
		if (member->exec->readers != NIL)
			cq_told_collect(member->exec);
	}
}

void
cq_graph_leave_out(CqGraph *graph, Oid view)
{
	Member	   *member = find_member(graph, view);

	if (member != NULL)
		member->is_left_out = true;
}

List *
cq_graph_followers(const CqGraph *graph)
{
	List	   *followers = NIL;
	ListCell   *cell;

	foreach(cell, graph->members)
	{
		const Member *member = lfirst(cell);

		if (member->has_followed)
			followers = lappend(followers, member->exec);
	}
	return followers;
}

void
cq_graph_close(CqGraph *graph)
{
	ListCell   *cell;

	foreach(cell, graph->members)
	{
		CqViewExec *exec = ((const Member *) lfirst(cell))->exec;

		if (exec == NULL || exec->told == NULL)
			continue;
		cq_delta_free(exec->told);
		exec->told = NULL;
	}
}

/* Those that do not run: they have been prepared when they did. */
static List *
find_standing(const List *views)
{
	static SPIPlanPtr plan = NULL;
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {OIDARRAYOID};
	Datum		args[] = {cq_query_oids(views)};
	List	   *standing;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_run(&plan, "SELECT view::oid FROM _cq.view WHERE view = ANY ($1) AND status <> "
				 "'running'", lengthof(types), types, args, SPI_OK_SELECT);
	standing = cq_query_take_oids(caller, 1);
	SPI_finish();
	cq_owner_end(&actor);
	return standing;
}

/* ---- following ---- */

static bool
are_any_in(const List *some, const List *others)
{
	ListCell   *cell;

	foreach(cell, some)
	{
		if (list_member_oid(others, lfirst_oid(cell)))
			return true;
	}
	return false;
}

static bool
has_changed(const Member *member)
{
	return member->told != NULL || (member->exec != NULL && cq_told_is_any(member->exec));
}

/* changes: NULL: its rows are to be compared, who knows which have changed. */
static CqToldView *
told_of(const CqView *row, CqDelta *changes)
{
	CqToldView *told = palloc0(sizeof(CqToldView));

	told->view = row->view;
	told->changes = changes;
	told->settings = row->settings;
	return told;
}

/* What the views that it reads have told in this transaction: of CqToldView *. */
static List *
find_told(const CqGraph *graph, const List *named)
{
	List	   *told = NIL;
	ListCell   *cell;

	foreach(cell, named)
	{
		const Member *member = find_member(graph, lfirst_oid(cell));

		if (member == NULL || !has_changed(member))
			continue;
		told = lappend(told, member->told != NULL ? member->told :
					   told_of(member->exec->row, cq_told_changes(member->exec)));
	}
	return told;
}

/* It may not go on for now. */
static bool
is_blocked(const CqViewExec *exec)
{
	const char *reason = cq_limit_reached(exec->row);

	if (reason != NULL)
		stop(exec->view, "blocked", reason);
	return reason != NULL;
}

/* Itself and all below: where one of them is behind, it is. */
static List *
views_of_reader(const Member *member)
{
	List	   *below = member->exec != NULL ? list_copy(member->exec->below) :
		cq_reads_below(member->view);

	return lappend_oid(below, member->view);
}

static List *
find_all_behind(const CqGraph *graph)
{
	List	   *views = NIL;
	ListCell   *cell;

	foreach(cell, graph->members)
		views = list_concat_unique_oid(views, views_of_reader(lfirst(cell)));
	return cq_version_seen_behind(views, NULL);
}

static void
leave_out_standing(CqGraph *graph)
{
	List	   *views = NIL;
	ListCell   *cell;

	foreach(cell, graph->members)
		views = lappend_oid(views, ((const Member *) lfirst(cell))->view);
	foreach(cell, find_standing(views))
		cq_graph_leave_out(graph, lfirst_oid(cell));
}

static bool
has_told(const CqGraph *graph)
{
	ListCell   *cell;

	foreach(cell, graph->members)
	{
		if (has_changed(lfirst(cell)))
			return true;
	}
	return false;
}

/* It does not follow, nor does any that is above it. */
static void
stay_behind(const Member *member, List **behind)
{
	if (list_member_oid(*behind, member->view))
		return;
	*behind = lappend_oid(*behind, member->view);
	cq_wake_catalog_changed();		/* somebody looks after it */
}

/* False where it stops. */
static bool
follow(CqGraph *graph, Member *member, List **behind)
{
	List	   *told = find_told(graph, member->exec != NULL ? member->exec->row->named :
								 cq_reads_list(member->view));

	if (told == NIL || member->told != NULL)
		return true;
	if (member->is_left_out || are_any_in(views_of_reader(member), *behind))
	{
		stay_behind(member, behind);
		return true;
	}
	member->has_followed = !is_blocked(member->exec) && cq_view_run_told(member->exec, told);
	if (!member->has_followed)
		stay_behind(member, behind);
	return member->has_followed;
}

bool
cq_graph_follow(CqGraph *graph)
{
	List	   *behind;
	List	   *changed = NIL;
	List	   *tables = NIL;
	List	   *followed = NIL;
	bool		goes_on = true;
	ListCell   *cell;

	if (!has_told(graph))
		return true;
	leave_out_standing(graph);
	behind = find_all_behind(graph);
	foreach(cell, graph->members)
		goes_on &= follow(graph, lfirst(cell), &behind);
	foreach(cell, graph->members)
	{
		const Member *member = lfirst(cell);

		if (member->is_table)
		{
			cq_version_seen_set(member->view, member->version);
			tables = lappend_oid(tables, member->view);
		}
		else if (has_changed(member))
			changed = lappend_oid(changed, member->view);
		if (member->has_followed)
			followed = lappend_oid(followed, member->view);
	}
	cq_version_seen_note(changed, tables, followed);
	return goes_on;
}

/* ---- views that stay behind ---- */

List *
cq_graph_find_behind(void)
{
	List	   *running;
	List	   *behind = cq_version_seen_all_behind(&running);
	ListCell   *cell;

	foreach(cell, running)
	{
		if (are_any_in(cq_reads_below(lfirst_oid(cell)), behind))
			running = foreach_delete_current(running, cell);
	}
	return running;
}

bool
cq_graph_is_level(Oid view)
{
	return cq_version_seen_behind(lappend_oid(cq_reads_below(view), view), NULL) == NIL;
}

/* Those that the view reads, as they are until the end of the transaction. False: not now. */
static bool
hold_still(const List *named, List **rows)
{
	List	   *members = NIL;
	ListCell   *cell;

	*rows = NIL;
	foreach(cell, named)
	{
		CqView	   *row;
		Member	   *member;

		if (OidIsValid(cq_maintained_stream(lfirst_oid(cell))))
			continue;			/* it has a moment of its own, however long that lasts */
		row = cq_lock_keep_view(lfirst_oid(cell)) ? cq_view_get(lfirst_oid(cell)) : NULL;
		if (row == NULL)
			return false;
		member = palloc0(sizeof(Member));
		*rows = lappend(*rows, row);
		member->view = row->view;
		member->level = cq_reads_level(row->view);
		members = lappend(members, member);
	}
	list_sort(members, compare_members);
	foreach(cell, members)
		cq_view_lock_exclusive(cq_view_get(((const Member *) lfirst(cell))->view)->state);
	return true;
}

/* Of those views, and all tables, that are among others. */
static List *
compare_whole(const List *rows, const List *with)
{
	List	   *told = NIL;
	ListCell   *cell;

	foreach(cell, with)
	{
		if (OidIsValid(cq_maintained_stream(lfirst_oid(cell))))
			told = lappend(told, cq_table_turn_whole(lfirst_oid(cell)));
	}
	foreach(cell, rows)
	{
		const CqView *row = lfirst(cell);

		if (list_member_oid(with, row->view))
			told = lappend(told, told_of(row, NULL));
	}
	return told;
}

/* The view's own turn: what it reads is as it stays, and level. */
static void
catch_up(CqGraph *graph, CqViewExec *exec, const List *rows)
{
	List	   *with;

	if (cq_version_seen_behind(list_make1_oid(exec->view), &with) == NIL || is_blocked(exec) ||
		!cq_view_run_told(exec, compare_whole(rows, with)))
		return;
	cq_version_seen_note_all(exec->view);
	(void) cq_graph_follow(graph);
}

bool
cq_graph_level(Oid view)
{
	CqGraph    *graph;
	CqViewExec *exec;
	const char *reason;
	List	   *rows;

	if (!cq_lock_keep_view(view))
		return false;
	exec = cq_view_run_get(view, InvalidOid, false, &reason);
	if (reason != NULL)
		stop(view, "failed", reason);
	if (exec == NULL)
		return true;
	graph = palloc0(sizeof(CqGraph));
	add_member(graph, view, exec);
	add_above(graph, false);
	cq_graph_begin_order();
	if (!hold_still(exec->row->named, &rows))
		return false;
	cq_graph_lock(graph);
	if (find_standing(list_make1_oid(view)) == NIL &&
		cq_version_seen_behind(exec->below, NULL) == NIL)
		catch_up(graph, exec, rows);
	cq_graph_close(graph);
	return true;
}

/* What that costs is told. */
static void
tell_unknown(const List *named)
{
	StringInfoData names;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, named)
	{
		const CqViewExec *exec = cq_view_exec_get(lfirst_oid(cell), InvalidOid);

		if (exec != NULL && !cq_told_is_known(exec))
			appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "",
							 get_rel_name(exec->view));
	}
	if (names.len > 0)
		ereport(NOTICE,
				(errmsg("each batch compares all rows of %s", names.data),
				 errdetail("Such a view does not tell which of its rows change."),
				 errhint("Where it has many, create it with the option changes.")));
}

void
cq_graph_begin(Oid view)
{
	CqViewExec *exec = cq_view_exec_get(view, InvalidOid);
	CqMergeCounts counts = {0};	/* nobody asks */
	List	   *rows = NIL;
	ListCell   *cell;

	if (exec == NULL)
		return;					/* it does not run, and is brought level when it does */
	foreach(cell, exec->row->named)
	{
		if (!OidIsValid(cq_maintained_stream(lfirst_oid(cell))))
			rows = lappend(rows, cq_view_require(lfirst_oid(cell)));
		else if (IsolationUsesXactSnapshot())
			return;				/* it would not see what is there now: so it is behind */
		else
			cq_table_turn_hold(lfirst_oid(cell));
	}
	cq_view_exec_run_told(exec, compare_whole(rows, exec->row->named), &counts);
	cq_version_seen_note_all(view);
	tell_unknown(exec->row->named);
}

/*
 * All above the view, as a command locks what it changes: batches do without them until its commit,
 * instead of waiting for what it holds.
 */
static void
keep_batches_away(Oid view)
{
	List	   *members = NIL;
	List	   *views = list_make1_oid(view);
	ListCell   *cell;

	for (int i = 0; i < list_length(views); i++)
	{
		views = list_concat_unique_oid(views, cq_reads_readers(list_nth_oid(views, i)));
		if (i > 0)
		{
			Member	   *member = palloc0(sizeof(Member));

			member->view = list_nth_oid(views, i);
			member->level = cq_reads_level(member->view);
			members = lappend(members, member);
		}
	}
	list_sort(members, compare_members);
	foreach(cell, members)
		LockRelationOid(((const Member *) lfirst(cell))->view, ShareRowExclusiveLock);
}

void
cq_graph_push(Oid view, bool is_command)
{
	CqGraph    *graph;
	CqView	   *row;

	if (cq_reads_readers(view) == NIL)
		return;
	if (is_command)
		keep_batches_away(view);
	row = cq_view_require(view);
	cq_view_lock_exclusive(row->state);
	cq_graph_begin_order();
	graph = palloc0(sizeof(CqGraph));
	add_member(graph, view, NULL)->told = told_of(row, NULL);
	add_above(graph, false);
	cq_graph_lock(graph);
	(void) cq_graph_follow(graph);
	cq_graph_close(graph);
}

void
cq_graph_push_table(CqToldView *told, int64 version)
{
	CqGraph    *graph = palloc0(sizeof(CqGraph));
	Member	   *member = add_member(graph, told->view, NULL);

	member->told = told;
	member->is_table = true;
	member->version = version;
	add_above(graph, false);
	cq_graph_begin_order();
	cq_graph_lock(graph);
	(void) cq_graph_follow(graph);
	cq_graph_close(graph);
}
