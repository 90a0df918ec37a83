/*
 * proto_encode.c
 *		From a row to a message of Protobuf: see proto_encode.h.
 *
 * Decides what schema_encode.c leaves to it: which of a schema's messages a row is says the option
 * message, or it is the first.
 */
#include "postgres.h"

#include "format/name_case.h"
#include "format/proto_columns.h"
#include "format/proto_encode.h"
#include "format/proto_read.h"
#include "format/proto_schema.h"
#include "format/proto_write.h"
#include "format/schema_encode.h"
#include "mb/pg_wchar.h"

typedef struct ProtoEncoder
{
	CqSchemaEncoder base;
	const CqProtoMessage *message;
	CqSchemaIndexes indexes;	/* of it in its schema */
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

/* ---- rows ---- */

static void
set_message(CqSchemaEncoder *opaque, const CqFormatOptions *options, List *texts, List *names)
{
	ProtoEncoder *encoder = (ProtoEncoder *) opaque;
	const CqProtoSchema *schema = parse(texts, names);

	if (options->ignores_case)
		cq_reject_raise(cq_proto_schema_check_case(schema), NULL);
	encoder->message = find_message(options, schema);
	cq_proto_schema_indexes(schema, encoder->message, &encoder->indexes);
}

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

static const CqProtoField *
find_field(const CqProtoMessage *message, const char *name, bool ignores_case)
{
	for (int i = 0; i < message->nfields; i++)
	{
		if (cq_name_case_same(message->fields[i].name, name, ignores_case))
			return &message->fields[i];
	}
	return NULL;
}

static List *
find_path(const CqSchemaEncoder *encoder, const CqFormatOptions *options, const CqColumn *column)
{
	const CqProtoMessage *message =
		message_of_row(options, ((const ProtoEncoder *) encoder)->message);
	List	   *path = list_copy(column->path);
	ListCell   *cell;

	foreach(cell, path)
	{
		char	   *name = lfirst(cell);
		const CqProtoField *field;

		if (message != NULL && message->known != CQ_PROTO_PLAIN)
			break;
		field = message == NULL ? NULL :
			find_field(message, pg_server_to_any(name, strlen(name), PG_UTF8),
					   options->ignores_case);
		if (field == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
					 errmsg("column \"%s\" is no field of the Protobuf schema", column->name),
					 errdetail("Message %s has no field \"%s\".",
							   message != NULL ? message->name : "", name)));
		if (options->ignores_case)
			lfirst(cell) = pg_any_to_server(field->name, strlen(field->name), PG_UTF8);
		if (field->is_map)
			break;
		message = field->is_repeated ? NULL : field->message;
	}
	return path;
}

static void
append_place(const CqSchemaEncoder *encoder, StringInfo out)
{
	cq_schema_frame_append_indexes(&((const ProtoEncoder *) encoder)->indexes, out);
}

static CqReject *
write_message(const CqSchemaEncoder *encoder, const CqJsonToken *token, StringInfo out)
{
	return cq_proto_write(((const ProtoEncoder *) encoder)->message, token, out);
}

static const CqSchemaWriting writing = {
	.format = &cq_proto_format,
	.language = "Protobuf",
	.parse = set_message,
	.find_path = find_path,
	.append_place = append_place,
	.write = write_message,
};

CqEncoder *
cq_proto_encode_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	ProtoEncoder *encoder = palloc0(sizeof(ProtoEncoder));

	cq_schema_encode_open(&encoder->base, &writing, options, columns, ncolumns);
	return (CqEncoder *) encoder;
}
