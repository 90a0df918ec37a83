/*
 * state_type.c
 *		_cq.state: see state_type.h. A varlena of the kind, eight bytes, and what the aggregate has
 *		serialized.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "state/state_type.h"
#include "utils/fmgrprotos.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(cq_state_in);
PG_FUNCTION_INFO_V1(cq_state_out);
PG_FUNCTION_INFO_V1(cq_state_recv);
PG_FUNCTION_INFO_V1(cq_state_send);

static uint64
hash_text(uint64 seed, const char *text)
{
	return hash_bytes_extended((const unsigned char *) text, strlen(text), seed);
}

/* The symbol of a function in C; whoever may make one of these need not be guarded against. */
static uint64
hash_function(uint64 seed, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		is_null;
	Datum		symbol;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &is_null);
	seed = hash_text(seed, is_null ? "" : TextDatumGetCString(symbol));
	ReleaseSysCache(tuple);
	return seed;
}

static uint64
hash_type(uint64 seed, Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	char		shape[32];

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	form = (Form_pg_type) GETSTRUCT(tuple);
	snprintf(shape, sizeof(shape), "%d %d %c", form->typlen, form->typbyval, form->typalign);
	seed = hash_function(hash_text(seed, shape), form->typinput);
	/* Their input functions are those of all arrays, and of all domains. */
	if (OidIsValid(form->typelem) && form->typlen == -1)
		seed = hash_type(seed, form->typelem);
	if (form->typtype == TYPTYPE_DOMAIN)
		seed = hash_type(seed, form->typbasetype);
	ReleaseSysCache(tuple);
	return seed;
}

uint64
cq_state_type_kind(Oid deserial, const Oid *argtypes, int nargs)
{
	uint64		kind = hash_function(0, deserial);

	for (int i = 0; i < nargs; i++)
		kind = hash_type(kind, argtypes[i]);
	return kind;
}

static bytea *
make_bytes(Size length)
{
	bytea	   *bytes = palloc(VARHDRSZ + length);

	SET_VARSIZE(bytes, VARHDRSZ + length);
	return bytes;
}

Datum
cq_state_pack(uint64 kind, Datum serialized)
{
	bytea	   *from = DatumGetByteaPP(serialized);
	Size		length = VARSIZE_ANY_EXHDR(from);
	bytea	   *to = make_bytes(sizeof(kind) + length);

	memcpy(VARDATA(to), &kind, sizeof(kind));
	memcpy(VARDATA(to) + sizeof(kind), VARDATA_ANY(from), length);
	return PointerGetDatum(to);
}

Datum
cq_state_unpack(uint64 kind, Datum stored)
{
	bytea	   *from = DatumGetByteaPP(stored);
	Size		length = VARSIZE_ANY_EXHDR(from);
	bytea	   *to;

	if (length < sizeof(kind) || memcmp(VARDATA_ANY(from), &kind, sizeof(kind)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the stored state is that of another aggregate, or of other types")));
	to = make_bytes(length - sizeof(kind));
	memcpy(VARDATA(to), VARDATA_ANY(from) + sizeof(kind), length - sizeof(kind));
	return PointerGetDatum(to);
}

/* ---- the type ---- */

static void
require_superuser(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may make a value of type %s", "_cq.state"),
				 errdetail("Aggregates take their stored states on trust.")));
}

Datum
cq_state_in(PG_FUNCTION_ARGS)
{
	require_superuser();
	return byteain(fcinfo);
}

Datum
cq_state_out(PG_FUNCTION_ARGS)
{
	return byteaout(fcinfo);
}

Datum
cq_state_recv(PG_FUNCTION_ARGS)
{
	require_superuser();
	return bytearecv(fcinfo);
}

Datum
cq_state_send(PG_FUNCTION_ARGS)
{
	return byteasend(fcinfo);
}
