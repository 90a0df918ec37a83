/*
 * check_type.h
 *		What making a value of a type asks for.
 */
#ifndef CQ_CHECK_TYPE_H
#define CQ_CHECK_TYPE_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

/* Does reading a text as this type read it, or a part of it, as a date or time? */
extern bool cq_check_type_is_time(Oid type);

/* … or a part of it, as a time with time zone? */
extern bool cq_check_type_has_offset(Oid type);

/*
 * Calls walk for each condition that a value of a type has to meet: those of domains, also of those
 * that it, its elements, bounds or fields are made of. *seen are types that need no other look.
 * True as soon as walk is.
 */
typedef bool (*CqCheckTypeWalk) (Node *condition, Oid domain, void *context);
extern bool cq_check_type_walk(Oid type, List **seen, CqCheckTypeWalk walk, void *context);

#endif							/* CQ_CHECK_TYPE_H */
