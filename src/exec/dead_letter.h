/*
 * dead_letter.h
 *		Messages that a view could not process, kept in _cq.error.
 */
#ifndef CQ_DEAD_LETTER_H
#define CQ_DEAD_LETTER_H

#include "postgres.h"

#include "stream/batch.h"

/* In the batch's transaction. The payload is cut to cq.error_payload_limit. */
extern void cq_dead_letter_add(Oid view, Oid stream, const CqBatch *batch, int row, int sqlerrcode, const char *message);

#endif							/* CQ_DEAD_LETTER_H */
