/*
 * constraint.c
 *		Constraints of a stream that is a sink: see constraint.h.
 *
 * INSERT has the server hold them; a row for an outbox goes by no INSERT. A column that the stream
 * computes, or that is of the message itself (its offset, say), is not written: NOT NULL says
 * nothing of it here.
 */
#include "postgres.h"

#include "common/compat.h"
#include "executor/executor.h"
#include "sink/constraint.h"
#include "utils/lsyscache.h"

typedef struct Check
{
	const char *name;
	ExprState  *state;
} Check;

struct CqConstraints
{
	Oid			stream;
	TupleDesc	columns;
	Bitmapset  *not_null;		/* attribute numbers */
	List	   *checks;			/* of Check * */
	EState	   *estate;
};

static void
add_not_null(CqConstraints *constraints, const CqStream *stream)
{
	for (int i = 0; i < stream->ncolumns; i++)
	{
		const CqStreamColumn *column = &stream->columns[i];

		if ((column->origin == CQ_COLUMN_VALUE || column->origin == CQ_COLUMN_KEY_FIELD ||
			 column->origin == CQ_COLUMN_KEY) &&
			TupleDescAttr(constraints->columns, column->attno - 1)->attnotnull)
			constraints->not_null = bms_add_member(constraints->not_null, column->attno);
	}
}

static void
add_checks(CqConstraints *constraints)
{
	const TupleConstr *said = constraints->columns->constr;

	for (int i = 0; said != NULL && i < said->num_check; i++)
	{
		Check	   *check;

		if (!cq_compat_is_enforced(&said->check[i]))
			continue;
		check = palloc(sizeof(Check));
		check->name = said->check[i].ccname;
		check->state = ExecPrepareExpr(stringToNode(said->check[i].ccbin), constraints->estate);
		constraints->checks = lappend(constraints->checks, check);
	}
}

CqConstraints *
cq_constraint_open(const CqStream *stream, TupleDesc columns)
{
	CqConstraints *constraints = palloc0(sizeof(CqConstraints));

	constraints->stream = stream->relid;
	constraints->columns = columns;
	constraints->estate = CreateExecutorState();
	add_not_null(constraints, stream);
	add_checks(constraints);
	if (constraints->not_null != NULL || constraints->checks != NIL)
		return constraints;
	FreeExecutorState(constraints->estate);
	return NULL;
}

pg_noreturn static void
raise_null(const CqConstraints *constraints, AttrNumber attno)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
					NameStr(TupleDescAttr(constraints->columns, attno - 1)->attname),
					get_rel_name(constraints->stream))));
}

pg_noreturn static void
raise_broken(const CqConstraints *constraints, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("new row for relation \"%s\" violates check constraint \"%s\"",
					get_rel_name(constraints->stream), name),
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, name)));
}

void
cq_constraint_hold(CqConstraints *constraints, TupleTableSlot *row)
{
	ExprContext *context;
	int			attno = -1;
	ListCell   *cell;

	if (constraints == NULL)
		return;
	slot_getallattrs(row);
	while ((attno = bms_next_member(constraints->not_null, attno)) >= 0)
	{
		if (row->tts_isnull[attno - 1])
			raise_null(constraints, attno);
	}
	context = GetPerTupleExprContext(constraints->estate);
	context->ecxt_scantuple = row;
	foreach(cell, constraints->checks)
	{
		const Check *check = lfirst(cell);

		if (!ExecCheck(check->state, context))
			raise_broken(constraints, check->name);
	}
	ResetPerTupleExprContext(constraints->estate);
}
