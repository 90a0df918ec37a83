/*
 * tree_run.h
 *		The nodes of a view at work: a batch of one of its streams on its way up.
 */
#ifndef CQ_TREE_RUN_H
#define CQ_TREE_RUN_H

#include "postgres.h"

#include "nodes/plannodes.h"
#include "node/delta.h"
#include "node/flow.h"
#include "plan/cut.h"
#include "portability/instr_time.h"

typedef struct CqTreeRun CqTreeRun;

/* What has become of the rows of a continuous view that the view reads by its name, or a table. */
typedef struct CqToldView
{
	Oid			view;
	/* with its columns and weights; NULL: it is to be compared as a whole */
	CqDelta    *changes;
	const List *settings;		/* those that it is read under, then */
	/* of a table, then: adds to a delta like changes what is not to be seen of it yet; or NULL */
	void		(*add_unseen) (const struct CqToldView *told, CqDelta *delta);
	void	   *context;
} CqToldView;

/* A batch of a stream, as the caller has it; or what has been told by views. */
typedef struct CqTreeBatch
{
	Oid			stream;			/* or InvalidOid */
	const List *told;			/* of CqToldView * */
	int64		nrows;
	bool		checks_kept;	/* each node first, by cq_keep_check */
	/* scans of it in this plan read the batch */
	void		(*bind) (const PlannedStmt *plan, void *context);
	void		(*unbind) (void);
	void	   *context;
} CqTreeBatch;

/*
 * Plans all nodes; NULL: there are none, and nothing happens on the way. output is the table of the last node where the view shows it; the others are the
 * view's parts. As who acts for the view, with all that it reads locked. expect as in flow.h. In
 * CurrentMemoryContext; the tree has to last as long.
 */
extern CqTreeRun *cq_tree_run_prepare(const CqTree *tree, Oid view, Oid output,
									  CqFlowExpect expect);

/* How many nodes there are. */
extern int	cq_tree_run_length(const CqTreeRun *run);

/* Of PlannedStmt *: all plans; those of them that read a stream's batches. */
extern List *cq_tree_run_plans(const CqTreeRun *run);
extern List *cq_tree_run_plans_of(const CqTreeRun *run, Oid stream);

/*
 * Takes a batch through the nodes; NULL: they begin, and store what they make of nothing, such as a
 * count(*) of 0. What comes out of a node is in *changes, which has room for all of them, by number
 * - 1; NULL: nothing. In CurrentMemoryContext. As cq_keep_apply.
 */
extern void cq_tree_run(CqTreeRun *run, const CqTreeBatch *batch, CqDelta **changes);

/* What the last call did at a node, by number - 1. */
typedef struct CqNodeWork
{
	bool		has_changes;	/* something came to it; else all below is 0 */
	int64		rows_in;		/* changes */
	int64		rows_read;		/* of its tables */
	int64		rows_out;		/* changes */
	instr_time	duration;
} CqNodeWork;

extern const CqNodeWork *cq_tree_run_work(const CqTreeRun *run, int node);

/* Gives back what has come out of the nodes. */
extern void cq_tree_run_free(const CqTreeRun *run, CqDelta **changes);

#endif							/* CQ_TREE_RUN_H */
