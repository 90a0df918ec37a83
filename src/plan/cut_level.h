/*
 * cut_level.h
 *		A query being cut: what the files cut*.c share.
 *
 * A level is a query with all that is correlated with it: sub-selects of its expressions, and
 * LATERAL ones, that name its columns. What else reads streams below it has been cut before. Its
 * leaves are the relations through which rows of streams come in, wherever they stand in it.
 */
#ifndef CQ_CUT_LEVEL_H
#define CQ_CUT_LEVEL_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "plan/cut.h"

#define PART_NAME "part"		/* of what has no name in the query */

typedef struct CqCut
{
	CqTree	   *tree;
	CqCutRoot	try_root;
	void	   *context;
} CqCut;

typedef struct CqLeaf
{
	Query	   *holder;			/* in whose range table it is: the level, or a part of it */
	int			rtindex;
	int			depth;			/* of holder below the level */
	CqCutFlow		flow;			/* of a stream itself: without a query */
	bool		is_broadcast;	/* read whole: nothing says which of its rows are needed */
	bool		keeps_all;		/* all of its columns are needed, in their order */
	Node	   *key;			/* over the columns of the leaf alone: the hash of its key */
	List	   *filters;		/* conditions on its columns alone: they choose what is kept */
} CqLeaf;

/* A sub-select that is correlated with the query around it. */
typedef struct CqInner
{
	Query	   *query;
	Query	   *around;
	SubLink    *link;			/* or NULL: LATERAL, in FROM of around */
	List	   *leaves;			/* of CqLeaf *: in it, however deep */
} CqInner;

typedef struct CqLevel
{
	CqCut	   *cut;
	Query	   *query;
	List	   *leaves;			/* of CqLeaf * */
	List	   *inners;			/* of CqInner * */
} CqLevel;

/* ---- cut_leaf.c ---- */

/* Puts the queries of views and CTEs that read streams into the place where they are named. */
extern void cq_cut_leaf_inline(Query *query);

/* An entry for a plain view becomes a sub-select. Raises ERROR where its owner is somebody else. */
extern void cq_cut_leaf_inline_view(const Query *query, RangeTblEntry *entry);

/* The leaf that an entry of a range table is, or NULL. */
extern CqLeaf *cq_cut_leaf(const CqLevel *level, const Query *holder, int rtindex);

/* Attribute numbers of the leaf's columns that something in the level names, or all. */
extern Bitmapset *cq_cut_leaf_used_columns(const CqLeaf *leaf);

/* Leaves in the query's own FROM. */
extern int	cq_cut_leaf_noutermost(const CqLevel *level);

/*
 * What is kept of a leaf, as the node's n-th input: its entry, and what refers to it, is changed to
 * that.
 */
extern CqNodeInput *cq_cut_leaf_make_input(CqLeaf *leaf, int n);

/* Rows of a leaf as values become ones of its columns, whatever columns it is given besides. */
extern void cq_cut_leaf_expand_rows(const CqLeaf *leaf);

/* The hash in a leaf's input, for the level's own select list. */
extern Expr *cq_cut_leaf_hash_column(const CqLevel *level, const CqLeaf *leaf);

/* ---- cut_key.c ---- */

/*
 * Finds by which columns of the leaves the level's answer falls apart, and sets their keys; what
 * they cannot be found for by themselves is broadcast. False where leaves in the query's own FROM
 * have no key in common.
 */
extern bool cq_cut_key_find(CqLevel *level);

/* Does some equality join the rows of two items of FROM? */
extern bool cq_cut_key_are_joined(CqLevel *level, Node *one, Node *other);

/* The same of a query over one leaf that groups, sorts or counts its rows. */
extern void cq_cut_key_find_upper(CqLevel *level);

/* A hash: of an expression added to others, or of none. */
extern Expr *cq_cut_key_hash(Expr *expr, Expr *seed);

/* Has the type of the expression hashes that go with this equality? */
extern bool cq_cut_key_can_hash(const Node *expr, Oid equality);

