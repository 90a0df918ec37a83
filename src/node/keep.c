/*
 * keep.c
 *		Keep nodes at work: see keep.h.
 *
 * The rules are those of tree.h. All of them run the node's step over deltas that stand for the
 * tables: of CQ_RULE_DIFFERENCE with the rows of all touched keys; of the others with the changes
 * of one input, once for what is more and once for what is less, and of the rest what has the same
 * keys. Since the changes of each input are written after its turn, inputs 1 … i − 1 are read as
 * they are after, and i + 1 … n as they were before.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/compat.h"
#include "common/fault.h"
#include "common/guc.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "node/changes.h"
#include "node/early.h"
#include "node/flow.h"
#include "node/keep.h"
#include "plan/describe.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

struct CqKeep
{
	const CqTree *tree;
	const CqNode *node;
	int			ninputs;
	Oid		   *inputs;
	Oid			output;
	Oid			early;			/* of input 1; or InvalidOid */
	CqFlow	   *step;
	TupleDesc  *kept;			/* columns of each input */
	TupleDesc  *changes;		/* and with the weight, where they have one */
	TupleDesc	columns;		/* that the step yields */
	TupleDesc	told;			/* that are passed on */
	int64		nread;			/* rows of tables that were read, ever */
};

/* One call of cq_keep_apply. */
typedef struct Application
{
	CqKeep	   *keep;
	CqDelta   **changes;		/* net; NULL: none */
	CqKept	  **inputs;			/* NULL where no table is kept */
	CqDelta    *told;
} Application;

static const CqNodeInput *
input_of(const CqKeep *keep, int input)
{
	return list_nth(keep->node->inputs, input);
}

CqKeep *
cq_keep_prepare(const CqTree *tree, const CqNode *node, const Oid *inputs, Oid output)
{
	CqKeep	   *keep = palloc0(sizeof(CqKeep));
	List	   *told;

	keep->tree = tree;
	keep->node = node;
	keep->ninputs = list_length(node->inputs);
	keep->inputs = palloc(sizeof(Oid) * keep->ninputs);
	memcpy(keep->inputs, inputs, sizeof(Oid) * keep->ninputs);
	keep->output = output;
	keep->step = cq_flow_prepare(node->step, NULL, NULL);
	keep->kept = palloc(sizeof(TupleDesc) * keep->ninputs);
	keep->changes = palloc(sizeof(TupleDesc) * keep->ninputs);
	for (int i = 0; i < keep->ninputs; i++)
	{
		const CqNodeInput *input = input_of(keep, i);

		keep->kept[i] = cq_delta_columns(input->columns, true);
		keep->changes[i] = keep->kept[i];
		if (!input->only_grows)
			keep->changes[i] = cq_delta_columns(input->columns, false);
	}
	keep->columns = cq_delta_columns(node->columns, true);
	told = list_copy(node->columns);
	if (cq_rule_stores(node->rule))
		told = list_delete_last(told);
	keep->told = cq_delta_columns(told, node->only_grows);
	return keep;
}

void
cq_keep_set_early(CqKeep *keep, Oid early)
{
	keep->early = early;
}

List *
cq_keep_plans(const CqKeep *keep)
{
	return list_make2(keep->step->small, keep->step->large);
}

int64
cq_keep_nread(const CqKeep *keep)
{
	return keep->nread;
}

CqDelta *
cq_keep_make_changes(const CqKeep *keep, int input)
{
	return cq_delta_make(keep->changes[input], input_of(keep, input)->only_grows);
}

static void
next_command(void)
{
	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
}

/* ---- inputs ---- */

/* The changes of an input, net, or NULL. */
static CqDelta *
net_changes(const CqKeep *keep, int input, CqDelta *changes)
{
	CqDelta    *net;

	if (changes == NULL || changes->nrows == 0)
		return NULL;
	if (!changes->has_more || !changes->has_less)
		return changes;
	net = cq_keep_make_changes(keep, input);
	cq_changes_net(changes, keep->kept[input], keep->kept[input]->natts, net);
	if (net->nrows > 0)
		return net;
	cq_delta_free(net);
	return NULL;
}

