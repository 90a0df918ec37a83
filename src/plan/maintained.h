/*
 * maintained.h
 *		Tables whose changes count: they are read as continuous views are by their names.
 */
#ifndef CQ_MAINTAINED_H
#define CQ_MAINTAINED_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/parsenodes.h"

/* What such an entry of a range table has for relkind, in the planning of a view and nowhere else. */
#define CQ_RELKIND_MAINTAINED	'T'

/* A copy of the definition, with such entries in the place of all tables that it reads, through
 * plain views as well, which become sub-selects. */
extern Query *cq_maintained_mark(const Query *definition);

extern bool cq_maintained_is(const RangeTblEntry *entry);

/* As the server knows it. */
extern void cq_maintained_unmark(RangeTblEntry *entry);

/* Why a table's changes cannot count, or NULL. */
extern CqReject *cq_maintained_check(const RangeTblEntry *entry, int location);

/* The same of the columns that are read; of Bitmapset * of attribute numbers. Raises ERROR. */
extern void cq_maintained_require_columns(Oid table, const Bitmapset *used);

#endif							/* CQ_MAINTAINED_H */
