/*
 * owner.h
 *		Who owns relations and schemas.
 */
#ifndef CQ_OWNER_H
#define CQ_OWNER_H

#include "postgres.h"

extern Oid	cq_owner_of_relation(Oid relid);
extern Oid	cq_owner_of_schema(Oid schema);

/* Raises "must be owner of …" where the current user is not. */
extern void cq_owner_require(Oid relid);

#endif							/* CQ_OWNER_H */