static void
touch_keys(const CqKeep *keep, int input, CqDelta *changes, CqTouched *touched)
{
	if (input_of(keep, input)->is_broadcast)
		cq_touched_add_all(touched);
	else
		cq_changes_touch(changes, touched);
}

static void
write_changes(Application *application, int input)
{
	if (application->changes[input] != NULL)
		cq_changes_write(application->changes[input], application->keep->kept[input],
						 application->inputs[input]);
}

/* Rows on their way from a table that the node keeps. */
typedef struct Reading
{
	CqKeep	   *keep;
	const CqNodeInput *input;	/* of which they are; or NULL: they are the node's own */
	bool		is_global;		/* all that there are, however few have changed */
	int64		nread;
	CqDelta    *rows;			/* where they go to */
	CqNet	   *net;			/* or */
} Reading;

/* The time that it takes grows with each batch: it is not to become the whole of it. */
static void
raise_too_many(const Reading *reading)
{
	const CqNode *node = reading->keep->node;
	const char *what = reading->input == NULL ? "its answer" :
		cq_describe_input(reading->keep->tree, reading->input);

	/* Of SQLSTATEs one that is the view's fault: see common/fault.c. */
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("node %d (%s) has no key to go by: each batch reads all rows of %s, which are "
					"more than cq.max_global_rows, %d; raise that, or give the query an equality, "
					"GROUP BY or PARTITION BY, and call cq.resume",
					node->number, cq_describe_kind(node), what, cq_max_global_rows)));
}

static void
count_read(Reading *reading)
{
	reading->keep->nread++;
	if (reading->is_global && cq_max_global_rows >= 0 && ++reading->nread > cq_max_global_rows)
		raise_too_many(reading);
}

static void
take_row(void *context, TupleTableSlot *row)
{
	Reading    *reading = context;

	count_read(reading);
	cq_delta_add_whole(reading->rows, row);
}

static CqDelta *
fetch_rows(Application *application, int input, CqTouched *touched)
{
	CqKeep	   *keep = application->keep;
	const CqNodeInput *of = input_of(keep, input);
	Reading		reading = {.keep = keep, .input = of, .is_global = of->is_global};

	reading.rows = cq_delta_make(keep->kept[input], true);
	if (of->is_broadcast)
		cq_kept_fetch_all(application->inputs[input], take_row, &reading);
	else
		cq_kept_fetch(application->inputs[input], touched, take_row, &reading);
	return reading.rows;
}

/* Of CQ_RULE_LATEST there is one more: what is stored. */
static void
run_step(const CqKeep *keep, CqDelta *const *inputs, DestReceiver *receiver)
{
	QueryEnvironment *environment = create_queryEnv();
	int			ninputs = keep->ninputs + (keep->node->rule == CQ_RULE_LATEST ? 1 : 0);
	int64		nrows = 0;

	for (int i = 0; i < ninputs; i++)
	{
		cq_delta_register(inputs[i], cq_tree_input_name(i + 1), environment);
		nrows += inputs[i]->nrows;
	}
	cq_flow_run(cq_flow_plan(keep->step, nrows), environment, receiver);
	receiver->rDestroy(receiver);
}

/* ---- CQ_RULE_DIFFERENCE ---- */

typedef struct Difference
{
	CqKept	   *output;
	CqDelta    *told;
	AttrNumber	hash;
	CqTouched  *touched;		/* read along, as far as this: */
	int64		last_touched;
} Difference;

/* Rows come in the order of their hashes. */
static void
check_touched(Difference *difference, int64 hash)
{
	if (cq_touched_is_all(difference->touched))
		return;
	while (difference->last_touched < hash)
	{
		if (!cq_touched_next(difference->touched, &difference->last_touched))
			break;
	}
	if (difference->last_touched != hash)
		elog(ERROR, "a step yields a row of a key that was not touched");
}

