/*
 * event_time.h
 *		The event times that a batch brings.
 */
#ifndef CQ_EVENT_TIME_H
#define CQ_EVENT_TIME_H

#include "exec/exec.h"

/*
 * After decoding: the event times of the batch, palloc'd; NULL where the stream has none. A row
 * whose time is too far ahead of the clock becomes a bad cell in that column and does not count.
 * The lane's cursors have been moved.
 */
extern CqEventTimes *cq_event_time_find(const CqLane *lane, CqBatch *batch);

/* The columns that it needs decoded. */
extern Bitmapset *cq_event_time_column(const CqLane *lane);

#endif							/* CQ_EVENT_TIME_H */
