/*
 * follow.h
 *		Which cursors a view follows.
 */
#ifndef CQ_FOLLOW_H
#define CQ_FOLLOW_H

#include "postgres.h"

/*
 * Forgets where the view stands in its stream, and its errors, which it would meet again; cursors that nobody follows any more go as
 * well.
 */
extern void cq_follow_forget(Oid view, Oid stream);

#endif							/* CQ_FOLLOW_H */
