/*
 * view_sink.h
 *		Rows of _cq.sink and _cq.outbox_end: a view whose changes go to a topic.
 */
#ifndef CQ_VIEW_SINK_H
#define CQ_VIEW_SINK_H

#include "postgres.h"

/* Begins an outbox, with an epoch of its own. As anybody. */
extern void cq_view_sink_insert(Oid view, Oid sink, Oid outbox);

extern void cq_view_sink_forget(Oid view);

#endif							/* CQ_VIEW_SINK_H */
