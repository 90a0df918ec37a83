/*
 * output.h
 *		The options sink and notify at CREATE: what is made for them.
 */
#ifndef CQ_DDL_OUTPUT_H
#define CQ_DDL_OUTPUT_H

#include "postgres.h"

#include "catalog/view.h"
#include "ddl/view_options.h"
#include "plan/plan.h"

/* Does anybody ask for the view's changes? */
extern bool cq_view_tells_changes(const CqViewOptions *options);

/* The index by which a batch finds the groups of a view that tells changes. Raises ERROR where there can be none. */
extern void cq_view_index_groups(const CqViewPlan *plan, Oid state);

/*
 * Finds the sink by its name (NULL: none), checks that the view's rows can go there, and makes the outbox where it is a topic: sets both in row, whose
 * relation is there already.
 */
extern void cq_view_make_output(CqView *row, const CqViewPlan *plan, const char *sink, Oid owner, const char *query_string);

/* Once the view's row is in the catalog. */
extern void cq_view_connect_output(const CqView *row);

/* Of a view that is replaced. */
extern void cq_view_drop_output(const CqView *before);

#endif							/* CQ_DDL_OUTPUT_H */
