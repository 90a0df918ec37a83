/*
 * pool.c
 *		cq.create_pool, cq.alter_pool and cq.drop_pool.
 */
#include "postgres.h"

#include "catalog/pool.h"
#include "common/guc.h"
#include "common/name.h"
#include "common/wake.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#define MOST_WORKERS	64
#define NICEST			19
#define MOST_NAMES		5		/* of views, in a message */

PG_FUNCTION_INFO_V1(cq_create_pool);
PG_FUNCTION_INFO_V1(cq_alter_pool);
PG_FUNCTION_INFO_V1(cq_drop_pool);

static const char *
take_name(FunctionCallInfo fcinfo)
{
	const char *name;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the name of a compute pool must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a compute pool: \"%s\"", name),
				 errhint("It has 1 to %d bytes.", NAMEDATALEN - 1)));
	if (strcmp(name, CQ_POOL_DEFAULT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("the compute pool \"%s\" is always there", name),
				 errhint("The setting cq.workers is the number of its workers.")));
	return name;
}

static void
take_number(FunctionCallInfo fcinfo, int arg, int *number)
{
	if (!PG_ARGISNULL(arg))
		*number = PG_GETARG_INT32(arg);
}

static void
take_role(FunctionCallInfo fcinfo, int arg, Oid *role)
{
	if (PG_ARGISNULL(arg))
		return;
	*role = PG_GETARG_OID(arg);
	(void) GetUserNameFromId(*role, false); /* regrole takes any number */
}

static void
check_range(const char *what, int value, int least, int most)
{
	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s of a compute pool: %d", what, value),
				 errhint("It is from %d to %d.", least, most)));
}

/* What is not null, into the pool; raises ERROR where that cannot be. */
static void
take_settings(FunctionCallInfo fcinfo, CqPool *pool)
{
	take_number(fcinfo, 1, &pool->min_workers);
	take_number(fcinfo, 2, &pool->max_workers);
	take_number(fcinfo, 3, &pool->nice);
	take_role(fcinfo, 4, &pool->owner);
	check_range("min_workers", pool->min_workers, 0, MOST_WORKERS);
	check_range("max_workers", pool->max_workers, 1, MOST_WORKERS);
	check_range("nice", pool->nice, 0, NICEST);
	if (pool->min_workers > pool->max_workers)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_workers, %d, is more than max_workers, %d, of compute pool \"%s\"",
						pool->min_workers, pool->max_workers, pool->name)));
	if (!has_privs_of_role(GetUserId(), pool->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be a member of role \"%s\" to let it own a compute pool",
						GetUserNameFromId(pool->owner, false))));
}

static CqPool *
take_own(const char *name)
{
	CqPool	   *pool = cq_pool_require(name, true);

	if (!has_privs_of_role(GetUserId(), pool->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of compute pool \"%s\"", name)));
	return pool;
}

/* cq.create_pool(name, min_workers, max_workers, nice, owner, users) */
Datum
cq_create_pool(PG_FUNCTION_ARGS)
{
	CqPool		pool = {.min_workers = 0, .max_workers = 1, .owner = GetUserId()};

	PreventCommandIfReadOnly("cq.create_pool()");
	pool.name = unconstify(char *, take_name(fcinfo));
	if (PG_ARGISNULL(2))
		pool.max_workers = PG_ARGISNULL(1) ? 1 : Max(PG_GETARG_INT32(1), 1);
	take_settings(fcinfo, &pool);
	pool.users = pool.owner;
	take_role(fcinfo, 5, &pool.users);
	if (cq_pool_lock(pool.name, false) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("compute pool \"%s\" already exists", pool.name)));
	cq_pool_insert(&pool);
	cq_wake_catalog_changed();
	PG_RETURN_VOID();
}

/* cq.alter_pool(name, min_workers, max_workers, nice, owner, users) */
Datum
cq_alter_pool(PG_FUNCTION_ARGS)
{
	CqPool	   *pool;

	PreventCommandIfReadOnly("cq.alter_pool()");
	pool = take_own(take_name(fcinfo));
	take_settings(fcinfo, pool);
	take_role(fcinfo, 5, &pool->users);
	cq_pool_update(pool);
	cq_wake_catalog_changed();
	PG_RETURN_VOID();
}

/* The first of them, and how many there are. */
static char *
names_of_views(const List *views)
{
	StringInfoData names;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, views)
	{
		int			i = foreach_current_index(cell);

		if (i == MOST_NAMES)
		{
			appendStringInfo(&names, " and %d more", list_length(views) - MOST_NAMES);
			break;
		}
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 cq_name_qualified(lfirst_oid(cell)));
	}
	return names.data;
}

/* cq.drop_pool(name) */
Datum
cq_drop_pool(PG_FUNCTION_ARGS)
{
	const char *name;
	List	   *views;

	PreventCommandIfReadOnly("cq.drop_pool()");
	name = take_name(fcinfo);
	(void) take_own(name);
	/* Whoever puts a view into it holds its row until that is committed. */
	views = cq_pool_views(name);
	if (views != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("compute pool \"%s\" is in use", name),
				 errdetail("There are continuous views in it: %s.", names_of_views(views)),
				 errhint("Move them first: ALTER CONTINUOUS VIEW … SET (pool = …), or RESET "
						 "(pool).")));
	cq_pool_delete(name);
	cq_wake_catalog_changed();
	PG_RETURN_VOID();
}
