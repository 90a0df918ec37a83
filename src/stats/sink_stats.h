/*
 * sink_stats.h
 *		How sinks fare, in shared memory: written by the emitter, read by cq.sinks.
 *
 * All functions are no-ops where the module was not preloaded. As many sinks as cq.max_views are
 * known; what comes later is served all the same.
 */
#ifndef CQ_SINK_STATS_H
#define CQ_SINK_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef enum CqSinkState
{
	CQ_SINK_UNSERVED,			/* nobody has looked at it yet */
	CQ_SINK_CONNECTING,
	CQ_SINK_RUNNING,
	CQ_SINK_DOWN				/* is tried again and again; last_error says why */
} CqSinkState;

extern void cq_sink_stats_init(void);

/* message may be NULL. */
extern void cq_sink_stats_state(Oid view, CqSinkState state, const char *message);

/*
 * Why nothing is sent of a view just now, though it is tried again and again: palloc'd; "" to those
 * who may not see it. NULL where that is not so.
 */
extern char *cq_sink_stats_trouble(Oid view);

/* One more transaction of Kafka. */
extern void cq_sink_stats_sent(Oid view, int64 rows, int64 bytes);

/* What was committed by then has been sent. */
extern void cq_sink_stats_level(Oid view, TimestampTz at);

/* Gives back the room of what was dropped. Within a transaction. */
extern void cq_sink_stats_sweep(void);

/* Forgets a view, or with InvalidOid all of a database. */
extern void cq_sink_stats_forget(Oid database, Oid view);

#endif							/* CQ_SINK_STATS_H */
