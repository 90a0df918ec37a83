/*
 * view_exec.c
 *		What a worker keeps ready to maintain one view: see view_exec.h.
 *
 * Plans are made from the definition view's query and kept until something that they depend on
 * changes, as the server's plan cache does; the server's own cannot be used, since it plans from
 * text.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/part.h"
#include "catalog/reads.h"
#include "common/compat.h"
#include "common/guc.h"
#include "common/owner.h"
#include "common/settings.h"
#include "exec/lock.h"
#include "exec/node_count.h"
#include "exec/output.h"
#include "exec/told.h"
#include "exec/view_actor.h"
#include "exec/view_exec.h"
#include "exec/view_plan.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "stats/budget.h"
#include "stream/reader.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static HTAB *views = NULL;		/* Oid → CqViewExec */

static void
invalidate_all(void)
{
	HASH_SEQ_STATUS scan;
	CqViewExec *exec;

	hash_seq_init(&scan, views);
	while ((exec = hash_seq_search(&scan)) != NULL)
		exec->is_valid = false;
}

static bool
depends_on_relation(const CqViewExec *exec, Oid relid)
{
	ListCell   *cell;

	if (exec->plans == NIL || exec->view == relid || exec->row->definition == relid ||
		exec->row->state == relid || exec->row->sink == relid ||
		list_member_oid(exec->parts, relid))
		return true;
	foreach(cell, exec->plans)
	{
		if (list_member_oid(lfirst_node(PlannedStmt, cell)->relationOids, relid))
			return true;
	}
	return false;
}

static void
relation_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	CqViewExec *exec;

	if (!OidIsValid(relid))
	{
		invalidate_all();
		return;
	}
	hash_seq_init(&scan, views);
	while ((exec = hash_seq_search(&scan)) != NULL)
	{
		if (exec->is_valid && depends_on_relation(exec, relid))
			exec->is_valid = false;
	}
}

static bool
depends_on_object(const CqViewExec *exec, int cacheid, uint32 hashvalue)
{
	ListCell   *plan;
	ListCell   *cell;

	if (exec->plans == NIL)		/* just being prepared */
		return true;
	foreach(plan, exec->plans)
	{
		foreach(cell, lfirst_node(PlannedStmt, plan)->invalItems)
		{
			PlanInvalItem *item = lfirst_node(PlanInvalItem, cell);

			if (item->cacheId == cacheid && (hashvalue == 0 || item->hashValue == hashvalue))
				return true;
		}
	}
	return false;
}

/* Functions and types: only those that the plans name. */
static void
object_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS scan;
	CqViewExec *exec;

	hash_seq_init(&scan, views);
	while ((exec = hash_seq_search(&scan)) != NULL)
	{
		if (exec->is_valid && depends_on_object(exec, cacheid, hashvalue))
			exec->is_valid = false;
	}
}

/* Operators, servers, roles: rarely changed, so all plans go. */
static void
anything_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidate_all();
}

static void
create_views(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(CqViewExec),
						   .hcxt = TopMemoryContext};
	static const int watched[] = {NAMESPACEOID, OPEROID, AMOPOPID, FOREIGNSERVEROID,
								  FOREIGNDATAWRAPPEROID, AUTHOID};

	views = hash_create("pg_cq views", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, object_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, object_changed, (Datum) 0);
	for (int i = 0; i < (int) lengthof(watched); i++)
		CacheRegisterSyscacheCallback(watched[i], anything_changed, (Datum) 0);
}

static CqViewExec *
find_entry(Oid view)
{
	CqViewExec *exec;
	bool		found;

	if (views == NULL)
		create_views();
	exec = hash_search(views, &view, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) exec + sizeof(Oid), 0, sizeof(CqViewExec) - sizeof(Oid));
		exec->doubted_offset = -1;
		exec->context = AllocSetContextCreate(TopMemoryContext, "pg_cq view",
											  ALLOCSET_DEFAULT_SIZES);
	}
	return exec;
}

CqViewExec *
cq_view_exec_find(Oid view)
{
	return views != NULL ? hash_search(views, &view, HASH_FIND, NULL) : NULL;
}