static void
keep_or_delete(void *context, TupleTableSlot *row, ItemPointer tid, int64 *weight)
{
	Difference *difference = context;

	if (*weight > 0)
	{
		(*weight)--;
		return;
	}
	cq_kept_delete(difference->output, cq_changes_hash(row, difference->hash), tid);
	cq_delta_add(difference->told, row, -1);
}

static void
append_new(void *context, TupleTableSlot *row, int64 weight)
{
	Difference *difference = context;

	if (weight <= 0)
		return;
	check_touched(difference, cq_changes_hash(row, difference->hash));
	cq_changes_add_rows(difference->output, row, weight);
	cq_delta_add(difference->told, row, weight);
}

static void
take_stored(void *context, TupleTableSlot *row)
{
	Reading    *reading = context;

	count_read(reading);
	cq_changes_take_stored(reading->net, row);
}

/* Has what the node stores one key for all? */
static bool
has_global_output(const CqKeep *keep)
{
	for (int i = 0; i < keep->ninputs; i++)
	{
		if (!input_of(keep, i)->is_global)
			return false;
	}
	return true;
}

/* What differs between what the step has yielded and what is stored: the one becomes the other. */
static void
store_difference(Application *application, CqNet *net, CqTouched *touched)
{
	CqKeep	   *keep = application->keep;
	Reading		reading = {.keep = keep, .is_global = has_global_output(keep), .net = net};
	Difference	difference = {
		.told = application->told,
		.hash = keep->columns->natts,
		.touched = touched
	};
	CqNetWalk	walk = {.stored = keep_or_delete, .end = append_new, .context = &difference};

	difference.output = cq_kept_open(keep->output, keep->columns);
	cq_kept_fetch(difference.output, touched, take_stored, &reading);
	difference.last_touched = PG_INT64_MIN;
	if (!cq_touched_is_all(touched))
	{
		cq_touched_rewind(touched);
		(void) cq_touched_next(touched, &difference.last_touched);
	}
	cq_net_walk(net, &walk);
	cq_kept_close(difference.output);
}

static void
touch_all_keys(Application *application, bool touches_rest, CqTouched *touched)
{
	for (int i = 0; i < application->keep->ninputs; i++)
	{
		if (application->changes[i] != NULL)
			touch_keys(application->keep, i, application->changes[i], touched);
	}
	if (touches_rest)
		cq_touched_add(touched, 0);
}

static void
apply_difference(Application *application, bool touches_rest)
{
	const CqKeep *keep = application->keep;
	CqTouched  *touched = cq_touched_make();
	CqDelta   **rows = palloc0(sizeof(CqDelta *) * keep->ninputs);
	CqNet	   *net;

	touch_all_keys(application, touches_rest, touched);
	if (cq_touched_is_empty(touched))
		return;
	for (int i = 0; i < keep->ninputs; i++)
		write_changes(application, i);
	next_command();
	for (int i = 0; i < keep->ninputs; i++)
		rows[i] = fetch_rows(application, i, touched);
	net = cq_net_make(keep->columns, keep->columns->natts);
	run_step(keep, rows, cq_net_receiver(net));
	for (int i = 0; i < keep->ninputs; i++)
		cq_delta_free(rows[i]);
	store_difference(application, net, touched);
	cq_net_free(net);
	cq_touched_free(touched);
}

/* ---- CQ_RULE_LATEST ---- */

static CqDelta *
fetch_stored(CqKeep *keep, CqTouched *touched)
{
	Reading		reading = {.keep = keep, .rows = cq_delta_make(keep->columns, true)};
	CqKept	   *output = cq_kept_open(keep->output, keep->columns);

	cq_kept_fetch(output, touched, take_row, &reading);
	cq_kept_close(output);
	return reading.rows;
}

/* Columns of such an input: …, key, partition, is_gone, whether values lack, hash. */
static AttrNumber
find_key(const CqKeep *keep)
{
	ListCell   *cell;

	foreach(cell, input_of(keep, 0)->columns)
	{
		if (strcmp(lfirst_node(ColumnDef, cell)->colname, "key") == 0)
			return foreach_current_index(cell) + 1;
	}
	elog(ERROR, "a node for the newest rows has no key");
}

