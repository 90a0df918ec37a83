/*
 * image.h
 *		The bytes of a value, as they tell one from another.
 *
 * Apart from how the value, or one within it, happens to be stored: compressed, out of line, or in
 * a short type with anything in the bytes that are left.
 */
#ifndef CQ_IMAGE_H
#define CQ_IMAGE_H

#include "postgres.h"

#include "access/tupdesc.h"

typedef struct CqImages CqImages;

/* For the columns of a row, which have to last. In CurrentMemoryContext. */
extern CqImages *cq_image_open(TupleDesc columns);

/* Of values that are not null. Both leave garbage in CurrentMemoryContext. */
extern uint32 cq_image_hash(const CqImages *images, int column, Datum value);
extern bool cq_image_same(const CqImages *images, int column, Datum one, Datum other);

#endif							/* CQ_IMAGE_H */
