/*
 * arguments.c
 *		What the functions over series are told in SQL, checked.
 *
 * Of a window function, options are those of the first row of the partition. Null is the default.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "series/arguments.h"
#include "series/detector.h"
#include "series/numbers.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define SHOWN 64				/* bytes of a text in a message */
#define GREATEST_STEP_DAYS 1000000

/* For messages: no more than the beginning of what is too long to be what it should. */
const char *
cq_arguments_shorten(const char *text)
{
	int			length = pg_mbcliplen(text, strlen(text), SHOWN);

	return text[length] == '\0' ? text : psprintf("%.*s...", length, text);
}

/* False: it is null. */
bool
cq_arguments_get(const CqArguments *arguments, int number, Datum *value)
{
	bool		is_null;

	if (arguments->window == NULL)
	{
		*value = arguments->fcinfo->args[number].value;
		return !arguments->fcinfo->args[number].isnull;
	}
	*value = WinGetFuncArgCurrent(arguments->window, number, &is_null);
	return !is_null;
}

/* The part of what comes that is to lie within the bounds, or what holds where it is null. */
double
cq_arguments_level(const CqArguments *arguments, int number, double otherwise)
{
	Datum		value;

	if (!cq_arguments_get(arguments, number, &value))
		return otherwise;
	/* NaN fails as well. */
	if (!(DatumGetFloat8(value) > 0 && DatumGetFloat8(value) < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("level must be greater than 0 and less than 1"),
				 errhint("It is the part of the values that is expected within the bounds: 0.95 "
						 "for 95 %%.")));
	return DatumGetFloat8(value);
}

/* A whole number within bounds, or what holds where it is null. */
int
cq_arguments_integer(const CqArguments *arguments, int number, const char *name, int lowest,
					 int highest, int otherwise)
{
	Datum		value;

	if (!cq_arguments_get(arguments, number, &value))
		return otherwise;
	if (DatumGetInt32(value) < lowest || DatumGetInt32(value) > highest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %d and %d", name, lowest, highest)));
	return DatumGetInt32(value);
}

/*
 * The model's name and, behind it, the steps of a season; its period is 0 where it is to be found.
 */
void
cq_arguments_form(const CqArguments *arguments, int number, CqModelForm *form)
{
	Datum		name;
	int			season = cq_arguments_integer(arguments, number + 1, "season", 1,
											  CQ_MODEL_MAX_SEASON, 0);

	cq_model_parse(cq_arguments_get(arguments, number, &name) ? TextDatumGetCString(name) : "auto",
				   form);
	form->period = cq_model_has_season(form) ? season : 1;
}

static void
take_step(const CqArguments *arguments, int number, Interval *step)
{
	Datum		value;
	bool		has_months;

	memset(step, 0, sizeof(Interval));
	if (!cq_arguments_get(arguments, number, &value))
		return;
	*step = *DatumGetIntervalP(value);
	has_months = step->month != 0;
	if (has_months && (step->day != 0 || step->time != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step must be of months alone or without months")));
	if (!has_months)
	{
		double		length = step->time + (double) step->day * USECS_PER_DAY;

		if (!(length > 0 && length <= (double) GREATEST_STEP_DAYS * USECS_PER_DAY))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("step must be greater than zero, and at most %d days",
							GREATEST_STEP_DAYS)));
		step->time += step->day * USECS_PER_DAY;
		step->day = 0;
	}
	else if (step->month < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step must be greater than zero")));
}

/* Model and season from one argument on; step, least and most training from another on. */
void
cq_arguments_track(const CqArguments *arguments, int model, int step, CqTrackOptions *options)
{
	cq_arguments_form(arguments, model, &options->form);
	take_step(arguments, step, &options->step);
	options->least = cq_arguments_integer(arguments, step + 1, "min_training", 3,
										  CQ_TRACK_MAX_TRAINING, 0);
	options->most = cq_arguments_integer(arguments, step + 2, "max_training", 10,
										 CQ_TRACK_MAX_TRAINING, 0);
	if (options->most != 0 && options->least > options->most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_training must not be greater than max_training")));
	if (options->most == 0)
		options->most = Max(500, 4 * options->form.period);
	options->most = Max(options->most, options->least);
}

/*
 * The numbers of a point. NULL: one of them is null, not finite, or too great to be squared, so
 * that the point is missing as a whole.
 */
double *
cq_arguments_point(ArrayType *array, int *size)
{
	double	   *point = (double *) ARR_DATA_PTR(array);

	*size = ARR_NDIM(array) == 1 ? ARR_DIMS(array)[0] : 0;
	if (*size < 1 || *size > CQ_DETECTOR_MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("a point must be an array of one dimension with 1 to %d numbers",
						CQ_DETECTOR_MAX_SIZE)));
	if (array_contains_nulls(array))
		return NULL;
	for (int i = 0; i < *size; i++)
		if (!(fabs(point[i]) < CQ_NUMBERS_GREATEST))
			return NULL;
	return point;
}

/* An array as a series, palloc'd; null and what is not finite become NaN, which is missing. */
double *
cq_arguments_series(const CqArguments *arguments, int number, int *count)
{
	ArrayType  *array = DatumGetArrayTypeP(arguments->fcinfo->args[number].value);
	Datum	   *elements;
	bool	   *nulls;
	double	   *values;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("a series must be an array of one dimension")));
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements,
					  &nulls, count);
	if (*count > CQ_TRACK_MAX_TRAINING)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a series of %d values is too long", *count),
				 errdetail("At most %d are fitted to.", CQ_TRACK_MAX_TRAINING),
				 errhint("Take the last ones, or values of longer steps.")));
	values = palloc(Max(1, *count) * sizeof(double));
	for (int i = 0; i < *count; i++)
	{
		values[i] = nulls[i] ? NAN : DatumGetFloat8(elements[i]);
		if (!isfinite(values[i]))
			values[i] = NAN;
	}
	return values;
}
