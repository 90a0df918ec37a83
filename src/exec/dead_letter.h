/*
 * dead_letter.h
 *		Messages that a view could not process, kept in _cq.error.
 */
#ifndef CQ_DEAD_LETTER_H
#define CQ_DEAD_LETTER_H

#include "postgres.h"

#include "stream/batch.h"

/* In the batch's transaction. The payload is cut to cq.error_payload_limit. */
/* Records the row, unless the batch has brought nbefore of the view already, and no more are kept. */
extern void cq_dead_letter_add(Oid view, Oid stream, const CqBatch *batch, int row, int64 nbefore, int sqlerrcode,
							   const char *message);

/* A part of a message as it is kept, cut to cq.error_payload_limit; *is_null as SPI has it. */
extern Datum cq_dead_letter_bytes(const char *bytes, uint32 length, char *is_null);

/* Removes the view's oldest where there are more than cq.max_errors. */
extern void cq_dead_letter_trim(Oid view);

#endif							/* CQ_DEAD_LETTER_H */
