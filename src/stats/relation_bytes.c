/*
 * relation_bytes.c
 *		How large tables and indexes are, for who only looks: without waiting for a lock.
 *
 * The server's own functions wait, so that a lock that somebody keeps on one table would leave who
 * monitors the database without any figures.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "common/version.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/pg_list.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/relcache.h"

PG_FUNCTION_INFO_V1(cq_relation_bytes);

static int64
bytes_of(Relation relation)
{
	SMgrRelation storage = RelationGetSmgr(relation);
	int64		nblocks = 0;

	for (ForkNumber fork = 0; fork <= MAX_FORKNUM; fork++)
	{
		if (smgrexists(storage, fork))
			nblocks += smgrnblocks(storage, fork);
	}
	return nblocks * BLCKSZ;
}

/* Opens a relation if nobody has it for himself now; else NULL. */
static Relation
open_if_free(Oid relid)
{
	Relation	relation;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return NULL;
	relation = try_relation_open(relid, NoLock);
	if (relation == NULL)
		UnlockRelationOid(relid, AccessShareLock);
	return relation;
}

/* False where one of them cannot be looked at. */
static bool
add_indexes(Relation relation, int64 *bytes)
{
	List	   *indexes = RelationGetIndexList(relation);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = open_if_free(lfirst_oid(cell));

		if (index == NULL)
			return false;
		*bytes += bytes_of(index);
		relation_close(index, AccessShareLock);
	}
	return true;
}

/* With what is stored out of line. */
static bool
measure(Oid relid, int64 *table_bytes, int64 *index_bytes)
{
	Relation	relation = open_if_free(relid);
	bool		is_known;

	if (relation == NULL)
		return false;
	is_known = RELKIND_HAS_STORAGE(relation->rd_rel->relkind) && add_indexes(relation, index_bytes);
	if (is_known)
		*table_bytes += bytes_of(relation);
	if (is_known && OidIsValid(relation->rd_rel->reltoastrelid))
	{
		int64		toast_index_bytes = 0;

		is_known = measure(relation->rd_rel->reltoastrelid, table_bytes, &toast_index_bytes);
		*table_bytes += toast_index_bytes;
	}
	relation_close(relation, AccessShareLock);
	return is_known;
}

/* _cq.relation_bytes(relation oid). Anybody may call it, as those of the server. */
Datum
cq_relation_bytes(PG_FUNCTION_ARGS)
{
	int64		table_bytes = 0;
	int64		index_bytes = 0;
	TupleDesc	result;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	cq_version_require();
	if (get_call_result_type(fcinfo, NULL, &result) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "not called as it is declared");
	nulls[0] = nulls[1] = !measure(PG_GETARG_OID(0), &table_bytes, &index_bytes);
	values[0] = Int64GetDatum(table_bytes);
	values[1] = Int64GetDatum(index_bytes);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(result), values, nulls)));
}
