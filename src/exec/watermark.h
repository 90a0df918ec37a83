/*
 * watermark.h
 *		The watermark of a view: no row with an event time below it is expected any more.
 */
#ifndef CQ_WATERMARK_H
#define CQ_WATERMARK_H

#include "postgres.h"

#include "catalog/view.h"
#include "datatype/timestamp.h"

/*
 * As of what is committed; false where there is none yet: some partition has brought no event time,
 * or a stream has none. For event times without a time zone the same digits, as if in UTC. Does
 * not go back. Within a transaction; as a user who may read the catalog.
 */
extern bool cq_watermark_get(const CqView *view, TimestampTz *watermark);

/*
 * Writes down what it is, before the view follows another partition, which has no event time yet.
 */
extern void cq_watermark_keep(Oid view);

#endif							/* CQ_WATERMARK_H */
