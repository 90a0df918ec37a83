/*
 * forecast.c
 *		cq.forecast and cq.forecast_model: over rows as window functions, and over arrays.
 *
 * As a window function the answer of a row is made of it and the rows before it; the frame does
 * not matter. Rows must come in the order of their times. A value that is null or not finite is
 * missing: it takes a step, and the row has an answer all the same. A row whose time is null or
 * infinite, or falls on the step of the row before, is left out, and has none. There is none
 * either until there are values enough for a model. What is not a number, or not known, is null.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "series/arguments.h"
#include "series/forecast.h"
#include "series/numbers.h"
#include "series/season.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(cq_forecast_window);
PG_FUNCTION_INFO_V1(cq_forecast_array);
PG_FUNCTION_INFO_V1(cq_forecast_model_window);
PG_FUNCTION_INFO_V1(cq_forecast_model_array);

#define DEFAULT_LEVEL 0.95

/* What a partition remembers. */
typedef struct Partition
{
	bool		has_begun;
	CqTrack		track;
	int			horizon;
	double		deviations;		/* that the bounds are from the expected value */
} Partition;

/* ---- rows ---- */

/*
 * Takes the current row's value (argument 0) and time (argument 1) into the track; false: the row
 * is left out.
 */
bool
cq_forecast_take_row(CqTrack *track, WindowObject window, const char *function, double *value,
					 bool add)
{
	bool		is_null;
	Datum		datum = WinGetFuncArgCurrent(window, 0, &is_null);
	TimestampTz time;

	*value = is_null ? NAN : DatumGetFloat8(datum);
	if (!isfinite(*value))
		*value = NAN;
	datum = WinGetFuncArgCurrent(window, 1, &is_null);
	if (is_null || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(datum)))
		return false;
	time = DatumGetTimestampTz(datum);
	switch (cq_track_move(track, time))
	{
		case CQ_TRACK_BACK:
			ereport(ERROR,
					(errcode(ERRCODE_WINDOWING_ERROR),
					 errmsg("%s needs its rows in the order of their times", function),
					 errhint("Write ORDER BY with the time, ascending, into the OVER clause.")));
		case CQ_TRACK_SAME:
			return false;
		case CQ_TRACK_NEXT:
			break;
	}
	if (add)
		cq_track_add(track, *value);
	return true;
}

/* ---- points ---- */

static HeapTuple
make_point(TupleDesc type, int step, const TimestampTz *time, double value, double reach)
{
	Datum		values[5] = {Int32GetDatum(step), 0, Float8GetDatum(value),
	Float8GetDatum(value - reach), Float8GetDatum(value + reach)};
	bool		nulls[5] = {false, time == NULL, isnan(value), isnan(value - reach),
	isnan(value + reach)};

	if (time != NULL)
		values[1] = TimestampTzGetDatum(*time);
	return heap_form_tuple(type, values, nulls);
}

/* A median does not of a window in which all is missing. */
static bool
expects_a_number(const CqModel *model)
{
	return !isnan(model->routine->expect(model));
}

static Datum
make_points(Oid element, const Partition *partition)
{
	const CqModel *model = partition->track.model;
	int			horizon = partition->horizon;
	double	   *expected = palloc(horizon * sizeof(double));
	double	   *deviations = palloc(horizon * sizeof(double));
	Datum	   *points = palloc(horizon * sizeof(Datum));
	TupleDesc	type = lookup_rowtype_tupdesc(element, -1);

	model->routine->predict(model, horizon, expected, deviations);
	for (int i = 0; i < horizon; i++)
	{
		TimestampTz time;
		bool		is_known = cq_track_time(&partition->track, i + 1, &time);

		points[i] = HeapTupleGetDatum(make_point(type, i + 1, is_known ? &time : NULL, expected[i],
												 partition->deviations * deviations[i]));
	}
	ReleaseTupleDesc(type);
	return PointerGetDatum(construct_array(points, horizon, element, -1, false, TYPALIGN_DOUBLE));
}

/*
 * forecast(value float8, ts timestamptz, horizon integer, model text, season integer, level float8,
 * step interval, min_training integer, max_training integer) OVER (…) returns cq.forecast_point[]
 */
