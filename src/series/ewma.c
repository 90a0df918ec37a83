/*
 * ewma.c
 *		Means and deviations whose weights halve with age.
 *
 * A value weighs 2^-(age / half life), of an age that counts from the latest time seen. So a state
 * is that time, the sum of weights, the mean and the sum of weighted squares around it (West,
 * "Updating mean and variance estimates: an improved method", 1979); two states are put together
 * by bringing the older one to the time of the other, exactly but for rounding. Values may come in
 * any order.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "series/numbers.h"
#include "utils/array.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_ewma_transition);
PG_FUNCTION_INFO_V1(cq_ewma_combine);
PG_FUNCTION_INFO_V1(cq_ewma_mean);
PG_FUNCTION_INFO_V1(cq_ewma_stddev);

/* The elements of a state, which is an array of float8. */
typedef struct State
{
	double		half_life;		/* microseconds; 0: there is no value yet */
	double		time;			/* the latest, microseconds since 2000 */
	double		weight;
	double		mean;
	double		squares;
} State;

#define ELEMENTS ((int) (sizeof(State) / sizeof(double)))

static State *
state_of(ArrayType *array)
{
	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != ELEMENTS || ARR_HASNULL(array) ||
		ARR_ELEMTYPE(array) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid state of a weighted mean")));
	return (State *) ARR_DATA_PTR(array);
}

/* The state that is argument 0, to be written: its own in an aggregate, else a copy. */
static ArrayType *
own_array(FunctionCallInfo fcinfo)
{
	return AggCheckCallContext(fcinfo, NULL) ? PG_GETARG_ARRAYTYPE_P(0) :
		PG_GETARG_ARRAYTYPE_P_COPY(0);
}

static double
half_life_of(const Interval *interval)
{
	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("half life must not contain months"),
				 errhint("A month is of no fixed length. Write so many days or hours.")));
	if (interval->time + (double) interval->day * USECS_PER_DAY <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("half life must be greater than zero")));
	return interval->time + (double) interval->day * USECS_PER_DAY;
}

static void
check_half_life(State *state, double half_life)
{
	if (state->half_life != 0 && state->half_life != half_life)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("half life must be the same for all values of a group")));
	state->half_life = half_life;
}

/* Puts another mean, of a time, to the state. */
static void
unite(State *state, double time, double weight, double mean, double squares)
{
	double		fade = exp2(-fabs(time - state->time) / state->half_life);
	double		delta = mean - state->mean;
	double		sum;

	if (state->weight == 0)
		state->time = time;
	else if (time > state->time)
	{
		state->weight *= fade;
		state->squares *= fade;
		state->time = time;
	}
	else
	{
		weight *= fade;
		squares *= fade;
	}
	sum = state->weight + weight;
	/* Too old to weigh anything. */
	if (sum == 0 || weight == 0)
		return;
	state->squares += squares + delta * delta * state->weight * (weight / sum);
	state->mean += delta * (weight / sum);
	state->weight = sum;
}

/*
 * transition(state float8[], value float8, ts timestamptz, half_life interval): strict. NaN,
 * infinity and infinite times are left out.
 */
Datum
cq_ewma_transition(PG_FUNCTION_ARGS)
{
	ArrayType  *array = own_array(fcinfo);
	State	   *state = state_of(array);
	double		value = PG_GETARG_FLOAT8(1);
	TimestampTz time = PG_GETARG_TIMESTAMPTZ(2);

	check_half_life(state, half_life_of(PG_GETARG_INTERVAL_P(3)));
	if (fabs(value) < CQ_NUMBERS_GREATEST && !TIMESTAMP_NOT_FINITE(time))
		unite(state, (double) time, 1, value, 0);
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
cq_ewma_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *array = own_array(fcinfo);
	State	   *state = state_of(array);
	State	   *other = state_of(PG_GETARG_ARRAYTYPE_P(1));

	if (other->half_life == 0)
		PG_RETURN_ARRAYTYPE_P(array);
	check_half_life(state, other->half_life);
	if (other->weight > 0)
		unite(state, other->time, other->weight, other->mean, other->squares);
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
cq_ewma_mean(PG_FUNCTION_ARGS)
{
	State	   *state = state_of(PG_GETARG_ARRAYTYPE_P(0));

	if (state->weight == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(state->mean);
}

/* Of the values as they are, weighted: not an estimate for more than those. */
Datum
cq_ewma_stddev(PG_FUNCTION_ARGS)
{
	State	   *state = state_of(PG_GETARG_ARRAYTYPE_P(0));

	if (state->weight == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(sqrt(Max(0, state->squares) / state->weight));
}
