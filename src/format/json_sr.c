/*
 * json_sr.c
 *		The format json_sr: JSON framed as clients of schema registries do.
 *
 * Decides that a message is what the format json takes, behind what says by which schema it was
 * written (schema_frame.h). The schema says nothing that reading the value would need, so nobody is
 * asked for it: such a stream needs no registry, and never waits for one.
 */
#include "postgres.h"

#include "format/format.h"
#include "format/schema_frame.h"

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

const CqFormat cq_json_sr_format = {
	.name = "json_sr",
	.decoder_open = decoder_open,
	.decode = decode,
	.fields = fields,
	.bare_key = bare_key,
	.settings = settings,
};
