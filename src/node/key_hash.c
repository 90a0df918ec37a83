/*
 * key_hash.c
 *		_cq.key_hash: a number for a key, by which the rows of a node are found.
 *
 * Equal values have to have equal hashes, whatever their bytes and in whichever column they stand:
 * int4 5 and int8 5, 1.0 and 1.00, texts that a nondeterministic collation takes for equal. So it
 * is the default hash operator class of the type that says. Values that are not equal may have the
 * same hash: then more is looked at than had to be.
 *
 * Hashes are stored, so a value has to keep its own: not so what the server hashes by its OID,
 * which is another one in a restored database, and composites, whose attributes come and go.
 * Wherever these are in a value, all values of its type have the same hash.
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

/* The type of a key. */
typedef struct KeyType
{
	TypeCacheEntry *type;
	bool		is_enum;
	bool		is_hashed;		/* else all values have the same hash */
} KeyType;

/* Of which the type's values are made, or InvalidOid. */
static Oid
part_of(Oid type)
{
	Oid			part = get_element_type(type);

	if (!OidIsValid(part))
		part = get_multirange_range(type);
	return OidIsValid(part) ? part : get_range_subtype(type);
}

/* Has a value the same hash for ever? */
static bool
keeps_hash(Oid type, bool is_whole)
{
	Oid			part;

	type = getBaseType(type);
	switch (type)
	{
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGNAMESPACEOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGROLEOID:
		case REGTYPEOID:
		case ACLITEMOID:
			return false;
	}
	if (type_is_rowtype(type) || type == RECORDARRAYOID)
		return false;
	if (type_is_enum(type))
		return is_whole;
	part = part_of(type);
	return !OidIsValid(part) || keeps_hash(part, false);
}

static const KeyType *
find_type(FunctionCallInfo fcinfo)
{
	KeyType    *key = fcinfo->flinfo->fn_extra;
	Oid			type;

	if (key != NULL)
		return key;
	type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	if (!OidIsValid(type) || type == UNKNOWNOID)
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_DATATYPE),
				 errmsg("could not determine the data type of a key")));
	key = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(KeyType));
	key->type = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC_FINFO);
	key->is_enum = type_is_enum(getBaseType(type));
	key->is_hashed = OidIsValid(key->type->hash_extended_proc_finfo.fn_oid) &&
		keeps_hash(type, true);
	fcinfo->flinfo->fn_extra = key;
	return key;
}

/* By its label, and not by its OID. */
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
	const KeyType *key;
	Oid			collation = PG_GET_COLLATION();
	Datum		hash;

	if (PG_ARGISNULL(0))
		PG_RETURN_INT64((int64) hash_combine64(seed, NULL_HASH));
	key = find_type(fcinfo);
	if (!key->is_hashed)
		PG_RETURN_INT64((int64) seed);
	if (!OidIsValid(collation))
		collation = key->type->typcollation;
	hash = key->is_enum ? hash_enum(PG_GETARG_DATUM(0)) :
		FunctionCall2Coll(&key->type->hash_extended_proc_finfo, collation, PG_GETARG_DATUM(0),
						  UInt64GetDatum(0));
	PG_RETURN_INT64((int64) hash_combine64(seed, DatumGetUInt64(hash)));
}
