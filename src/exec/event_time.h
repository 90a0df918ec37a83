/*
 * event_time.h
 *		The event times that a batch brings.
 */
#ifndef CQ_EVENT_TIME_H
#define CQ_EVENT_TIME_H

#include "exec/exec.h"

/*
 * After decoding: the highest event time of each slice of the batch, palloc'd, DT_NOBEGIN where there is none; NULL where the stream has no event
 * times. A row whose time is too far ahead of the clock becomes a bad cell in that column and does not count.
 */
extern TimestampTz *cq_event_time_highest(const CqLane *lane, CqBatch *batch);

/* The columns that it needs decoded. */
extern Bitmapset *cq_event_time_column(const CqLane *lane);

#endif							/* CQ_EVENT_TIME_H */
