/*
 * outgoing.h
 *		From a row of a stream to a message on its way out: the value columns go through the
 *		format's encoder, those with metadata say key, headers, topic, partition and timestamp.
 */
#ifndef CQ_OUTGOING_H
#define CQ_OUTGOING_H

#include "postgres.h"

#include "catalog/stream.h"
#include "executor/tuptable.h"
#include "format/format.h"
#include "source/source.h"

typedef struct CqOutgoingRows
{
	const CqStream *stream;
	const CqFormat *format;
	CqEncoder  *encoder;		/* of the value columns */
	const CqFormat *key_format; /* NULL: no columns are fields of the key */
	CqEncoder  *key_encoder;
	StringInfoData encoded;
} CqOutgoingRows;

/*
 * In CurrentMemoryContext. stream stays the caller's, and has to last. Raises ERROR where the
 * format cannot write.
 */
extern CqOutgoingRows *cq_outgoing_open(const CqStream *stream, TupleDesc descriptor);

/*
 * The same of a sink, within a transaction that cannot wait: numbers of schemas are put in later.
 */
extern CqOutgoingRows *cq_outgoing_open_sink(const CqStream *stream, TupleDesc descriptor);

/*
 * The message of a row, whose columns are the foreign table's. What it points to is the slot's or
 * palloc'd in CurrentMemoryContext. Raises ERROR where the row says what cannot be. describe leaves
 * the value out.
 */
extern void cq_outgoing_fill(CqOutgoingRows *rows, TupleTableSlot *slot, CqOutgoing *row);
extern void cq_outgoing_describe(const CqOutgoingRows *rows, TupleTableSlot *slot, CqOutgoing *row);

/*
 * Does a row stand for a message without a value, as it would be read? One whose value columns are
 * all null, where the stream takes these for such: of mode upsert, it deletes.
 */
extern bool cq_outgoing_is_tombstone(const CqStream *stream, TupleTableSlot *slot);

#endif							/* CQ_OUTGOING_H */
