/*
 * node_test.c
 *		Nodes made by hand, callable from SQL, for tests only.
 */
#include "postgres.h"

#include <time.h>

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "node/flow.h"
#include "node/keep.h"
#include "nodes/makefuncs.h"
#include "parser/analyze.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(node_apply);
PG_FUNCTION_INFO_V1(node_bench);

/* The arguments of a test, as a node. */
typedef struct TestNode
{
	CqNode		node;
	int			ninputs;
	Oid			tables[16];
	Oid			output;
	CqKeep	   *keep;
	CqDelta    *changes[16];
} TestNode;

static CqKeepRule
rule_named(const char *name)
{
	if (strcmp(name, "additive") == 0)
		return CQ_RULE_ADDITIVE;
	if (strcmp(name, "linear") == 0)
		return CQ_RULE_LINEAR;
	return CQ_RULE_DIFFERENCE;
}

static Query *
analyze_text(const char *text, QueryEnvironment *environment)
{
	List	   *parsed = pg_parse_query(text);

	return parse_analyze_fixedparams(linitial_node(RawStmt, parsed), text, NULL, 0, environment);
}

static List *
columns_of_row(TupleDesc row)
{
	List	   *columns = NIL;

	for (int i = 0; i < row->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(row, i);

		if (column->attisdropped)
			continue;
		columns = lappend(columns, makeColumnDef(NameStr(column->attname), column->atttypid,
												 column->atttypmod, column->attcollation));
	}
	return columns;
}

static List *
columns_of_table(Oid relid)
{
	Relation	relation = table_open(relid, RowExclusiveLock);
	List	   *columns = columns_of_row(RelationGetDescr(relation));

	table_close(relation, NoLock);
	return columns;
}

static bool
element(ArrayType *array, int n, Oid type, Datum *value)
{
	Datum	   *values;
	bool	   *nulls;
	int			nvalues;

	deconstruct_array(array, type, type == TEXTOID ? -1 : type == BOOLOID ? 1 : 4, type != TEXTOID,
					  type == BOOLOID ? TYPALIGN_CHAR : TYPALIGN_INT, &values, &nulls, &nvalues);
	*value = values[n];
	return !nulls[n];
}

/* A query with the changes of an input: does it give weights? */
static CqFlow *
flow_of(const char *text, int ncolumns, bool *only_grows)
{
	Query	   *query = analyze_text(text, NULL);

	*only_grows = ExecCleanTypeFromTL(query->targetList)->natts == ncolumns;
	return cq_flow_prepare(query, text, NULL);
}

static void
prepare_test(FunctionCallInfo fcinfo, TestNode *test, bool has_broadcast)
{
	ArrayType  *inputs = PG_GETARG_ARRAYTYPE_P(2);
	ArrayType  *changes = PG_GETARG_ARRAYTYPE_P(4);
	QueryEnvironment *environment = create_queryEnv();
	CqFlow	   *flows[16] = {NULL};
	Datum		value;

	memset(test, 0, sizeof(TestNode));
	test->node.number = 1;
	test->node.rule = rule_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	test->ninputs = ArrayGetNItems(ARR_NDIM(inputs), ARR_DIMS(inputs));
	for (int i = 0; i < test->ninputs; i++)
	{
		CqNodeInput *input = palloc0(sizeof(CqNodeInput));
		CqDelta    *shape;

		(void) element(inputs, i, REGCLASSOID, &value);
		input->columns = columns_of_table(DatumGetObjectId(value));
		if (test->node.rule != CQ_RULE_ADDITIVE)
			test->tables[i] = DatumGetObjectId(value);
		if (element(changes, i, TEXTOID, &value))
			flows[i] = flow_of(TextDatumGetCString(value), list_length(input->columns),
							   &input->only_grows);
		input->is_broadcast = has_broadcast &&
			element(PG_GETARG_ARRAYTYPE_P(5), i, BOOLOID, &value) && DatumGetBool(value);
		test->node.inputs = lappend(test->node.inputs, input);
		shape = cq_delta_make(cq_delta_columns(input->columns, true), true);
		cq_delta_register(shape, cq_tree_input_name(i + 1), environment);
	}
	test->node.step = analyze_text(text_to_cstring(PG_GETARG_TEXT_PP(1)), environment);
	test->node.columns = columns_of_row(ExecCleanTypeFromTL(test->node.step->targetList));
	if (!PG_ARGISNULL(3))
		test->output = PG_GETARG_OID(3);
	test->keep = cq_keep_prepare(NULL, &test->node, test->tables, test->output);
	for (int i = 0; i < test->ninputs; i++)
	{
		DestReceiver *receiver;

		if (flows[i] == NULL)
			continue;
		test->changes[i] = cq_keep_make_changes(test->keep, i);
		receiver = cq_delta_receiver(test->changes[i], 0);
		cq_flow_run(cq_flow_plan(flows[i], 0), NULL, receiver);
		receiver->rDestroy(receiver);
	}
}

static void
free_changes(TestNode *test)
{
	for (int i = 0; i < test->ninputs; i++)
	{
		if (test->changes[i] != NULL)
			cq_delta_free(test->changes[i]);
	}
}

static Datum
row_text(TupleTableSlot *row, TupleDesc type)
{
	HeapTuple	tuple = heap_form_tuple(type, row->tts_values, row->tts_isnull);
	Datum		record = HeapTupleGetDatum(tuple);
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(RECORDOID, &output, &is_varlena);
	return CStringGetTextDatum(OidOutputFunctionCall(output, record));
}

Datum
node_apply(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row_context;
	TestNode	test;
	CqDelta    *told;
	TupleTableSlot *slot;
	TupleDesc	type;
	int32		weight;

	row_context = AllocSetContextCreate(CurrentMemoryContext, "row", ALLOCSET_DEFAULT_SIZES);
	InitMaterializedSRF(fcinfo, 0);
	prepare_test(fcinfo, &test, !PG_ARGISNULL(5));
	told = cq_keep_apply(test.keep, test.changes, PG_GETARG_BOOL(6));
	slot = cq_delta_slot(told);
	type = BlessTupleDesc(cq_delta_columns(list_truncate(list_copy(test.node.columns), told->natts),
										   true));
	cq_delta_rewind(told);
	while (cq_delta_next(told, slot, &weight))
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};
		MemoryContext caller = MemoryContextSwitchTo(row_context);

		slot_getallattrs(slot);
		values[0] = row_text(slot, type);
		values[1] = Int32GetDatum(weight);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_context);
	}
	ExecDropSingleTupleTableSlot(slot);
	cq_delta_free(told);
	free_changes(&test);
	return (Datum) 0;
}

static double
cpu_microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

/* The first round finds cold caches, and does not count. */
Datum
node_bench(PG_FUNCTION_ARGS)
{
	int			rounds = PG_GETARG_INT32(5);
	TestNode	test;
	double		spent = 0;

	prepare_test(fcinfo, &test, false);
	for (int i = 0; i <= rounds; i++)
	{
		MemoryContext caller = CurrentMemoryContext;
		ResourceOwner owner = CurrentResourceOwner;
		double		begun;

		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(caller);
		begun = cpu_microseconds();
		cq_delta_free(cq_keep_apply(test.keep, test.changes, false));
		if (i > 0)
			spent += cpu_microseconds() - begun;
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	free_changes(&test);
	PG_RETURN_FLOAT8(spent / rounds);
}
