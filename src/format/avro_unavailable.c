/*
 * avro_unavailable.c
 *		What stands in place of a value that has not changed: see avro_unavailable.h.
 */
#include "postgres.h"

#include "format/avro_unavailable.h"
#include "format/avro_write.h"
#include "mb/pg_wchar.h"

/* Such a value as messages have it. */
typedef struct Unavailable
{
	CqAvroKind	kind;
	StringInfoData bytes;
} Unavailable;

static StringInfo
add_value(List **values, CqAvroKind kind)
{
	Unavailable *unavailable = palloc(sizeof(Unavailable));

	unavailable->kind = kind;
	initStringInfo(&unavailable->bytes);
	*values = lappend(*values, unavailable);
	return &unavailable->bytes;
}

static void
write_text(const char *text, StringInfo out)
{
	cq_avro_write_long(strlen(text), out);
	appendStringInfoString(out, text);
}

/*
 * Arrays of the text, and of its bytes as numbers; the items may be unions with null, which is
 * first.
 */
static void
add_arrays(List **values, const char *text, bool has_nulls)
{
	StringInfo	texts = add_value(values, CQ_AVRO_ARRAY);
	StringInfo	numbers = add_value(values, CQ_AVRO_ARRAY);

	cq_avro_write_long(1, texts);
	if (has_nulls)
		cq_avro_write_long(1, texts);
	write_text(text, texts);
	cq_avro_write_long(0, texts);
	cq_avro_write_long(strlen(text), numbers);
	for (const char *byte = text; *byte != '\0'; byte++)
	{
		if (has_nulls)
			cq_avro_write_long(1, numbers);
		cq_avro_write_long(*byte, numbers);
	}
	cq_avro_write_long(0, numbers);
}

/* A map with the text as its only key and value. */
static void
add_map(List **values, const char *text, bool has_nulls)
{
	StringInfo	map = add_value(values, CQ_AVRO_MAP);

	cq_avro_write_long(1, map);
	write_text(text, map);
	if (has_nulls)
		cq_avro_write_long(1, map);
	write_text(text, map);
	cq_avro_write_long(0, map);
}

List *
cq_avro_unavailable_create(const char *value)
{
	char	   *text = pg_server_to_any(value, strlen(value), PG_UTF8);
	List	   *values = NIL;

	write_text(text, add_value(&values, CQ_AVRO_STRING));
	write_text(text, add_value(&values, CQ_AVRO_BYTES));
	for (int has_nulls = 0; has_nulls <= 1; has_nulls++)
	{
		add_arrays(&values, text, has_nulls);
		add_map(&values, text, has_nulls);
	}
	return values;
}

bool
cq_avro_unavailable_is(const List *values, const CqAvroInput *in, CqAvroKind kind)
{
	ListCell   *cell;

	foreach(cell, values)
	{
		const Unavailable *unavailable = lfirst(cell);

		if (unavailable->kind == kind && in->end - in->at >= unavailable->bytes.len &&
			memcmp(in->at, unavailable->bytes.data, unavailable->bytes.len) == 0)
			return true;
	}
	return false;
}
