/*
 * owner.h
 *		Who owns relations and schemas, and acting as they.
 */
#ifndef CQ_OWNER_H
#define CQ_OWNER_H

#include "postgres.h"

extern Oid	cq_owner_of_relation(Oid relid);
extern Oid	cq_owner_of_schema(Oid schema);

/* Raises "must be owner of …" where the current user is not. */
extern void cq_owner_require(Oid relid);

/*
 * Who acts, while it is not the current user. On an error the end of the (sub)transaction puts
 * things right.
 */
typedef struct CqActor
{
	Oid			user;
	int			context;
	int			nest;			/* of settings, which go back to what they were */
} CqActor;

/*
 * Acts as the owner of the extension's catalog, for statements of our own over it, with pg_catalog
 * for a search_path.
 */
extern void cq_owner_begin_catalog(CqActor *actor);

/*
 * Acts as somebody who need not be trusted: their functions, types and triggers run, and can
 * neither get back to the rights of the session nor leave settings behind.
 */
extern void cq_owner_begin_user(CqActor *actor, Oid user);

extern void cq_owner_end(const CqActor *actor);

#endif							/* CQ_OWNER_H */