/* What has no key ends all rows: of the partition that it is in, which has to be the only one. */
typedef struct Ending
{
	AttrNumber	partition;
	bool		is_any;
	bool		has_others;		/* there are rows in other partitions */
	int32		first;			/* that any row is in */
	bool		has_first;
} Ending;

static void
note_partition(Ending *ending, TupleTableSlot *row)
{
	bool		is_null;
	int32		partition = DatumGetInt32(slot_getattr(row, ending->partition, &is_null));

	if (!ending->has_first)
		ending->first = partition;
	ending->has_first = true;
	ending->has_others |= partition != ending->first;
}

static void
touch_latest(const CqKeep *keep, CqDelta *changes, CqTouched *touched, Ending *ending)
{
	AttrNumber	key = find_key(keep);
	TupleTableSlot *slot = cq_delta_slot(changes);
	int32		weight;

	ending->partition = key + 1;
	cq_delta_rewind(changes);
	while (cq_delta_next(changes, slot, &weight))
	{
		bool		is_ending;

		(void) slot_getattr(slot, key, &is_ending);
		ending->is_any |= is_ending;
		note_partition(ending, slot);
		if (is_ending)
			cq_touched_add_all(touched);
		else
			cq_touched_add(touched, cq_changes_hash(slot, changes->natts));
	}
	ExecDropSingleTupleTableSlot(slot);
}

static void
check_ending(const CqKeep *keep, CqDelta *stored, Ending *ending)
{
	TupleTableSlot *slot = cq_delta_slot(stored);
	int32		weight;

	cq_delta_rewind(stored);
	while (cq_delta_next(stored, slot, &weight))
		note_partition(ending, slot);
	ExecDropSingleTupleTableSlot(slot);
	cq_delta_rewind(stored);
	if (ending->has_others)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a truncate event in stream \"%s\" has no place among its rows",
						get_rel_name(input_of(keep, 0)->stream)),
				 errdetail("They are in several partitions, which have no order between them."),
				 errhint("Events of a table that is truncated belong into a topic with one "
						 "partition.")));
}

static void
apply_latest(Application *application)
{
	CqKeep	   *keep = application->keep;
	CqDelta    *rows[2] = {application->changes[0], NULL};
	Ending		ending = {0};
	CqTouched  *touched;
	CqNet	   *net;

	if (rows[0] == NULL)
		return;
	touched = cq_touched_make();
	touch_latest(keep, rows[0], touched, &ending);
	rows[1] = fetch_stored(keep, touched);
	if (ending.is_any)
		check_ending(keep, rows[1], &ending);
	net = cq_net_make(keep->columns, keep->columns->natts);
	run_step(keep, rows, cq_net_receiver(net));
	cq_delta_free(rows[1]);
	store_difference(application, net, touched);
	cq_net_free(net);
	cq_touched_free(touched);
}

/* ---- CQ_RULE_LINEAR, CQ_RULE_ADDITIVE ---- */

/* Runs the step over the changes of one input, and rows of the others. */
static void
tell_product(Application *application, int input, CqDelta **rows)
{
	const CqKeep *keep = application->keep;
	CqDelta    *changes = application->changes[input];

	for (int32 sign = 1; sign >= -1; sign -= 2)
	{
		if (!(sign > 0 ? changes->has_more : changes->has_less))
			continue;
		rows[input] = changes->only_grows ? changes :
			cq_changes_part(changes, keep->kept[input], sign);
		run_step(keep, rows, cq_delta_receiver(application->told, sign));
		if (rows[input] != changes)
			cq_delta_free(rows[input]);
	}
}

