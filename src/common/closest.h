/*
 * closest.h
 *		The name that somebody may have meant.
 */
#ifndef CQ_CLOSEST_H
#define CQ_CLOSEST_H

#include "postgres.h"

typedef struct CqClosest
{
	const char *given;
	const char *best;			/* NULL: none is near */
	int			distance;
} CqClosest;

extern void cq_closest_init(CqClosest *closest, const char *given);

/* Looks at one more name, which has to stay. */
extern void cq_closest_try(CqClosest *closest, const char *name);

/* "Perhaps you meant the option \"name\". ", or "" where none is near. */
extern const char *cq_closest_hint(const CqClosest *closest);

#endif							/* CQ_CLOSEST_H */