Datum
cq_forecast_window(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Partition  *partition = WinGetPartitionLocalMemory(window, sizeof(Partition));
	double		value;

	if (!partition->has_begun)
	{
		CqArguments arguments = {.fcinfo = fcinfo, .window = window};
		CqTrackOptions options;

		partition->horizon = cq_arguments_integer(&arguments, 2, "horizon", 1,
												  CQ_ARGUMENTS_MAX_HORIZON, 1);
		partition->deviations =
			cq_numbers_normal_quantile((1 + cq_arguments_level(&arguments, 5, DEFAULT_LEVEL)) / 2);
		cq_arguments_track(&arguments, 3, 6, &options);
		cq_track_begin(&partition->track, &options, GetMemoryChunkContext(partition));
		partition->has_begun = true;
	}
	WinSetMarkPosition(window, WinGetCurrentPosition(window));
	if (!cq_forecast_take_row(&partition->track, window, "cq.forecast", &value, true) ||
		partition->track.model == NULL || !expects_a_number(partition->track.model))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(make_points(get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid)),
								partition));
}

/* ---- models shown ---- */

static Datum
show_model(const CqModel *model)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"model\": \"%s\", \"season\": %d, \"fitted\": %d, ",
					 cq_model_name(&model->form), model->form.period, model->fitted);
	appendStringInfo(&out, "\"sigma\": %s, ", cq_numbers_as_json(model->sigma));
	if (model->form.family != CQ_MODEL_MEDIAN)
		appendStringInfo(&out, "\"aicc\": %s, ", cq_numbers_as_json(model->aicc));
	model->routine->describe(model, &out);
	appendStringInfoChar(&out, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

/*
 * forecast_model(value float8, ts timestamptz, model text, season integer, step interval,
 * min_training integer, max_training integer) OVER (…) returns jsonb
 */
Datum
cq_forecast_model_window(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Partition  *partition = WinGetPartitionLocalMemory(window, sizeof(Partition));
	double		value;

	if (!partition->has_begun)
	{
		CqArguments arguments = {.fcinfo = fcinfo, .window = window};
		CqTrackOptions options;

		cq_arguments_track(&arguments, 2, 4, &options);
		cq_track_begin(&partition->track, &options, GetMemoryChunkContext(partition));
		partition->has_begun = true;
	}
	WinSetMarkPosition(window, WinGetCurrentPosition(window));
	if (!cq_forecast_take_row(&partition->track, window, "cq.forecast_model", &value, true) ||
		partition->track.model == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(show_model(partition->track.model));
}

/* ---- arrays ---- */

/* The model of the series that is argument 0, its form from argument number on. NULL: too short. */
static CqModel *
fit_array(FunctionCallInfo fcinfo, int number)
{
	CqArguments arguments = {.fcinfo = fcinfo};
	CqModelForm form;
	int			count;
	double	   *values = cq_arguments_series(&arguments, 0, &count);

	cq_arguments_form(&arguments, number, &form);
	if (form.period == 0)
		form.period = cq_season_find(values, count);
	if (form.period > count / 2)
		form.period = 1;
	return count < 3 ? NULL : cq_model_fit(&form, values, count);
}

/* forecast(series float8[], horizon integer, model text, season integer, level float8) */
Datum
cq_forecast_array(PG_FUNCTION_ARGS)
{
	CqArguments arguments = {.fcinfo = fcinfo};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			horizon;
	double		deviations;
	double	   *expected;
	double	   *spread;
	CqModel    *model;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	horizon = cq_arguments_integer(&arguments, 1, "horizon", 1, CQ_ARGUMENTS_MAX_HORIZON, 1);
	deviations = cq_numbers_normal_quantile((1 + cq_arguments_level(&arguments, 4,
																	DEFAULT_LEVEL)) / 2);
	model = fit_array(fcinfo, 2);
	if (model == NULL)
		return (Datum) 0;
	expected = palloc(horizon * sizeof(double));
	spread = palloc(horizon * sizeof(double));
	model->routine->predict(model, horizon, expected, spread);
	for (int i = 0; i < horizon; i++)
		tuplestore_puttuple(result->setResult, make_point(result->setDesc, i + 1, NULL, expected[i],
														  deviations * spread[i]));
	return (Datum) 0;
}

/* forecast_model(series float8[], model text, season integer) returns jsonb */
Datum
cq_forecast_model_array(PG_FUNCTION_ARGS)
{
	CqModel    *model = PG_ARGISNULL(0) ? NULL : fit_array(fcinfo, 1);

	if (model == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(show_model(model));
}
