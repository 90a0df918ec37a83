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

/* Who acts, while it is not the current user. */
typedef struct CqActor
{
	Oid			user;
	int			context;
} CqActor;

/* Acts as the owner of the extension's catalog, for statements of our own over it, whose search_path is pg_catalog alone. */
extern void cq_owner_begin_catalog(CqActor *actor);
extern void cq_owner_end_catalog(const CqActor *actor);

#endif							/* CQ_OWNER_H */
