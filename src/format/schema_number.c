/*
 * schema_number.c
 *		The number under which a schema that rows are written by goes: see schema_number.h.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "format/schema_number.h"
#include "port/pg_bswap.h"

char *
cq_schema_number_subject(const CqFormat *format, const CqFormatOptions *options,
						 const char *schema)
{
	char	   *name;

	if (options->subject != NULL)
		return pstrdup(options->subject);
	if (!options->names_record)
		return psprintf("%s-%s", options->topic, options->is_key ? "key" : "value");
	name = format->described_name(options, schema);
	return options->names_topic ? psprintf("%s-%s", options->topic, name) : name;
}

uint32
cq_schema_number_mark(const char *schema)
{
	return hash_bytes((const unsigned char *) schema, strlen(schema));
}

bool
cq_schema_number_is_latest(const CqFormatOptions *options)
{
	return options->schema == NULL && options->absent == CQ_REGISTRY_LEAVE && !options->defers &&
		!options->names_record;
}

void
cq_schema_number_latest(const CqFormat *format, const CqFormatOptions *options,
						CqRegistrySchema *found)
{
	char	   *subject = cq_schema_number_subject(format, options, NULL);
	char	   *path = psprintf("subjects/%s/versions/latest", cq_http_escape(subject));

	if (!cq_registry_fetch(options->registry, path, true, found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the schema registry has no subject \"%s\"", subject),
				 errhint("Register a schema for it, or set the option %s of the stream, or "
						 "register_schema 'true'.", options->is_key ? "key_schema" : "schema")));
	if (strcmp(found->type, format->schema_type) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the schema of subject \"%s\" is one of %s, and not of %s", subject,
						found->type, format->schema_type)));
}

uint32
cq_schema_number_find(const CqFormat *format, const CqFormatOptions *options, const char *schema)
{
	char	   *subject;
	uint32		id = 0;
	char	   *reason;

	if (options->defers)
		return cq_schema_number_mark(schema);
	subject = cq_schema_number_subject(format, options, schema);
	if (!cq_registry_number(options->registry, subject, format->schema_type, schema,
							options->absent, &id, &reason))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 options->absent != CQ_REGISTRY_LEAVE ?
				 errmsg("the schema registry does not take the schema for subject \"%s\"",
						subject) :
				 errmsg("the schema of the stream is not registered under subject \"%s\"", subject),
				 errdetail("%s", reason),
				 options->absent != CQ_REGISTRY_LEAVE ? 0 :
				 errhint("With the option register_schema 'true' it is registered where it is "
						 "not.")));
	return id;
}

void
cq_schema_number_append(uint32 id, StringInfo out)
{
	id = pg_hton32(id);
	appendStringInfoChar(out, '\0');
	appendBinaryStringInfo(out, (const char *) &id, sizeof(id));
}

CqColumn *
cq_schema_number_columns(const CqColumn *columns, int ncolumns)
{
	CqColumn   *plain = palloc(sizeof(CqColumn) * Max(ncolumns, 1));

	for (int i = 0; i < ncolumns; i++)
	{
		plain[i] = columns[i];
		memset(&plain[i].style, 0, sizeof(CqValueStyle));
	}
	return plain;
}
