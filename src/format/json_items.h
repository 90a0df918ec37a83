/*
 * json_items.h
 *		From an array to what a column has of it: an item, or what is within one.
 */
#ifndef CQ_JSON_ITEMS_H
#define CQ_JSON_ITEMS_H

#include "postgres.h"

#include "format/json_token.h"
#include "nodes/pg_list.h"

/* With names as messages write them. In CurrentMemoryContext. */
extern List *cq_json_items_copy(const List *steps);

/*
 * Sets the token, whose text is valid JSON, to what the steps (of CqPathStep *) lead to;
 * CQ_JSON_MISSING where there is no such thing. Of several fields of one name the last one counts;
 * of several names that are one without regard to case, none: CQ_JSON_AMBIGUOUS.
 */
extern void cq_json_items_follow(const List *steps, bool ignores_case, CqJsonToken *token);

#endif							/* CQ_JSON_ITEMS_H */
