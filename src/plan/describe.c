/*
 * describe.c
 *		What the nodes of a view are, in words: see describe.h.
 *
 * Nothing of it is known to the nodes themselves: names are found by following their columns down
 * to the streams, when somebody asks.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/describe.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

/* Where a query stands. */
typedef struct Place
{
	const CqTree *tree;			/* NULL: there are no nodes */
	const CqNode *node;			/* whose step it is a part of, or NULL */
} Place;

static const CqNode *
node_numbered(const CqTree *tree, int number)
{
	return list_nth(tree->nodes, number - 1);
}

/* ---- kinds ---- */

/* What comes through is made of rows one by one: the node's own query is further in. */
static const Query *
innermost(const Query *query)
{
	for (;;)
	{
		const FromExpr *from = query->jointree;
		const RangeTblEntry *entry;
		bool		is_plain = !query->hasAggs && query->groupClause == NIL &&
			query->groupingSets == NIL && query->havingQual == NULL && !query->hasWindowFuncs &&
			query->distinctClause == NIL && query->limitCount == NULL &&
			query->limitOffset == NULL && query->setOperations == NULL && !query->hasSubLinks;

		if (!is_plain || list_length(from->fromlist) != 1 ||
			!IsA(linitial(from->fromlist), RangeTblRef))
			return query;
		entry = rt_fetch(((RangeTblRef *) linitial(from->fromlist))->rtindex, query->rtable);
		if (entry->rtekind != RTE_SUBQUERY)
			return query;
		query = entry->subquery;
	}
}

static const char *
kind_of_set(const SetOperationStmt *operation)
{
	switch (operation->op)
	{
		case SETOP_INTERSECT:
			return operation->all ? "Intersect All" : "Intersect";
		case SETOP_EXCEPT:
			return operation->all ? "Except All" : "Except";
		default:
			return operation->all ? "Union All" : "Union";
	}
}

static const char *
kind_of_join(const Query *query)
{
	const List *items = query->jointree->fromlist;

	if (list_length(items) == 1 && IsA(linitial(items), JoinExpr))
	{
		switch (((JoinExpr *) linitial(items))->jointype)
		{
			case JOIN_LEFT:
				return "Left Join";
			case JOIN_RIGHT:
				return "Right Join";
			case JOIN_FULL:
				return "Full Join";
			default:
				return "Join";
		}
	}
	if (query->hasSubLinks)
		return list_length(items) > 1 ? "Join with Sub-Selects" : "Sub-Selects";
	return list_length(items) > 1 ? "Join" : "Projection";
}

const char *
cq_describe_kind(const CqNode *node)
{
	const Query *query = innermost(node->step);

	if (node->rule == CQ_RULE_LATEST)
		return "Newest Rows";
	if (OidIsValid(((CqNodeInput *) linitial(node->inputs))->view))
		return ((CqNodeInput *) linitial(node->inputs))->is_table ? "Rows of a Table" :
			"Rows of a View";
	if (query->setOperations != NULL)
		return kind_of_set((const SetOperationStmt *) query->setOperations);
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return "Limit";
	if (query->distinctClause != NIL)
		return query->hasDistinctOn ? "Distinct On" : "Distinct";
	if (query->hasWindowFuncs)
		return "Window Functions";
	if (query->groupingSets != NIL)
		return "Grouping Sets";
	if (query->hasAggs || query->groupClause != NIL || query->havingQual != NULL)
		return "Aggregate";
	return kind_of_join(query);
}

/* ---- names of inputs ---- */

/* Not one that the server, or cutting, has given. */
static bool
is_of_user(const RangeTblEntry *entry)
{
	const char *name = entry->eref->aliasname;

	return entry->rtekind != RTE_NAMEDTUPLESTORE && name[0] != '*' &&
		strncmp(name, "unnamed_", strlen("unnamed_")) != 0 &&
		(entry->alias != NULL || strcmp(name, "part") != 0);
}

static RangeTblEntry *
entry_of(const CqNodeInput *input)
{
	return linitial_node(RangeTblEntry, input->flow->rtable);
}

static char *
name_of_node(int number)
{
	return psprintf("node_%d", number);
}

/* What an input is made of. */
static char *
name_of_source(const CqNodeInput *input)
{
	return input->node > 0 ? name_of_node(input->node) :
		get_rel_name(OidIsValid(input->view) ? input->view : input->stream);
}

