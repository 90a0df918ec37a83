/*
 * view_actor.c
 *		Acting for a view: see view_actor.h.
 */
#include "postgres.h"

#include "common/settings.h"
#include "exec/view_actor.h"

void
cq_view_actor_begin(CqActor *actor, const CqView *view, Oid owner)
{
	cq_owner_begin_user(actor, owner);
	cq_settings_apply(view->settings, CQ_SETTINGS_ALL);
}
