/*
 * compat.h
 *		What differs between PostgreSQL 15 and 18, in one place.
 *
 * This is the only file that tests PG_VERSION_NUM. It offers the newest server's name and
 * arguments, and maps them to what older servers have.
 */
#ifndef CQ_COMPAT_H
#define CQ_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_tablespace.h"
#include "commands/defrem.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "parser/parse_agg.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/datetime.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"

#if PG_VERSION_NUM >= 170000
#include "utils/jsonpath.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

#if PG_VERSION_NUM < 150000
#error "pg_cq needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* A member that newer tables in dynamic shared memory have: how keys are copied. */
#if PG_VERSION_NUM >= 170000
#define CQ_COMPAT_DSHASH_COPY .copy_function = dshash_memcpy,
#else
#define CQ_COMPAT_DSHASH_COPY
#endif

/* The arguments of a memory context's alloc method. */
#if PG_VERSION_NUM >= 170000
#define CQ_ALLOC_PARAMETERS MemoryContext context, Size size, int flags
#define CQ_ALLOC_ARGUMENTS context, size, flags
#else
#define CQ_ALLOC_PARAMETERS MemoryContext context, Size size
#define CQ_ALLOC_ARGUMENTS context, size
#endif

#if PG_VERSION_NUM < 160000
static inline bool
object_ownercheck(Oid class_id, Oid object_id, Oid role_id)
{
	switch (class_id)
	{
		case RelationRelationId:
			return pg_class_ownercheck(object_id, role_id);
		case DatabaseRelationId:
			return pg_database_ownercheck(object_id, role_id);
		case ExtensionRelationId:
			return pg_extension_ownercheck(object_id, role_id);
		default:
			elog(ERROR, "unexpected class %u", class_id);
	}
}

static inline AclResult
object_aclcheck(Oid class_id, Oid object_id, Oid role_id, AclMode mode)
{
	switch (class_id)
	{
		case ProcedureRelationId:
			return pg_proc_aclcheck(object_id, role_id, mode);
		case TableSpaceRelationId:
			return pg_tablespace_aclcheck(object_id, role_id, mode);
		case NamespaceRelationId:
			return pg_namespace_aclcheck(object_id, role_id, mode);
		case ForeignServerRelationId:
			return pg_foreign_server_aclcheck(object_id, role_id, mode);
		default:
			elog(ERROR, "unexpected class %u", class_id);
	}
}
#endif

/* The sequence behind an identity column. */
static inline Oid
cq_compat_identity_sequence(Oid table, AttrNumber column)
{
#if PG_VERSION_NUM >= 170000
	Relation	relation = relation_open(table, AccessShareLock);
	Oid			sequence = getIdentitySequence(relation, column, false);

	relation_close(relation, NoLock);
	return sequence;
#else
	return getIdentitySequence(table, column, false);
#endif
}

/*
 * CREATE INDEX on a table that the caller has locked, for someone whose right to it the caller has
 * checked.
 */
static inline ObjectAddress
cq_compat_define_index(Oid table, IndexStmt *stmt)
{
#if PG_VERSION_NUM >= 160000
	return DefineIndex(table, stmt, InvalidOid, InvalidOid, InvalidOid, -1, false, false, true,
					   false, false);
#else
	return DefineIndex(table, stmt, InvalidOid, InvalidOid, InvalidOid, false, false, true, false,
					   false);
#endif
}

#if PG_VERSION_NUM >= 180000
/*
 * The columns of the entry for GROUP BY stand nowhere: gives them the place of what they stand for.
 */
static inline bool
cq_compat_place_grouped(Node *node, Query *query)
{
	Var		   *var = (Var *) node;

	if (node == NULL)
		return false;
	if (!IsA(node, Var))
		return expression_tree_walker(node, cq_compat_place_grouped, query);
	if (var->varlevelsup == 0 && var->varno == list_length(query->rtable) && var->location < 0)
		var->location = exprLocation(list_nth(llast_node(RangeTblEntry, query->rtable)->groupexprs,
											  var->varattno - 1));
	return false;
}
#endif

/*
 * From 18 on, GROUP BY has a range table entry of its own, through which the target list refers to
 * grouped expressions. Puts the expressions back in their places, as they are before 18, and takes
 * the entry away. Changes query and returns it.
 */
static inline Query *
cq_compat_flatten_group_entry(Query *query)
{
#if PG_VERSION_NUM >= 180000
	if (query->hasGroupRTE)
	{
		cq_compat_place_grouped((Node *) query->targetList, query);
		cq_compat_place_grouped(query->havingQual, query);
		query->targetList = (List *) flatten_group_exprs(NULL, query, (Node *) query->targetList);
		query->havingQual = flatten_group_exprs(NULL, query, query->havingQual);
		Assert(((RangeTblEntry *) llast(query->rtable))->rtekind == RTE_GROUP);
		query->rtable = list_truncate(query->rtable, list_length(query->rtable) - 1);
		query->hasGroupRTE = false;
	}
#endif
	return query;
}

