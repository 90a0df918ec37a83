/*
 * moment.c
 *		Texts that mean the moment when they are read as a date or time: see moment.h.
 *
 * A constant 'now'::text::timestamptz is refused at CREATE (check.c). What a message has is known
 * when it comes: then it is that row's fault, as where the stream has a column of such a type. So,
 * in what runs over a batch,
 *
 *		(j ->> 'at')::timestamptz		becomes		_cq.without_moment(j ->> 'at')::timestamptz
 *
 * once views are expanded. Reached are casts, also those of elements of arrays; not what functions
 * such as jsonb_to_record read.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "plan/check_function.h"
#include "plan/moment.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(cq_without_moment);

/* _cq.without_moment(text): the text itself. */
Datum
cq_without_moment(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);

	if (cq_check_text_as_time(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("\"%s\" means the moment at which it is read, which a continuous view "
						"must not depend on",
						text_to_cstring(value))));
	PG_RETURN_TEXT_P(value);
}

static bool
is_text(const Node *node)
{
	return TypeCategory(getBaseType(exprType(node))) == TYPCATEGORY_STRING;
}

static Expr *
as_text(Expr *expr)
{
	CoerceViaIO *cast;

	if (exprType((Node *) expr) == TEXTOID)
		return expr;
	cast = makeNode(CoerceViaIO);
	cast->arg = expr;
	cast->resulttype = TEXTOID;
	cast->resultcollid = DEFAULT_COLLATION_OID;
	cast->coerceformat = COERCE_IMPLICIT_CAST;
	cast->location = -1;
	return (Expr *) cast;
}

static Expr *
guarded(Expr *expr)
{
	Oid			argtypes[] = {TEXTOID};
	List	   *name = list_make2(makeString("_cq"), makeString("without_moment"));

	return (Expr *) makeFuncExpr(LookupFuncName(name, lengthof(argtypes), argtypes, false),
								 TEXTOID, list_make1(as_text(expr)),
								 DEFAULT_COLLATION_OID, DEFAULT_COLLATION_OID,
									 COERCE_EXPLICIT_CALL);
}

static bool
guard(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, guard, context, 0);
	if (IsA(node, CoerceViaIO))
	{
		CoerceViaIO *cast = (CoerceViaIO *) node;

		if (cq_check_is_time(cast->resulttype) && is_text((Node *) cast->arg))
		{
			(void) guard((Node *) cast->arg, context);
			cast->arg = guarded(cast->arg);
			return false;
		}
	}
	return expression_tree_walker(node, guard, context);
}

void
cq_moment_guard(Query *query)
{
	(void) guard((Node *) query, NULL);
}
