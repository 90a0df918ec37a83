/*
 * plan.h
 *		From a view's query to what is maintained for it, and how that is read. Touches no data.
 *
 * A query over one stream is cut in two at its aggregation:
 *
 *		what lies below (FROM, WHERE, GROUP BY, the aggregates' inputs) is `maintain`, which runs over each batch
 *		and yields, for each group, its keys and partial states;
 *		what lies above (expressions over aggregates, HAVING, DISTINCT, ORDER BY, OVER, LIMIT) is `read`, which runs
 *		over the state table whenever somebody looks.
 *
 * The state of a group is the combination of all its rows in the state table, however many there are: so writers may
 * update a row in place or append another, side by side, and readers need not know which.
 *
 * A query without aggregation keeps the rows that `maintain` yields.
 */
#ifndef CQ_PLAN_H
#define CQ_PLAN_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

typedef enum CqShape
{
	CQ_SHAPE_ROWS,				/* rows are kept as they come */
	CQ_SHAPE_AGGREGATE			/* groups with partial states */
} CqShape;

/* A key of the groups: a column k1, k2, …, or pane, of the state table. */
typedef struct CqKey
{
	Expr	   *expr;			/* as in the query */
	SortGroupClause *clause;	/* how it is grouped: equality operator, and the reference to its target entry */
} CqKey;

/* A partial state: a column s1, s2, … of the state table. */
typedef struct CqPartial
{
	Aggref	   *aggref;			/* one of the aggregates that share it */
	Oid			transtype;		/* resolved, possibly internal */
	Oid			storedtype;		/* transtype, or _cq.state where that is internal */
	Oid			collation;		/* of the column */
} CqPartial;

/* An aggregate of the query, and the partial state from which it is finished. */
typedef struct CqAggregate
{
	Aggref	   *aggref;
	int			partial;		/* index */
} CqAggregate;

/* How the windows of a view with emit = 'close' lie: what _cq.window_bound is asked for. */
typedef struct CqWindowSteps
{
	int			rtindex;		/* of the window function in the query; 0: windows are not closed */
	Oid			type;			/* of its bounds: timestamptz or timestamp */
	Oid			bound;			/* the function */
	Const	   *step;
	Const	   *origin;
	int			block;			/* panes in a block */
	int			last;			/* the last window of a time ends where this pane of its block begins */
} CqWindowSteps;

/* Sessions: the call of cq.session in a sub-select (session_plan.c). */
typedef struct CqSession
{
	int			rtindex;		/* of the sub-select, view or CTE in the query */
	Query	   *select;			/* what that is */
	WindowFunc *call;
	AttrNumber	column;			/* which of its columns the session is */
	Oid			type;			/* of the times: timestamptz, timestamp or bigint */
	int64		gap;			/* microseconds, or what a bigint counts */
	int			key;			/* which of the keys the session is, from 0 */
} CqSession;

typedef struct CqViewPlan
{
	CqShape		shape;
	Oid			stream;
	Query	   *query;			/* the definition, group references flattened */
	List	   *keys;			/* of CqKey * */
	bool		has_grouping_id;	/* grouping sets: one more key, an integer, between keys and partial states */
	List	   *partials;		/* of CqPartial * */
	List	   *aggregates;		/* of CqAggregate * */
	RangeTblEntry *windows;		/* the window function whose panes are kept, or NULL (pane.c) */
	int			windows_rtindex;	/* in the query */
	CqSession  *session;		/* or NULL */
	CqWindowSteps closing;
	bool		tells_changes;	/* each group is one row of the state, and one of the view: see changes.c */
	Query	   *maintain;		/* yields the columns of the state table, in their order */
	List	   *columns;		/* of ColumnDef *: the state table's */
} CqViewPlan;

/*
 * Analyzes a definition (a SELECT after parse analysis, not rewritten; not changed). Everything is palloc'd in
 * CurrentMemoryContext. Returns the reason why it cannot be maintained, with its location, or NULL. emits_on_close: its windows are closed, at event
 * times of the stream's column event_time (or InvalidAttrNumber, which is a reason why not). tells_changes: what it changes is asked for.
 */
extern CqReject *cq_plan_view(const Query *definition, bool emits_on_close, AttrNumber event_time, bool tells_changes,
							  CqViewPlan **plan);

/* Finds the one stream and checks that the rest can be evaluated row by row (analyze.c). */
extern CqReject *cq_analyze_query(Query *query, Oid *stream);

