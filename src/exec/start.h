/*
 * start.h
 *		Where a view that has not started begins to read.
 */
#ifndef CQ_START_H
#define CQ_START_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "stream/reader.h"

/*
 * One position for each of the extents (of CqExtent *), in their order, palloc'd. start is as in
 * _cq.view: earliest; latest, which means as of created_at, so that nothing is missed that was sent
 * after CREATE; a timestamp; or offsets as JSON, {"0": 12} by partition or {"topic": {"0": 12}}.
 * May ask the broker: NULL where the inquiry has no answer yet. Within a transaction. Raises ERROR.
 */
extern CqPosition *cq_start_positions(const char *start, TimestampTz created_at, Oid stream,
									  const List *extents, CqInquiry *inquiry);

/*
 * Why the view cannot begin where start says, palloc'd, or NULL: it names a partition that is not
 * there, or an offset past a partition's end. Topics of the view's other streams (of char *) may be
 * named. To begin elsewhere instead would be a guess; that the messages have gone already is a gap,
 * which the reader deals with.
 */
extern char *cq_start_fault(const char *start, const List *extents, const List *other_topics);

#endif							/* CQ_START_H */
