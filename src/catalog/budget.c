/*
 * budget.c
 *		cq.set_budget and cq.drop_budget: who may call them.
 *
 * What they do is in SQL, with the rights of the catalog's owner. A budget limits people: no owner
 * of views is let in, and of a pool its owner, who is not one of its users. Rights that are passed
 * on, as by a function that runs with a superuser's, count.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/pool.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "common/version.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(cq_budget_set);
PG_FUNCTION_INFO_V1(cq_budget_drop);

/* Arguments of cq.set_budget. */
#define VIEW	4
#define OWNER	5
#define POOL	6

static bool
owns_pool(const char *name)
{
	const CqPool *pool = cq_pool_lock(name, false);

	return pool != NULL && has_privs_of_role(GetUserId(), pool->owner);
}

/* The pool that a budget is for: false where there is no such budget; *pool: NULL if for none. */
static bool
find_pool(Datum budget, char **pool)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {TEXTOID};
	CqActor		actor;
	bool		found;
	char	   *name;

	*pool = NULL;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("SELECT pool FROM _cq.budget WHERE name = $1", SPI_OK_SELECT, 1, types,
					 &budget, NULL);
	found = SPI_processed > 0;
	name = found ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL;
	if (name != NULL)
		*pool = MemoryContextStrdup(caller, name);
	SPI_finish();
	cq_owner_end(&actor);
	return found;
}

/* wanted: the pool that it shall be for, or NULL: as it is. */
static void
require_right(Datum budget, const char *wanted, bool is_for_other)
{
	char	   *pool;
	bool		found;

	if (superuser())
		return;
	found = find_pool(budget, &pool);
	if (!is_for_other && (found || wanted != NULL) &&
		(!found || (pool != NULL && owns_pool(pool))) && (wanted == NULL || owns_pool(wanted)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to set budgets"),
			 errdetail("Superusers set them; those of a pool also its owner.")));
}

static void
call(const char *statement, int nargs, Oid *types, Datum *args, const char *nulls)
{
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(statement, SPI_OK_SELECT, nargs, types, args, nulls);
	SPI_finish();
	cq_owner_end(&actor);
}

/*
 * cq.set_budget(name text, what text, amount float8, per text, view regclass, owner regrole,
 * pool text, at_limit text)
 */
Datum
cq_budget_set(PG_FUNCTION_ARGS)
{
	Oid			types[] = {
		TEXTOID, TEXTOID, FLOAT8OID, TEXTOID, REGCLASSOID, REGROLEOID, TEXTOID, TEXTOID
	};
	Datum		args[lengthof(types)];
	char		nulls[lengthof(types) + 1] = "";

	cq_version_require();
	PreventCommandIfReadOnly("cq.set_budget()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a budget has a name")));
	require_right(PG_GETARG_DATUM(0),
				  PG_ARGISNULL(POOL) ? NULL : TextDatumGetCString(PG_GETARG_DATUM(POOL)),
				  !PG_ARGISNULL(VIEW) || !PG_ARGISNULL(OWNER));
	for (int i = 0; i < (int) lengthof(types); i++)
	{
		args[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	call("SELECT _cq.set_budget($1, $2, $3, $4, $5, $6, $7, $8)", lengthof(types), types, args,
		 nulls);
	PG_RETURN_VOID();
}

/* cq.drop_budget(name text) */
Datum
cq_budget_drop(PG_FUNCTION_ARGS)
{
	Oid			types[] = {TEXTOID};
	Datum		args[] = {PG_GETARG_DATUM(0)};

	cq_version_require();
	PreventCommandIfReadOnly("cq.drop_budget()");
	require_right(args[0], NULL, false);
	call("SELECT _cq.drop_budget($1)", lengthof(types), types, args, NULL);
	PG_RETURN_VOID();
}
