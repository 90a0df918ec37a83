/*
 * optimize.c
 *		The least value of a function within bounds, by NLopt: the only file that includes its
 *		header.
 *
 * The method is Nelder and Mead's simplex in NLopt's form, which keeps to the bounds. It uses no
 * random numbers, so that the same values always give the same model, in a view and in a batch.
 * NLopt allocates with malloc, so nothing may raise between its create and destroy: a search that
 * is canceled stops, which is served behind it. Other interrupts wait: a search that they ended
 * would give another model.
 */
#include "postgres.h"

#include <math.h>
#include <nlopt.h>

#include "miscadmin.h"
#include "series/optimize.h"

typedef struct Search
{
	CqObjective objective;
	void	   *context;
	nlopt_opt	optimizer;
} Search;

static double
evaluate(unsigned count, const double *x, double *gradient, void *context)
{
	Search	   *search = context;
	double		value;

	if ((QueryCancelPending || ProcDiePending) && INTERRUPTS_CAN_BE_PROCESSED())
		nlopt_force_stop(search->optimizer);
	value = search->objective(x, (int) count, search->context);
	return isfinite(value) ? value : HUGE_VAL;
}

/*
 * Puts the best x that at most max_evaluations looks found into x, which says where to begin and
 * is moved between the bounds first; returns the objective there. Raises query_canceled where
 * the search was interrupted, and out_of_memory.
 */
double
cq_optimize_minimize(CqObjective objective, void *context, int count, double *x,
					 const double *lower, const double *upper, int max_evaluations)
{
	Search		search = {.objective = objective, .context = context};
	double		least = HUGE_VAL;
	nlopt_result result;

	for (int i = 0; i < count; i++)
		x[i] = Max(lower[i], Min(upper[i], x[i]));
	if (count == 0)
		return objective(x, 0, context);
	search.optimizer = nlopt_create(NLOPT_LN_NELDERMEAD, (unsigned) count);
	if (search.optimizer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	nlopt_set_lower_bounds(search.optimizer, lower);
	nlopt_set_upper_bounds(search.optimizer, upper);
	nlopt_set_min_objective(search.optimizer, evaluate, &search);
	nlopt_set_ftol_rel(search.optimizer, 1e-7);
	nlopt_set_xtol_rel(search.optimizer, 1e-5);
	nlopt_set_maxeval(search.optimizer, max_evaluations);
	result = nlopt_optimize(search.optimizer, x, &least);
	nlopt_destroy(search.optimizer);
	CHECK_FOR_INTERRUPTS();
	if (result == NLOPT_OUT_OF_MEMORY)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	/* Where rounding stopped it, x is the best that was found. */
	return least;
}
