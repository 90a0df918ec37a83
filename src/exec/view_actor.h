/*
 * view_actor.h
 *		Acting for a view: as its owner, under the settings that were pinned at CREATE.
 */
#ifndef CQ_VIEW_ACTOR_H
#define CQ_VIEW_ACTOR_H

#include "catalog/view.h"
#include "common/owner.h"

/* Ended by cq_owner_end or by the (sub)transaction's abort. */
extern void cq_view_actor_begin(CqActor *actor, const CqView *view, Oid owner);

#endif							/* CQ_VIEW_ACTOR_H */