/* Nothing times anything is nothing. */
static bool
fetch_others(Application *application, int input, CqDelta **rows)
{
	CqTouched  *touched = cq_touched_make();
	bool		has_rows = true;

	touch_keys(application->keep, input, application->changes[input], touched);
	for (int i = 0; i < application->keep->ninputs; i++)
	{
		rows[i] = NULL;
		if (i == input || !has_rows)
			continue;
		rows[i] = fetch_rows(application, i, touched);
		has_rows = rows[i]->nrows > 0;
	}
	cq_touched_free(touched);
	return has_rows;
}

static void
free_others(int ninputs, int input, CqDelta **rows)
{
	for (int i = 0; i < ninputs; i++)
	{
		if (i != input && rows[i] != NULL)
			cq_delta_free(rows[i]);
	}
}

static void
apply_linear(Application *application)
{
	const CqKeep *keep = application->keep;
	CqDelta   **rows = palloc(sizeof(CqDelta *) * keep->ninputs);

	for (int i = 0; i < keep->ninputs; i++)
	{
		if (application->changes[i] == NULL)
			continue;
		if (fetch_others(application, i, rows))
			tell_product(application, i, rows);
		free_others(keep->ninputs, i, rows);
		write_changes(application, i);
		next_command();
	}
}

static void
apply_additive(Application *application)
{
	const CqKeep *keep = application->keep;
	CqDelta   **rows = palloc(sizeof(CqDelta *) * keep->ninputs);

	for (int i = 0; i < keep->ninputs; i++)
	{
		if (application->changes[i] == NULL)
			continue;
		for (int j = 0; j < keep->ninputs; j++)
			rows[j] = j == i ? NULL : cq_delta_make(keep->kept[j], true);
		tell_product(application, i, rows);
		free_others(keep->ninputs, i, rows);
	}
}

/* ---- what is kept ---- */

/* Once more for these keys, as if nothing had changed; what comes of it is of no use. */
static void
compute_again(Application *application, CqTouched *touched)
{
	const CqKeep *keep = application->keep;
	CqDelta   **rows = palloc(sizeof(CqDelta *) * keep->ninputs);

	for (int i = 0; i < keep->ninputs; i++)
		rows[i] = fetch_rows(application, i, touched);
	run_step(keep, rows, CreateDestReceiver(DestNone));
	for (int i = 0; i < keep->ninputs; i++)
		cq_delta_free(rows[i]);
}

/*
 * The error of a step over what is kept, as one of the view: says of which node, and where it is.
 */
pg_noreturn static void
raise_of_kept(const CqKeep *keep, CqTouched *touched, const ErrorData *error)
{
	int64		hash = 0;
	char	   *keys = "";

	cq_touched_rewind(touched);
	if (!cq_touched_is_all(touched) && cq_touched_next(touched, &hash))
		keys = psprintf(" where " CQ_HASH_COLUMN " is " INT64_FORMAT, hash);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("node %d cannot be computed from the rows that it keeps in \"%s.%s\"%s: %s",
					keep->node->number, get_namespace_name(get_rel_namespace(keep->inputs[0])),
					get_rel_name(keep->inputs[0]), keys, error->message)));
}

static void
check_kept(Application *application, CqTouched *touched)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		compute_again(application, touched);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (!cq_fault_is_of_value(error))
			PG_RE_THROW();
		FlushErrorState();
		raise_of_kept(application->keep, touched, error);
	}
	PG_END_TRY();
}

/* ---- all rules ---- */

/* From here on its tables are open, and a snapshot of its own shows what it has written. */
static void
begin_commands(Application *application)
{
	const CqKeep *keep = application->keep;

	PushCopiedSnapshot(GetActiveSnapshot());
	next_command();
	application->inputs = palloc0(sizeof(CqKept *) * keep->ninputs);
	for (int i = 0; i < keep->ninputs && cq_rule_keeps_inputs(keep->node->rule); i++)
		application->inputs[i] = cq_kept_open(keep->inputs[i], keep->kept[i]);
}

static void
end_commands(Application *application)
{
	for (int i = 0; i < application->keep->ninputs; i++)
	{
		if (application->inputs[i] != NULL)
			cq_kept_close(application->inputs[i]);
	}
	PopActiveSnapshot();
}

