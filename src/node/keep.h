/*
 * keep.h
 *		Keep nodes at work: passes the changes of a node's inputs through it.
 *
 * Everything that a node remembers is in tables, which live and die with the (sub)transaction: a
 * batch may be done in parts, and again after a rollback.
 */
#ifndef CQ_KEEP_H
#define CQ_KEEP_H

#include "postgres.h"

#include "node/delta.h"
#include "plan/cut.h"

typedef struct CqKeep CqKeep;

/*
 * A node of a tree. inputs are the tables of the inputs, by input; InvalidOid for a rule that keeps
 * none. output is the table of what is stored, or InvalidOid. Plans the step, as who acts for the
 * view, with all that it reads locked. In CurrentMemoryContext; the tree has to last as long.
 */
extern CqKeep *cq_keep_prepare(const CqTree *tree, const CqNode *node, const Oid *inputs,
							   Oid output);

/* Of a table, whose rows may be gone before they have come: where those are put (early.h). */
extern void cq_keep_set_early(CqKeep *keep, Oid early);

/*
 * Of PlannedStmt *: what is to be locked before, and watched: when a plan is not valid any more,
 * neither is what was prepared.
 */
extern List *cq_keep_plans(const CqKeep *keep);

/* How many rows of its tables it has read since it was prepared. */
extern int64 cq_keep_nread(const CqKeep *keep);

/* An empty delta for the changes of an input, from 0. In CurrentMemoryContext. */
extern CqDelta *cq_keep_make_changes(const CqKeep *keep, int input);

/*
 * Passes changes (by input; NULL: none) through the node: writes its tables, and gives the changes
 * that it passes on, in CurrentMemoryContext. As who acts for the view, who has it for himself,
 * with an active snapshot that may be older than the current command. touches_rest: the node
 * begins; what its step yields over nothing becomes stored, such as a count(*) of 0. What is
 * written is seen after a CommandCounterIncrement. Raises ERROR where the step does, or where the
 * tables are not as they should be.
 */
extern CqDelta *cq_keep_apply(CqKeep *keep, CqDelta *const *changes, bool touches_rest);

/*
 * Raises an error of the view (55000, which names the node, its table and the key) where the step
 * fails over what is kept of the keys that these changes touch, without the changes: then who
 * brings them is not at fault. Of CQ_RULE_DIFFERENCE; the others compute nothing again.
 */
extern void cq_keep_check(CqKeep *keep, CqDelta *const *changes);

#endif							/* CQ_KEEP_H */
