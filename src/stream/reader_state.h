/*
 * reader_state.h
 *		What a reader keeps: shared by reader.c and batch.c.
 */
#ifndef CQ_READER_STATE_H
#define CQ_READER_STATE_H

#include "access/tupdesc.h"
#include "stream/reader.h"

/* One attribute's values, kept from batch to batch. */
typedef struct CqColumnArrays
{
	Datum	   *values;
	bool	   *nulls;
	int			capacity;		/* rows */
} CqColumnArrays;

struct CqReader
{
	MemoryContext context;		/* holds the reader */
	CqStream   *stream;
	const CqSourceRoutine *routine;
	CqSource   *source;
	const CqFormat *format;
	CqColumn   *columns;		/* as the format sees them, in the order of stream->columns; without meaning for metadata */

	CqDecoder  *decoder;		/* for the columns decoded last, or NULL */
	Bitmapset  *decoder_columns;
	MemoryContext decoder_context;

	CqColumnArrays *arrays;		/* by attribute number - 1 */
	CqBatch		batch;
	bool		has_batch;
};

/* Fills the metadata columns among needed. True where it has added to the batch's bad cells. */
extern bool cq_metadata_fill(CqReader *reader, CqBatch *batch, const Bitmapset *needed);

/* What a source is opened with for this stream; borrows from it. */
extern CqSourceConfig cq_reader_config(const CqStream *stream, bool bounded);
extern const CqSourceRoutine *cq_reader_routine(const CqStream *stream);

/* The columns of the stream as the format sees them, in the order of stream->columns. */
extern CqColumn *cq_reader_columns(const CqStream *stream, TupleDesc descriptor);

/* As cq_reader_open, for one statement and with options as userid has them. */
extern CqReader *cq_reader_open_bounded(CqStream *stream, const CqPosition *positions, int npositions);

#endif							/* CQ_READER_STATE_H */
