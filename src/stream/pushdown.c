/*
 * pushdown.c
 *		Conditions on the columns with metadata partition, offset and timestamp: see pushdown.h.
 *
 * They only narrow what is read, and are checked again on each row: so they may be read generously,
 * never strictly. From timestamps only a beginning follows. A topic's timestamps need not rise
 * (producers set them), so that after the first message that is too late there may be one that is
 * not; but before the first that is late enough there is none.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "stream/pushdown.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* column strategy value, or column = ANY (value). */
typedef struct Condition
{
	CqColumnOrigin origin;
	int			strategy;		/* of a btree */
	Expr	   *value;
	Oid			type;			/* of the value, or of its elements */
	bool		is_list;
	ExprState  *state;
} Condition;

struct CqPushdown
{
	Condition  *conditions;
	int			nconditions;
};

void
cq_pushdown_init(CqRange *range)
{
	memset(range, 0, sizeof(CqRange));
	range->last_partition = PG_INT64_MAX;
	range->last_offset = PG_INT64_MAX;
	range->first_time = DT_NOBEGIN;
}

bool
cq_pushdown_has_partition(const CqRange *range, int32 partition)
{
	if (partition < range->first_partition || partition > range->last_partition)
		return false;
	if (!range->is_listed)
		return true;
	for (int i = 0; i < range->npartitions; i++)
	{
		if (range->partitions[i] == partition)
			return true;
	}
	return false;
}

/* What a Var of the stream tells of, CQ_COLUMN_VALUE if it is none that counts here. */
static CqColumnOrigin
origin_of(const CqStream *stream, Index relid, Node *node)
{
	Var		   *var = (Var *) node;

	if (!IsA(node, Var) || var->varno != (int) relid || var->varlevelsup != 0)
		return CQ_COLUMN_VALUE;
	for (int i = 0; i < stream->ncolumns; i++)
	{
		CqColumnOrigin origin = stream->columns[i].origin;

		if (stream->columns[i].attno == var->varattno &&
			(origin == CQ_COLUMN_PARTITION || origin == CQ_COLUMN_OFFSET ||
			 origin == CQ_COLUMN_TIMESTAMP))
			return origin;
	}
	return CQ_COLUMN_VALUE;
}

/* The same whatever the row, and throughout the statement. */
static bool
is_stable(Node *node)
{
	return !contain_var_clause(node) && !contain_volatile_functions(node) &&
		!contain_subplans(node);
}

