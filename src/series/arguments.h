/*
 * arguments.h
 *		What the functions over series are told in SQL, checked.
 */
#ifndef CQ_SERIES_ARGUMENTS_H
#define CQ_SERIES_ARGUMENTS_H

#include "fmgr.h"
#include "series/track.h"
#include "utils/array.h"
#include "windowapi.h"

#define CQ_ARGUMENTS_MAX_HORIZON 10000

/* Where an argument comes from: of a window function's current row, or of an ordinary call. */
typedef struct CqArguments
{
	FunctionCallInfo fcinfo;
	WindowObject window;		/* NULL: an ordinary call */
} CqArguments;

extern const char *cq_arguments_shorten(const char *text);
extern bool cq_arguments_get(const CqArguments *arguments, int number, Datum *value);
extern double cq_arguments_level(const CqArguments *arguments, int number, double otherwise);
extern int	cq_arguments_integer(const CqArguments *arguments, int number, const char *name,
								 int lowest, int highest, int otherwise);
extern void cq_arguments_form(const CqArguments *arguments, int number, CqModelForm *form);
extern void cq_arguments_track(const CqArguments *arguments, int model, int step,
							   CqTrackOptions *options);
extern double *cq_arguments_point(ArrayType *array, int *size);
extern double *cq_arguments_series(const CqArguments *arguments, int number, int *count);

#endif
