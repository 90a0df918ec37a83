/*
 * output.h
 *		The options sink, notify and changes at CREATE: what is made for them.
 */
#ifndef CQ_DDL_OUTPUT_H
#define CQ_DDL_OUTPUT_H

#include "postgres.h"

#include "catalog/view.h"
#include "ddl/view_options.h"
#include "plan/plan.h"

/* Does anybody ask for the view's changes? */
extern bool cq_output_tells_changes(const CqViewOptions *options);

/*
 * The relation that the option sink names, locked against DROP, or InvalidOid. Raises ERROR where
 * there is none.
 */
extern Oid	cq_output_find_sink(const CqViewOptions *options);

/*
 * The index by which a batch finds the groups of a view that tells changes. Raises ERROR where
 * there can be none.
 */
extern void cq_output_index_groups(const CqViewPlan *plan, Oid state);

/* The same for rows of closed windows, which are amended. */
extern void cq_output_index_result(const CqViewPlan *plan, Oid result);

/*
 * Finds the sink by its name, checks that the view's rows can go there, and makes the outbox where
 * it is a topic; makes the stream of changes. Sets them in row, whose relation is there already.
 */
extern void cq_output_make(CqView *row, const CqViewPlan *plan, const CqViewOptions *options,
						   Oid owner, const char *query_string);

/* Once the view's row is in the catalog. */
extern void cq_output_connect(const CqView *row);

/* Of a view that is replaced; before the new one is made. */
extern void cq_output_drop(const CqView *before);

#endif							/* CQ_DDL_OUTPUT_H */