void
cq_view_exec_end_compaction(CqViewExec *exec)
{
	if (exec->compaction != NULL)
		cq_compact_end(exec->compaction);
	exec->compaction = NULL;
}

void
cq_view_exec_forget_cache(CqViewExec *exec)
{
	cq_view_exec_end_compaction(exec);
	if (exec->cache != NULL)
		cq_group_cache_destroy(exec->cache);
	exec->cache = NULL;
	exec->state_file = InvalidOid;
	exec->ndoubtful = exec->compact_from = 0;
}

static void
forget_entry(CqViewExec *exec)
{
	MemoryContextDelete(exec->context);
	cq_view_exec_forget_cache(exec);
	hash_search(views, &exec->view, HASH_REMOVE, NULL);
}

void
cq_view_exec_sweep(void)
{
	HASH_SEQ_STATUS scan;
	CqViewExec *exec;

	if (views == NULL)
		return;
	hash_seq_init(&scan, views);
	while ((exec = hash_seq_search(&scan)) != NULL)
	{
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(exec->view)))
			forget_entry(exec);
	}
}

void
cq_view_exec_forget(void)
{
	HASH_SEQ_STATUS scan;
	CqViewExec *exec;

	if (views == NULL)
		return;
	hash_seq_init(&scan, views);
	while ((exec = hash_seq_search(&scan)) != NULL)
		forget_entry(exec);
}

/* The query, with all that it reads locked; sets the owner. */
static Query *
definition_query(CqViewExec *exec)
{
	Relation	relation;
	Query	   *query;

	cq_lock_relation(exec->view, exec->row->definition, AccessShareLock);
	relation = table_open(exec->row->definition, NoLock);
	query = cq_compat_view_query(relation);
	exec->owner = relation->rd_rel->relowner;
	table_close(relation, NoLock);
	cq_lock_query(exec->view, query);
	return query;
}

/* See decoding.c. */
static const List *
decoding_settings(const CqViewExec *exec, Oid stream)
{
	if (has_privs_of_role(exec->owner, cq_owner_of_relation(stream)))
		return cq_settings_intern(exec->row->settings);
	return cq_settings_intern(cq_settings_without(exec->row->settings, CQ_SETTING_SEARCH_PATH));
}

static void
set_times(const CqViewPlan *plan, CqStreamUse *use)
{
	ListCell   *cell;

	use->event_time = plan->closing.event_time;
	foreach(cell, plan->lags)
	{
		const CqStreamLag *lag = lfirst(cell);

		if (lag->stream != use->stream)
			continue;
		use->event_time = lag->event_time;
		use->lag = lag->lag;
	}
}

static List *
find_uses(const CqViewExec *exec, const List *plans)
{
	List	   *uses = NIL;
	ListCell   *cell;

	foreach(cell, exec->plan->streams)
	{
		CqStreamUse *use = palloc0(sizeof(CqStreamUse));
		ListCell   *plan;

		use->stream = lfirst_oid(cell);
		use->settings = decoding_settings(exec, use->stream);
		set_times(exec->plan, use);
		foreach(plan, plans)
			use->needed = bms_join(use->needed,
								   cq_batch_needed_columns(lfirst(plan), use->stream));
		uses = lappend(uses, use);
	}
	return uses;
}

static void
prepare_plan(CqViewExec *exec)
{
	CqActor		actor;
	Query	   *query = definition_query(exec);
	List	   *plans;

	cq_view_actor_begin(&actor, exec->row, exec->owner);
	cq_reject_raise(cq_view_plan(exec->row, query, &exec->plan), NULL);
	cq_view_plan_check_state(exec->row, exec->plan);
	cq_window_bound_init(&exec->bound, &exec->plan->closing);
	exec->root = cq_root_of(exec->plan);
	exec->tree = cq_tree_run_prepare(exec->plan->tree, exec->view, exec->row->state,
									 cq_root_expect_rows);
	plans = list_concat(exec->root->prepare(exec), cq_tree_run_plans(exec->tree));
	cq_node_count_prepare(exec);
	exec->uses = find_uses(exec, plans);
	exec->plans = plans;
	cq_owner_end(&actor);
}

