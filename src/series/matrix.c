/*
 * matrix.c
 *		Small symmetric matrices, as rows one behind the other.
 */
#include "postgres.h"

#include <math.h>

#include "series/matrix.h"
#include "series/numbers.h"

#define MAX_SWEEPS 50

/*
 * Cholesky's factor, in the lower half, in place. A direction that has no extent of its own gets a
 * very small one, so that what leaves it is very far; false: not even that makes sense (NaN).
 */
bool
cq_matrix_factor(double *matrix, int size)
{
	double		greatest = 0;

	for (int i = 0; i < size; i++)
		greatest = Max(greatest, matrix[i * size + i]);
	for (int i = 0; i < size; i++)
		for (int j = 0; j <= i; j++)
		{
			double		sum = matrix[i * size + j];

			for (int k = 0; k < j; k++)
				sum -= matrix[i * size + k] * matrix[j * size + k];
			if (isnan(sum))
				return false;
			if (i == j)
				matrix[i * size + i] = sqrt(Max(sum, Max(1e-12 * greatest, 1e-300)));
			else
				matrix[i * size + j] = sum / matrix[j * size + j];
		}
	return true;
}

/* The length of a vector as the factored matrix measures it: Mahalanobis' distance. */
double
cq_matrix_distance(const double *factor, const double *vector, int size, double *scratch)
{
	double		squares = 0;

	for (int i = 0; i < size; i++)
	{
		double		sum = vector[i];

		for (int k = 0; k < i; k++)
			sum -= factor[i * size + k] * scratch[k];
		scratch[i] = sum / factor[i * size + i];
		squares += cq_numbers_square(scratch[i]);
	}
	return sqrt(squares);
}

/* One of Jacobi's rotations: makes the element of row p, column q 0. */
static void
rotate(double *matrix, int size, double *vectors, int p, int q)
{
	double		theta = (matrix[q * size + q] - matrix[p * size + p]) / (2 * matrix[p * size + q]);
	double		t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1));
	double		c = 1 / sqrt(t * t + 1);
	double		s = t * c;

	for (int k = 0; k < size; k++)
	{
		double		kp = matrix[k * size + p];
		double		kq = matrix[k * size + q];

		matrix[k * size + p] = c * kp - s * kq;
		matrix[k * size + q] = s * kp + c * kq;
	}
	for (int k = 0; k < size; k++)
	{
		double		pk = matrix[p * size + k];
		double		qk = matrix[q * size + k];
		double		kp = vectors[k * size + p];
		double		kq = vectors[k * size + q];

		matrix[p * size + k] = c * pk - s * qk;
		matrix[q * size + k] = s * pk + c * qk;
		vectors[k * size + p] = c * kp - s * kq;
		vectors[k * size + q] = s * kp + c * kq;
	}
}

/*
 * Eigenvalues, left on the diagonal, and eigenvectors, as columns: Jacobi's method (Golub, Van
 * Loan: Matrix Computations, 8.5), by sweeps until what is off the diagonal is nothing.
 */
void
cq_matrix_eigen(double *matrix, int size, double *vectors)
{
	memset(vectors, 0, size * size * sizeof(double));
	for (int i = 0; i < size; i++)
		vectors[i * size + i] = 1;
	for (int sweep = 0; sweep < MAX_SWEEPS; sweep++)
	{
		double		off = 0;
		double		on = 0;

		for (int p = 0; p < size; p++)
		{
			on += cq_numbers_square(matrix[p * size + p]);
			for (int q = p + 1; q < size; q++)
				off += cq_numbers_square(matrix[p * size + q]);
		}
		if (!(off > 1e-24 * on))
			return;
		for (int p = 0; p < size; p++)
			for (int q = p + 1; q < size; q++)
				if (fabs(matrix[p * size + q]) > 1e-300)
					rotate(matrix, size, vectors, p, q);
	}
}
