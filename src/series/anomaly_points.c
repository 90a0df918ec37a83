/*
 * anomaly_points.c
 *		cq.anomaly over points of several numbers: how far one is from those of the rows before it.
 *
 * Rows must come in the order of their times. A point that is null, or has a number that is null,
 * not finite or too great, has no score, and is not learnt from; nor is a row without a time.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "series/arguments.h"
#include "series/detector.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_anomaly_points_window);

#define COLUMNS 6				/* of cq.anomaly_score */
#define DEFAULT_LEVEL 0.9999
#define DEFAULT_WINDOW 250
#define MAX_WINDOW 10000

/* What a partition remembers. */
typedef struct Partition
{
	bool		has_begun;
	double		level;
	int			window;
	bool		is_half_space;
	bool		has_time;
	TimestampTz last;
	CqDetector *detector;		/* NULL: there was no point yet */
} Partition;

static void
begin(Partition *partition, const CqArguments *arguments)
{
	Datum		value;
	const char *model = "robust";

	if (cq_arguments_get(arguments, 2, &value))
		model = TextDatumGetCString(value);
	partition->is_half_space = pg_strcasecmp(model, "half_space_trees") == 0;
	if (!partition->is_half_space && pg_strcasecmp(model, "robust") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown model \"%s\" of points", cq_arguments_shorten(model)),
				 errhint("Models of points are robust and half_space_trees.")));
	partition->level = cq_arguments_level(arguments, 3, DEFAULT_LEVEL);
	partition->window = cq_arguments_integer(arguments, 4, "window", 10, MAX_WINDOW,
											 DEFAULT_WINDOW);
	partition->has_begun = true;
}

/* False: the row is left out. */
static bool
take_time(Partition *partition, const CqArguments *arguments)
{
	Datum		value;
	TimestampTz time;

	if (!cq_arguments_get(arguments, 1, &value) ||
		TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(value)))
		return false;
	time = DatumGetTimestampTz(value);
	if (partition->has_time && time < partition->last)
		ereport(ERROR,
				(errcode(ERRCODE_WINDOWING_ERROR),
				 errmsg("cq.anomaly needs its rows in the order of their times"),
				 errhint("Write ORDER BY with the time, ascending, into the OVER clause.")));
	partition->has_time = true;
	partition->last = time;
	return true;
}

/* NULL: the row has no point, or not a whole one. */
static double *
take_point(Partition *partition, const CqArguments *arguments)
{
	Datum		value;
	double	   *point;
	int			size;

	if (!cq_arguments_get(arguments, 0, &value))
		return NULL;
	point = cq_arguments_point(DatumGetArrayTypeP(value), &size);
	if (partition->detector != NULL && size != partition->detector->size)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("all points of a partition must have as many numbers")));
	if (point != NULL && partition->detector == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(GetMemoryChunkContext(partition));

		partition->detector = partition->is_half_space ?
			cq_half_space_make(size, partition->window) : cq_distance_make(size, partition->window);
		MemoryContextSwitchTo(before);
	}
	return point;
}

/*
 * anomaly(point float8[], ts timestamptz, model text, level float8, "window" integer) OVER (…)
 * returns cq.anomaly_score: value is the score itself, upper its bound; expected and lower are
 * null.
 */
Datum
cq_anomaly_points_window(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Partition  *partition = WinGetPartitionLocalMemory(window, sizeof(Partition));
	CqArguments arguments = {.fcinfo = fcinfo, .window = window};
	TupleDesc	type;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false, true, true, false, false, false};
	double	   *point;
	double		score;
	double		bound;

	if (!partition->has_begun)
		begin(partition, &arguments);
	WinSetMarkPosition(window, WinGetCurrentPosition(window));
	if (!take_time(partition, &arguments))
		PG_RETURN_NULL();
	point = take_point(partition, &arguments);
	if (point == NULL)
		PG_RETURN_NULL();
	score = partition->detector->routine->score(partition->detector, point);
	bound = isnan(score) ? 0 :
		partition->detector->routine->bound(partition->detector, partition->level);
	partition->detector->routine->learn(partition->detector, point, score);
	if (isnan(score))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = values[4] = Float8GetDatum(score);
	values[3] = Float8GetDatum(bound);
	nulls[3] = isnan(bound);
	values[5] = BoolGetDatum(score > bound);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(type), values, nulls)));
}
