/*
 * sketch_type.c
 *		The type cq.sketch, its aggregates, and what is asked of it.
 *
 * Stored: the level, the number of buckets, then for each the difference of its key to the one
 * before and its count, as numbers of seven bits a byte. As text: level;key:count,key:count.
 */
#include "postgres.h"

#include <math.h>

#include "common/compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "series/arguments.h"
#include "series/numbers.h"
#include "series/sketch.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(cq_sketch_in);
PG_FUNCTION_INFO_V1(cq_sketch_out);
PG_FUNCTION_INFO_V1(cq_sketch_recv);
PG_FUNCTION_INFO_V1(cq_sketch_send);
PG_FUNCTION_INFO_V1(cq_sketch_transition);
PG_FUNCTION_INFO_V1(cq_sketch_transition_sketch);
PG_FUNCTION_INFO_V1(cq_sketch_combine);
PG_FUNCTION_INFO_V1(cq_sketch_serialize);
PG_FUNCTION_INFO_V1(cq_sketch_deserialize);
PG_FUNCTION_INFO_V1(cq_sketch_final);
PG_FUNCTION_INFO_V1(cq_sketch_count_sql);
PG_FUNCTION_INFO_V1(cq_sketch_quantile_sql);
PG_FUNCTION_INFO_V1(cq_sketch_mad);
PG_FUNCTION_INFO_V1(cq_sketch_z);

#define MAX_LEVEL 55			/* above it no 512 buckets are left */

/* ---- stored form ---- */

static void
put_number(StringInfo out, uint64 number)
{
	for (; number > 127; number >>= 7)
		appendStringInfoCharMacro(out, (char) (number & 127) | (char) 128);
	appendStringInfoCharMacro(out, (char) number);
}

static void
broken(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid sketch")));
}

static uint64
take_number(const unsigned char **at, const unsigned char *end)
{
	uint64		number = 0;

	for (int shift = 0; shift < 64; shift += 7)
	{
		if (*at == end)
			broken();
		number |= (uint64) (**at & 127) << shift;
		if ((*(*at)++ & 128) == 0)
			return number;
	}
	broken();
	return 0;
}

/* As a varlena of the stored form, palloc'd; settles it. */
static bytea *
store(CqSketch *sketch)
{
	StringInfoData out;
	int64		before = 0;

	cq_sketch_settle(sketch);
	initStringInfo(&out);
	appendStringInfoSpaces(&out, VARHDRSZ);
	put_number(&out, sketch->level);
	put_number(&out, sketch->count);
	for (int i = 0; i < sketch->count; i++)
	{
		/* Modulo 2^64; the first key may be negative. */
		put_number(&out, (uint64) sketch->buckets[i].key - (uint64) before);
		put_number(&out, sketch->buckets[i].count);
		before = sketch->buckets[i].key;
	}
	SET_VARSIZE(out.data, out.len);
	return (bytea *) out.data;
}

/* Whether a bucket may follow those that are there, and the sketch has room for it. */
static bool
append_bucket(CqSketch *sketch, int64 key, int64 count)
{
	int64		total;

	if (count <= 0 || sketch->count == CQ_SKETCH_MAX_BUCKETS ||
		!cq_sketch_holds(sketch->level, key) ||
		(sketch->count > 0 && key <= sketch->buckets[sketch->count - 1].key) ||
		__builtin_add_overflow(sketch->total, count, &total))
		return false;
	if (sketch->count == sketch->room)
	{
		sketch->room *= 2;
		sketch->buckets = repalloc(sketch->buckets, sketch->room * sizeof(CqSketchBucket));
	}
	sketch->buckets[sketch->count].key = key;
	sketch->buckets[sketch->count++].count = count;
	sketch->total = total;
	return true;
}

/* The sketch of a stored form, palloc'd; what is stored may come from anywhere. */
static CqSketch *
load(const void *stored, int length)
{
	const unsigned char *at = stored;
	const unsigned char *end = at + length;
	CqSketch   *sketch = cq_sketch_make();
	uint64		level = take_number(&at, end);
	uint64		count = take_number(&at, end);
	int64		key = 0;

	if (level > MAX_LEVEL)
		broken();
	sketch->level = (int) level;
	for (uint64 i = 0; i < count; i++)
	{
		key = (int64) ((uint64) key + take_number(&at, end));
		if (!append_bucket(sketch, key, (int64) take_number(&at, end)))
			broken();
	}
	if (at != end)
		broken();
	return sketch;
}

static CqSketch *
load_datum(Datum datum)
{
	bytea	   *stored = DatumGetByteaPP(datum);

	return load(VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored));
}

/* ---- input and output ---- */

Datum
cq_sketch_out(PG_FUNCTION_ARGS)
{
	CqSketch   *sketch = load_datum(PG_GETARG_DATUM(0));
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "%d;", sketch->level);
	for (int i = 0; i < sketch->count; i++)
		appendStringInfo(&out, "%s" INT64_FORMAT ":" INT64_FORMAT, i > 0 ? "," : "",
						 sketch->buckets[i].key, sketch->buckets[i].count);
	PG_RETURN_CSTRING(out.data);
}

