/*
 * key.h
 *		Columns that are fields of a message's key.
 */
#ifndef CQ_KEY_H
#define CQ_KEY_H

#include "stream/reader_state.h"

/* The keys of messages as messages of their own, without those that have none; rows says which. */
extern CqMessage *cq_key_messages(const CqFetch *fetch, int *nmessages, int **rows);

/* Fills the columns of keys' fields among columns, by a decoder for them. */
extern void cq_key_fill(CqReader *reader, CqBatch *batch, const Bitmapset *columns,
						CqDecoder *decoder);

#endif							/* CQ_KEY_H */
