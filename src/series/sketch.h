/*
 * sketch.h
 *		A distribution in bounded space: counts by ranges of values.
 */
#ifndef CQ_SERIES_SKETCH_H
#define CQ_SERIES_SKETCH_H

#define CQ_SKETCH_MAX_BUCKETS 512

typedef struct CqSketchBucket
{
	int64		key;			/* of the values' order, without the lowest level bits */
	int64		count;
} CqSketchBucket;

/* Buckets in the order of their keys, behind them some that are not sorted yet. */
typedef struct CqSketch
{
	int			level;			/* bits that are left out */
	int			count;			/* of buckets that are sorted */
	int			pending;		/* behind them */
	int			room;			/* for both, grows up to twice CQ_SKETCH_MAX_BUCKETS */
	int64		total;			/* values */
	CqSketchBucket *buckets;
} CqSketch;

extern CqSketch *cq_sketch_make(void);
extern void cq_sketch_add(CqSketch *sketch, double value, int64 count);
extern void cq_sketch_merge(CqSketch *sketch, const CqSketch *other);
extern void cq_sketch_settle(CqSketch *sketch);
extern bool cq_sketch_holds(int level, int64 key);
extern double cq_sketch_quantile(const CqSketch *sketch, double part);
extern double cq_sketch_deviation(const CqSketch *sketch, double median);

#endif
