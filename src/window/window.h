/*
 * window.h
 *		What others need to know of windows: see window.c.
 */
#ifndef CQ_WINDOW_H
#define CQ_WINDOW_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Where windows are counted from unless the query says otherwise: 2001-01-01 00:00, as a timestamp. */
#define CQ_WINDOW_ORIGIN	(INT64CONST(366) * USECS_PER_DAY)

#endif							/* CQ_WINDOW_H */
