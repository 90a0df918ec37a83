/*
 * outbox_write.h
 *		Rows into an outbox, in the transaction of what they tell of.
 *
 * A row of an outbox has an id. Ids are given in the order of commits, without a gap: whoever
 * writes has the outbox to itself from then on to the end of the transaction. What is to be sent
 * next is therefore whatever comes behind the last id that was sent (emitter_send.c).
 */
#ifndef CQ_OUTBOX_WRITE_H
#define CQ_OUTBOX_WRITE_H

#include "source/source.h"

typedef struct CqOutboxWriter CqOutboxWriter;

/*
 * whose: the view, or the stream, whose outbox it is. locks: nobody else writes there before the
 * transaction ends; else the caller has seen to that. In CurrentMemoryContext. Raises ERROR where
 * the outbox was dropped or altered.
 */
extern CqOutboxWriter *cq_outbox_write_begin(Oid whose, Oid outbox, bool locks);

extern void cq_outbox_write_row(CqOutboxWriter *writer, const CqOutgoing *outgoing);

extern void cq_outbox_write_end(CqOutboxWriter *writer);

#endif							/* CQ_OUTBOX_WRITE_H */
