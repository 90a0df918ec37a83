/*
 * decompose.c
 *		cq.decompose: trend, season and remainder of a row, within all rows of its partition.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "series/arguments.h"
#include "series/season.h"
#include "series/stl.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_decompose_window);

#define MAX_ROWS 1000000		/* of a partition: each takes 40 bytes of memory at once */

/* What a partition remembers: all of it is computed at its first row. */
typedef struct Partition
{
	bool		has_begun;
	bool		is_known;
	double	   *values;
	double	   *trend;
	double	   *seasonal;
} Partition;

/* The value of a row, NaN where it is missing; looks whether its time comes after the last one. */
static double
take_row(WindowObject window, int i, TimestampTz *last)
{
	bool		is_null;
	bool		is_out;
	Datum		time = WinGetFuncArgInPartition(window, 1, i, WINDOW_SEEK_HEAD, false, &is_null,
												&is_out);
	Datum		value;

	if (!is_null && DatumGetTimestampTz(time) < *last)
		ereport(ERROR,
				(errcode(ERRCODE_WINDOWING_ERROR),
				 errmsg("cq.decompose needs its rows in the order of their times"),
				 errhint("Write ORDER BY with the time, ascending, into the OVER clause.")));
	if (!is_null)
		*last = DatumGetTimestampTz(time);
	value = WinGetFuncArgInPartition(window, 0, i, WINDOW_SEEK_HEAD, false, &is_null, &is_out);
	return is_null || !isfinite(DatumGetFloat8(value)) ? NAN : DatumGetFloat8(value);
}

static void
decompose(Partition *partition, const CqArguments *arguments)
{
	MemoryContext before = MemoryContextSwitchTo(GetMemoryChunkContext(partition));
	int64		count = WinGetPartitionRowCount(arguments->window);
	int			period = cq_arguments_integer(arguments, 2, "season", 2, CQ_MODEL_MAX_SEASON, 0);
	int			window = cq_arguments_integer(arguments, 3, "season_window", 7, MAX_ROWS, 0);
	TimestampTz last = DT_NOBEGIN;
	bool		has_value = false;
	Datum		robust;
	bool		is_robust = cq_arguments_get(arguments, 4, &robust) && DatumGetBool(robust);

	if (count > MAX_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a partition of " INT64_FORMAT " rows is too large to be decomposed",
						count),
				 errdetail("At most %d are.", MAX_ROWS)));
	partition->values = palloc(count * sizeof(double));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		partition->values[i] = take_row(arguments->window, i, &last);
		has_value |= !isnan(partition->values[i]);
	}
	if (period == 0)
		period = cq_season_find(partition->values, (int) count);
	partition->is_known = period > 1 && count >= 2 * period && has_value;
	if (partition->is_known)
	{
		partition->trend = palloc(count * sizeof(double));
		partition->seasonal = palloc(count * sizeof(double));
		cq_stl_decompose(partition->values, (int) count, period, window == 0 ? 0 : window | 1,
						 is_robust, partition->trend, partition->seasonal);
	}
	partition->has_begun = true;
	MemoryContextSwitchTo(before);
}

/*
 * decompose(value float8, ts timestamptz, season integer, season_window integer, robust boolean)
 * OVER (…) returns cq.decomposition; null where there are no seasons, or not two of them, and
 * where no value is near
 */
Datum
cq_decompose_window(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Partition  *partition = WinGetPartitionLocalMemory(window, sizeof(Partition));
	CqArguments arguments = {.fcinfo = fcinfo, .window = window};
	int64		i = WinGetCurrentPosition(window);
	TupleDesc	type;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (!partition->has_begun)
		decompose(partition, &arguments);
	if (!partition->is_known)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Float8GetDatum(partition->trend[i]);
	values[1] = Float8GetDatum(partition->seasonal[i]);
	values[2] = Float8GetDatum(partition->values[i] - partition->trend[i] - partition->seasonal[i]);
	for (int part = 0; part < 3; part++)
		nulls[part] = isnan(DatumGetFloat8(values[part]));
	if (nulls[0] && nulls[1])
		PG_RETURN_NULL();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(type), values, nulls)));
}