/* The conditions of an AND, whatever it is made of; the parts of all of them. */
extern List *cq_cut_split_conditions(Node *quals);

/* ---- cut_split.c ---- */

/* Takes inner joins of FROM apart: its items, and all conditions in WHERE. */
extern void cq_cut_split_flatten_joins(Query *query);

/*
 * Moves items of FROM, with conditions, into a sub-select. Returns what stands for them in FROM;
 * NULL, with nothing changed, where they name columns of others.
 */
extern Node *cq_cut_split_push_down(Query *query, List *items, List *conditions);

/* Moves FROM and WHERE, or all up to HAVING, into a sub-select. */
extern void cq_cut_split_push_from(Query *query);
extern void cq_cut_split_push_groups(Query *query);

/* Moves all but ORDER BY and LIMIT into a sub-select. */
extern void cq_cut_split_push_all(Query *query);

/* The range table indexes in items of FROM: of relations; with joins, of joins as well. */
extern Bitmapset *cq_cut_split_members(Node *item, bool with_joins);

/* The outer joins that make columns of an entry null. */
extern Bitmapset *cq_cut_split_nulling(const Query *query, int rtindex);

/* Those in an item of FROM. */
extern Bitmapset *cq_cut_split_nulling_below(Node *item, int rtindex);

/* ---- cut_set.c ---- */

/* UNION, INTERSECT, EXCEPT. */
extern CqReject *cq_cut_set_operations(CqCut *cut, Query *query, CqCutFlow *flow);

/* ---- cut_latest.c ---- */

/* Is it a stream whose rows change? */
extern bool cq_cut_changes(const RangeTblEntry *entry);

/*
 * A node that keeps the newest row of each key of such a stream, with the columns that the level
 * needs. The leaf's entry becomes a sub-select of what changes there, with columns in the same
 * places.
 */
extern void cq_cut_latest_make(CqLevel *level, CqLeaf *leaf);

/* Is the leaf of what changes in such a node? */
extern bool cq_cut_latest_is(const CqLevel *level, const CqLeaf *leaf);

/* ---- cut_view.c ---- */

/*
 * A node, of this rule, that has what is known of a continuous view's rows. The leaf's entry
 * becomes a sub-select of what changes there, with columns in the same places.
 */
extern void cq_cut_make_copy(CqLevel *level, CqLeaf *leaf, CqKeepRule rule);

/* ---- cut_node.c ---- */

extern Expr *cq_cut_key_none(void);

/* All columns of what changes in a node, and the weight. */
extern Query *cq_cut_select_changes(const CqNode *node);

extern List *cq_cut_columns_of(const Query *query);

/* A column of a node's table, for values of an expression. Raises ERROR where they have no type. */
extern ColumnDef *cq_cut_column(const char *name, const Node *expr);

/*
 * A node with the level's leaves for inputs, and its query, which may change until it is finished,
 * for a step; flow: what it passes on.
 */
extern void cq_cut_add_node(CqLevel *level, CqKeepRule rule, CqCutFlow *flow);

extern void cq_cut_finish_node(CqTree *tree, CqCutFlow *flow);

/* The hash of the level's rows as its last column, comparable with those of its inputs. */
extern void cq_cut_add_hash(CqLevel *level);

/* The level, a query over a node's changes, becomes a part of the node. */
extern void cq_cut_add_to_node(CqLevel *level, CqCutFlow *flow);

/* Is it grouped, or aggregated as a whole? */
extern bool cq_cut_has_groups(const Query *query);

/* ---- cut.c ---- */

/*
 * All columns of what changes in a node, and the weight, of one that has only those of a relation's
 * columns which are used: with a column, be it null, in each place.
 */
extern Query *cq_cut_select_in_places(const CqNode *node, const Bitmapset *used, int natts);

/* SELECT all columns FROM (query). */
extern Query *cq_cut_select_all(Query *query);

extern CqReject *cq_cut_query(CqCut *cut, Query *query, bool is_root, CqCutFlow *flow);

#endif							/* CQ_CUT_LEVEL_H */
