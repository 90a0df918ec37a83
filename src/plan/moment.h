/*
 * moment.h
 *		Texts that mean the moment when they are read as a date or time.
 */
#ifndef CQ_MOMENT_H
#define CQ_MOMENT_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/parsenodes.h"

/*
 * Has all that reads texts as dates and times, wherever in a rewritten query, fail for 'now',
 * 'today' and the like. Replaces *query. *functions are those that were made part of it, so that
 * the plan depends on them. The reason why that is not possible, with its place, or NULL.
 */
extern CqReject *cq_moment_guard(Query **query, List **functions);

#endif							/* CQ_MOMENT_H */