char *
cq_describe_alias(const CqNodeInput *input)
{
	const RangeTblEntry *entry = entry_of(input);

	return is_of_user(entry) ? pstrdup(entry->eref->aliasname) : name_of_source(input);
}

static List *
add_name(List *names, char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return names;
	}
	return lappend(names, name);
}

static List *
add_streams(const CqTree *tree, const CqNodeInput *input, List *names)
{
	ListCell   *cell;

	if (input->node == 0)
		return add_name(names, name_of_source(input));
	foreach(cell, node_numbered(tree, input->node)->inputs)
		names = add_streams(tree, lfirst(cell), names);
	return names;
}

char *
cq_describe_names(const List *names)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, names)
	{
		int			i = foreach_current_index(cell);

		if (i > 0)
			appendStringInfoString(&text, lnext(names, cell) == NULL ? " and " : ", ");
		appendStringInfo(&text, "\"%s\"", (char *) lfirst(cell));
	}
	return text.data;
}

char *
cq_describe_input(const CqTree *tree, const CqNodeInput *input)
{
	if (input->node == 0 || is_of_user(entry_of(input)))
		return cq_describe_names(list_make1(cq_describe_alias(input)));
	return psprintf("what is made of %s", cq_describe_names(add_streams(tree, input, NIL)));
}

/* What an aggregation without GROUP BY yields. */
static bool
is_one_row(const CqTree *tree, const CqNodeInput *input)
{
	const Query *query;

	if (input->node == 0)
		return false;
	query = innermost(node_numbered(tree, input->node)->step);
	return query->hasAggs && query->groupClause == NIL && query->groupingSets == NIL &&
		!query->hasTargetSRFs;
}

static List *
add_unbounded(const CqTree *tree, const CqNode *node, List *names)
{
	ListCell   *cell;

	foreach(cell, cq_rule_keeps_inputs(node->rule) ? node->inputs : NIL)
	{
		const CqNodeInput *input = lfirst(cell);

		if (input->only_grows && input->time.column == InvalidAttrNumber &&
			(input->versions == NULL || input->versions->is_open))
			names = add_streams(tree, input, names);
	}
	return names;
}

List *
cq_describe_unbounded(const CqTree *tree, const CqNode *node)
{
	List	   *names = NIL;
	ListCell   *cell;

	if (node != NULL)
		return add_unbounded(tree, node, NIL);
	foreach(cell, tree->nodes)
		names = add_unbounded(tree, lfirst(cell), names);
	return names;
}

List *
cq_describe_global(const CqTree *tree)
{
	List	   *inputs = NIL;
	ListCell   *node;
	ListCell   *cell;

	foreach(node, tree->nodes)
	{
		const CqNode *reader = lfirst(node);

		foreach(cell, cq_rule_keeps_inputs(reader->rule) ? reader->inputs : NIL)
		{
			const CqNodeInput *input = lfirst(cell);

			if (input->is_global && !is_one_row(tree, input))
				inputs = add_name(inputs, cq_describe_input(tree, input));
		}
	}
	return inputs;
}

/* ---- names of columns ---- */

static char *name_of_target(Place place, const Query *query, const TargetEntry *target);

/* c1, c2, …: so cutting calls columns that have no name. */
static bool
is_made_up(const char *name)
{
	return name == NULL || (name[0] == 'c' && name[1] != '\0' &&
							strspn(name + 1, "0123456789") == strlen(name + 1));
}

static TargetEntry *
seen_target(const Query *query, int n)
{
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (!target->resjunk && --n == 0)
			return target;
	}
	return NULL;
}

/* A column of a tuplestore that a step or a flow reads, or NULL. */
static char *
name_in_store(Place place, const RangeTblEntry *entry, int n)
{
	const Query *query;
	TargetEntry *target;
	int			number;

	if (place.tree == NULL)
		return NULL;
	if (sscanf(entry->enrname, "_cq_changes_%d", &number) == 1)
	{
		place.node = node_numbered(place.tree, number);
		query = place.node->step;
	}
	else if (sscanf(entry->enrname, "_cq_input_%d", &number) == 1 && place.node != NULL &&
			 number <= list_length(place.node->inputs))
		query = ((CqNodeInput *) list_nth(place.node->inputs, number - 1))->flow;
	else
		return NULL;
	target = seen_target(query, n);
	return target != NULL ? name_of_target(place, query, target) : NULL;
}

