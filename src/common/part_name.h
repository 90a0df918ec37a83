/*
 * part_name.h
 *		Names of the relations in schema _cq that streams and views are made of.
 */
#ifndef CQ_PART_NAME_H
#define CQ_PART_NAME_H

#include "postgres.h"

/*
 * A name for a new relation in schema _cq: whole_[columns_]label, with a number where that is
 * taken, be it by a transaction that has not ended. It is this transaction's from now on. columns
 * may be NULL.
 */
extern char *cq_part_name_choose(const char *whole, const char *columns, const char *label);

#endif							/* CQ_PART_NAME_H */
