/*
 * window.h
 *		What others need to know of windows: see window.c.
 */
#ifndef CQ_WINDOW_H
#define CQ_WINDOW_H

#include "postgres.h"

#include "common/reject.h"
#include "datatype/timestamp.h"
#include "nodes/nodes.h"

/*
 * Where windows are counted from unless the query says otherwise: 2001-01-01 00:00, as a timestamp.
 */
#define CQ_WINDOW_ORIGIN	(INT64CONST(366) * USECS_PER_DAY)

/*
 * Why windows over times of a type (timestamptz, timestamp or bigint) cannot have these arguments,
 * or NULL. Those that are no constants are not looked at; size is NULL where there is but the step,
 * which messages name by step_argument.
 */
extern CqReject *cq_window_check(Oid type, const char *step_argument, const Node *step,
								 const Node *size, const Node *origin);

#endif							/* CQ_WINDOW_H */
