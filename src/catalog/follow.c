/*
 * follow.c
 *		Which cursors a view follows.
 */
#include "postgres.h"

#include "catalog/follow.h"
#include "catalog/namespace.h"
#include "catalog/owner.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"

void
cq_follow_forget(Oid view)
{
	static const char forget[] =
		"WITH gone AS (DELETE FROM _cq.follow WHERE view OPERATOR(pg_catalog.=) $1 RETURNING cursor_id) "
		"DELETE FROM _cq.cursor c USING gone WHERE c.cursor_id OPERATOR(pg_catalog.=) gone.cursor_id AND NOT EXISTS "
		"(SELECT FROM _cq.follow f WHERE f.cursor_id OPERATOR(pg_catalog.=) c.cursor_id AND f.view OPERATOR(pg_catalog.<>) $1)";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	Oid			user;
	int			context;

	/* The catalog is its owner's; the caller has seen to the view's. */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(cq_owner_of_schema(get_namespace_oid("_cq", false)), context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_with_args(forget, lengthof(types), types, args, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not forget the positions of view %u", view);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}