static char *
name_of_column(Place place, const Query *query, const Var *var)
{
	const RangeTblEntry *entry = rt_fetch(var->varno, query->rtable);
	TargetEntry *target;
	char	   *name = NULL;

	if (var->varattno <= 0)
		return NULL;
	if (entry->rtekind == RTE_RELATION)
		return get_attname(entry->relid, var->varattno, true);
	if (entry->rtekind == RTE_SUBQUERY &&
		(target = seen_target(entry->subquery, var->varattno)) != NULL)
		name = name_of_target(place, entry->subquery, target);
	else if (entry->rtekind == RTE_NAMEDTUPLESTORE)
		name = name_in_store(place, entry, var->varattno);
	if (name == NULL && var->varattno <= list_length(entry->eref->colnames))
		name = strVal(list_nth(entry->eref->colnames, var->varattno - 1));
	return name;
}

static char *
name_of_target(Place place, const Query *query, const TargetEntry *target)
{
	const Node *expr = (const Node *) target->expr;

	check_stack_depth();
	if (!is_made_up(target->resname))
		return target->resname;
	if (IsA(expr, Var) && ((const Var *) expr)->varlevelsup == 0)
		return name_of_column(place, query, (const Var *) expr);
	if (IsA(expr, Aggref))
		return get_func_name(((const Aggref *) expr)->aggfnoid);
	if (IsA(expr, WindowFunc))
		return get_func_name(((const WindowFunc *) expr)->winfnoid);
	return target->resname;
}

/* ---- texts ---- */

/* What is in a tuplestore, and what the query calls it. */
static char *
name_of_store(Place place, const RangeTblEntry *entry, char **alias)
{
	const CqNodeInput *input;
	int			number;

	*alias = NULL;
	if (sscanf(entry->enrname, "_cq_changes_%d", &number) == 1)
		return name_of_node(number);
	if (sscanf(entry->enrname, "_cq_input_%d", &number) != 1 || place.node == NULL ||
		number > list_length(place.node->inputs))
		return entry->enrname;
	input = list_nth(place.node->inputs, number - 1);
	*alias = cq_describe_alias(input);
	return name_of_source(input);
}

static bool
is_among(const List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp(strVal(lfirst(cell)), name) == 0)
			return true;
	}
	return false;
}

/* Names of an entry's columns, each another. */
static List *
column_names(Place place, const Query *query, int rtindex)
{
	const RangeTblEntry *entry = rt_fetch(rtindex, query->rtable);
	List	   *names = NIL;

	for (int n = 1; n <= list_length(entry->eref->colnames); n++)
	{
		Var			var = {.xpr.type = T_Var, .varno = rtindex, .varattno = n};
		char	   *found = name_of_column(place, query, &var);
		char	   *name = found != NULL ? found : "";

		for (int i = 1; is_among(names, name); i++)
			name = psprintf("%s_%d", found != NULL ? found : "", i);
		names = lappend(names, makeString(pstrdup(name)));
	}
	return names;
}

/* As if it were a CTE: that the server has a name for. */
static void
make_named(RangeTblEntry *entry, char *name, char *alias, List *columns)
{
	bool		has_alias = alias != NULL && strcmp(alias, name) != 0;

	entry->rtekind = RTE_CTE;
	entry->ctename = name;
	entry->ctelevelsup = 0;
	entry->self_reference = false;
	entry->alias = has_alias ? makeAlias(alias, NIL) : NULL;
	entry->eref = makeAlias(has_alias ? alias : name, columns);
}

/* Columns that have no name of their own get that of what they are. */
static void
name_targets(RangeTblEntry *entry, List *names)
{
	ListCell   *cell;
	int			n = 0;

	if (entry->alias != NULL && entry->alias->colnames != NIL)
	{
		if (strcmp(strVal(llast(entry->eref->colnames)), CQ_HASH_COLUMN) == 0)
			entry->eref->colnames = list_delete_last(entry->eref->colnames);
		return;
	}
	entry->eref->colnames = names;
	foreach(cell, entry->subquery->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (!target->resjunk && n < list_length(names))
			target->resname = strVal(list_nth(names, n++));
	}
}