/*
 * Does the server show a grouped expression as it is, in grouping sets without it too, where it
 * stands anywhere but in the target entry that is grouped? Constants it does, and before 18
 * whatever the planner makes a constant.
 */
static inline bool
cq_compat_is_shown_constant(Node *expr)
{
#if PG_VERSION_NUM >= 180000
	return IsA(expr, Const);
#else
	return IsA(expr, Const) || IsA(eval_const_expressions(NULL, copyObject(expr)), Const);
#endif
}

/*
 * An expression of a query with the columns of joins replaced by what they stand for. May change
 * the query's hasSubLinks.
 */
static inline Node *
cq_compat_flatten_join_columns(Query *query, Node *node)
{
#if PG_VERSION_NUM >= 160000
	return flatten_join_alias_vars(NULL, query, node);
#else
	return flatten_join_alias_vars(query, node);
#endif
}

/*
 * A copy of a view's query. Before 16, the view itself is there twice at the beginning of the range
 * table, where nothing refers to it: whoever walks over all entries would come round to the view
 * again, so that these are made void.
 */
static inline Query *
cq_compat_view_query(Relation view)
{
	Query	   *query = copyObject(get_view_query(view));
#if PG_VERSION_NUM < 160000
	for (int i = 1; i <= 2; i++)
	{
		RangeTblEntry *entry = rt_fetch(i, query->rtable);

		Assert(entry->relid == RelationGetRelid(view));
		entry->rtekind = RTE_RESULT;
		entry->relid = InvalidOid;
		entry->relkind = 0;
	}
#endif
	return query;
}

/*
 * Gives query the range table of pstate, and asks for SELECT on columns 1 to ncolumns of its entry
 * rtindex.
 */
static inline void
cq_compat_require_select(ParseState *pstate, Query *query, Index rtindex, int ncolumns)
{
	Bitmapset  *columns = NULL;

	for (int i = 1; i <= ncolumns; i++)
		columns = bms_add_member(columns, i - FirstLowInvalidHeapAttributeNumber);
	query->rtable = pstate->p_rtable;
#if PG_VERSION_NUM >= 160000
	query->rteperminfos = pstate->p_rteperminfos;
	{
		RTEPermissionInfo *permission = getRTEPermissionInfo(query->rteperminfos,
															 rt_fetch(rtindex, query->rtable));

		permission->requiredPerms = ACL_SELECT;
		permission->selectedCols = columns;
	}
#else
	rt_fetch(rtindex, query->rtable)->requiredPerms = ACL_SELECT;
	rt_fetch(rtindex, query->rtable)->selectedCols = columns;
#endif
}

/* Asks also for DELETE, of the relation that the query deletes from. */
static inline void
cq_compat_require_delete(Query *query, Index rtindex)
{
	RangeTblEntry *entry = rt_fetch(rtindex, query->rtable);

	entry->rellockmode = RowExclusiveLock;
#if PG_VERSION_NUM >= 160000
	getRTEPermissionInfo(query->rteperminfos, entry)->requiredPerms |= ACL_DELETE;
#else
	entry->requiredPerms |= ACL_DELETE;
#endif
}

/*
 * table_tuple_update with the current command, which does not wait for others and has no snapshot
 * to check against. *is_hot tells that the new version is reached through the old one's place, so
 * that no index needs a new entry.
 */
static inline TM_Result
cq_compat_tuple_update(Relation relation, ItemPointer tid, TupleTableSlot *slot, CommandId cid,
					   Snapshot snapshot,
					   TM_FailureData *failure, bool *is_hot)
{
	LockTupleMode lockmode;
	TM_Result	result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes update_indexes;

	result = table_tuple_update(relation, tid, slot, cid, snapshot, InvalidSnapshot, false, failure,
								&lockmode,
								&update_indexes);
	*is_hot = update_indexes != TU_All;
#else
	bool		update_indexes;

	result = table_tuple_update(relation, tid, slot, cid, snapshot, InvalidSnapshot, false, failure,
								&lockmode,
								&update_indexes);
	*is_hot = !update_indexes;
#endif
	return result;
}

/* Index entries for a new row version; constraints raise their errors. */
static inline void
cq_compat_insert_index_tuples(ResultRelInfo *result, TupleTableSlot *slot, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false);
#else
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL);
#endif
}

