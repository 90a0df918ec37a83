/*
 * sleep.h
 *		Is there something for a compute pool that has no worker?
 */
#ifndef CQ_SLEEP_H
#define CQ_SLEEP_H

#include "postgres.h"

/*
 * Is there, in some stream, what a view of the pool that runs has not read? Waits for no broker:
 * one that is asked has answered when this is called again. Within a transaction with a snapshot; may
 * raise ERROR.
 */
extern bool cq_sleep_has_news(const char *pool);

#endif							/* CQ_SLEEP_H */
