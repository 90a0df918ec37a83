/*
 * key_hash.c
 *		_cq.key_hash: a number for a key, by which the rows of a node are found.
 *
 * Equal values have to have equal hashes, whatever their bytes and in whichever column they stand:
 * int4 5 and int8 5, 1.0 and 1.00, texts that a nondeterministic collation takes for equal. So it
 * is the default hash operator class of the type that says. Values that are not equal may have the
 * same hash: then more is looked at than had to be.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define NULL_HASH UINT64CONST(0x6e756c6c)

PG_FUNCTION_INFO_V1(cq_key_hash);

static TypeCacheEntry *
find_type(FunctionCallInfo fcinfo)
{
	Oid			type;

	if (fcinfo->flinfo->fn_extra != NULL)
		return fcinfo->flinfo->fn_extra;
	type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	if (!OidIsValid(type) || type == UNKNOWNOID)
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_DATATYPE),
				 errmsg("could not determine the data type of a key")));
	fcinfo->flinfo->fn_extra = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC_FINFO);
	return fcinfo->flinfo->fn_extra;
}

static bool
is_enum(const TypeCacheEntry *type)
{
	return type->typtype == TYPTYPE_ENUM ||
		(type->typtype == TYPTYPE_DOMAIN && type_is_enum(getBaseType(type->type_id)));
}

/* By its label: the server hashes its OID, which is another one in a restored database. */
static Datum
hash_enum(Datum value)
{
	char	   *label = DatumGetCString(DirectFunctionCall1(enum_out, value));

	return hash_any_extended((unsigned char *) label, strlen(label), 0);
}

/* _cq.key_hash(value "any", seed bigint): of values that cannot be hashed, the seed. */
Datum
cq_key_hash(PG_FUNCTION_ARGS)
{
	uint64		seed = PG_ARGISNULL(1) ? 0 : (uint64) PG_GETARG_INT64(1);
	TypeCacheEntry *type;
	Oid			collation = PG_GET_COLLATION();
	Datum		hash;

	if (PG_ARGISNULL(0))
		PG_RETURN_INT64((int64) hash_combine64(seed, NULL_HASH));
	type = find_type(fcinfo);
	if (!OidIsValid(type->hash_extended_proc_finfo.fn_oid))
		PG_RETURN_INT64((int64) seed);
	if (!OidIsValid(collation))
		collation = type->typcollation;
	hash = is_enum(type) ? hash_enum(PG_GETARG_DATUM(0)) :
		FunctionCall2Coll(&type->hash_extended_proc_finfo, collation, PG_GETARG_DATUM(0),
						  UInt64GetDatum(0));
	PG_RETURN_INT64((int64) hash_combine64(seed, DatumGetUInt64(hash)));
}