/* Starts an index scan with nkeys conditions and no order of distance. */
static inline IndexScanDesc
cq_compat_index_beginscan(Relation table, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(table, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(table, index, snapshot, nkeys, 0);
#endif
}

/* The index of a table's primary key. */
static inline Oid
cq_compat_primary_key(Relation table)
{
#if PG_VERSION_NUM >= 180000
	return RelationGetPrimaryKeyIndex(table, false);
#else
	return RelationGetPrimaryKeyIndex(table);
#endif
}

/* A path that scans a foreign table, unordered, in the relation's own target list. */
static inline ForeignPath *
cq_compat_create_foreignscan_path(PlannerInfo *root, RelOptInfo *relation, double rows,
								  Cost startup, Cost total,
								  Relids required_outer)
{
#if PG_VERSION_NUM >= 180000
	return create_foreignscan_path(root, relation, NULL, rows, 0, startup, total, NIL,
								   required_outer, NULL, NIL, NIL);
#elif PG_VERSION_NUM >= 170000
	return create_foreignscan_path(root, relation, NULL, rows, startup, total, NIL, required_outer,
								   NULL, NIL, NIL);
#else
	return create_foreignscan_path(root, relation, NULL, rows, startup, total, NIL, required_outer,
								   NULL, NIL);
#endif
}

/* With whose rights a foreign table is scanned: a view's owner, or the current user. */
static inline Oid
cq_compat_scan_user(ForeignScanState *node)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
#if PG_VERSION_NUM >= 160000
	Oid			user = plan->checkAsUser;
#else
	Oid			user = exec_rt_fetch(plan->scan.scanrelid, node->ss.ps.state)->checkAsUser;
#endif

	return OidIsValid(user) ? user : GetUserId();
}

/* The same for a foreign table that is written to. */
static inline Oid
cq_compat_modify_user(ResultRelInfo *result, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	return ExecGetResultRelCheckAsUser(result, estate);
#else
	Index		rtindex = result->ri_RangeTableIndex;
	Oid			user;

	/* A partition that a row was routed to has no entry of its own. */
	if (rtindex == 0 && result->ri_RootResultRelInfo != NULL)
		rtindex = result->ri_RootResultRelInfo->ri_RangeTableIndex;
	user = rtindex > 0 ? exec_rt_fetch(rtindex, estate)->checkAsUser : InvalidOid;
	return OidIsValid(user) ? user : GetUserId();
#endif
}

/* Runs a started query to its end. */
static inline void
cq_compat_executor_run(QueryDesc *query)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(query, ForwardScanDirection, 0);
#else
	ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

/* The number of the file that a table stands in now. */
static inline Oid
cq_compat_relation_file(Relation relation)
{
#if PG_VERSION_NUM >= 160000
	return relation->rd_locator.relNumber;
#else
	return relation->rd_node.relNode;
#endif
}

/* Raises an error where the current user may not do what a query wants to do with its relations. */
static inline void
cq_compat_check_permissions(Query *query)
{
#if PG_VERSION_NUM >= 160000
	ExecCheckPermissions(query->rtable, query->rteperminfos, true);
#else
	ExecCheckRTPerms(query->rtable, true);
#endif
}

/* The same for one entry of the query's range table, with its rights. */
static inline void
cq_compat_check_entry(const Query *query, RangeTblEntry *entry)
{
#if PG_VERSION_NUM >= 160000
	if (entry->perminfoindex > 0)
		ExecCheckPermissions(query->rtable,
							 list_make1(getRTEPermissionInfo(query->rteperminfos, entry)), true);
#else
	ExecCheckRTPerms(list_make1(entry), true);
#endif
}

/* A range of these bounds as they are, not brought into a canonical form. */
static inline RangeType *
cq_compat_range_serialize(TypeCacheEntry *type, RangeBound *lower, RangeBound *upper)
{
#if PG_VERSION_NUM >= 160000
	return range_serialize(type, lower, upper, false, NULL);
#else
	return range_serialize(type, lower, upper, false);
#endif
}

/* Rounds a time to as many digits as its type modifier says. */
static inline void
cq_compat_round_timestamp(Timestamp *timestamp, int32 typmod)
{
#if PG_VERSION_NUM >= 160000
	AdjustTimestampForTypmod(timestamp, typmod, NULL);
#else
	AdjustTimestampForTypmod(timestamp, typmod);
#endif
}

/* Belongs to nobody but the caller, who frees it. Before 17 its memory is context's. */
static inline WaitEventSet *
cq_compat_create_wait_event_set(MemoryContext context, int nevents)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, nevents);
#else
	return CreateWaitEventSet(context, nevents);
#endif
}

