/*
 * matrix.h
 *		Small symmetric matrices, as rows one behind the other.
 */
#ifndef CQ_SERIES_MATRIX_H
#define CQ_SERIES_MATRIX_H

extern bool cq_matrix_factor(double *matrix, int size);
extern double cq_matrix_distance(const double *factor, const double *vector, int size,
								 double *scratch);
extern void cq_matrix_eigen(double *matrix, int size, double *vectors);

#endif