static void
make_store_named(Place place, RangeTblEntry *entry, List *columns)
{
	char	   *alias;
	char	   *name = name_of_store(place, entry, &alias);

	make_named(entry, name, alias, columns);
}

static void
drop_hash(Query *query)
{
	ListCell   *cell;
	ListCell   *other;

	foreach(cell, query->targetList)
	{
		const TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (target->resname == NULL || strcmp(target->resname, CQ_HASH_COLUMN) != 0)
			continue;
		foreach(other, query->distinctClause)
		{
			if (target->ressortgroupref > 0 &&
				lfirst_node(SortGroupClause, other)->tleSortGroupRef == target->ressortgroupref)
				query->distinctClause = foreach_delete_current(query->distinctClause, other);
		}
		query->targetList = foreach_delete_current(query->targetList, cell);
	}
}

static List *
numbers_to(int n)
{
	List	   *numbers = NIL;

	for (int i = 1; i <= n; i++)
		numbers = lappend_int(numbers, i);
	return numbers;
}

/*
 * Columns of joins have been replaced by what they stand for, and forgotten; the server wants to
 * know them again, and joins to come behind what they join. All columns of both sides: joins are
 * told by their conditions, without USING.
 */
static List *
tidy_join(Query *query, Node *item)
{
	JoinExpr   *join = (JoinExpr *) item;
	RangeTblEntry *entry;
	List	   *left;
	List	   *right;

	if (!IsA(item, JoinExpr))
		return rt_fetch(((RangeTblRef *) item)->rtindex, query->rtable)->eref->colnames;
	left = tidy_join(query, join->larg);
	right = tidy_join(query, join->rarg);
	join->alias = NULL;
	join->usingClause = NIL;
	join->join_using_alias = NULL;
	join->isNatural = false;
	entry = makeNode(RangeTblEntry);
	entry->rtekind = RTE_JOIN;
	entry->jointype = join->jointype;
	entry->joinleftcols = numbers_to(list_length(left));
	entry->joinrightcols = numbers_to(list_length(right));
	entry->eref = makeAlias("unnamed_join", list_concat_copy(left, right));
	for (int i = 0; i < list_length(entry->eref->colnames); i++)
		entry->joinaliasvars = lappend(entry->joinaliasvars,
									   makeNullConst(INT4OID, -1, InvalidOid));
	query->rtable = lappend(query->rtable, entry);
	join->rtindex = list_length(query->rtable);
	return entry->eref->colnames;
}

/* Of a query that has been cut. */
static void
tidy_joins(Query *query)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_JOIN)
			cq_compat_void_entry(lfirst_node(RangeTblEntry, cell));
	}
	foreach(cell, query->jointree != NULL ? query->jointree->fromlist : NIL)
		(void) tidy_join(query, lfirst(cell));
}

/* Do expressions still name columns of joins? */
static bool
has_join_columns(const Query *query)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_JOIN && entry->joinaliasvars == NIL)
			return false;
	}
	return true;
}

/* Entries that are elsewhere now would keep their names from others. */
static void
forget_void_names(Query *query)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind != RTE_RESULT)
			continue;
		entry->alias = NULL;
		entry->eref = makeAlias("*RESULT*", NIL);
	}
}

static bool tidy_within(Node *node, Place *place);

/* Names first, while entries are what they were; those of sub-selects are theirs. */
static void
tidy_query(Query *query, Place *place)
{
	List	   *names = NIL;
	ListCell   *cell;

	for (int rtindex = 1; rtindex <= list_length(query->rtable); rtindex++)
		names = lappend(names, column_names(*place, query, rtindex));
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
		List	   *columns = list_nth(names, foreach_current_index(cell));

		if (entry->rtekind == RTE_NAMEDTUPLESTORE)
			make_store_named(*place, entry, columns);
		else if (entry->rtekind == RTE_SUBQUERY)
			name_targets(entry, columns);
	}
	(void) query_tree_walker(query, tidy_within, place, 0);
	if (!has_join_columns(query))
		tidy_joins(query);
	forget_void_names(query);
	drop_hash(query);
}

