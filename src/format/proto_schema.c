/*
 * proto_schema.c
 *		Schemas of Protobuf as a decoder keeps them: see proto_schema.h.
 */
#include "postgres.h"

#include "format/name_case.h"
#include "format/proto_schema.h"
#include "mb/pg_wchar.h"
#include "utils/hsearch.h"

static CqReject *
reject_missing(void)
{
	return cq_reject_hint(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED, "this build has no Protobuf"),
						  "Install the packages libprotobuf-dev and libprotoc-dev, and build pg_cq "
						  "again.");
}

static void
free_schema(void *schema)
{
	cq_proto_parser_free(schema);
}

/* What libprotobuf says has names and bytes of the schema in it, which may be anything. */
static const char *
make_readable(char *fault)
{
	bool		is_text = GetDatabaseEncoding() == PG_UTF8 &&
		pg_verify_mbstr(PG_UTF8, fault, strlen(fault), true);

	for (char *c = fault; !is_text && *c != '\0'; c++)
		*c = IS_HIGHBIT_SET(*c) ? '?' : *c;
	return fault;
}

const CqProtoSchema *
cq_proto_schema_parse(List *texts, List *names, CqReject **reject)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	const char **listed = palloc(sizeof(char *) * list_length(texts) * 2);
	const CqProtoSchema *schema;
	char		fault[400];
	ListCell   *text;
	ListCell   *name;
	int			ntexts = 0;

	if (!cq_proto_parser_is_there())
	{
		*reject = reject_missing();
		return NULL;
	}
	forboth(text, texts, name, names)
	{
		listed[ntexts] = lfirst(text);
		listed[list_length(texts) + ntexts++] = lfirst(name);
	}
	schema = cq_proto_parser_read(listed + ntexts, listed, ntexts, fault, sizeof(fault));
	if (schema == NULL)
	{
		fault[pg_encoding_mbcliplen(PG_UTF8, fault, strlen(fault), sizeof(fault) - 8)] = '\0';
		*reject = cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "invalid Protobuf schema: %s",
							make_readable(fault));
		return NULL;
	}
	callback->func = free_schema;
	callback->arg = (void *) schema;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return schema;
}

const CqProtoSchema *
cq_proto_schema_of_registry(const CqRegistrySchema *found, CqReject **reject)
{
	if (strcmp(found->type, "PROTOBUF") == 0)
		return cq_proto_schema_parse(found->texts, found->names, reject);
	*reject = cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED, "it is one of %s, and not of Protobuf",
						found->type);
	return NULL;
}

const CqProtoSchema *
cq_proto_schema_of_option(const char *text, CqReject **reject)
{
	return cq_proto_schema_parse(list_make1(pg_server_to_any(text, strlen(text), PG_UTF8)),
								 list_make1(""), reject);
}

CqReject *
cq_proto_schema_check(const char *text)
{
	CqReject   *reject = NULL;

	(void) cq_proto_schema_of_option(text, &reject);
	return reject;
}

static List *
add_message(List *messages, HTAB *known, const CqProtoMessage *message)
{
	bool		is_known = message == NULL;

	if (!is_known)
		(void) hash_search(known, &message, HASH_ENTER, &is_known);
	return is_known ? messages : lappend(messages, (void *) message);
}

static CqReject *
check_case(const CqProtoMessage *message)
{
	const char **names = palloc(sizeof(char *) * Max(message->nfields, 1));
	CqReject   *reject;

	for (int i = 0; i < message->nfields; i++)
		names[i] = message->fields[i].name;
	reject = cq_name_case_check(names, message->nfields, message->name);
	pfree(names);
	return reject;
}

/* All messages of the file, and what they refer to: a list, since there is no end to the depth. */
CqReject *
cq_proto_schema_check_case(const CqProtoSchema *schema)
{
	HASHCTL		control = {.keysize = sizeof(void *), .entrysize = sizeof(void *),
						   .hcxt = CurrentMemoryContext};
	HTAB	   *known = hash_create("pg_cq protobuf messages", 64, &control,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	List	   *messages = NIL;
	CqReject   *reject = NULL;

	for (int i = 0; i < schema->nmessages; i++)
		messages = add_message(messages, known, schema->messages[i]);
	for (int i = 0; i < list_length(messages) && reject == NULL; i++)
	{
		const CqProtoMessage *message = list_nth(messages, i);

		reject = check_case(message);
		for (int j = 0; j < message->nnested; j++)
			messages = add_message(messages, known, message->nested[j]);
		for (int j = 0; j < message->nfields; j++)
			messages = add_message(messages, known, message->fields[j].message);
	}
	hash_destroy(known);
	return reject;
}

const CqProtoMessage *
cq_proto_schema_at(const CqProtoSchema *schema, const CqSchemaIndexes *indexes)
{
	const CqProtoMessage *const *messages = schema->messages;
	int			nmessages = schema->nmessages;
	const CqProtoMessage *message = NULL;

	for (int i = 0; i < indexes->nindexes; i++)
	{
		if (indexes->indexes[i] >= nmessages)
			return NULL;
		message = messages[indexes->indexes[i]];
		messages = message->nested;
		nmessages = message->nnested;
	}
	return message;
}

static const CqProtoMessage *
find_named(const CqProtoMessage *const *messages, int nmessages, const char *name)
{
	for (int i = 0; i < nmessages; i++)
	{
		size_t		length = strlen(messages[i]->name);

		if (strcmp(messages[i]->name, name) == 0)
			return messages[i];
		if (strncmp(messages[i]->name, name, length) == 0 && name[length] == '.')
			return find_named(messages[i]->nested, messages[i]->nnested, name);
	}
	return NULL;
}

const CqProtoMessage *
cq_proto_schema_named(const CqProtoSchema *schema, const char *name)
{
	return find_named(schema->messages, schema->nmessages, name);
}

static bool
find_place(const CqProtoMessage *const *messages, int nmessages, const CqProtoMessage *message,
		   CqSchemaIndexes *indexes)
{
	int			depth = indexes->nindexes++;

	for (int i = 0; i < nmessages && depth < CQ_SCHEMA_MAX_INDEXES; i++)
	{
		indexes->indexes[depth] = i;
		if (messages[i] == message ||
			find_place(messages[i]->nested, messages[i]->nnested, message, indexes))
			return true;
	}
	indexes->nindexes = depth;
	return false;
}

void
cq_proto_schema_indexes(const CqProtoSchema *schema, const CqProtoMessage *message,
						CqSchemaIndexes *indexes)
{
	memset(indexes, 0, sizeof(CqSchemaIndexes));
	if (!find_place(schema->messages, schema->nmessages, message, indexes))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("message \"%s\" is nested too deep", message->name)));
}
