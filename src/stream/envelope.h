/*
 * envelope.h
 *		What a message says of the row of its key, in Debezium's envelope or, flattened, by a field
 *		of the row; and values that it leaves out.
 */
#ifndef CQ_ENVELOPE_H
#define CQ_ENVELOPE_H

#include "stream/reader_state.h"

/* Columns of a batch behind those of the table, at most. */
#define CQ_ENVELOPE_COLUMNS 4

/* How many there are of a stream. */
extern int	cq_envelope_columns(const CqStream *stream);

/* Makes of a column of the table, for a decoder, a field of a message of such a stream. */
extern void cq_envelope_place(const CqStream *stream, const CqStreamColumn *described,
							  CqColumn *column);

/*
 * Adds the columns of the envelope itself, for which there is room. Returns how many there are
 * then.
 */
extern int	cq_envelope_add_columns(const CqReader *reader, CqColumn *columns, int ncolumns);

/*
 * What messages [first, end) mean, once they are decoded: which keys are gone, which of them are
 * none, and which values are left out. Of the batch's bad cells those from first_bad on are theirs;
 * they may be out of order then.
 */
extern void cq_envelope_settle(CqReader *reader, CqBatch *batch, const Bitmapset *columns,
							   int first,
							   int end, int first_bad);

/*
 * Takes values that are left out from the message before of the same key, where the batch has it.
 */
extern void cq_envelope_fill(CqReader *reader, CqBatch *batch, const Bitmapset *columns);

/*
 * What tells rows apart: the bytes of a message's key, less what is around them. NULL: it has none,
 * as where all rows are gone.
 */
extern const char *cq_envelope_key(const CqBatch *batch, int row, uint32 *length);

#endif							/* CQ_ENVELOPE_H */