static bool
read_text(const char *text, CqSketch *sketch)
{
	char	   *end;
	long		level = strtol(text, &end, 10);

	if (end == text || *end != ';' || level < 0 || level > MAX_LEVEL)
		return false;
	sketch->level = (int) level;
	for (text = end + 1; *text != '\0'; text = end)
	{
		int64		key;

		if (sketch->count > 0 && *text++ != ',')
			return false;
		errno = 0;
		key = strtoll(text, &end, 10);
		if (end == text || *end != ':' || errno != 0)
			return false;
		text = end + 1;
		if (!append_bucket(sketch, key, strtoll(text, &end, 10)) || errno != 0)
			return false;
	}
	return true;
}

Datum
cq_sketch_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	CqSketch   *sketch = cq_sketch_make();

	if (!read_text(text, sketch))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "cq.sketch",
						cq_arguments_shorten(text))));
	PG_RETURN_BYTEA_P(store(sketch));
}

Datum
cq_sketch_recv(PG_FUNCTION_ARGS)
{
	StringInfo	in = (StringInfo) PG_GETARG_POINTER(0);
	int			length = in->len - in->cursor;

	PG_RETURN_BYTEA_P(store(load(pq_getmsgbytes(in, length), length)));
}

Datum
cq_sketch_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(0));
}

/* ---- aggregates ---- */

static CqSketch *
state_of(FunctionCallInfo fcinfo)
{
	MemoryContext context;
	MemoryContext before;
	CqSketch   *sketch;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (!PG_ARGISNULL(0))
		return (CqSketch *) PG_GETARG_POINTER(0);
	before = MemoryContextSwitchTo(context);
	sketch = cq_sketch_make();
	MemoryContextSwitchTo(before);
	return sketch;
}

/* Null, NaN and infinity are left out. */
Datum
cq_sketch_transition(PG_FUNCTION_ARGS)
{
	CqSketch   *sketch = state_of(fcinfo);

	if (!PG_ARGISNULL(1) && isfinite(PG_GETARG_FLOAT8(1)))
		cq_sketch_add(sketch, PG_GETARG_FLOAT8(1), 1);
	PG_RETURN_POINTER(sketch);
}

Datum
cq_sketch_transition_sketch(PG_FUNCTION_ARGS)
{
	CqSketch   *sketch = state_of(fcinfo);

	if (!PG_ARGISNULL(1))
		cq_sketch_merge(sketch, load_datum(PG_GETARG_DATUM(1)));
	PG_RETURN_POINTER(sketch);
}

Datum
cq_sketch_combine(PG_FUNCTION_ARGS)
{
	CqSketch   *sketch = state_of(fcinfo);

	if (!PG_ARGISNULL(1))
		cq_sketch_merge(sketch, (CqSketch *) PG_GETARG_POINTER(1));
	PG_RETURN_POINTER(sketch);
}

Datum
cq_sketch_serialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(store((CqSketch *) PG_GETARG_POINTER(0)));
}

Datum
cq_sketch_deserialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(load_datum(PG_GETARG_DATUM(0)));
}

/* Of no values: null. */
Datum
cq_sketch_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || ((CqSketch *) PG_GETARG_POINTER(0))->total == 0)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(store((CqSketch *) PG_GETARG_POINTER(0)));
}

/* ---- questions ---- */

Datum
cq_sketch_count_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(load_datum(PG_GETARG_DATUM(0))->total);
}

Datum
cq_sketch_quantile_sql(PG_FUNCTION_ARGS)
{
	CqSketch   *sketch = load_datum(PG_GETARG_DATUM(0));
	double		part = PG_GETARG_FLOAT8(1);

	if (!(part >= 0 && part <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quantile must be between 0 and 1")));
	if (sketch->total == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(cq_sketch_quantile(sketch, part));
}

Datum
cq_sketch_mad(PG_FUNCTION_ARGS)
{
	CqSketch   *sketch = load_datum(PG_GETARG_DATUM(0));

	if (sketch->total == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(cq_sketch_deviation(sketch, cq_sketch_quantile(sketch, 0.5)));
}

/*
 * Distance from the median in deviations, as they would be if the values were normal. Where more
 * than half of them are the same, any other is infinitely far.
 */
Datum
cq_sketch_z(PG_FUNCTION_ARGS)
{
	double		value = PG_GETARG_FLOAT8(0);
	CqSketch   *sketch = load_datum(PG_GETARG_DATUM(1));
	double		median;
	double		z;

	if (sketch->total == 0 || isnan(value))
		PG_RETURN_NULL();
	median = cq_sketch_quantile(sketch, 0.5);
	if (value == median)
		PG_RETURN_FLOAT8(0);
	z = (value - median) / (CQ_NUMBERS_MAD_TO_SIGMA * cq_sketch_deviation(sketch, median));
	/* Infinitely far, in deviations that are infinite. */
	if (isnan(z))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(z);
}
