/*
 * anomaly.c
 *		cq.anomaly over one value a row: how far it is from what the rows before it made expect.
 *
 * What is expected comes from a model of the rows before (track.h). A value beyond the bounds is no
 * value for it, so that an outlier does not hide those behind it; but after PATIENCE of them in a
 * row values count again, whatever they are: a series that has changed for good is followed. How
 * large errors are follows the last ones, each up to a bound: Gelper, Fried, Croux, "Robust
 * forecasting with exponential and Holt-Winters smoothing" (2010).
 *
 * Rows are taken as cq.forecast takes them. A row without a value, or without rows enough before
 * it, has bounds where there is a model, and neither score nor flag.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "series/arguments.h"
#include "series/forecast.h"
#include "series/numbers.h"
#include "utils/memutils.h"
#include "windowapi.h"

PG_FUNCTION_INFO_V1(cq_anomaly_window);

#define LEAST_TRAINING 30		/* of fewer values nobody knows how far they may lie apart */
#define COLUMNS 6				/* of cq.anomaly_score */
#define DEFAULT_LEVEL 0.9999
#define PATIENCE 5				/* values beyond the bounds in a row */
#define SCALE_WEIGHT 0.03		/* of an error in the scale of errors */
#define SCALE_BOUND 3			/* scales beyond which an error counts no more */

/* Makes the bounded errors of a normal distribution have the scale 1. */
#define SCALE_CORRECTION 1.0037

/* What a partition remembers. */
typedef struct Partition
{
	bool		has_begun;
	CqTrack		track;
	double		bound;			/* in deviations */
	int			beyond;			/* values in a row that lay beyond it */
	int64		fits;			/* the track's when the scale was begun */
	double		scale;			/* of errors, in the deviations that the model tells */
} Partition;

/* What the rows before say of a value. */
typedef struct Judgement
{
	bool		is_known;
	double		expected;
	double		reach;			/* of the bounds */
	double		score;			/* deviations from what is expected */
} Judgement;

/* Of a model that is new: that of most of the values it was fitted to, else 1. */
static void
begin_scale(Partition *partition)
{
	const CqModel *model = partition->track.model;

	if (partition->track.fits == partition->fits)
		return;
	partition->fits = partition->track.fits;
	partition->scale = model->usual > 0 && model->sigma > 0 ? model->usual / model->sigma : 1;
}

static void
judge(Partition *partition, double value, Judgement *judgement)
{
	const CqModel *model = partition->track.model;
	double		deviation;

	judgement->is_known = model != NULL;
	if (model == NULL)
		return;
	begin_scale(partition);
	model->routine->predict(model, 1, &judgement->expected, &deviation);
	/* A median of values that are all missing, or numbers too large to count with. */
	judgement->is_known = !isnan(judgement->expected);
	deviation *= partition->scale;
	judgement->reach = partition->bound * deviation;
	if (value == judgement->expected || isnan(value))
		judgement->score = 0;
	else
		judgement->score = (value - judgement->expected) / deviation;
}

/*
 * The scale follows the errors. What the model gets: nothing in place of a value beyond the bounds,
 * but where too many have come in a row it is the series that has changed.
 */
static double
learn(Partition *partition, double value, const Judgement *judgement)
{
	if (!judgement->is_known || isnan(value))
		return value;
	if (isfinite(judgement->score))
	{
		double		error = Min(fabs(judgement->score), SCALE_BOUND);

		partition->scale *= sqrt(1 + SCALE_WEIGHT * (SCALE_CORRECTION * error * error - 1));
	}
	if (fabs(judgement->score) <= partition->bound)
		partition->beyond = 0;
	else
		partition->beyond++;
	return partition->beyond == 0 || partition->beyond > PATIENCE ? value : NAN;
}

static Datum
make_score(FunctionCallInfo fcinfo, double value, double bound, const Judgement *judgement)
{
	TupleDesc	type = fcinfo->flinfo->fn_extra;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	if (type == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (get_call_result_type(fcinfo, NULL, &type) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		fcinfo->flinfo->fn_extra = type = BlessTupleDesc(type);
		MemoryContextSwitchTo(before);
	}
	values[0] = Float8GetDatum(value);
	nulls[0] = isnan(value);
	values[1] = Float8GetDatum(judgement->expected);
	values[2] = Float8GetDatum(judgement->expected - judgement->reach);
	values[3] = Float8GetDatum(judgement->expected + judgement->reach);
	nulls[1] = !judgement->is_known;
	for (int i = 2; i <= 3; i++)
		nulls[i] = !judgement->is_known || isnan(DatumGetFloat8(values[i]));
	values[4] = Float8GetDatum(judgement->score);
	values[5] = BoolGetDatum(fabs(judgement->score) > bound);
	nulls[4] = nulls[5] = !judgement->is_known || isnan(value) || isnan(judgement->score);
	return HeapTupleGetDatum(heap_form_tuple(type, values, nulls));
}

/*
 * anomaly(value float8, ts timestamptz, model text, season integer, level float8, step interval,
 * min_training integer, max_training integer) OVER (…) returns cq.anomaly_score
 */
Datum
cq_anomaly_window(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Partition  *partition = WinGetPartitionLocalMemory(window, sizeof(Partition));
	Judgement	judgement = {0};
	double		value;

	if (!partition->has_begun)
	{
		CqArguments arguments = {.fcinfo = fcinfo, .window = window};
		CqTrackOptions options;

		partition->bound =
			cq_numbers_normal_quantile((1 + cq_arguments_level(&arguments, 4, DEFAULT_LEVEL)) / 2);
		cq_arguments_track(&arguments, 2, 5, &options);
		if (options.least == 0)
			options.least = Max(LEAST_TRAINING, cq_model_least(&options.form));
		cq_track_begin(&partition->track, &options, GetMemoryChunkContext(partition));
		partition->has_begun = true;
	}
	WinSetMarkPosition(window, WinGetCurrentPosition(window));
	if (!cq_forecast_take_row(&partition->track, window, "cq.anomaly", &value, false))
		PG_RETURN_NULL();
	judge(partition, value, &judgement);
	cq_track_add(&partition->track, learn(partition, value, &judgement));
	PG_RETURN_DATUM(make_score(fcinfo, value, partition->bound, &judgement));
}
