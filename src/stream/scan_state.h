/*
 * scan_state.h
 *		What a running scan keeps: shared by scan.c and explain.c.
 */
#ifndef CQ_SCAN_STATE_H
#define CQ_SCAN_STATE_H

#include "stream/bounded.h"
#include "stream/latest.h"

typedef struct CqScanColumn
{
	int			index;			/* in the slot */
	const Datum *values;		/* of the batch */
	const bool *nulls;
} CqScanColumn;

typedef struct CqScanState
{
	Bitmapset  *needed;
	CqScanColumn *columns;
	int			ncolumns;

	const CqBatch *batch;
	int			row;			/* the last one handed out */
	int			end;
	int			next_special;	/* rows before it need no look */
	const Bitmapset *left_out;
	const CqBadCells *bad;		/* NULL where bound */
	int			next_bad;

	bool		is_bound;		/* to a worker's batch; else: */
	CqStream   *stream;
	CqPushdown *pushdown;
	CqBounded  *bounded;

	/* rows are those that are there now; bound: all, with their place */
	bool		is_changing;
	CqLatest   *latest;			/* while not bound, once all has been read */
} CqScanState;

#endif							/* CQ_SCAN_STATE_H */
