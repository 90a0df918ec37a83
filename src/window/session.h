/*
 * session.h
 *		The gap of cq.session: see session.c.
 */
#ifndef CQ_WINDOW_SESSION_H
#define CQ_WINDOW_SESSION_H

#include "postgres.h"

#include "common/reject.h"
#include "datatype/timestamp.h"

/*
 * The length of a gap, in microseconds or whatever a bigint counts; or the reason why it is none.
 * is_zoned: between values of timestamptz.
 */
extern CqReject *cq_session_interval_gap(const Interval *interval, bool is_zoned, int64 *gap);
extern CqReject *cq_session_bigint_gap(int64 number, int64 *gap);

#endif							/* CQ_WINDOW_SESSION_H */
