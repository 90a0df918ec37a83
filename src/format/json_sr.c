/*
 * json_sr.c
 *		The format json_sr: JSON framed as clients of schema registries do.
 *
 * Decides that a message is what the format json takes, behind what says by which schema it was
 * written (schema_frame.h). The schema says nothing that reading the value would need, so nobody is
 * asked for it: such a stream needs no registry, and never waits for one. What is written is what
 * the format json writes, behind the number that a JSON Schema has in the registry: the option's,
 * one made of the columns, or the latest of the subject, which is not held against the rows.
 */
#include "postgres.h"

#include "format/format.h"
#include "format/json_columns.h"
#include "format/json_encode.h"
#include "format/schema_frame.h"
#include "format/schema_number.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

typedef struct SrDecoder
{
	const CqFormatOptions *options;
	CqDecoder  *json;
} SrDecoder;

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	SrDecoder  *decoder = palloc(sizeof(SrDecoder));

	decoder->options = options;
	decoder->json = cq_json_format.decoder_open(options, columns, ncolumns);
	return (CqDecoder *) decoder;
}

static bool
is_framed(const SrDecoder *decoder, const CqMessage *message, int *length)
{
	CqSchemaFrame frame;

	return cq_schema_frame_read(decoder->options, message, &frame, NULL, length);
}

/* What stands behind the frames. What has none is no JSON either, and is found out as such. */
static CqMessage *
unframe(const SrDecoder *decoder, const CqMessage *messages, int nmessages)
{
	CqMessage  *values = palloc(sizeof(CqMessage) * Max(nmessages, 1));

	for (int i = 0; i < nmessages; i++)
	{
		int			length;

		values[i] = messages[i];
		if (messages[i].value == NULL)
			continue;
		if (!is_framed(decoder, &messages[i], &length))
			length = messages[i].value_length;
		values[i].value += length;
		values[i].value_length -= length;
	}
	return values;
}

static void
decode(CqDecoder *opaque, const CqMessage *messages, int nmessages, int first_row, Datum **values,
	   bool **nulls, CqBadCells *bad)
{
	const SrDecoder *decoder = (const SrDecoder *) opaque;
	int			first_bad = bad->ncells;
	int			length;

	cq_json_format.decode(decoder->json, unframe(decoder, messages, nmessages), nmessages,
						  first_row, values, nulls, bad);
	for (int i = first_bad; i < bad->ncells; i++)
	{
		CqBadCell  *cell = &bad->cells[i];

		if (cell->attno == 0 && !is_framed(decoder, &messages[cell->row - first_row], &length))
			cell->reject = cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION,
									 "invalid JSON message: it does not begin with a zero byte "
									 "and the number of a schema");
	}
}

static void
fields(const CqDecoder *decoder, int64 many, Bitmapset **seen, Bitmapset **unseen)
{
	cq_json_format.fields(((const SrDecoder *) decoder)->json, many, seen, unseen);
}

static CqSettingSet
settings(const CqColumn *column)
{
	return cq_json_format.settings(column);
}

static const char *
bare_key(bool is_key_framed, const char *key, uint32 *length)
{
	return cq_json_format.bare_key(is_key_framed,
								   cq_schema_frame_bare_key(is_key_framed, key, length), length);
}

/* ---- writing ---- */

typedef struct SrEncoder
{
	CqEncoder  *json;
	uint32		id;
} SrEncoder;

static char *
written_schema(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	if (options->schema != NULL)
		return pg_server_to_any(options->schema, strlen(options->schema), PG_UTF8);
	return cq_json_columns_schema(options, columns, ncolumns);
}

/* Its title. Raises ERROR for what is no JSON. */
static char *
described_name(const CqFormatOptions *options, const char *schema)
{
	LOCAL_FCINFO(fcinfo, 2);
	char	   *document = pg_any_to_server(schema, strlen(schema), PG_UTF8);
	Datum		title;

	InitFunctionCallInfoData(*fcinfo, NULL, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = DirectFunctionCall1(json_in, CStringGetDatum(document));
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = CStringGetTextDatum("title");
	fcinfo->args[1].isnull = false;
	title = json_object_field_text(fcinfo);
	if (fcinfo->isnull)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("the schema has no title, which would name its subject"),
				 errhint("Set the option subject of the stream.")));
	return TextDatumGetCString(title);
}

static CqEncoder *
encoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	SrEncoder  *encoder = palloc0(sizeof(SrEncoder));
	CqRegistrySchema found;

	if (options->registry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a stream of format json_sr cannot be written to without a schema "
						"registry"),
				 errhint("Set the option schema_registry of the server.")));
	if (!options->is_framed)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("format json_sr is not written without the number of a schema"),
				 errhint("Leave out the option framing, or set the format json.")));
	if (cq_schema_number_is_latest(options))
	{
		cq_schema_number_latest(&cq_json_sr_format, options, &found);
		encoder->id = (uint32) found.id;
	}
	else
		encoder->id = cq_schema_number_find(&cq_json_sr_format, options,
											written_schema(options, columns, ncolumns));
	encoder->json = cq_json_encode_open(options, columns, ncolumns);
	return (CqEncoder *) encoder;
}

static void
encode(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	SrEncoder  *encoder = (SrEncoder *) opaque;

	cq_schema_number_append(encoder->id, out);
	cq_json_encode(encoder->json, values, nulls, out);
}

static void
encode_change(CqEncoder *opaque, const CqChange *change, StringInfo out)
{
	SrEncoder  *encoder = (SrEncoder *) opaque;

	cq_schema_number_append(encoder->id, out);
	cq_json_encode_change(encoder->json, change, out);
}

const CqFormat cq_json_sr_format = {
	.name = "json_sr",
	.schema_type = "JSON",
	.decoder_open = decoder_open,
	.decode = decode,
	.fields = fields,
	.bare_key = bare_key,
	.settings = settings,
	.encoder_open = encoder_open,
	.encode = encode,
	.written_schema = written_schema,
	.described_name = described_name,
	.encode_change = encode_change,
};
