/*
 * view_start.h
 *		Where a view is to begin, as said by the option start and by cq.reset.
 */
#ifndef CQ_VIEW_START_H
#define CQ_VIEW_START_H

#include "postgres.h"

/*
 * The text as kept in _cq.view, so that it means the same later: earliest, latest, a timestamp in
 * full, or offsets by partition, or by topic and partition, as JSON. Raises ERROR where it is none
 * of these.
 */
extern char *cq_view_start_parse(const char *text);

/*
 * Raises ERROR where a start, as kept, is not one for a view with so many streams: a partition
 * without its topic says nothing of which stream is meant.
 */
extern void cq_view_start_check(const char *start, int nstreams);

#endif							/* CQ_VIEW_START_H */
