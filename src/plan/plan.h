/*
 * plan.h
 *		From a view's query to what is maintained for it, and how that is read. Touches no data.
 *
 * A query over one stream is cut in two at its aggregation:
 *
 *		what lies below (FROM, WHERE, GROUP BY, the aggregates' inputs) is `maintain`, which runs
 *		over each batch and yields, for each group, its keys and partial states; what lies above
 *		(expressions over aggregates, HAVING, DISTINCT, ORDER BY, OVER, LIMIT) is `read`, which runs
 *		over the state table whenever somebody looks.
 *
 * The state of a group is the combination of all its rows in the state table, however many there
 * are: so writers may update a row in place or append another, side by side, and readers need not
 * know which.
 *
 * A query without aggregation keeps the rows that `maintain` yields.
 */
#ifndef CQ_PLAN_H
#define CQ_PLAN_H

#include "postgres.h"

#include "catalog/view.h"
#include "common/reject.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "plan/cut.h"

typedef enum CqShape
{
	CQ_SHAPE_ROWS,				/* rows are kept as they come */
	CQ_SHAPE_AGGREGATE,			/* groups with partial states */
	CQ_SHAPE_STORED				/* what the last node stores (tree.h) */
} CqShape;

/* How what comes to the root gets into its state: exec/root.c has a routine for each. */
typedef enum CqRootKind
{
	CQ_ROOT_ROWS,				/* rows are appended */
	CQ_ROOT_GROUPS,				/* partial states are appended, combined when they are read */
	CQ_ROOT_TOLD_GROUPS,		/* a group has one row, and what becomes of it is told */
	CQ_ROOT_AMENDED_GROUPS,		/* the same, of windows that are closed */
	CQ_ROOT_SESSIONS,			/* united with those that they overlap */
	CQ_ROOT_TOLD_SESSIONS,
	CQ_ROOT_STORED				/* the last node has it all */
} CqRootKind;

/* By what the plan of a root is driven: exec/root.c has a routine for each. */
typedef enum CqDriver
{
	CQ_DRIVEN_BY_STREAM,		/* by batches of a stream */
	CQ_DRIVEN_BY_NODE			/* by changes of a node */
} CqDriver;

/* What is known, when a batch has passed, of the rows that people see. */
typedef enum CqTelling
{
	CQ_TELLS_ROWS,				/* which are gone, and which are new */
	CQ_TELLS_CHANGE,			/* that some may be others now */
	CQ_TELLS_NOTHING			/* they are the same: closing windows makes them */
} CqTelling;

/* What becomes of windows when they are closed: exec/ending.c has routines for each. */
typedef enum CqEnding
{
	CQ_ENDS_EXPIRED,			/* they are not shown any more, and their state goes by and by */
	CQ_ENDS_EXPIRED_AT_ONCE,	/* the same of what has no bounds but its own: all of it goes */
	CQ_ENDS_EMITTED,			/* their rows are made, while batches go on */
	CQ_ENDS_EMITTED_AT_ONCE,	/* no batch runs meanwhile: they share rows with open ones */
	CQ_ENDS_AMENDED				/* the same, and their state stays */
} CqEnding;

/* A key of the groups: a column k1, k2, …, or pane, of the state table. */
typedef struct CqKey
{
	Expr	   *expr;			/* as in the query */
	/* how it is grouped: equality operator, and the reference to its target entry */
	SortGroupClause *clause;
	bool		is_constant;	/* in grouping sets: only its target entry is null without it */
} CqKey;

/* The last while before now, in steps: a call of cq.sliding in WHERE (sliding.c). */
typedef struct CqSliding
{
	Expr	   *time;			/* in the query; NULL: there is none */
	Oid			type;			/* timestamptz or timestamp */
	Const	   *step;
	Const	   *origin;
	int64		step_length;	/* microseconds */
	int64		size;			/* microseconds */
} CqSliding;

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

