/*
 * schema_encode.c
 *		From a row to a message of a schema: see schema_encode.h.
 *
 * Decides that a row is what it is as JSON, and that the message is this as a value of the schema:
 * so what is written reads back to the same row. The schema is the option's, or one made of the
 * columns where it is to be registered, or else the latest of the stream's subject; in framed
 * messages it goes under the number that the registry has for it. Where nobody may wait for that
 * (in a worker's transaction), a mark made of the schema's text stands in its place until it is
 * known (sink/framing.c). A column must be a field of it.
 */
#include "postgres.h"

#include "format/json_encode.h"
#include "format/schema_encode.h"
#include "format/schema_frame.h"
#include "format/schema_number.h"
#include "utils/memutils.h"

static void
find_schema(CqSchemaEncoder *encoder, const CqFormatOptions *options, const CqColumn *columns,
			int ncolumns)
{
	const CqSchemaWriting *writing = encoder->writing;
	CqRegistrySchema found;
	char	   *text;

	if (options->schema == NULL && options->registry == NULL)
		cq_schema_frame_raise_none(options, writing->format);
	if (cq_schema_number_is_latest(options))
	{
		cq_schema_number_latest(writing->format, options, &found);
		writing->parse(encoder, options, found.texts, found.names);
		encoder->id = (uint32) found.id;
		return;
	}
	text = writing->format->written_schema(options, columns, ncolumns);
	writing->parse(encoder, options, list_make1(text), list_make1(""));
	if (options->is_framed && options->registry != NULL)
		encoder->id = cq_schema_number_find(writing->format, options, text);
}

void
cq_schema_encode_open(CqSchemaEncoder *encoder, const CqSchemaWriting *writing,
					  const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	CqColumn   *plain;

	encoder->writing = writing;
	encoder->is_framed = options->is_framed;
	find_schema(encoder, options, columns, ncolumns);
	plain = cq_schema_number_columns(columns, ncolumns);
	for (int i = 0; i < ncolumns; i++)
		plain[i].path = writing->find_path(encoder, options, &columns[i]);
	encoder->json = cq_json_encode_open(options, plain, ncolumns);
	encoder->context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq row of a schema",
											 ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&encoder->object);
}

/* What stands as JSON in encoder->object. */
static void
write_object(CqSchemaEncoder *encoder, StringInfo out)
{
	const CqSchemaWriting *writing = encoder->writing;
	MemoryContext caller;
	CqJsonToken token;
	CqReject   *reject;

	appendStringInfoChar(&encoder->object, ' ');	/* which ends a number */
	if (encoder->is_framed)
	{
		cq_schema_number_append(encoder->id, out);
		if (writing->append_place != NULL)
			writing->append_place(encoder, out);
	}
	caller = MemoryContextSwitchTo(encoder->context);
	(void) cq_json_token_read(encoder->object.data, &token);
	reject = writing->write(encoder, &token, out);
	MemoryContextSwitchTo(caller);
	if (reject != NULL)
		ereport(ERROR,
				(errcode(reject->sqlerrcode),
				 errmsg("the row cannot be written as %s: %s", writing->language,
						reject->message)));
	MemoryContextReset(encoder->context);
}

void
cq_schema_encode_row(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	CqSchemaEncoder *encoder = (CqSchemaEncoder *) opaque;

	resetStringInfo(&encoder->object);
	cq_json_encode(encoder->json, values, nulls, &encoder->object);
	write_object(encoder, out);
}

void
cq_schema_encode_change(CqEncoder *opaque, const CqChange *change, StringInfo out)
{
	CqSchemaEncoder *encoder = (CqSchemaEncoder *) opaque;

	resetStringInfo(&encoder->object);
	cq_json_encode_change(encoder->json, change, &encoder->object);
	write_object(encoder, out);
}
