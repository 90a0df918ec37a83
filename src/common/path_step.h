/*
 * path_step.h
 *		A step of a path within an array: to an item of it, and on from there.
 */
#ifndef CQ_PATH_STEP_H
#define CQ_PATH_STEP_H

typedef struct CqPathStep
{
	const char *name;			/* of a field; NULL: an item */
	int			index;			/* of the item, from 0 */
} CqPathStep;

#endif							/* CQ_PATH_STEP_H */
