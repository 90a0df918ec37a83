/*
 * track.h
 *		A series that goes on, and the model of it, which is fitted anew from time to time.
 */
#ifndef CQ_SERIES_TRACK_H
#define CQ_SERIES_TRACK_H

#include "datatype/timestamp.h"
#include "series/model.h"

#define CQ_TRACK_MAX_TRAINING 100000

typedef struct CqTrackOptions
{
	CqModelForm form;			/* period: 0 is to be found */
	int			least;			/* values before the first fit; 0: by the form */
	int			most;			/* last values that are fitted to */
	Interval	step;			/* time between two values, months and days in UTC; all zero: one
								 * comes after the other */
} CqTrackOptions;

typedef struct CqTrack
{
	CqTrackOptions options;
	MemoryContext context;		/* of the values */
	MemoryContext fitting;		/* of the model */
	double	   *values;			/* the last ones, at most twice as many as are fitted to */
	int			count;
	int64		seen;
	int64		next_fit;
	CqModel    *model;			/* NULL: not yet */
	int64		fits;			/* so many models were there, which may have lain in one place */
	/* Time */
	bool		has_time;
	TimestampTz first;
	TimestampTz last;
	TimestampTz before_last;	/* where seen > 1 */
} CqTrack;

typedef enum CqTrackMove
{
	CQ_TRACK_NEXT,				/* the value is the next one */
	CQ_TRACK_SAME,				/* it falls on the step of the one before: it is left out */
	CQ_TRACK_BACK,				/* its time lies before that of the one before */
} CqTrackMove;

extern void cq_track_begin(CqTrack *track, const CqTrackOptions *options, MemoryContext context);
extern CqTrackMove cq_track_move(CqTrack *track, TimestampTz time);
extern void cq_track_add(CqTrack *track, double value);
extern bool cq_track_time(const CqTrack *track, int ahead, TimestampTz *time);

#endif
