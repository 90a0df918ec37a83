/*
 * follow.h
 *		Which cursors a view follows.
 */
#ifndef CQ_FOLLOW_H
#define CQ_FOLLOW_H

#include "postgres.h"

/*
 * Forgets the errors of a view that is to begin again, or is no more. Where it stands in its
 * streams the workers forget, who alone write to _cq.cursor and _cq.follow: what the latter says of
 * a view that has not started, or is gone, is void. In a database where no worker runs, since it
 * was restored, that is forgotten here.
 */
extern void cq_follow_forget(Oid view);

#endif							/* CQ_FOLLOW_H */
