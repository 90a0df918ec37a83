/*
 * name.h
 *		Names of relations and columns for things whose names follow other rules.
 */
#ifndef CQ_NAME_H
#define CQ_NAME_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Names that some are not to have; NULL: there are none. */
typedef bool (*CqNameReserved) (const char *name);

/*
 * Names for things that are called so elsewhere (of char *, all different), in the same order: the
 * same where that can be, else cut to what a name may have and with a number where it would be
 * another one's, or is reserved. palloc'd.
 */
extern List *cq_name_choose(const List *wanted, CqNameReserved is_reserved);

/* A relation's name with its schema's, quoted as in SQL. palloc'd. */
extern char *cq_name_qualified(Oid relid);

#endif							/* CQ_NAME_H */
