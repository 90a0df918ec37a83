/*
 * sample.h
 *		Looking at some of a stream: for ANALYZE, and for IMPORT FOREIGN SCHEMA.
 */
#ifndef CQ_SAMPLE_H
#define CQ_SAMPLE_H

#include "foreign/fdwapi.h"

extern void cq_analyze_init(FdwRoutine *routine);
extern void cq_import_init(FdwRoutine *routine);

#endif							/* CQ_SAMPLE_H */