/* Checks that a query lets each row of the stream pass on its own, without aggregation, sorting out or counting off (analyze.c). */
extern CqReject *cq_analyze_flat(Query *query);

/* Does a query, with its sub-selects and views, read any stream? (analyze.c) */
extern bool cq_analyze_reads_stream(Node *query);

/*
 * Finds the sessions that a query is grouped by, if any, and checks what must hold of them: sets session. *rest is what else of the query is to
 * be analyzed (session_plan.c).
 */
extern CqReject *cq_session_plan_find(CqViewPlan *plan, Query **rest);

/* Checks what must hold of keys and aggregates over sessions. */
extern CqReject *cq_session_plan_check(const CqViewPlan *plan);

/* Finds the windows that are closed, and has the query grouped by their end (close.c). */
extern CqReject *cq_close_find(CqViewPlan *plan, AttrNumber event_time);

/* The end of the window or session, as in the query. */
extern Expr *cq_close_end(const CqViewPlan *plan);

/* A condition on bounds: left ≤ or > the parameter $number. */
extern Node *cq_close_condition(const CqViewPlan *plan, Expr *left, bool is_after, int number);

/* The end of the last of a pane's windows. */
extern Expr *cq_close_last_end(const CqViewPlan *plan, Expr *time);

/* Collects keys, aggregates and partial states (aggregate.c). */
extern CqReject *cq_aggregate_collect(CqViewPlan *plan);

/* Panes in the place of overlapping windows (pane.c). Sets windows where the query, with joins' columns flattened, allows for them. */
extern void cq_pane_find(CqViewPlan *plan);

/* Is an expression of the query, seen from so many sub-selects below it, a bound of one of those windows? */
extern bool cq_pane_is_bound(const CqViewPlan *plan, const Node *node, Index level);

/* The key that all bounds are in the state: the start of the pane, which in `maintain` is the windows' first column. */
extern Expr *cq_pane_start(const Expr *bound);

/* Makes `maintain` yield panes. */
extern void cq_pane_maintain(const CqViewPlan *plan, Query *maintain);

/* The windows of a pane that starts at a column of the state table: an entry for the range table of `read`. */
extern RangeTblEntry *cq_pane_windows(const CqViewPlan *plan, Var *pane);

/* The query over the state table that gives the view's rows (read.c). */
extern CqReject *cq_read_query(const CqViewPlan *plan, Oid state, Query **read);

/*
 * The same of the groups whose windows end after $1 and not after $2, of the bounds' type; and the DELETE of what no window needs
 * that ends after $1.
 */
extern CqReject *cq_read_closed(const CqViewPlan *plan, Oid state, Query **read);
extern Query *cq_read_delete_closed(const CqViewPlan *plan, Oid state);

/*
 * The view's row of one group: the target list and HAVING (or NULL) over a row that has the group's keys, as in the state, and the results of the
 * aggregates, in their order.
 */
extern CqReject *cq_read_group(const CqViewPlan *plan, List **targets, Node **having);

/* Checks that the view's rows change one by one, each with its group (changes.c). */
extern CqReject *cq_changes_check(const CqViewPlan *plan);

/* The columns of the view, from 1, that tell its rows apart: those that it is grouped by. The reason why there are none, or NULL (changes.c). */
extern CqReject *cq_changes_key(const CqViewPlan *plan, Bitmapset **columns);

/* SELECT all columns FROM a table, in a form that cannot be updated through. */
extern Query *cq_read_table(Oid table);

/* The type _cq.state: see state/state_type.h. */
extern Oid	cq_plan_state_type(void);

/* Number of columns of the state table that make up the group, grouping id included. */
extern int	cq_plan_nkeys(const CqViewPlan *plan);

/*
 * Plans `maintain` with the server's planner; its aggregates then yield partial states instead of results (partial.c).
 * Within a transaction, with a snapshot; as the user whose rights count for functions.
 */
extern PlannedStmt *cq_partial_plan(const CqViewPlan *plan);

#define CQ_GROUPING_ID_COLUMN "grouping_id"
#define CQ_PANE_COLUMN "pane"	/* where it starts: so called, a state of panes is not taken for one of windows */
#define CQ_ROW_TIME_COLUMN "_cq_time"	/* of kept rows: when they were processed */

#endif							/* CQ_PLAN_H */
