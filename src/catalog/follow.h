/*
 * follow.h
 *		Which cursors a view follows.
 */
#ifndef CQ_FOLLOW_H
#define CQ_FOLLOW_H

#include "postgres.h"

/* Forgets where the view stands in its stream; cursors that nobody follows any more go as well. */
extern void cq_follow_forget(Oid view, Oid stream);

#endif							/* CQ_FOLLOW_H */
