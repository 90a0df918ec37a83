/*
 * graph.h
 *		Continuous views that read others by their names: all that a transaction changes, it changes
 *		up to the top.
 */
#ifndef CQ_GRAPH_H
#define CQ_GRAPH_H

#include "exec/view_exec.h"
#include "node/tree_run.h"

typedef struct CqGraph CqGraph;

/*
 * The views, which the transaction is about to maintain, and all that are above them, ready to run.
 * Views that somebody has locked, or that do not run, are left out. Raises ERROR where the whole
 * batch is to be done again. In CurrentMemoryContext, for as long as the transaction.
 */
extern CqGraph *cq_graph_open(const List *execs);

/*
 * Has all of those to itself that need it. Waits; but where the transaction has locked some that
 * come later in the order of all (since cq_graph_begin_order) it raises ERROR instead, as lock.h
 * says. Not in a subtransaction.
 */
extern void cq_graph_lock(CqGraph *graph);
extern void cq_graph_begin_order(void);

/* The view is not to be told anything: it stays behind those that it reads. */
extern void cq_graph_leave_out(CqGraph *graph, Oid view);

/*
 * Has the views above follow what has changed in those below, from the lowest on, each once. False
 * where one of them has stopped. Raises ERROR as open does.
 */
extern bool cq_graph_follow(CqGraph *graph);

/* Those that have followed: of CqViewExec *. */
extern List *cq_graph_followers(const CqGraph *graph);

extern void cq_graph_close(CqGraph *graph);

/* ---- views that stay behind ---- */

/*
 * Views that run and are not level with one that they read, whereas that is level with all that it
 * reads: of Oid, the lowest first. As somebody who may read the catalog, or as the catalog's owner.
 */
extern List *cq_graph_find_behind(void);

/* Is the view, and are all below it, level with what they read? */
extern bool cq_graph_is_level(Oid view);

/*
 * Brings such a view level, by comparing what it knows with what is there; those above it follow.
 * Within a transaction, with a snapshot. False: not now, somebody has locked what it takes. Raises
 * ERROR for what passes.
 */
extern bool cq_graph_level(Oid view);

/* ---- for those who do not go by batches ---- */

/*
 * A new view takes all rows of those that it reads. As who has made it, with those locked against
 * batches. Raises ERROR where its query does.
 */
extern void cq_graph_begin(Oid view);

/*
 * Rows of the view have come or gone otherwise than by a batch: those above it follow. Within the
 * transaction that has done it, with the view locked against batches by a command, or, as they are
 * against one another, by who closes windows or has rows expire.
 */
extern void cq_graph_push(Oid view, bool is_command);

/*
 * What has been told of a table's rows goes to the views that read it; it has this version then.
 * Within a transaction, with the table's turn held.
 */
extern void cq_graph_push_table(CqToldView *told, int64 version);

#endif							/* CQ_GRAPH_H */
