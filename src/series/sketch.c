/*
 * sketch.c
 *		A distribution in bounded space: counts by ranges of values.
 *
 * The bits of a floating-point number, as an integer, are in the order of the numbers, and nearly
 * their logarithm. A bucket is all numbers that share these bits but for the lowest, whose number
 * is the level; when there are more than CQ_SKETCH_MAX_BUCKETS buckets the level rises by one,
 * which unites pairs of neighbours. This is UDDSketch (Epicoco, Melle, Cafaro, Pulimeno, Pelle:
 * "UDDSketch: Accurate Tracking of Quantiles in Data Streams", 2020) with the interpolated
 * logarithm of DDSketch (Masson, Rim, Lee, 2019), and it has what matters here: the level is the
 * lowest at which the values fall into so few buckets, whatever order they come in and however
 * they were divided before they were put together. So the same values give the same sketch, bit
 * for bit, in a view and in a batch.
 *
 * What a quantile may be wrong by is half of a bucket: as few values as there are buckets are
 * nearly exact; values within a factor of two of each other, within 1/500 of themselves; between a
 * millionth and a million, on both sides of zero, within 1/8; all numbers that there are, within a
 * factor of 16. Between two neighbours in the order of the values a quantile is on the line, as
 * percentile_cont has it.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "common/int.h"
#include "series/sketch.h"

/* ---- values and keys ---- */

/* In the order of the values; -0 is 0. */
static int64
key_of(double value)
{
	int64		bits;

	if (value == 0)
		return 0;
	memcpy(&bits, &value, sizeof(bits));
	return bits >= 0 ? bits : PG_INT64_MIN - bits;
}

