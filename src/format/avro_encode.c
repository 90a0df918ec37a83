/*
 * avro_encode.c
 *		From a row to a message of Avro: see avro_encode.h.
 *
 * Decides that a row is what it is as JSON, and that the message is this as a value of the schema: so what is written reads back to the
 * same row. The schema is the option's, or else the latest of the stream's subject; in framed messages it goes under the
 * number that the registry has for it. A column must be a field of it; a field without a column is its default, or null.
 */
#include "postgres.h"

#include "format/avro_encode.h"
#include "format/avro_schema.h"
#include "format/avro_write.h"
#include "format/json_encode.h"
#include "format/registry.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

typedef struct AvroEncoder
{
	CqAvroSchema *schema;
	bool		is_framed;
	uint32		id;
	CqEncoder  *json;
	StringInfoData object;		/* of one row */
	MemoryContext context;		/* of one row */
} AvroEncoder;

static CqAvroSchema *
parse(const List *texts)
{
	CqAvroNames names = {0};
	CqAvroSchema *schema = NULL;
	ListCell   *cell;

	foreach(cell, texts)
	{
		CqReject   *reject = NULL;
		const char *text = lfirst(cell);

		schema = cq_avro_schema_parse(text, strlen(text), &names, &reject);
		cq_reject_raise(reject, NULL);
	}
	return schema;
}

/* The number of the option's schema, which has to be registered already. */
static uint32
look_up(CqRegistry *registry, const char *subject, const char *text)
{
	uint32		id = 0;
	char	   *reason;

	if (!cq_registry_number(registry, subject, text, false, &id, &reason))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the schema of the option schema is not registered under subject \"%s\"", subject),
				 errdetail("%s", reason)));
	return id;
}

static void
find_schema(AvroEncoder *encoder, const CqFormatOptions *options)
{
	char	   *path;
	CqRegistrySchema found;

	if (options->schema != NULL)
	{
		char	   *text = pg_server_to_any(options->schema, strlen(options->schema), PG_UTF8);

		encoder->schema = parse(list_make1(text));
		if (options->is_framed && options->registry != NULL)
			encoder->id = look_up(options->registry, options->subject, text);
		return;
	}
	if (options->registry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a stream of format avro needs to know its schemas"),
				 errhint("Set the option schema_registry of the server, or the option schema of the stream.")));
	path = psprintf("subjects/%s/versions/latest", cq_http_escape(options->subject));
	if (!cq_registry_fetch(options->registry, path, true, &found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the schema registry has no subject \"%s\"", options->subject),
				 errhint("Register a schema for it, or set the option schema of the stream.")));
	if (strcmp(found.type, "AVRO") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the schema of subject \"%s\" is one of %s, and not of Avro", options->subject, found.type)));
	encoder->schema = parse(found.texts);
	encoder->id = (uint32) found.id;
}

/* A field that nobody would write is a mistake. */
static void
check_column(const CqAvroSchema *schema, const CqColumn *column)
{
	ListCell   *cell;

	foreach(cell, column->path)
	{
		char	   *name = lfirst(cell);
		CqAvroField *field;

		schema = cq_avro_schema_without_null((CqAvroSchema *) schema);
		if (schema->kind == CQ_AVRO_MAP)
		{
			schema = schema->items;
			continue;
		}
		/* Which branch it may be for is seen with the value. */
		if (schema->kind == CQ_AVRO_UNION)
			return;
		field = schema->kind == CQ_AVRO_RECORD
			? cq_avro_schema_field(schema, pg_server_to_any(name, strlen(name), PG_UTF8)) : NULL;
		if (field == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
					 errmsg("column \"%s\" is no field of the Avro schema", column->name),
					 errdetail("Type %s has no field \"%s\".", cq_avro_schema_name(schema), name)));
		schema = field->type;
	}
}

CqEncoder *
cq_avro_encoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	AvroEncoder *encoder = palloc0(sizeof(AvroEncoder));

	encoder->is_framed = options->is_framed;
	find_schema(encoder, options);
	for (int i = 0; i < ncolumns; i++)
		check_column(encoder->schema, &columns[i]);
	encoder->json = cq_json_encoder_open(options, columns, ncolumns);
	encoder->context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq avro row", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&encoder->object);
	return (CqEncoder *) encoder;
}

void
cq_avro_encode(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	AvroEncoder *encoder = (AvroEncoder *) opaque;
	MemoryContext caller;
	CqJsonToken token;
	CqReject   *reject;

	resetStringInfo(&encoder->object);
	cq_json_encode(encoder->json, values, nulls, &encoder->object);
	appendStringInfoChar(&encoder->object, ' ');
	if (encoder->is_framed)
	{
		uint32		id = pg_hton32(encoder->id);

		appendStringInfoChar(out, '\0');
		appendBinaryStringInfo(out, (const char *) &id, sizeof(id));
	}
	caller = MemoryContextSwitchTo(encoder->context);
	(void) cq_json_token_read(encoder->object.data, &token);
	reject = cq_avro_write(encoder->schema, &token, CQ_AVRO_OF_ROW, out);
	MemoryContextSwitchTo(caller);
	if (reject != NULL)
		ereport(ERROR,
				(errcode(reject->sqlerrcode),
				 errmsg("the row cannot be written as Avro: %s", reject->message)));
	MemoryContextReset(encoder->context);
}
