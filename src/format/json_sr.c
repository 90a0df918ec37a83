/*
 * json_sr.c
 *		The format json_sr: JSON behind the number of a schema in a registry.
 *
 * Decides that a message is a zero byte, four of the number, and what the format json takes. The
 * schema says nothing that reading the value would need, so nobody is asked for it: such a stream
 * needs no registry, and never waits for one.
 */
#include "postgres.h"

#include "format/format.h"

#define FRAME_LENGTH	5

static bool
is_framed(const CqMessage *message)
{
	return message->value_length >= FRAME_LENGTH && message->value[0] == '\0';
}

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	return cq_json_format.decoder_open(options, columns, ncolumns);
}

/* What stands behind the numbers. What has none is no JSON either, and is found out as such. */
static CqMessage *
unframe(const CqMessage *messages, int nmessages)
{
	CqMessage  *values = palloc(sizeof(CqMessage) * Max(nmessages, 1));

	for (int i = 0; i < nmessages; i++)
	{
		values[i] = messages[i];
		if (messages[i].value == NULL)
			continue;
		values[i].value = is_framed(&messages[i]) ? messages[i].value + FRAME_LENGTH : "";
		values[i].value_length = is_framed(&messages[i]) ?
			messages[i].value_length - FRAME_LENGTH : 0;
	}
	return values;
}

static void
decode(CqDecoder *decoder, const CqMessage *messages, int nmessages, int first_row, Datum **values,
	   bool **nulls, CqBadCells *bad)
{
	int			first_bad = bad->ncells;

	cq_json_format.decode(decoder, unframe(messages, nmessages), nmessages, first_row, values,
						  nulls, bad);
	for (int i = first_bad; i < bad->ncells; i++)
	{
		CqBadCell  *cell = &bad->cells[i];

		if (cell->attno == 0 && !is_framed(&messages[cell->row - first_row]))
			cell->reject = cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION,
									 "invalid JSON message: it does not begin with a zero byte "
									 "and the number of a schema");
	}
}

static void
fields(const CqDecoder *decoder, int64 many, Bitmapset **seen, Bitmapset **unseen)
{
	cq_json_format.fields(decoder, many, seen, unseen);
}

static CqSettingSet
settings(const CqColumn *column)
{
	return cq_json_format.settings(column);
}

/* Less the number: where a schema gets another version, the key stays the same. */
static const char *
bare_key(bool is_key_framed, const char *key, uint32 *length)
{
	if (*length >= FRAME_LENGTH && *key == '\0')
	{
		key += FRAME_LENGTH;
		*length -= FRAME_LENGTH;
	}
	return cq_json_format.bare_key(is_key_framed, key, length);
}

const CqFormat cq_json_sr_format = {
	.name = "json_sr",
	.decoder_open = decoder_open,
	.decode = decode,
	.fields = fields,
	.bare_key = bare_key,
	.settings = settings,
};
