/*
 * http_fdw.c
 *		The foreign data wrappers cq_http and cq_model: their handler, which refuses what such a
 *		table is not for, and the validators of their options.
 *
 * A foreign table of cq_http, or a model, is a destination of requests, for the changes of a
 * continuous view. It has no rows to be read. Rows that are inserted by hand would have to be sent
 * while the transaction waits, or after it, when nobody hears what became of them.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/model.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "common/options.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "nodes/pathnodes.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(cq_http_handler);
PG_FUNCTION_INFO_V1(cq_http_validator);
PG_FUNCTION_INFO_V1(cq_model_validator);

static void
refuse_reading(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("\"%s\" cannot be read", get_rel_name(relid)),
			 errdetail("It is a destination of requests by HTTP, and has no rows."),
			 errhint("Its option responses names a stream that gets the responses.")));
}

static void
never_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
}

static ForeignScan *
never_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path, List *tlist,
		   List *clauses, Plan *outer)
{
	return NULL;
}

static void
never_begin(ForeignScanState *node, int flags)
{
}

static TupleTableSlot *
never_iterate(ForeignScanState *node)
{
	return NULL;
}

static void
never_rescan(ForeignScanState *node)
{
}

static void
never_end(ForeignScanState *node)
{
}

static void
refuse_writing(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("\"%s\" cannot be written to by hand", name),
			 errdetail("It is a destination of requests by HTTP, which are not waited for in a "
					   "transaction."),
			 errhint("Insert into a stream of cq_log, and have a continuous view over it with the "
					 "option sink = '%s'.", name)));
}

static List *
plan_modify(PlannerInfo *root, ModifyTable *plan, Index result, int subplan)
{
	refuse_writing(get_rel_name(planner_rt_fetch(result, root)->relid));
	return NIL;
}

/* COPY, and rows that come to a partition. */
static void
begin_insert(ModifyTableState *state, ResultRelInfo *result)
{
	refuse_writing(RelationGetRelationName(result->ri_RelationDesc));
}

static int
updatable(Relation relation)
{
	return (1 << CMD_INSERT);
}

static TupleTableSlot *
never_insert(EState *estate, ResultRelInfo *result, TupleTableSlot *slot, TupleTableSlot *plan)
{
	return NULL;
}

Datum
cq_http_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = refuse_reading;
	routine->GetForeignPaths = never_paths;
	routine->GetForeignPlan = never_plan;
	routine->BeginForeignScan = never_begin;
	routine->IterateForeignScan = never_iterate;
	routine->ReScanForeignScan = never_rescan;
	routine->EndForeignScan = never_end;
	routine->IsForeignRelUpdatable = updatable;
	routine->PlanForeignModify = plan_modify;
	routine->BeginForeignInsert = begin_insert;
	routine->ExecForeignInsert = never_insert;
	PG_RETURN_POINTER(routine);
}

static void
validate(const List *options, Oid place,
		 CqReject *(*check) (Oid place, const char *name, const char *value))
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		cq_reject_raise(check(place, option->defname, defGetString(option)), NULL);
	}
	if (place == ForeignServerRelationId && cq_options_value(options, "url") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"url\" is required"),
				 errhint("It says where requests go, such as https://example.com.")));
}

Datum
cq_http_validator(PG_FUNCTION_ARGS)
{
	validate(untransformRelOptions(PG_GETARG_DATUM(0)), PG_GETARG_OID(1),
			 cq_destination_options_check);
	PG_RETURN_VOID();
}

Datum
cq_model_validator(PG_FUNCTION_ARGS)
{
	validate(untransformRelOptions(PG_GETARG_DATUM(0)), PG_GETARG_OID(1), cq_model_options_check);
	PG_RETURN_VOID();
}