/* Of nodes. */
static List *
parts_of(Oid view)
{
	List	   *relations = NIL;
	ListCell   *cell;

	foreach(cell, cq_part_list(view))
	{
		const CqPart *part = lfirst(cell);

		if (part->node > 0)
			relations = lappend_oid(relations, part->relation);
	}
	return relations;
}

static void
lock_parts(CqViewExec *exec)
{
	ListCell   *cell;

	cq_lock_relation(exec->view, exec->row->state, RowExclusiveLock);
	foreach(cell, exec->parts)
		cq_lock_relation(exec->view, lfirst_oid(cell), RowExclusiveLock);
}

/* False where the view is gone or not to be run. After an error it is not prepared. */
static bool
prepare_exec(CqViewExec *exec)
{
	MemoryContext caller;

	exec->is_prepared = false;
	MemoryContextReset(exec->context);
	exec->planned = exec->planned_small = NULL;
	exec->tree = NULL;
	exec->plans = exec->parts = exec->outputs = exec->readers = exec->below = NIL;
	exec->layout = NULL;
	caller = MemoryContextSwitchTo(exec->context);
	exec->row = cq_view_get(exec->view);
	if (exec->row != NULL && strcmp(exec->row->status, "running") == 0)
	{
		exec->parts = parts_of(exec->view);
		exec->outputs = cq_output_relations(exec->row);
		exec->readers = cq_reads_readers(exec->view);
		exec->below = cq_reads_below(exec->view);
		exec->level = cq_reads_level(exec->view);
		lock_parts(exec);
		exec->is_valid = true;	/* an invalidation on the way makes it false again */
		prepare_plan(exec);
		exec->is_exclusive = exec->plan->is_exclusive || exec->readers != NIL;
		exec->is_prepared = true;
	}
	MemoryContextSwitchTo(caller);
	return exec->is_prepared;
}

static void
lock_plan(CqViewExec *exec, const PlannedStmt *plan)
{
	ListCell   *cell;

	foreach(cell, plan->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION || (entry->rtekind == RTE_SUBQUERY &&
											   OidIsValid(entry->relid)))
			cq_lock_relation(exec->view, entry->relid, entry->rellockmode);
	}
}

/*
 * As the plan cache does: once all are locked, nothing that the plan depends on can change any
 * more.
 */
static void
lock_relations(CqViewExec *exec)
{
	ListCell   *cell;

	lock_parts(exec);
	foreach(cell, exec->outputs)
		cq_lock_relation(exec->view, lfirst_oid(cell), RowExclusiveLock);
	foreach(cell, exec->plans)
		lock_plan(exec, lfirst(cell));
}

static void
set_use(CqViewExec *exec, Oid stream)
{
	ListCell   *cell;

	foreach(cell, exec->uses)
	{
		const CqStreamUse *use = lfirst(cell);

		if (use->stream != stream)
			continue;
		exec->needed = use->needed;
		exec->settings = use->settings;
		exec->event_time = use->event_time;
		exec->lag = use->lag;
	}
}

CqViewExec *
cq_view_exec_get(Oid view, Oid stream)
{
	CqViewExec *exec = find_entry(view);

	for (;;)
	{
		if (!(exec->is_prepared && exec->is_valid) && !prepare_exec(exec))
		{
			forget_entry(exec);
			return NULL;
		}
		lock_relations(exec);
		if (!exec->is_valid)
			continue;
		set_use(exec, stream);
		exec->told = exec->told_now = NULL;
		exec->is_told_whole = false;
		return exec;
	}
}

int *
cq_view_exec_failures(Oid view)
{
	return &find_entry(view)->nfailures;
}

static bool
stays_apart(Oid view)
{
	const CqViewExec *exec = find_entry(view);

	return exec->nfailures >= CQ_FAILURES_TOGETHER || exec->row_limit > 0 || cq_budget_slows(view);
}

bool
cq_view_exec_any_stays_apart(const List *views)
{
	ListCell   *cell;

	foreach(cell, views)
	{
		if (stays_apart(lfirst_oid(cell)))
			return true;
	}
	return false;
}

