/*
 * event.c
 *		Rows of _cq.event: see event.h.
 */
#include "postgres.h"

#include "catalog/event.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/name.h"
#include "common/owner.h"
#include "utils/builtins.h"

void
cq_event_note(Oid view, const char *what, const char *detail)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		args[4] = {ObjectIdGetDatum(view)};
	char		nulls[] = "    ";
	CqActor		actor;

	if (OidIsValid(view))
		args[1] = CStringGetTextDatum(cq_name_qualified(view));
	else
		nulls[0] = nulls[1] = 'n';
	args[2] = CStringGetTextDatum(what);
	if (detail != NULL)
		args[3] = CStringGetTextDatum(detail);
	else
		nulls[3] = 'n';
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("INSERT INTO _cq.event (view, name, what, detail) VALUES ($1, $2, $3, $4)",
					 SPI_OK_INSERT, lengthof(types), types, args, nulls);
	SPI_finish();
	cq_owner_end(&actor);
}
