/*
 * bounded.h
 *		Reads what is in a stream now, for one statement.
 */
#ifndef CQ_BOUNDED_H
#define CQ_BOUNDED_H

#include "stream/batch.h"
#include "stream/pushdown.h"

typedef struct CqBounded
{
	CqStream   *stream;
	CqReader   *reader;			/* NULL: nothing (more) to read */
	const Bitmapset *needed;
	struct CqBoundedPartition *partitions;
	int			npartitions;	/* that hold rows of the range */
	double		nwaiting;		/* by offsets, in all partitions of the range */
	int64		nmessages;		/* read */
	int64		nbad;			/* rows left out, since the stream's on_error says skip */
} CqBounded;

/*
 * Asks how far the stream reaches, and begins to read the range. stream, range and needed must live
 * as long. In CurrentMemoryContext, by which it is closed at the latest.
 */
extern CqBounded *cq_bounded_open(CqStream *stream, const CqRange *range, const Bitmapset *needed);

/* The same, of the latest messages only: at most limit, in equal parts of the partitions. */
extern CqBounded *cq_bounded_open_latest(CqStream *stream, const Bitmapset *needed, int64 limit);

/* The next messages, decoded; rows out of the range are among batch->absent. NULL at the end. */
extern CqBatch *cq_bounded_next(CqBounded *bounded);
extern void cq_bounded_close(CqBounded *bounded);

/*
 * A row of a batch that could not be decoded: raises ERROR, or returns where the stream says that
 * it is to be left out.
 */
extern void cq_bounded_take_bad(CqBounded *bounded, const CqBatch *batch, const CqBadCell *cell);

/* Partitions and how far they reach, in a statement. */
extern List *cq_bounded_extents(const CqStream *stream);

#endif							/* CQ_BOUNDED_H */