/* How windows that are closed, or expire, lie: what _cq.window_bound is asked for. */
typedef struct CqWindowSteps
{
	int			rtindex;		/* of the window function in the query; 0: there is none */
	AttrNumber	column;			/* of what a node stores: that says of which window a row is … */
	bool		column_is_start;	/* … by its start; else by its end */
	bool		is_by_row;		/* it has the times of rows, which are closed one by one */
	bool		is_of_sessions;	/* it has ends of sessions … */
	bool		column_is_range;	/* … or the sessions themselves */
	AttrNumber	event_time;		/* the stream's column */
	Oid			type;			/* of its bounds: timestamptz or timestamp */
	Oid			bound;			/* the function; InvalidOid: of sessions, and of rows */
	Const	   *step;
	Const	   *origin;
	int			block;			/* panes in a block */
	/* the last window of a time ends where this pane of its block begins */
	int			last;
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
/*
 * Windows of a query that keeps what it reads: a row of a stream belongs to windows of times that
 * lie so far before its own at most (close_tree.c).
 */
typedef struct CqStreamLag
{
	Oid			stream;
	AttrNumber	event_time;		/* the stream's column */
	int64		lag;			/* microseconds */
	int64		lead;			/* and so far behind it at most; -1: any */
	int			nwindows;		/* so many windows, one over the bounds of another, lie between */
} CqStreamLag;

/* What is to be planned for, besides the query. */
typedef struct CqPlanOptions
{
	bool		emits_on_close; /* its windows are closed */
	AttrNumber	event_time;		/* the stream's column with event times, or InvalidAttrNumber */
	CqExpiry	expiry;
	bool		by_event_time;	/* else by change */
	bool		tells_changes;	/* what it changes is asked for */
	bool		amends_closed;	/* closed windows may change */
	bool		maintains_tables;	/* changes of tables count */
} CqPlanOptions;

typedef struct CqViewPlan
{
	CqShape		shape;
	CqRootKind	root;
	CqDriver	driver;
	CqTelling	telling;
	CqEnding	ending;
	bool		is_exclusive;	/* one batch after the other, over all workers */
	List	   *streams;		/* of Oid: that are read, each once */
	List	   *named;			/* of Oid: continuous views that are read by their names, and tables
								 * whose changes count */
	CqTree	   *tree;			/* the nodes below, or NULL: rows of a stream pass one by one */
	Oid			stream;			/* by whose batches maintain is driven; InvalidOid: by … */
	int			node;			/* … the changes of a node, in a tuplestore. 0: by neither */
	bool		has_row_key;	/* of what is stored: no two rows are equal in … */
	Bitmapset  *row_key;		/* … these columns, from 1: there may be none (row_key.c) */
	const Query *definition;
	Query	   *query;			/* the definition,
		or what of it is above the nodes; group references
		flattened */
	List	   *keys;			/* of CqKey * */
	/* grouping sets: one more key, an integer, between keys and partial states */
	bool		has_grouping_id;
	List	   *partials;		/* of CqPartial * */
	List	   *aggregates;		/* of CqAggregate * */
	RangeTblEntry *windows;		/* the window function whose panes are kept, or NULL (pane.c) */
	int			windows_rtindex;	/* in the query */
	CqSession  *session;		/* or NULL */
	CqWindowSteps closing;
	/* of CqStreamLag *: of streams whose windows are closed by what is stored */
	List	   *lags;
	int64		longest_lag;	/* of them: windows are waited for so much longer */
	bool		amends_closed;	/* rows of closed windows may change: then it tells changes */
	/* each group is one row of the state, and one of the view: see changes.c */
	bool		tells_changes;
	CqSliding	sliding;
	/* by which rows expire, or NULL; of groups the last partial state is the latest (expiry.c) */
	Expr	   *time;
	const char *time_column;	/* where it is kept */
	bool		keeps_end;		/* rows of closed windows have the end of their window */
	bool		hides_expired;	/* windows that have expired are not shown */
	Query	   *maintain;		/* yields the columns of the state table, in their order */
	List	   *columns;		/* of ColumnDef *: the state table's */
} CqViewPlan;

/*
 * Analyzes a definition (a SELECT after parse analysis, not rewritten; not changed). Everything is
 * palloc'd in CurrentMemoryContext. Returns the reason why it cannot be maintained so, with its
 * location, or NULL.
 */
extern CqReject *cq_plan_view(const Query *definition, const CqPlanOptions *options,
							  CqViewPlan **plan);

/*
 * Finds the windows that are closed, or expire, and has the query grouped by their end (close.c).
 */
extern CqReject *cq_close_find(CqViewPlan *plan, AttrNumber event_time);

/* The windows that are closed, or expire, of an entry of a range table (close.c). */
extern CqReject *cq_close_take_windows(CqViewPlan *plan, const RangeTblEntry *entry, int rtindex,
									   AttrNumber event_time);

/* What emit = 'close' does not go with: where the answer for all windows is not that for each. */
extern CqReject *cq_close_check(const CqViewPlan *plan);

/* A column of FROM that is the stream's event time, or NULL. */
extern Var *cq_close_event_time(const CqViewPlan *plan, AttrNumber event_time);

/* What the option retention does not go with; what is kept for it besides (expiry.c). */
extern CqReject *cq_expiry_check(const CqViewPlan *plan, const CqPlanOptions *options);
extern CqReject *cq_expiry_collect(CqViewPlan *plan, const CqPlanOptions *options);

/* The end of the window or session, as in the query. */
extern Expr *cq_close_end(const CqViewPlan *plan);

/* upper() of a session. */
extern Expr *cq_close_upper(Expr *session);
/*
 * Finds the sessions that a query is grouped by, if any, and checks what must hold of them: sets
 * session. *rest is what else of the query is to be analyzed (session_plan.c).
 */
extern CqReject *cq_session_plan_find(CqViewPlan *plan, Query **rest);

/* Is it a call of cq.session? */
extern bool cq_session_plan_is_call(const WindowFunc *call);

/* The first call of cq.session in a query's own select list, or NULL. */
extern WindowFunc *cq_session_plan_call(const Query *query);

/*
 * The sessions that a query shows for each of its rows, by such a call: sets select, call, type and
 * gap. They are the only window function beside those whose windows are among others (of Index).
 */
extern CqReject *cq_session_plan_read(Query *select, const List *others, CqSession *session);

/* Checks what must hold of keys and aggregates over sessions. */
extern CqReject *cq_session_plan_check(const CqViewPlan *plan);


/*
 * A condition on bounds: left ≤ or > the parameter $number. On times of rows, which lie before a
 * bound, < or ≥.
 */
extern Node *cq_close_condition(const CqViewPlan *plan, Expr *left, bool is_after, int number);

/* The end of the last of a pane's windows. */
extern Expr *cq_close_last_end(const CqViewPlan *plan, Expr *time);

/*
 * Takes the call of cq.sliding out of WHERE (sliding.c). Of one that stands elsewhere, also in
 * views, cq_check_query tells.
 */
extern CqReject *cq_sliding_take(CqViewPlan *plan);

/* Is a function cq.sliding, or one that it is made of, which follow the clock? */
extern bool cq_sliding_is_call(Oid function);
extern bool cq_sliding_is_clock(Oid function);

/* What else the view has that does not go with it. */
extern CqReject *cq_sliding_check(const CqViewPlan *plan, bool emits_on_close);

/* Now, less so many microseconds, as a timestamptz or timestamp. */
extern Expr *cq_sliding_ago(Oid type, int64 length);

/* The start of the step in which a row lies: one more key, or column. */
extern Expr *cq_sliding_step(const CqViewPlan *plan);

/* Makes `maintain` leave out rows that nobody can ask for any more. */
extern void cq_sliding_maintain(const CqViewPlan *plan, Query *maintain);

/* The condition on that key that stands for the call in `read`. */
extern Node *cq_sliding_condition(const CqViewPlan *plan, Var *step);

/*
 * A step that began so long ago, in microseconds, is of no use to anybody; -1 where there are none.
 */
extern int64 cq_sliding_kept(const CqViewPlan *plan);

/* Collects keys, aggregates and partial states (aggregate.c). */
extern CqReject *cq_aggregate_collect(CqViewPlan *plan);

/*
 * Panes in the place of overlapping windows (pane.c). Sets windows where the query, with joins'
 * columns flattened, allows for them.
 */
extern void cq_pane_find(CqViewPlan *plan);

/*
 * Is an expression of the query, seen from so many sub-selects below it, a bound of one of those
 * windows?
 */
extern bool cq_pane_is_bound(const CqViewPlan *plan, const Node *node, Index level);

/*
 * The key that all bounds are in the state: the start of the pane, which in `maintain` is the
 * windows' first column.
 */
extern Expr *cq_pane_start(const Expr *bound);

/* Makes `maintain` yield panes. */
extern void cq_pane_maintain(const CqViewPlan *plan, Query *maintain);

/*
 * The windows of a pane that starts at a column of the state table: an entry for the range table of
 * `read`.
 */
extern RangeTblEntry *cq_pane_windows(const CqViewPlan *plan, Var *pane);

/* The query over the state table that gives the view's rows (read.c). */
extern CqReject *cq_read_query(const CqViewPlan *plan, Oid state, Query **read);

/*
 * The same of the groups whose windows end after $1 and not after $2, of the bounds' type; and the
 * DELETE of what no window needs that ends after $1.
 */
extern CqReject *cq_read_closed(const CqViewPlan *plan, Oid state, Query **read);
extern Query *cq_read_delete_closed(const CqViewPlan *plan, Oid state);

/*
 * The view's row of one group: the target list and HAVING (or NULL) over a row that has the group's
 * keys, as in the state, and the results of the aggregates, in their order.
 */
extern CqReject *cq_read_group(const CqViewPlan *plan, List **targets, Node **having);

/*
 * Where its changes are asked for, checks that the view's rows change one by one, each with its
 * group (changes.c).
 */
extern CqReject *cq_changes_check(const CqViewPlan *plan);

/*
 * The columns of the view, from 1, that tell its rows apart: those that it is grouped by, or what
 * else its query says (row_key.c). The reason why there are none, or NULL (changes.c).
 */
extern CqReject *cq_changes_key(const CqViewPlan *plan, Bitmapset **columns);

/* Are the rows that are told of the view only added, and stay (changes.c)? */
extern bool cq_changes_only_add(const CqViewPlan *plan, bool emits_on_close);

/*
 * The column of the state, from 0, by which windows are told that nobody needs, and what it says of
 * them: their end, or their start or that of a pane, or it is the time of a row.
 */
extern int	cq_read_closing_column(const CqViewPlan *plan, CqTimeKind *kind);

/*
 * SELECT all columns FROM a table of closed windows' rows, in a form that cannot be updated
 * through.
 */
extern Query *cq_read_table(Oid table);

/* The type _cq.state: see state/state_type.h. */
extern Oid	cq_aggregate_state_type(void);

/* A constant of type integer. */
extern Expr *cq_plan_int4(int32 value);

/* Sets root, driver, telling, ending and is_exclusive of what is planned otherwise (root.c). */
extern void cq_root_set(CqViewPlan *plan, const CqPlanOptions *options);

/* Number of columns of the state table that make up the group, grouping id included. */
extern int	cq_plan_nkeys(const CqViewPlan *plan);

/*
 * Plans `maintain` with the server's planner; its aggregates then yield partial states instead of
 * results (partial.c). Within a transaction, with a snapshot; as the user whose rights count for
 * functions.
 */
extern PlannedStmt *cq_partial_plan(const CqViewPlan *plan, const char *query_text);

#define CQ_OWN_COLUMNS "_cq_"	/* so begin columns of ours beside a view's, which has no such */
#define CQ_GROUPING_ID_COLUMN "grouping_id"
#define CQ_PANE_COLUMN "pane"	/* where it starts: so called, a state of panes is not taken for one of windows */
#define CQ_STEP_COLUMN "_cq_step"	/* where a step of cq.sliding starts */
#define CQ_ROW_TIME_COLUMN "_cq_time"	/* when a row was processed, or the last one of a group */
#define CQ_EVENT_TIME_COLUMN "_cq_event_time"	/* the event time of a row, or the latest of a group's */
#define CQ_END_COLUMN "_cq_window_end"	/* of closed windows' rows */

#endif							/* CQ_PLAN_H */
