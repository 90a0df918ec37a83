/*
 * moments.c
 *		Mean and covariance of points, and how far a point is from them.
 *
 * A state is an array: how many points, how many numbers each, the means, then sums of products
 * around them, the lower half by rows. Two states are put together exactly but for rounding: Chan,
 * Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
 * (1979).
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "series/arguments.h"
#include "series/detector.h"
#include "series/matrix.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(cq_moments_transition);
PG_FUNCTION_INFO_V1(cq_moments_combine);
PG_FUNCTION_INFO_V1(cq_moments_final);
PG_FUNCTION_INFO_V1(cq_moments_distance);

/* Of points: far more than there ever are, and whole as a double. */
#define GREATEST_COUNT 9e15

typedef struct Moments
{
	int			size;
	double	   *count;
	double	   *means;
	double	   *products;
} Moments;

static int
numbers_of(int size)
{
	return 2 + size + size * (size + 1) / 2;
}

static Moments
moments_of(ArrayType *array)
{
	Moments		moments;
	int			count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	double	   *numbers = (double *) ARR_DATA_PTR(array);

	if (ARR_ELEMTYPE(array) != FLOAT8OID || array_contains_nulls(array) || count < 2 ||
		!(numbers[0] >= 0 && numbers[0] <= GREATEST_COUNT) ||
		!(numbers[1] >= 1 && numbers[1] <= CQ_DETECTOR_MAX_SIZE) ||
		count != numbers_of((int) numbers[1]))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid state of moments")));
	moments.size = (int) numbers[1];
	moments.count = numbers;
	moments.means = numbers + 2;
	moments.products = moments.means + moments.size;
	return moments;
}

/* In the current context: what calls the aggregate's functions copies it to where states are. */
static ArrayType *
begin(int size)
{
	int			count = numbers_of(size);
	Datum	   *zeros = palloc(count * sizeof(Datum));
	ArrayType  *array;

	for (int i = 0; i < count; i++)
		zeros[i] = Float8GetDatum(i == 1 ? size : 0);
	array = construct_array(zeros, count, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
							TYPALIGN_DOUBLE);
	pfree(zeros);
	return array;
}

/* The state that is argument 0, to be written. */
static ArrayType *
own_array(FunctionCallInfo fcinfo)
{
	return AggCheckCallContext(fcinfo, NULL) ? PG_GETARG_ARRAYTYPE_P(0) :
		PG_GETARG_ARRAYTYPE_P_COPY(0);
}

static void
check_size(const Moments *moments, int size)
{
	if (moments->size != size)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("all points of a group must have as many numbers")));
}

/* Puts so many points to it that have these means, and these products around them or NULL. */
static void
unite(Moments *moments, double count, const double *means, const double *products)
{
	double		delta[CQ_DETECTOR_MAX_SIZE];
	double		sum = *moments->count + count;
	double		weight = *moments->count * count / sum;

	for (int i = 0, k = 0; i < moments->size; i++)
	{
		delta[i] = means[i] - moments->means[i];
		for (int j = 0; j <= i; j++, k++)
			moments->products[k] += delta[i] * delta[j] * weight +
				(products == NULL ? 0 : products[k]);
	}
	for (int i = 0; i < moments->size; i++)
		moments->means[i] += delta[i] * count / sum;
	*moments->count = sum;
}

/* transition(state float8[], point float8[]): points that are missing are left out. */
Datum
cq_moments_transition(PG_FUNCTION_ARGS)
{
	ArrayType  *state = NULL;
	Moments		moments;
	double	   *point;
	int			size;

	if (!PG_ARGISNULL(0))
		state = own_array(fcinfo);
	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_ARRAYTYPE_P(state);
	}
	point = cq_arguments_point(PG_GETARG_ARRAYTYPE_P(1), &size);
	if (state == NULL)
		state = begin(size);
	moments = moments_of(state);
	check_size(&moments, size);
	if (point != NULL)
		unite(&moments, 1, point, NULL);
	PG_RETURN_ARRAYTYPE_P(state);
}

Datum
cq_moments_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *state;
	Moments		moments;
	Moments		other;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	other = moments_of(PG_GETARG_ARRAYTYPE_P(1));
	state = PG_ARGISNULL(0) ? begin(other.size) : own_array(fcinfo);
	moments = moments_of(state);
	check_size(&moments, other.size);
	if (*other.count > 0)
		unite(&moments, *other.count, other.means, other.products);
	PG_RETURN_ARRAYTYPE_P(state);
}

static Datum
make_array(const double *numbers, int rows, int columns)
{
	int			count = rows * columns;
	int			dims[2] = {rows, columns};
	int			lower[2] = {1, 1};
	Datum	   *elements = palloc(count * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elements[i] = Float8GetDatum(numbers[i]);
	return PointerGetDatum(construct_md_array(elements, NULL, rows == 1 ? 1 : 2,
											  rows == 1 ? &dims[1] : dims, lower, FLOAT8OID,
											  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Of no points: null; of one, the covariance is null. */
Datum
cq_moments_final(PG_FUNCTION_ARGS)
{
	Moments		moments;
	TupleDesc	type;
	Datum		values[3];
	bool		nulls[3] = {false};
	double	   *covariance;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	moments = moments_of(PG_GETARG_ARRAYTYPE_P(0));
	if (*moments.count == 0)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	covariance = palloc(moments.size * moments.size * sizeof(double));
	for (int i = 0, k = 0; i < moments.size; i++)
		for (int j = 0; j <= i; j++, k++)
			covariance[i * moments.size + j] = covariance[j * moments.size + i] =
				moments.products[k] / Max(1, *moments.count - 1);
	values[0] = Int64GetDatum((int64) *moments.count);
	values[1] = make_array(moments.means, 1, moments.size);
	values[2] = make_array(covariance, moments.size, moments.size);
	nulls[2] = *moments.count < 2;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(type), values, nulls)));
}

/*
 * distance(point float8[], mean float8[], covariance float8[]): Mahalanobis', strict; null where
 * the point, the mean or the covariance is missing.
 */
Datum
cq_moments_distance(PG_FUNCTION_ARGS)
{
	int			size;
	int			other;
	double	   *point = cq_arguments_point(PG_GETARG_ARRAYTYPE_P(0), &size);
	double	   *mean = cq_arguments_point(PG_GETARG_ARRAYTYPE_P(1), &other);
	ArrayType  *matrix = PG_GETARG_ARRAYTYPE_P(2);
	double		apart[CQ_DETECTOR_MAX_SIZE];
	double		scratch[CQ_DETECTOR_MAX_SIZE];
	double	   *factor;
	double		distance;

	if (size != other ||
		ArrayGetNItems(ARR_NDIM(matrix), ARR_DIMS(matrix)) != size * size)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("point, mean and covariance are not of one size")));
	if (point == NULL || mean == NULL || array_contains_nulls(matrix))
		PG_RETURN_NULL();
	factor = palloc(size * size * sizeof(double));
	memcpy(factor, ARR_DATA_PTR(matrix), size * size * sizeof(double));
	for (int i = 0; i < size; i++)
		apart[i] = point[i] - mean[i];
	if (!cq_matrix_factor(factor, size))
		PG_RETURN_NULL();
	distance = cq_matrix_distance(factor, apart, size, scratch);
	if (isnan(distance))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(distance);
}
