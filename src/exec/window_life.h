/*
 * window_life.h
 *		How long after their end windows of a view are kept as they were: until they are closed, and
 *		until nothing of them changes any more, however late a row comes.
 */
#ifndef CQ_WINDOW_LIFE_H
#define CQ_WINDOW_LIFE_H

#include "catalog/view.h"
#include "datatype/timestamp.h"

typedef struct CqWindowLife
{
	bool		is_over;		/* some time; else it lasts for ever */
	const Interval *after;		/* so long after the end, or NULL: with it */
} CqWindowLife;

/* Until they are closed: they are emitted then, or have expired. For ever, where there are none. */
extern CqWindowLife cq_window_life_closed(const CqView *view);

/* Until rows are too late for them: that is the same, but where closed windows are amended. */
extern CqWindowLife cq_window_life_gone(const CqView *view);

/* Those are over that end up to here, where the watermark, less what is allowed, stands so far. */
extern TimestampTz cq_window_life_ended(const CqWindowLife *life, TimestampTz watermark);

/* It takes no less than that, in microseconds, from the end. */
extern int64 cq_window_life_least(const CqWindowLife *life);

#endif							/* CQ_WINDOW_LIFE_H */