/* The next of values that are passed by value, none of which is null; false: there are no more. */
static inline bool
cq_compat_tuplesort_next_value(Tuplesortstate *sort, Datum *value)
{
	bool		is_null;
#if PG_VERSION_NUM >= 160000
	return tuplesort_getdatum(sort, true, false, value, &is_null, NULL);
#else
	return tuplesort_getdatum(sort, true, value, &is_null, NULL);
#endif
}

/* Since 17 there are infinite ones. */
static inline bool
cq_compat_interval_is_finite(const Interval *interval)
{
#if PG_VERSION_NUM >= 170000
	return !INTERVAL_NOT_FINITE(interval);
#else
	return true;
#endif
}

/* JSON_VALUE, JSON_QUERY and the like, which 17 brought. */
static inline bool
cq_compat_is_json_function(const Node *node)
{
#if PG_VERSION_NUM >= 170000
	return IsA(node, JsonExpr);
#else
	return false;
#endif
}

/* JSON_OBJECT and the like, which take values of any type. */
static inline bool
cq_compat_is_json_constructor(const Node *node)
{
#if PG_VERSION_NUM >= 160000
	return IsA(node, JsonConstructorExpr);
#else
	return false;
#endif
}

/* Does the path of such a function compare times in a way that depends on a setting or on today? */
static inline bool
cq_compat_json_path_is_mutable(const Node *node)
{
#if PG_VERSION_NUM >= 170000
	const JsonExpr *function = castNode(JsonExpr, node);
	const Const *path = (const Const *) function->path_spec;

	return !IsA(path, Const) ||
		(!path->constisnull && jspIsMutable(DatumGetJsonPathP(path->constvalue),
											function->passing_names, function->passing_values));
#else
	return false;
#endif
}

/*
 * Makes an entry of a range table void that nothing refers to any more: it stays where it is, so
 * that the others keep their numbers.
 */
static inline void
cq_compat_void_entry(RangeTblEntry *entry)
{
	entry->rtekind = RTE_RESULT;
	entry->relid = InvalidOid;
	entry->relkind = 0;
	entry->inh = false;
	entry->subquery = NULL;
	entry->lateral = false;
	entry->functions = entry->values_lists = NIL;
	entry->tablefunc = NULL;
	entry->tablesample = NULL;
	entry->joinaliasvars = NIL;
	entry->securityQuals = NIL;
#if PG_VERSION_NUM >= 160000
	entry->perminfoindex = 0;
#else
	entry->requiredPerms = 0;
#endif
}

/* An entry that was one of a view: the view itself is not read. */
static inline void
cq_compat_forget_relation(RangeTblEntry *entry)
{
	entry->relid = InvalidOid;
	entry->relkind = 0;
	entry->rellockmode = 0;
#if PG_VERSION_NUM >= 160000
	entry->perminfoindex = 0;
#else
	entry->requiredPerms = 0;
#endif
	entry->inh = false;
}

/* What rights a query's entries ask for, for another one with the same entries. */
static inline void
cq_compat_copy_permissions(const Query *from, Query *to)
{
#if PG_VERSION_NUM >= 160000
	to->rteperminfos = copyObject(from->rteperminfos);
#endif
}

/* An entry of a query's range table, with the rights that it asks for, as the first of another. */
static inline void
cq_compat_take_entry(const Query *from, int rtindex, Query *to)
{
	RangeTblEntry *entry = copyObject(rt_fetch(rtindex, from->rtable));

#if PG_VERSION_NUM >= 160000
	if (entry->perminfoindex > 0)
	{
		to->rteperminfos = list_make1(copyObject(getRTEPermissionInfo(from->rteperminfos, entry)));
		entry->perminfoindex = 1;
	}
#endif
	to->rtable = list_make1(entry);
}

/* From 18 on, a constraint may be there without being held against rows. */
static inline bool
cq_compat_is_enforced(const ConstrCheck *constraint)
{
#if PG_VERSION_NUM >= 180000
	return constraint->ccenforced;
#else
	return true;
#endif
}

/* The outer joins, by their number in the range table, that may make a column null. */
static inline Bitmapset *
cq_compat_nulling(const Var *var)
{
#if PG_VERSION_NUM >= 160000
	return var->varnullingrels;
#else
	return NULL;
#endif
}

static inline void
cq_compat_set_nulling(Var *var, Bitmapset *joins)
{
#if PG_VERSION_NUM >= 160000
	var->varnullingrels = joins;
#endif
}

/*
 * Can an aggregate's state of type internal be written down, as far as its arguments go? Not where
 * they are rows without a type of their own. Before 16 no such aggregate took arguments of any type.
 */
static inline bool
cq_compat_state_is_sendable(Aggref *aggref)
{
#if PG_VERSION_NUM >= 160000
	return agg_args_support_sendreceive(aggref);
#else
	return true;
#endif
}

#endif							/* CQ_COMPAT_H */