static bool
tidy_within(Node *node, Place *place)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		tidy_query((Query *) node, place);
		return false;
	}
	if (IsA(node, Var))
	{
		/* Where it stood once. */
		((Var *) node)->varnosyn = 0;
		((Var *) node)->varattnosyn = 0;
	}
	return expression_tree_walker(node, tidy_within, place);
}

/* On one line. */
static char *
text_of_query(Query *query)
{
	char	   *text = pg_get_querydef(query, false);
	char	   *to = text;

	for (const char *from = text + strspn(text, " "); *from != '\0'; from++)
	{
		*to++ = *from == '\n' ? ' ' : *from;
		if (*from == '\n')
			from += strspn(from + 1, " ");
	}
	*to = '\0';
	return text;
}

/*
 * Where there is but one relation the server leaves its name out; but views of 15 have two more
 * entries. So there is always another one.
 */
static void
add_entry(Query *query)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_RESULT;
	entry->eref = makeAlias("*RESULT*", NIL);
	query->rtable = lappend(query->rtable, entry);
}

static char *
text_at(Place place, const Query *query)
{
	Query	   *copy = copyObject(unconstify(Query *, query));
	ListCell   *cell;

	foreach(cell, copy->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (is_made_up(target->resname))
			target->resname = NULL;
	}
	tidy_query(copy, &place);
	add_entry(copy);
	return text_of_query(copy);
}

/* Of expressions of a query over some relations: as its WHERE, less what stands before. */
static char *
text_of_expr(Place place, const Query *query, const Node *expr)
{
	Query	   *around = makeNode(Query);
	char	   *text;
	size_t		before;
	ListCell   *cell;

	around->commandType = CMD_SELECT;
	around->rtable = copyObject(query->rtable);
	foreach(cell, around->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
		List	   *columns = column_names(place, query, foreach_current_index(cell) + 1);

		if (entry->rtekind == RTE_NAMEDTUPLESTORE)
			make_store_named(place, entry, columns);
		else
			make_named(entry, pstrdup(entry->eref->aliasname), NULL, columns);
	}
	around->jointree = makeFromExpr(NIL, makeBoolConst(true, false));
	before = strlen(text_of_query(around)) - strlen("true");
	around->jointree->quals = copyObject(unconstify(Node *, expr));
	(void) tidy_within(around->jointree->quals, &place);
	text = text_of_query(around);
	return text + before;
}

char *
cq_describe_step(const CqTree *tree, const CqNode *node)
{
	return text_at((Place) {tree, node}, node->step);
}

char *
cq_describe_query(const CqTree *tree, const Query *query)
{
	return text_at((Place) {tree, NULL}, query);
}

char *
cq_describe_expr(const CqTree *tree, const Query *query, const Node *expr)
{
	return text_of_expr((Place) {tree, NULL}, query, expr);
}

/* ---- what is kept of an input ---- */

/* Is a system column named: where a message is? */
static bool
names_place(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno < 0;
	return expression_tree_walker(node, names_place, context);
}

static char *
text_in_flow(const CqTree *tree, const CqNodeInput *input, const Node *expr)
{
	if (names_place(unconstify(Node *, expr), NULL))
		return pstrdup("key of the message");
	return text_of_expr((Place) {tree, NULL}, input->flow, expr);
}

List *
cq_describe_key(const CqTree *tree, const CqNodeInput *input)
{
	const Node *hash = (const Node *) list_nth_node(TargetEntry, input->flow->targetList,
													list_length(input->columns) - 1)->expr;
	List	   *key = NIL;

	/* _cq.key_hash(column, seed): the seed is the hash of those before. */
	while (IsA(hash, FuncExpr))
	{
		const List *args = ((const FuncExpr *) hash)->args;

		key = lcons(text_in_flow(tree, input, linitial(args)), key);
		hash = lsecond(args);
	}
	return key;
}

List *
cq_describe_columns(const CqTree *tree, const CqNodeInput *input)
{
	List	   *columns = NIL;

	for (int n = 0; n < list_length(input->columns) - 1; n++)
		columns = lappend(columns,
						  text_in_flow(tree, input,
									   (Node *) list_nth_node(TargetEntry, input->flow->targetList,
															  n)->expr));
	return columns;
}

char *
cq_describe_filter(const CqTree *tree, const CqNodeInput *input)
{
	const Node *quals = input->flow->jointree->quals;

	return quals != NULL ? text_in_flow(tree, input, quals) : NULL;
}
