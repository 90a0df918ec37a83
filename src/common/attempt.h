/*
 * attempt.h
 *		Doing something that may fail, without what is around it failing.
 */
#ifndef CQ_ATTEMPT_H
#define CQ_ATTEMPT_H

#include "postgres.h"

/*
 * Runs something in a subtransaction. NULL, or the error after which nothing of it is left; an
 * error that ends the process, or cancels the statement, is raised again.
 */
extern ErrorData *cq_attempt(void (*run) (void *arg), void *arg);

/* Adds to an error's context which view it is about; name may be NULL. */
extern void cq_attempt_name_view(ErrorData *error, const char *name);

/*
 * Warns of an error, but not of the same as *last again; *last, NULL at first, is kept up to date.
 */
extern void cq_attempt_warn(const ErrorData *error, char **last);

#endif							/* CQ_ATTEMPT_H */