static void
apply_rule(Application *application, bool touches_rest)
{
	switch (application->keep->node->rule)
	{
		case CQ_RULE_DIFFERENCE:
			apply_difference(application, touches_rest);
			break;
		case CQ_RULE_LATEST:
			apply_latest(application);
			break;
		case CQ_RULE_LINEAR:
			apply_linear(application);
			break;
		case CQ_RULE_ADDITIVE:
			apply_additive(application);
			break;
	}
}

static bool
has_changes(const Application *application)
{
	for (int i = 0; i < application->keep->ninputs; i++)
	{
		if (application->changes[i] != NULL)
			return true;
	}
	return false;
}

/* What of a table's changes counts now. */
static void
settle_early(Application *application, CqDelta *const *changes)
{
	CqKeep	   *keep = application->keep;
	CqDelta    *net = application->changes[0];
	CqDelta    *rest;

	if (!OidIsValid(keep->early) || net == NULL)
		return;
	rest = cq_early_settle(net, application->inputs[0], keep->early, keep->kept[0]);
	application->changes[0] = rest->nrows > 0 ? rest : NULL;
	if (rest != net && net != changes[0])
		cq_delta_free(net);
	if (rest->nrows == 0 && rest != changes[0])
		cq_delta_free(rest);
	next_command();
}

/* Frees all that it made of the changes: what is not the caller's. */
static void
free_net(Application *application, CqDelta *const *changes)
{
	for (int i = 0; i < application->keep->ninputs; i++)
	{
		if (application->changes[i] != NULL && application->changes[i] != changes[i])
			cq_delta_free(application->changes[i]);
	}
}

/* Changes of different inputs may have made up for one another. */
static CqDelta *
net_told(const CqKeep *keep, CqDelta *told)
{
	CqDelta    *net;

	if (cq_rule_stores(keep->node->rule) || !told->has_more || !told->has_less)
		return told;
	net = cq_delta_make(keep->told, keep->node->only_grows);
	cq_changes_net(told, keep->columns, InvalidAttrNumber, net);
	cq_delta_free(told);
	return net;
}

/*
 * Has the changes of a call ready, in a context of its own, which is the current one from now on.
 */
static void
begin_application(Application *application, CqKeep *keep, CqDelta *const *changes)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "pg_cq node",
											   ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(work);
	application->keep = keep;
	application->changes = palloc(sizeof(CqDelta *) * keep->ninputs);
	for (int i = 0; i < keep->ninputs; i++)
		application->changes[i] = net_changes(keep, i, changes[i]);
}

static void
end_application(Application *application, CqDelta *const *changes, MemoryContext caller)
{
	MemoryContext work = CurrentMemoryContext;

	free_net(application, changes);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
}

CqDelta *
cq_keep_apply(CqKeep *keep, CqDelta *const *changes, bool touches_rest)
{
	Application application = {0};
	MemoryContext caller = CurrentMemoryContext;

	application.told = cq_delta_make(keep->told, keep->node->only_grows);
	begin_application(&application, keep, changes);
	if (touches_rest || has_changes(&application))
	{
		begin_commands(&application);
		settle_early(&application, changes);
		apply_rule(&application, touches_rest);
		end_commands(&application);
	}
	end_application(&application, changes, caller);
	return net_told(keep, application.told);
}

void
cq_keep_check(CqKeep *keep, CqDelta *const *changes)
{
	Application application = {0};
	MemoryContext caller = CurrentMemoryContext;
	CqTouched  *touched;

	if (keep->node->rule != CQ_RULE_DIFFERENCE)
		return;
	begin_application(&application, keep, changes);
	touched = cq_touched_make();
	touch_all_keys(&application, false, touched);
	if (!cq_touched_is_empty(touched))
	{
		begin_commands(&application);
		check_kept(&application, touched);
		end_commands(&application);
	}
	cq_touched_free(touched);
	end_application(&application, changes, caller);
}
