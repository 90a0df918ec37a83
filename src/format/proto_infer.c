/*
 * proto_infer.c
 *		Which columns a schema of Protobuf suggests: see proto_infer.h.
 *
 * Decides: one column for each field of the first message, in their order, of the type that takes
 * all of its values and loses nothing: repeated fields of what is no message are arrays; messages
 * and maps are jsonb. A topic's messages may be others of the schema; it is not known before.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/infer_names.h"
#include "format/proto_infer.h"
#include "format/proto_schema.h"
#include "utils/lsyscache.h"

static Oid
type_of_one(const CqProtoField *field)
{
	switch (field->kind)
	{
		case CQ_PROTO_BOOL:
			return BOOLOID;
		case CQ_PROTO_INT32:
		case CQ_PROTO_SINT32:
		case CQ_PROTO_SFIXED32:
			return INT4OID;
		case CQ_PROTO_UINT32:
		case CQ_PROTO_FIXED32:
		case CQ_PROTO_INT64:
		case CQ_PROTO_SINT64:
		case CQ_PROTO_SFIXED64:
			return INT8OID;
		case CQ_PROTO_UINT64:
		case CQ_PROTO_FIXED64:
			return NUMERICOID;
		case CQ_PROTO_FLOAT:
			return FLOAT4OID;
		case CQ_PROTO_DOUBLE:
			return FLOAT8OID;
		case CQ_PROTO_STRING:
		case CQ_PROTO_ENUM:
			return TEXTOID;
		case CQ_PROTO_BYTES:
			return BYTEAOID;
		case CQ_PROTO_GROUP:
		case CQ_PROTO_MESSAGE:
			break;
	}
	switch (field->message->known)
	{
		case CQ_PROTO_TIMESTAMP:
			return TIMESTAMPTZOID;
		case CQ_PROTO_DURATION:
			return INTERVALOID;
		case CQ_PROTO_WRAPPER:
			return type_of_one(&field->message->fields[0]);
		default:
			return JSONBOID;
	}
}

static const char *
name_of(const void *message, int place)
{
	return ((const CqProtoMessage *) message)->fields[place].name;
}

static Oid
type_of(const void *message, int place, int32 *typmod, bool *is_not_null)
{
	const CqProtoField *field = &((const CqProtoMessage *) message)->fields[place];
	Oid			type = type_of_one(field);

	*is_not_null = field->is_required;
	if (field->is_map || (field->is_repeated && type == JSONBOID))
		return JSONBOID;
	return field->is_repeated ? get_array_type(type) : type;
}

List *
cq_proto_infer(const CqRegistrySchema *found, List **remarks)
{
	CqReject   *reject = NULL;
	const CqProtoSchema *schema = cq_proto_schema_of_registry(found, &reject);

	if (schema == NULL)
	{
		*remarks = lappend(*remarks, psprintf("Its schema cannot be read: %s.", reject->message));
		return NIL;
	}
	if (schema->messages[0]->nfields == 0)
		*remarks = lappend(*remarks, "Its message has no fields.");
	return cq_infer_names(schema->messages[0], schema->messages[0]->nfields, name_of, type_of,
						  remarks);
}