/* A batch on its way through the nodes. */
static void
bind_batch(const PlannedStmt *plan, void *context)
{
	CqBinding	binding = *(CqBinding *) context;

	binding.plan = plan;
	cq_batch_bind(&binding);
}

/* binding: NULL where it is not a batch that has come. */
static void
run_part(CqViewExec *exec, const CqTreeBatch *batch, CqBinding *binding, CqMergeCounts *counts)
{
	CqNodeCounts root = {.rows_out = -(counts->inserted + counts->updated)};
	CqDelta   **deltas = palloc(sizeof(CqDelta *) * cq_tree_run_length(exec->tree));
	CqActor		actor;
	instr_time	start;
	instr_time	duration;

	CommandCounterIncrement();	/* see what an earlier run of this transaction has written */
	PushActiveSnapshot(GetTransactionSnapshot());
	cq_view_actor_begin(&actor, exec->row, exec->owner);
	cq_told_begin(exec);
	cq_tree_run(exec->tree, batch, deltas);
	INSTR_TIME_SET_CURRENT(start);
	root.rows_in = exec->root->run(exec, binding, deltas, counts);
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	root.duration_us = INSTR_TIME_GET_MICROSEC(duration);
	root.rows_out += counts->inserted + counts->updated;
	cq_node_count_add(exec, root.rows_in >= 0 ? &root : NULL);
	cq_tree_run_free(exec->tree, deltas);
	cq_owner_end(&actor);
	PopActiveSnapshot();
}

void
cq_view_exec_run(CqViewExec *exec, CqBatch *batch, int first, int end, const Bitmapset *skip,
				 CqMergeCounts *counts)
{
	CqBinding	binding = {
		.stream = cq_reader_stream(batch->reader)->relid, .batch = batch, .first = first,
		.end = end,
		.skip = skip
	};
	CqTreeBatch tree_batch = {
		.stream = binding.stream, .nrows = end - first, .checks_kept = exec->checks_kept,
		.bind = bind_batch, .unbind = cq_batch_unbind, .context = &binding
	};

	run_part(exec, &tree_batch, &binding, counts);
}

void
cq_view_exec_run_told(CqViewExec *exec, const List *told, CqMergeCounts *counts)
{
	CqTreeBatch batch = {.told = told};

	run_part(exec, &batch, NULL, counts);
}

static void
begin_tree(const CqView *row, Oid owner, const CqViewPlan *plan)
{
	CqTreeRun  *run;
	CqDelta   **deltas;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	run = cq_tree_run_prepare(plan->tree, row->view, row->state, NULL);
	deltas = palloc(sizeof(CqDelta *) * cq_tree_run_length(run));
	cq_tree_run(run, NULL, deltas);
	cq_root_of(plan)->begin(row, owner, plan, deltas);
	cq_tree_run_free(run, deltas);
	PopActiveSnapshot();
}

void
cq_view_exec_begin(Oid view)
{
	CqView	   *row = cq_view_require(view);
	Relation	definition = table_open(row->definition, AccessShareLock);
	Oid			owner = definition->rd_rel->relowner;
	CqViewPlan *plan;
	CqActor		actor;

	cq_view_actor_begin(&actor, row, owner);
	cq_reject_raise(cq_view_plan(row, cq_compat_view_query(definition), &plan), NULL);
	table_close(definition, NoLock);
	begin_tree(row, owner, plan);
	cq_owner_end(&actor);
}

bool
cq_view_exec_compact(CqViewExec *exec, int64 budget_us)
{
	CqActor		actor;
	bool		goes_on;

	cq_view_actor_begin(&actor, exec->row, exec->owner);
	if (exec->compaction == NULL)
	{
		Relation	state = table_open(exec->row->state, NoLock);

		exec->compaction = cq_compact_begin(TopMemoryContext, state);
		exec->ndoubtful = 0;
		table_close(state, NoLock);
	}
	goes_on = cq_compact_step(exec->compaction, exec->row->state, exec->layout, budget_us);
	cq_owner_end(&actor);
	return goes_on;
}
