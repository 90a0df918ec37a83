/*
 * image.c
 *		The bytes of a value: see image.h.
 *
 * The server's datum_image_hash and datum_image_eq take values that are compressed or out of line
 * for what they hold. They do not look into composites, whose fields may be compressed as well: a
 * row made of what has come with a batch, and the same made of what was kept, have other bytes. So
 * composites, and arrays of them, are made anew of whole fields first.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "fmgr.h"
#include "funcapi.h"
#include "node/image.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

struct CqImages
{
	TupleDesc	columns;
	bool	   *has_composites;	/* by column: is its type one, or does it contain any? */
};

static bool
has_composites(Oid type)
{
	Oid			element;

	type = getBaseType(type);
	if (type_is_rowtype(type))
		return true;
	element = get_element_type(type);
	return OidIsValid(element) && has_composites(element);
}

CqImages *
cq_image_open(TupleDesc columns)
{
	CqImages   *images = palloc(sizeof(CqImages));

	images->columns = columns;
	images->has_composites = palloc(sizeof(bool) * Max(columns->natts, 1));
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		images->has_composites[i] = column->attlen == -1 && has_composites(column->atttypid);
	}
	return images;
}

static Datum whole_value(Oid type, Datum value);

static Datum
whole_composite(Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc	type = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum	   *values = palloc(sizeof(Datum) * Max(type->natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(type->natts, 1));
	Datum		whole;

	heap_deform_tuple(&tuple, type, values, nulls);
	for (int i = 0; i < type->natts; i++)
	{
		Form_pg_attribute field = TupleDescAttr(type, i);

		if (field->attisdropped)
			nulls[i] = true;
		if (!nulls[i] && field->attlen == -1)
			values[i] = whole_value(field->atttypid, values[i]);
	}
	whole = HeapTupleGetDatum(heap_form_tuple(type, values, nulls));
	ReleaseTupleDesc(type);
	return whole;
}

static Datum
whole_array(Oid element, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int16		length;
	bool		is_by_value;
	char		alignment;
	Datum	   *values;
	bool	   *nulls;
	int			nvalues;

	get_typlenbyvalalign(element, &length, &is_by_value, &alignment);
	deconstruct_array(array, element, length, is_by_value, alignment, &values, &nulls, &nvalues);
	for (int i = 0; i < nvalues; i++)
	{
		if (!nulls[i])
			values[i] = whole_value(element, values[i]);
	}
	return PointerGetDatum(construct_md_array(values, nulls, ARR_NDIM(array), ARR_DIMS(array),
											  ARR_LBOUND(array), element, length, is_by_value,
											  alignment));
}

/* A value of variable length of which nothing, however deep, is compressed or elsewhere. */
static Datum
whole_value(Oid type, Datum value)
{
	type = getBaseType(type);
	if (!has_composites(type))
		return PointerGetDatum(PG_DETOAST_DATUM(value));
	if (type_is_rowtype(type))
		return whole_composite(value);
	return whole_array(get_element_type(type), value);
}

/* As it is read from where it is stored. */
static Datum
read_back(Datum value, int16 length)
{
	Datum		stored = 0;

	store_att_byval(&stored, value, length);
	return fetch_att(&stored, true, length);
}

static Datum
comparable(const CqImages *images, int column, Datum value)
{
	Form_pg_attribute attribute = TupleDescAttr(images->columns, column);

	if (attribute->attbyval)
		return read_back(value, attribute->attlen);
	if (images->has_composites[column])
		return whole_value(attribute->atttypid, value);
	return value;
}

uint32
cq_image_hash(const CqImages *images, int column, Datum value)
{
	Form_pg_attribute attribute = TupleDescAttr(images->columns, column);

	return datum_image_hash(comparable(images, column, value), attribute->attbyval,
							attribute->attlen);
}

bool
cq_image_same(const CqImages *images, int column, Datum one, Datum other)
{
	Form_pg_attribute attribute = TupleDescAttr(images->columns, column);

	return datum_image_eq(comparable(images, column, one), comparable(images, column, other),
						  attribute->attbyval, attribute->attlen);
}
