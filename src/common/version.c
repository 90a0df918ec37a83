/*
 * version.c
 *		Whether library and catalog fit: see version.h.
 *
 * What is found is remembered while it is good news, until _cq.view is invalidated, as the last
 * statement of each of the extension's scripts does.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "common/version.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(cq_version_require_library);

static bool is_known_to_match = false;
static Oid	catalog;			/* _cq.view, as of then */

/* Of a version: the library's less than the other's is negative. The last number does not count. */
static int
compare_library(const char *version)
{
	int			library[2] = {0};
	int			other[2] = {0};

	(void) sscanf(CQ_VERSION, "%d.%d", &library[0], &library[1]);
	(void) sscanf(version, "%d.%d", &other[0], &other[1]);
	return library[0] != other[0] ? library[0] - other[0] : library[1] - other[1];
}

/* The version of the extension in this database, or NULL. */
static char *
installed_version(void)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	char	   *version = NULL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("pg_cq"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(relation), &isnull);

		version = isnull ? pstrdup("") : TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return version;
}

static Oid
find_catalog(void)
{
	Oid			schema = get_namespace_oid("_cq", true);

	return OidIsValid(schema) ? get_relname_relid("view", schema) : InvalidOid;
}

static void
on_relation_change(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == catalog)
		is_known_to_match = false;
}

/* The version in this database, where it is another one than the library's. */
static char *
other_version(void)
{
	static bool is_watching = false;
	char	   *version;

	if (is_known_to_match)
		return NULL;
	if (!is_watching)
		CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
	is_watching = true;
	catalog = find_catalog();
	version = installed_version();
	if (version != NULL && compare_library(version) != 0)
		return version;
	/* Without a catalog nobody would tell that this has changed. */
	is_known_to_match = version != NULL && OidIsValid(catalog);
	return NULL;
}

static void
report(int level, const char *version)
{
	ereport(level,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"pg_cq\" has version %s in this database, and version %s is loaded",
					version, CQ_VERSION),
			 compare_library(version) > 0 ? errhint("Run ALTER EXTENSION pg_cq UPDATE.") :
			 errhint("Restart the server, once the package of the newer version is there.")));
}

void
cq_version_require(void)
{
	char	   *version = other_version();

	if (version != NULL)
		report(ERROR, version);
}

bool
cq_version_matches(void)
{
	static bool is_told = false;
	char	   *version = other_version();

	if (version != NULL && !is_told)
		report(WARNING, version);
	is_told = version != NULL;
	return version == NULL;
}

void
cq_version_changed(void)
{
	Oid			relid = find_catalog();

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
}

static void
require_columns(TupleDesc descriptor, bool is_right, int n)
{
	if (!is_right)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a table of pg_cq has %d columns instead of %d", descriptor->natts, n)));
}

void
cq_version_deform(HeapTuple tuple, TupleDesc descriptor, int n, Datum *values, bool *nulls)
{
	require_columns(descriptor, descriptor->natts >= n, n);
	for (int i = 0; i < n; i++)
		values[i] = heap_getattr(tuple, i + 1, descriptor, &nulls[i]);
}

HeapTuple
cq_version_form(TupleDesc descriptor, int n, const Datum *values, const bool *nulls)
{
	require_columns(descriptor, descriptor->natts == n, n);
	return heap_form_tuple(descriptor, unconstify(Datum *, values), unconstify(bool *, nulls));
}

/* _cq.require_library(version): the first thing that a script that updates to it does. */
Datum
cq_version_require_library(PG_FUNCTION_ARGS)
{
	char	   *version = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (compare_library(version) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the server has version %s of pg_cq loaded, which is older than %s",
						CQ_VERSION, version),
				 errhint("Restart the server, then run ALTER EXTENSION pg_cq UPDATE again.")));
	PG_RETURN_VOID();
}
