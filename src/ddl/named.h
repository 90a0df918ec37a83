/*
 * named.h
 *		Continuous views that others read by their names: what CREATE and ALTER have to look at.
 */
#ifndef CQ_NAMED_H
#define CQ_NAMED_H

#include "catalog/view.h"

/* Keeps batches away from views (of OIDs) that another one is about to read: until the commit. */
extern void cq_named_lock(const List *named);

/* Raises ERROR where the view that is replaced is read by others, and the new one cannot be. */
extern void cq_named_check_replaced(Oid replaced, const CqView *row, const Query *query);

/*
 * Raises ERROR where the view would read what is made of its own rows: by its sink, its name, or
 * through whatever views.
 */
extern void cq_named_check_circle(const CqView *row);

#endif							/* CQ_NAMED_H */
