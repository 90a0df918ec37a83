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

/* Cursors of stream $1 that nobody follows. */
#define ORPHANS \
	"_cq.cursor c WHERE c.stream OPERATOR(pg_catalog.=) $1 AND NOT EXISTS " \
	"(SELECT FROM _cq.follow f WHERE f.cursor_id OPERATOR(pg_catalog.=) c.cursor_id)"

static void
run(const char *statement, Oid argument)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(argument)};
	int			result = SPI_execute_with_args(statement, lengthof(types), types, args, NULL, false, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(result));
}

/*
 * A cursor may be about to be followed by a view that another transaction brings to it. Whoever does that locks the
 * cursor's row; so that here the rows are locked first, and asked for followers again afterwards.
 */
void
cq_follow_forget(Oid view, Oid stream)
{
	Oid			user;
	int			context;

	/* The catalog is its owner's; the caller has seen to the view's. */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(cq_owner_of_schema(get_namespace_oid("_cq", false)), context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	run("DELETE FROM _cq.follow WHERE view OPERATOR(pg_catalog.=) $1", view);
	run("SELECT FROM " ORPHANS " ORDER BY c.cursor_id FOR UPDATE", stream);
	run("DELETE FROM " ORPHANS, stream);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}
