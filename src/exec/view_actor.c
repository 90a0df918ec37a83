/*
 * view_actor.c
 *		Acting for a view: see view_actor.h.
 */
#include "postgres.h"

#include "exec/view_actor.h"
#include "utils/guc.h"

void
cq_view_actor_begin(CqActor *actor, const CqView *view, Oid owner)
{
	ListCell   *cell;

	cq_owner_begin_user(actor, owner);
	foreach(cell, view->settings)
	{
		char	   *setting = lfirst(cell);
		char	   *separator = strchr(setting, '=');
		char	   *name = pnstrdup(setting, separator - setting);
		const char *current = GetConfigOption(name, true, false);

		if (current == NULL || strcmp(current, separator + 1) != 0)
			(void) set_config_option(name, separator + 1, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		pfree(name);
	}
}
