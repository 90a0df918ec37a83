/*
 * proto_encode.c
 *		From a row to a message of Protobuf: see proto_encode.h.
 *
 * Decides, as with Avro, that a row is what it is as JSON, and that the message is this as a
 * message of the schema: so what is written reads back to the same row. The schema is the option's,
 * or one made of the columns, or else the latest of the stream's subject; which of its messages it
 * is says the option message, or it is the first. A column must be a field of it.
 */
#include "postgres.h"

#include "format/json_encode.h"
#include "format/proto_columns.h"
#include "format/proto_encode.h"
#include "format/proto_read.h"
#include "format/proto_schema.h"
#include "format/proto_write.h"
#include "format/schema_number.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

typedef struct ProtoEncoder
{
	const CqProtoMessage *message;
	CqSchemaIndexes indexes;	/* of it in its schema */
	bool		is_framed;
	uint32		id;
	CqEncoder  *json;
	StringInfoData object;		/* of one row */
	MemoryContext context;		/* of one row */
} ProtoEncoder;

static const CqProtoSchema *
parse(List *texts, List *names)
{
	CqReject   *reject = NULL;
	const CqProtoSchema *schema = cq_proto_schema_parse(texts, names, &reject);

	if (schema == NULL)
		cq_reject_raise(reject, NULL);
	return schema;
}

static const CqProtoMessage *
find_message(const CqFormatOptions *options, const CqProtoSchema *schema)
{
	const CqProtoMessage *message = options->message == NULL ? schema->messages[0] :
		cq_proto_schema_named(schema, options->message);

	if (message == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("the schema has no message \"%s\"", options->message)));
	return message;
}

/* ---- the schema ---- */

char *
cq_proto_encode_schema(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	if (options->schema != NULL)
		return pg_server_to_any(options->schema, strlen(options->schema), PG_UTF8);
	return cq_proto_columns_schema(options, columns, ncolumns);
}

char *
cq_proto_encode_name(const CqFormatOptions *options, const char *schema)
{
	return pstrdup(find_message(options, parse(list_make1((char *) schema),
											   list_make1("")))->name);
}

static const CqProtoSchema *
find_schema(ProtoEncoder *encoder, const CqFormatOptions *options, const CqColumn *columns,
			int ncolumns)
{
	const CqProtoSchema *schema;
	char	   *text;
	CqRegistrySchema found;

	if (options->schema == NULL && options->registry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a stream of format protobuf needs to know its schemas"),
				 errhint("Set the option schema_registry of the server, or the option %s of the "
						 "stream.", options->is_key ? "key_schema" : "schema")));
	if (cq_schema_number_is_latest(options))
	{
		cq_schema_number_latest(&cq_proto_format, options, &found);
		encoder->id = (uint32) found.id;
		return parse(found.texts, found.names);
	}
	text = cq_proto_encode_schema(options, columns, ncolumns);
	schema = parse(list_make1(text), list_make1(""));
	if (options->is_framed && options->registry != NULL)
		encoder->id = cq_schema_number_find(&cq_proto_format, options, text);
	return schema;
}

/* A field that nobody would write is a mistake. */
static void
check_column(const CqProtoMessage *message, const CqColumn *column)
{
	ListCell   *cell;

	foreach(cell, column->path)
	{
		char	   *name = lfirst(cell);
		const CqProtoField *field;

		if (message != NULL && message->known != CQ_PROTO_PLAIN)
			return;
		field = message == NULL ? NULL :
			cq_proto_read_named(message, pg_server_to_any(name, strlen(name), PG_UTF8));
		if (field == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
					 errmsg("column \"%s\" is no field of the Protobuf schema", column->name),
					 errdetail("Message %s has no field \"%s\".",
							   message != NULL ? message->name : "", name)));
		if (field->is_map)
			return;
		message = field->is_repeated ? NULL : field->message;
	}
}

/* ---- rows ---- */

static const CqProtoMessage *
message_of_row(const CqFormatOptions *options, const CqProtoMessage *message)
{
	const CqProtoField *after = cq_proto_read_named(message, "after");

	if (!options->is_enveloped)
		return message;
	if (after == NULL || after->message == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("message \"%s\" is no envelope of rows that change", message->name),
				 errdetail("It has no field \"after\" that is a message.")));
	return after->message;
}

CqEncoder *
cq_proto_encode_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	ProtoEncoder *encoder = palloc0(sizeof(ProtoEncoder));
	const CqProtoSchema *schema = find_schema(encoder, options, columns, ncolumns);
	const CqProtoMessage *row;

	encoder->message = find_message(options, schema);
	cq_proto_schema_indexes(schema, encoder->message, &encoder->indexes);
	encoder->is_framed = options->is_framed;
	row = message_of_row(options, encoder->message);
	for (int i = 0; i < ncolumns; i++)
		check_column(row, &columns[i]);
	encoder->json = cq_json_encode_open(options, cq_schema_number_columns(columns, ncolumns),
										ncolumns);
	encoder->context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq protobuf row",
											 ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&encoder->object);
	return (CqEncoder *) encoder;
}

/* What stands as JSON in encoder->object. */
static void
write_object(ProtoEncoder *encoder, StringInfo out)
{
	MemoryContext caller;
	CqJsonToken token;
	CqReject   *reject;

	appendStringInfoChar(&encoder->object, ' ');
	if (encoder->is_framed)
	{
		cq_schema_number_append(encoder->id, out);
		cq_schema_frame_append_indexes(&encoder->indexes, out);
	}
	caller = MemoryContextSwitchTo(encoder->context);
	(void) cq_json_token_read(encoder->object.data, &token);
	reject = cq_proto_write(encoder->message, &token, out);
	MemoryContextSwitchTo(caller);
	if (reject != NULL)
		ereport(ERROR,
				(errcode(reject->sqlerrcode),
				 errmsg("the row cannot be written as Protobuf: %s", reject->message)));
	MemoryContextReset(encoder->context);
}

void
cq_proto_encode(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	ProtoEncoder *encoder = (ProtoEncoder *) opaque;

	resetStringInfo(&encoder->object);
	cq_json_encode(encoder->json, values, nulls, &encoder->object);
	write_object(encoder, out);
}

void
cq_proto_encode_change(CqEncoder *opaque, const CqChange *change, StringInfo out)
{
	ProtoEncoder *encoder = (ProtoEncoder *) opaque;

	resetStringInfo(&encoder->object);
	cq_json_encode_change(encoder->json, change, &encoder->object);
	write_object(encoder, out);
}
