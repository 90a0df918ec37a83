/*
 * identity.c
 *		Whose the catalog is: see identity.h.
 *
 * _cq.identity has one row. A dump that is restored into a database that had views of its own
 * brings a second one, and then that counts: better to stand still than to do another's work again.
 * For the same reason views without any row here are somebody else's: of a dump that is just being
 * restored, or that left it out.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/identity.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "common/version.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Columns of _cq.identity, as in schema/catalog.sql. */
enum
{
	IDENTITY_SYSTEM_IDENTIFIER = 1,
	IDENTITY_DATABASE_ID,
	IDENTITY_PREFIX,
	IDENTITY_NATTS = IDENTITY_PREFIX
};

/* The row that counts, open for reading or writing. */
typedef struct Identity
{
	Relation	relation;		/* NULL: no such table */
	SysScanDesc scan;
	HeapTuple	tuple;			/* NULL: the catalog is nobody's */
	Datum		values[IDENTITY_NATTS];
} Identity;

static bool
is_own(const Identity *identity)
{
	return DatumGetInt64(identity->values[IDENTITY_SYSTEM_IDENTIFIER -
										  1]) == (int64) GetSystemIdentifier() &&
		DatumGetObjectId(identity->values[IDENTITY_DATABASE_ID - 1]) == MyDatabaseId;
}

static bool
open_identity(Identity *identity, LOCKMODE lockmode)
{
	Oid			schema = get_namespace_oid("_cq", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("identity", schema) : InvalidOid;
	bool		nulls[IDENTITY_NATTS];
	HeapTuple	tuple;

	memset(identity, 0, sizeof(Identity));
	if (!OidIsValid(relid))
		return false;
	identity->relation = table_open(relid, lockmode);
	identity->scan = systable_beginscan(identity->relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(identity->scan)))
	{
		identity->tuple = heap_copytuple(tuple);
		cq_version_deform(identity->tuple, RelationGetDescr(identity->relation), IDENTITY_NATTS,
						  identity->values, nulls);
		if (!is_own(identity))
			break;
	}
	return true;
}

/* Keeps the lock to the end of the transaction. */
static void
close_identity(Identity *identity)
{
	if (identity->relation == NULL)
		return;
	systable_endscan(identity->scan);
	table_close(identity->relation, NoLock);
}

static char *
own_prefix(void)
{
	return psprintf("pg_cq-" UINT64_FORMAT "-%u", GetSystemIdentifier(), MyDatabaseId);
}

static HeapTuple
own_row(const Identity *identity, const char *prefix)
{
	Datum		values[IDENTITY_NATTS];
	bool		nulls[IDENTITY_NATTS] = {false};

	values[IDENTITY_SYSTEM_IDENTIFIER - 1] = Int64GetDatum((int64) GetSystemIdentifier());
	values[IDENTITY_DATABASE_ID - 1] = ObjectIdGetDatum(MyDatabaseId);
	values[IDENTITY_PREFIX - 1] = CStringGetTextDatum(prefix);
	return cq_version_form(RelationGetDescr(identity->relation), IDENTITY_NATTS, values, nulls);
}

/* Whether there are continuous views, more than so many. */
static bool
has_views(int more_than)
{
	Oid			schema = get_namespace_oid("_cq", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("view", schema) : InvalidOid;
	Relation	relation;
	SysScanDesc scan;
	int			n = 0;

	if (!OidIsValid(relid))
		return false;
	relation = table_open(relid, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (n <= more_than && HeapTupleIsValid(systable_getnext(scan)))
		n++;
	systable_endscan(scan);
	table_close(relation, NoLock);
	return n > more_than;
}

bool
cq_identity_matches(void)
{
	Identity	identity;
	bool		matches = true;

	if (open_identity(&identity, AccessShareLock))
	{
		matches = identity.tuple == NULL ? !has_views(0) : is_own(&identity);
		close_identity(&identity);
	}
	return matches;
}

bool
cq_identity_is_own(void)
{
	Identity	identity;
	bool		result = false;

	if (open_identity(&identity, AccessShareLock))
	{
		result = identity.tuple != NULL && is_own(&identity);
		close_identity(&identity);
	}
	return result;
}

/* Two first views at a time: the one that comes second finds the other's row. */
static void
insert_own_row(void)
{
	Identity	identity;

	if (open_identity(&identity, ShareRowExclusiveLock) && identity.tuple == NULL)
		CatalogTupleInsert(identity.relation, own_row(&identity, own_prefix()));
	close_identity(&identity);
}

void
cq_identity_claim(void)
{
	Identity	identity;
	bool		is_there;

	if (!open_identity(&identity, AccessShareLock))
		return;
	is_there = identity.tuple != NULL || has_views(1);
	if (is_there && (identity.tuple == NULL || !is_own(&identity)))
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous views do not run in this database"),
				 errdetail("It is a copy of another one, or was restored from a dump."),
				 errhint("Call cq.resume_all() if they shall go on here.")));
	close_identity(&identity);
	if (!is_there)
		insert_own_row();
}

static void
delete_rows(Relation relation)
{
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(relation, &tuple->t_self);
	systable_endscan(scan);
}

void
cq_identity_take(bool keep_prefix)
{
	Identity	identity;

	if (!open_identity(&identity, ShareRowExclusiveLock))
		return;
	if (identity.tuple == NULL || !is_own(&identity))
	{
		char	   *prefix = keep_prefix && identity.tuple != NULL ?
			TextDatumGetCString(identity.values[IDENTITY_PREFIX - 1]) : own_prefix();

		delete_rows(identity.relation);
		CatalogTupleInsert(identity.relation, own_row(&identity, prefix));
	}
	close_identity(&identity);
}

char *
cq_identity_prefix(void)
{
	Identity	identity;
	char	   *prefix = NULL;

	if (open_identity(&identity, AccessShareLock))
	{
		if (identity.tuple != NULL)
			prefix = TextDatumGetCString(identity.values[IDENTITY_PREFIX - 1]);
		close_identity(&identity);
	}
	return prefix ? prefix : own_prefix();
}
