/*
 * touched.h
 *		The keys that a batch has touched: a set of their hashes, or all there are.
 *
 * Sorted, in bounded memory. Belongs to the memory context and (sub)transaction that made it.
 */
#ifndef CQ_TOUCHED_H
#define CQ_TOUCHED_H

#include "postgres.h"

typedef struct CqTouched CqTouched;

extern CqTouched *cq_touched_make(void);
extern void cq_touched_free(CqTouched *touched);

/* Fills it; not after the first rewind. */
extern void cq_touched_add(CqTouched *touched, int64 hash);
extern void cq_touched_add_all(CqTouched *touched);

extern bool cq_touched_is_empty(const CqTouched *touched);
extern bool cq_touched_is_all(const CqTouched *touched);

/* Each hash once, ascending, from the beginning on after a rewind. Not where all are touched. */
extern void cq_touched_rewind(CqTouched *touched);
extern bool cq_touched_next(CqTouched *touched, int64 *hash);

#endif							/* CQ_TOUCHED_H */
