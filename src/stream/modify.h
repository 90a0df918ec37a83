/*
 * modify.h
 *		Writing to a stream, shared by both wrappers.
 */
#ifndef CQ_MODIFY_H
#define CQ_MODIFY_H

#include "foreign/fdwapi.h"

/* Sets the callbacks for INSERT, COPY and TRUNCATE, and those that refuse the rest. */
extern void cq_modify_init(FdwRoutine *routine);

#endif							/* CQ_MODIFY_H */