static double
value_of(int64 key)
{
	double		value;
	int64		bits = key >= 0 ? key : PG_INT64_MIN - key;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * The value that stands for a bucket: the one in the middle of its keys, which is the mean of its
 * lowest and its highest where these are near each other, and their geometric mean where they are
 * far apart.
 */
static double
middle_of(const CqSketch *sketch, int bucket)
{
	int64		lowest = (int64) ((uint64) sketch->buckets[bucket].key << sketch->level);
	int64		middle = lowest + (int64) ((UINT64CONST(1) << sketch->level) / 2);

	/* At high levels a bucket may reach beyond the greatest number. */
	return value_of(Max(key_of(-DBL_MAX), Min(key_of(DBL_MAX), middle)));
}

/* Whether there are numbers in a bucket of this key, at this level. */
bool
cq_sketch_holds(int level, int64 key)
{
	return key >= key_of(-DBL_MAX) >> level && key <= key_of(DBL_MAX) >> level;
}

/* ---- buckets ---- */

/* An empty one, palloc'd. */
CqSketch *
cq_sketch_make(void)
{
	CqSketch   *sketch = palloc0(sizeof(CqSketch));

	sketch->room = 8;
	sketch->buckets = palloc(sketch->room * sizeof(CqSketchBucket));
	return sketch;
}

static int
compare_buckets(const void *a, const void *b)
{
	int64		x = ((const CqSketchBucket *) a)->key;
	int64		y = ((const CqSketchBucket *) b)->key;

	return x < y ? -1 : x > y;
}

/* Buckets of one key become one; they lie together. */
static int
unite(CqSketchBucket *buckets, int count)
{
	int			last = 0;

	if (count == 0)
		return 0;
	for (int i = 1; i < count; i++)
		if (buckets[i].key == buckets[last].key)
			buckets[last].count += buckets[i].count;
		else
			buckets[++last] = buckets[i];
	return last + 1;
}

static void
raise_level(CqSketch *sketch, int level)
{
	for (int i = 0; i < sketch->count + sketch->pending; i++)
		sketch->buckets[i].key >>= level - sketch->level;
	sketch->level = level;
}

/* All buckets are in order then, each key once, and there are not too many. */
void
cq_sketch_settle(CqSketch *sketch)
{
	int			all = sketch->count + sketch->pending;

	if (sketch->pending > 0)
		qsort(sketch->buckets, all, sizeof(CqSketchBucket), compare_buckets);
	sketch->pending = 0;
	sketch->count = unite(sketch->buckets, all);
	while (sketch->count > CQ_SKETCH_MAX_BUCKETS)
	{
		raise_level(sketch, sketch->level + 1);
		sketch->count = unite(sketch->buckets, sketch->count);
	}
}

/* The sorted bucket of this key; NULL: there is none. */
static CqSketchBucket *
find(CqSketch *sketch, int64 key)
{
	int			low = 0;
	int			high = sketch->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (sketch->buckets[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sketch->count && sketch->buckets[low].key == key ? &sketch->buckets[low] : NULL;
}

static void
add_key(CqSketch *sketch, int64 key, int64 count)
{
	CqSketchBucket *bucket = find(sketch, key);

	/* No bucket has more than all of them. */
	if (pg_add_s64_overflow(sketch->total, count, &sketch->total))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a sketch cannot count so many values")));
	if (bucket != NULL)
	{
		bucket->count += count;
		return;
	}
	if (sketch->count + sketch->pending == sketch->room)
	{
		int			level = sketch->level;

		cq_sketch_settle(sketch);
		key >>= sketch->level - level;
		/* Half of it is free then, or it grows: so that a value is sorted a few times at most. */
		if (sketch->count > sketch->room / 2 && sketch->room < 2 * CQ_SKETCH_MAX_BUCKETS)
		{
			sketch->room *= 2;
			sketch->buckets = repalloc(sketch->buckets, sketch->room * sizeof(CqSketchBucket));
		}
	}
	bucket = &sketch->buckets[sketch->count + sketch->pending++];
	bucket->key = key;
	bucket->count = count;
}

/* Takes so many times a value in, which is finite. */
void
cq_sketch_add(CqSketch *sketch, double value, int64 count)
{
	add_key(sketch, key_of(value) >> sketch->level, count);
}

/* Takes another one in. */
void
cq_sketch_merge(CqSketch *sketch, const CqSketch *other)
{
	if (other->level > sketch->level)
	{
		raise_level(sketch, other->level);
		cq_sketch_settle(sketch);
	}
	for (int i = 0; i < other->count + other->pending; i++)
		add_key(sketch, other->buckets[i].key >> (sketch->level - other->level),
				other->buckets[i].count);
}

/* ---- answers ---- */

/* A place in the order of numbers of which some are the same: between two of them on the line. */
typedef struct Rank
{
	double		rank;			/* from 0 */
	double		before;			/* numbers that were looked at */
	double		lower;			/* the number at the whole part of the rank, once it was there */
	bool		has_lower;
} Rank;

/* So many times the number comes next. True: the place is reached; what is there. */
static bool
reach(Rank *rank, double number, int64 count, double *result)
{
	double		part = rank->rank - floor(rank->rank);

	rank->before += count;
	if (!rank->has_lower && rank->before > floor(rank->rank))
	{
		rank->has_lower = true;
		rank->lower = number;
	}
	if (rank->before <= ceil(rank->rank))
		return false;
	/* In two parts: their difference may be too great for a number. */
	*result = rank->lower == number ? number : (1 - part) * rank->lower + part * number;
	return true;
}

/*
 * The value that part of all values are not greater than; of a sketch that is settled, not empty.
 */
double
cq_sketch_quantile(const CqSketch *sketch, double part)
{
	Rank		rank = {.rank = part * (sketch->total - 1)};
	double		result;

	for (int i = 0; i < sketch->count; i++)
		if (reach(&rank, middle_of(sketch, i), sketch->buckets[i].count, &result))
			return result;
	/* Of more values than a double counts. */
	return middle_of(sketch, sketch->count - 1);
}

/*
 * The median of the distances from the median, in the same way: buckets are taken in the order of
 * their distances, from the one in the middle outwards.
 */
double
cq_sketch_deviation(const CqSketch *sketch, double median)
{
	Rank		rank = {.rank = 0.5 * (sketch->total - 1)};
	int			right = 0;
	int			left;
	double		result = 0;

	while (right < sketch->count && middle_of(sketch, right) < median)
		right++;
	left = right - 1;
	while (left >= 0 || right < sketch->count)
	{
		double		above = right == sketch->count ? HUGE_VAL : middle_of(sketch, right) - median;
		double		below = left < 0 ? HUGE_VAL : median - middle_of(sketch, left);
		/* A distance may itself be infinite. */
		bool		is_right = left < 0 || (right < sketch->count && above <= below);
		int			bucket = is_right ? right++ : left--;

		if (reach(&rank, is_right ? above : below, sketch->buckets[bucket].count, &result))
			break;
	}
	return result;
}