static bool
is_comparable(CqColumnOrigin origin, Oid type)
{
	if (origin == CQ_COLUMN_TIMESTAMP)
		return type == TIMESTAMPTZOID;
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static Oid
family_of(CqColumnOrigin origin)
{
	Oid			type = origin == CQ_COLUMN_TIMESTAMP ? TIMESTAMPTZOID : INT8OID;

	return lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
}

/* column op value, or value op column. */
static bool
match_comparison(const CqStream *stream, Index relid, OpExpr *clause, Condition *condition)
{
	Node	   *left;
	Node	   *right;
	Oid			operator = clause->opno;

	if (list_length(clause->args) != 2)
		return false;
	left = linitial(clause->args);
	right = lsecond(clause->args);
	condition->origin = origin_of(stream, relid, left);
	if (condition->origin == CQ_COLUMN_VALUE)
	{
		Node	   *swapped = left;

		left = right;
		right = swapped;
		condition->origin = origin_of(stream, relid, left);
		operator = get_commutator(operator);
	}
	if (condition->origin == CQ_COLUMN_VALUE || !OidIsValid(operator))
		return false;
	condition->value = (Expr *) right;
	condition->type = exprType(right);
	condition->strategy = get_op_opfamily_strategy(operator, family_of(condition->origin));
	if (condition->origin == CQ_COLUMN_TIMESTAMP && condition->strategy < BTEqualStrategyNumber)
		return false;
	return condition->strategy != InvalidStrategy && is_comparable(condition->origin,
																   condition->type);
}

/* partition = ANY (array) */
static bool
match_list(const CqStream *stream, Index relid, ScalarArrayOpExpr *clause, Condition *condition)
{
	condition->origin = origin_of(stream, relid, linitial(clause->args));
	condition->value = lsecond(clause->args);
	condition->type = get_element_type(exprType((Node *) condition->value));
	condition->strategy = BTEqualStrategyNumber;
	condition->is_list = true;
	return condition->origin == CQ_COLUMN_PARTITION && clause->useOr &&
		get_op_opfamily_strategy(clause->opno,
								 family_of(condition->origin)) == BTEqualStrategyNumber &&
		is_comparable(condition->origin, condition->type);
}

static bool
match(const CqStream *stream, Index relid, Expr *clause, Condition *condition)
{
	bool		matches = false;

	memset(condition, 0, sizeof(Condition));
	if (IsA(clause, OpExpr))
		matches = match_comparison(stream, relid, (OpExpr *) clause, condition);
	else if (IsA(clause, ScalarArrayOpExpr))
		matches = match_list(stream, relid, (ScalarArrayOpExpr *) clause, condition);
	return matches && is_stable((Node *) condition->value);
}

bool
cq_pushdown_accepts(const CqStream *stream, Index relid, Expr *clause)
{
	Condition	condition;

	return match(stream, relid, clause, &condition);
}

CqPushdown *
cq_pushdown_open(const CqStream *stream, Index relid, List *clauses, PlanState *parent)
{
	CqPushdown *pushdown = palloc0(sizeof(CqPushdown));
	ListCell   *cell;

	pushdown->conditions = palloc0(sizeof(Condition) * Max(list_length(clauses), 1));
	foreach(cell, clauses)
	{
		Condition  *condition = &pushdown->conditions[pushdown->nconditions];

		if (!match(stream, relid, lfirst(cell), condition))
			continue;			/* the stream was altered since */
		condition->state = ExecInitExpr(condition->value, parent);
		pushdown->nconditions++;
	}
	return pushdown;
}

static int64
as_integer(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* Narrows [*first, *last] to what stands in the relation strategy to value. */
static void
narrow(int64 *first, int64 *last, int strategy, int64 value)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			if (value == PG_INT64_MIN)
				*last = -1;
			else
				*last = Min(*last, value - 1);
			break;
		case BTLessEqualStrategyNumber:
			*last = Min(*last, value);
			break;
		case BTEqualStrategyNumber:
			*first = Max(*first, value);
			*last = Min(*last, value);
			break;
		case BTGreaterEqualStrategyNumber:
			*first = Max(*first, value);
			break;
		case BTGreaterStrategyNumber:
			if (value == PG_INT64_MAX)
				*last = -1;
			else
				*first = Max(*first, value + 1);
			break;
	}
}

static void
narrow_list(CqRange *range, const Condition *condition, ArrayType *array)
{
	int16		length;
	bool		is_by_value;
	char		alignment;
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	int64	   *kept;
	int			nkept = 0;

	get_typlenbyvalalign(condition->type, &length, &is_by_value, &alignment);
	deconstruct_array(array, condition->type, length, is_by_value, alignment, &elements, &nulls,
					  &nelements);
	kept = palloc(sizeof(int64) * Max(nelements, 1));
	for (int i = 0; i < nelements; i++)
	{
		int64		partition = nulls[i] ? -1 : as_integer(elements[i], condition->type);

		if (partition >= 0 && partition <= PG_INT32_MAX &&
			cq_pushdown_has_partition(range, partition))
			kept[nkept++] = partition;
	}
	range->is_listed = true;
	range->partitions = kept;
	range->npartitions = nkept;
}

static void
apply(CqRange *range, const Condition *condition, Datum value)
{
	if (condition->is_list)
		narrow_list(range, condition, DatumGetArrayTypeP(value));
	else if (condition->origin == CQ_COLUMN_PARTITION)
		narrow(&range->first_partition, &range->last_partition, condition->strategy,
			   as_integer(value, condition->type));
	else if (condition->origin == CQ_COLUMN_OFFSET)
		narrow(&range->first_offset, &range->last_offset, condition->strategy,
			   as_integer(value, condition->type));
	else
		range->first_time = Max(range->first_time, DatumGetTimestampTz(value));
}

void
cq_pushdown_evaluate(CqPushdown *pushdown, ExprContext *context, CqRange *range)
{
	cq_pushdown_init(range);
	for (int i = 0; i < pushdown->nconditions; i++)
	{
		Condition  *condition = &pushdown->conditions[i];
		bool		is_null;
		Datum		value = ExecEvalExprSwitchContext(condition->state, context, &is_null);

		if (is_null)
			range->is_empty = true;
		else
			apply(range, condition, value);
	}
	if (range->first_partition > range->last_partition ||
		range->first_offset > range->last_offset ||
		(range->is_listed && range->npartitions == 0))
		range->is_empty = true;
}
