/*
 * tree.h
 *		The nodes below a view's root: what is kept of its inputs, and how changes pass through.
 *
 * Where rows of streams do not pass one by one (joins of streams, DISTINCT, Top-N, sub-selects over
 * streams, …) the query is cut into nodes. A node keeps its inputs in tables and has a query, its
 * step, over them. A batch changes some rows of an input; the step is run again for the keys of
 * those rows alone, and what differs from before is what the node passes on: rows with a weight,
 * +1 where they are new, −1 where they are gone.
 *
 * That is right where the step answers for each key apart: Q(σK) = σK(Q) for a set K of keys. Keys
 * are compared by hash alone: the rows of some hashes are the rows of a set of keys, a few too many
 * where keys collide, so that nothing has to be compared again.
 */
#ifndef CQ_TREE_H
#define CQ_TREE_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* How the changes of a node follow from those of its inputs. */
typedef enum CqKeepRule
{
	/* step(changes of one input, the others empty): UNION ALL. Nothing is kept. */
	CQ_RULE_ADDITIVE,

	/* Σi step(after 1 … i − 1, changes i, before i + 1 … n): inner joins. Inputs are kept. */
	CQ_RULE_LINEAR,

	/* step(after) less what is stored, for the touched keys. Inputs and output are kept. */
	CQ_RULE_DIFFERENCE,

	/*
	 * step(changes, what is stored of the touched keys) less what is stored: the rows of a stream
	 * whose rows change. The output is kept, the one input is not; the step reads the output as a
	 * second one. Where the key of a message is null, all keys are touched.
	 */
	CQ_RULE_LATEST
} CqKeepRule;

/* Is what comes out stored, with a hash of the row's key? */
#define cq_rule_stores(rule) ((rule) == CQ_RULE_DIFFERENCE || (rule) == CQ_RULE_LATEST)

/* Is what comes in stored? */
#define cq_rule_keeps_inputs(rule) ((rule) == CQ_RULE_DIFFERENCE || (rule) == CQ_RULE_LINEAR)

/* What a column says of when a row was, in the order in which they are chosen. */
typedef enum CqTimeKind
{
	CQ_TIME_OF_END,				/* the end of its window */
	CQ_TIME_OF_ROW,				/* its event time */
	CQ_TIME_OF_START,			/* the start of its window */

	/* Where sessions are closed, from the rows that they are made of upwards: */
	CQ_TIME_OF_SESSION_END,
	CQ_TIME_OF_SESSION,			/* the session, a range */
	CQ_TIME_IN_SESSION			/* the event time of a row: its session counts */
} CqTimeKind;

#define cq_time_is_of_session(kind) ((kind) >= CQ_TIME_OF_SESSION_END)

/* Where windows are closed, or expire: by which column rows are told that no open one needs. */
typedef struct CqTimeColumn
{
	AttrNumber	column;			/* InvalidAttrNumber: none */
	CqTimeKind	kind;
	int64		lead;			/* microseconds: a row is of use for windows so long after it */
} CqTimeColumn;

/*
 * Where it asks for the newest row before a time: of rows that are equal in the keys only the
 * newest of those is of use that lie before any time that is asked for.
 */
typedef struct CqVersions
{
	AttrNumber	time;			/* the column of what is compared */
	List	   *keys;			/* of int: columns */
	int64		lead;			/* microseconds: times are asked for as long after they were */
	bool		is_open;		/* some key says no more than that it may make a difference */
} CqVersions;

/* Of an input whose rows sessions are made of: the call. Columns are the input's, of entry 1. */
typedef struct CqInputSessions
{
	WindowFunc *call;
	List	   *partition;		/* of Node * */
	int64		gap;			/* microseconds */
} CqInputSessions;

/* One of the relations that a node's step reads. */
typedef struct CqNodeInput
{
	Oid			stream;			/* flow reads its batches; or InvalidOid */
	int			node;			/* the number of the node whose changes flow reads; or 0 */
	Oid			view;			/* a continuous view, or a table whose changes count: flow reads what
		is told of its rows, as CQ_TOLD_NAME; or InvalidOid */
	bool		is_table;
	Query	   *read;			/* of a view: all of its rows, with all of its columns */
	/* yields columns; and where they have one, the weight (int4), last */
	Query	   *flow;
	List	   *columns;		/* of ColumnDef *: of the table. The last one is CQ_HASH_COLUMN */
	/* read whole for each batch; where it changes, all keys are touched */
	bool		is_broadcast;
	bool		is_global;		/* it is broadcast, or has no key: read whole for each batch */
	bool		only_grows;		/* its rows have no weights: all are new */
	CqTimeColumn time;
	CqVersions *versions;		/* or NULL */
	CqInputSessions *sessions;	/* or NULL */
} CqNodeInput;

typedef struct CqNode
{
	int			number;			/* from 1; a node comes after those that it reads */
	CqKeepRule	rule;
	List	   *inputs;			/* of CqNodeInput * */
	Query	   *step;			/* over the tuplestores that cq_tree_input_name names */
	List	   *columns;		/* of ColumnDef *: what step yields. Where the rule stores it,
		the last one
		is CQ_HASH_COLUMN: of the row's key, as in the inputs */
	bool		only_grows;		/* what it passes on has no weights: all rows are new */
	CqTimeColumn time;			/* of what it stores */
} CqNode;

/* The tuplestore with what is told of a continuous view: rows of it, and the weight. */
#define CQ_TOLD_NAME "_cq_told"

#define CQ_HASH_COLUMN "_cq_hash"	/* bigint: of the key */
#define CQ_WEIGHT_COLUMN "_cq_weight"	/* int4: how many of the row there are more, or less */

/* The tuplestore that a step reads as its n-th input, from 1: with the input's columns. */
extern char *cq_tree_input_name(int n);

/*
 * The tuplestore with a node's changes: with its columns (less the hash) and, unless it only grows,
 * the weight.
 */
extern char *cq_tree_changes_name(int node);

/* Makes a void entry of a range table one of such a tuplestore, with columns of ColumnDef *. */
extern void cq_tree_make_entry(RangeTblEntry *entry, const char *name, const List *columns);

#endif							/* CQ_TREE_H */
