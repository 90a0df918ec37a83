/*
 * dead_letter.h
 *		Messages that a view could not process, kept in _cq.error.
 */
#ifndef CQ_DEAD_LETTER_H
#define CQ_DEAD_LETTER_H

#include "postgres.h"

#include "stream/batch.h"

/*
 * Records the row, unless the batch has brought nbefore of the view already, and no more are kept.
 * In the batch's transaction. The payload is cut to cq.error_payload_limit. column, or NULL: the
 * one that is bad.
 */
extern void cq_dead_letter_add(Oid view, Oid stream, const CqBatch *batch, int row, int64 nbefore,
							   const CqReject *reject, const char *column);

/* One that is kept has been put through again, and has failed, for this reason. */
extern void cq_dead_letter_fail_again(int64 error_id, const CqReject *reject, const char *column);

/* How many of the view are kept. */
extern int64 cq_dead_letter_count(Oid view);

/* Removes the view's oldest where there are more than cq.max_errors. */
extern void cq_dead_letter_trim(Oid view);

/* ---- also for other messages that are kept ---- */

#define CQ_MESSAGE_COLUMNS	"topic, partition, \"offset\", key, payload, payload_length"
#define CQ_MESSAGE_TYPES	TEXTOID, INT4OID, INT8OID, BYTEAOID, BYTEAOID, INT8OID

/*
 * Sets the arguments for CQ_MESSAGE_COLUMNS, nulls as SPI has them: the row's message, key and
 * payload cut to cq.error_payload_limit.
 */
extern void cq_dead_letter_describe(const CqBatch *batch, int row, Datum *args, char *nulls);

/*
 * Runs a DELETE of what view $1 has beyond its newest $2, which are cq.max_errors; nothing where
 * all are kept.
 */
extern void cq_dead_letter_trim_by(const char *statement, Oid view);

#endif							/* CQ_DEAD_LETTER_H */
