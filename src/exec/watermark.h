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
 * As of what is committed and of the wall clock; false where there is none yet: some partition that is not idle has brought no event time, or the
 * stream has none. For event times without a time zone the same digits, as if in UTC. May go back, where a partition comes back that was idle. Within
 * a transaction; as a user who may read the catalog.
 */
extern bool cq_watermark_get(const CqView *view, TimestampTz *watermark);

#endif							/* CQ_WATERMARK_H */
