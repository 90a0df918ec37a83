/*
 * moment.h
 *		Texts that mean the moment when they are read as a date or time.
 */
#ifndef CQ_MOMENT_H
#define CQ_MOMENT_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/*
 * Has casts of texts to dates and times, wherever in the query, fail for 'now', 'today' and the
 * like. Changes query.
 */
extern void cq_moment_guard(Query *query);

#endif							/* CQ_MOMENT_H */
