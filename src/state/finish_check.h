/*
 * finish_check.h
 *		Whether a call of cq.finish is one that the server may run.
 *
 * Anybody may call it with any arguments. Values of one type must not be taken for another's, and
 * nobody may run through it what they may not run themselves.
 */
#ifndef CQ_FINISH_CHECK_H
#define CQ_FINISH_CHECK_H

#include "postgres.h"

/*
 * Raises ERROR where the aggregate, with these argument types, does not take this state or give
 * this result, or the user may not.
 */
extern void cq_finish_check(Oid aggregate, const Oid *argtypes, int nargs, Oid state, Oid result);

#endif							/* CQ_FINISH_CHECK_H */
