/*
 * csv.c
 *		The format csv: each message is one row, as COPY reads and writes it.
 *
 * Decides what a message means as a row:
 * - It is one line, with or without its end, after a line of names where the option header says so.
 *   Quotes, escapes and null are COPY's: null without quotes is null, with quotes it is text, unless
 *   the column says otherwise (force_not_null, force_null).
 * - It has as many fields as there are columns of values, neither more nor less. Where columns say
 *   by a path which field they are, there may be more.
 * - A message is bad as a whole, whichever columns are needed, where that is not so, where a quote
 *   has no end, and where it is not UTF-8.
 * - A field is what the input function of the column's type makes of it.
 */
#include "postgres.h"

#include "format/flat.h"
#include "format/name_case.h"
#include "format/json_settings.h"
#include "mb/pg_wchar.h"

/* One field, without quotes and escapes; a zero byte follows. */
typedef struct Field
{
	char	   *text;
	Size		length;
	bool		is_quoted;
} Field;

typedef struct CsvDecoder
{
	CqFlat		flat;			/* the first */
	CqCsvStyle	style;
	int			nneeded;		/* fields that a message has at least */
	bool		is_exact;		/* and at most */
	Field	   *fields;		/* of one message, as far as some column needs them */
	int			nplaces;
} CsvDecoder;

/* One message while it is taken apart. */
typedef struct Line
{
	const char *at;
	const char *end;
	const char *fault;
} Line;

typedef struct CsvEncoder
{
	CqCsvStyle	style;
	const CqColumn *columns;
	int			ncolumns;
	bool		is_utf8;
} CsvEncoder;

/* ---- options ---- */

static CqReject *
check(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	const CqCsvStyle *style = &options->csv;

	if (style->delimiter == style->quote)
		return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
						 "options delimiter and quote must be different");
	if (strchr(style->null, style->delimiter) != NULL)
		return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
						 "the delimiter must not be in the option null");
	if (strchr(style->null, style->quote) != NULL)
		return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
						 "the quote must not be in the option null");
	return cq_flat_check(columns, ncolumns);
}

static bool
has_paths(const CqFormatOptions *options)
{
	ListCell   *cell;

	foreach(cell, options->paths)
	{
		if (lfirst(cell) != NIL)
			return true;
	}
	return false;
}

/* ---- reading ---- */

/*
 * Reads the next field, into room for the rest of the message; at its end stands the delimiter, a
 * line's end, or the message's.
 */
static bool
read_field(const CqCsvStyle *style, Line *line, Field *field)
{
	bool		is_within = false;

	field->length = 0;
	field->is_quoted = false;
	for (; line->at < line->end; line->at++)
	{
		char		c = *line->at;

		if (is_within && c == style->escape && line->at + 1 < line->end &&
			(line->at[1] == style->escape || line->at[1] == style->quote))
			field->text[field->length++] = *++line->at;
		else if (c == style->quote)
		{
			is_within = !is_within;
			field->is_quoted = true;
		}
		else if (!is_within && (c == style->delimiter || c == '\n' || c == '\r'))
			break;
		else
			field->text[field->length++] = c;
	}
	if (is_within)
		line->fault = "a quote has no end";
	field->text[field->length] = '\0';
	return !is_within;
}

/* Past the end of a line, if there is one; false where something else stands there. */
static bool
end_line(Line *line)
{
	const char *start = line->at;

	if (line->at < line->end && *line->at == '\r')
		line->at++;
	if (line->at < line->end && *line->at == '\n')
		line->at++;
	return line->at > start || line->at == line->end;
}

static bool
is_null(const CsvDecoder *decoder, const CqFlatTarget *target, const Field *field)
{
	if (field->is_quoted ? !target->column.style.null_if_quoted : target->column.style.is_never_null)
		return false;
	return strcmp(field->text, decoder->style.null) == 0;
}

static void
take_fields(CsvDecoder *decoder, int row)
{
	for (int i = 0; i < decoder->flat.ntargets; i++)
	{
		CqFlatTarget *target = &decoder->flat.targets[i];
		const Field *field = &decoder->fields[target->place];

		if (is_null(decoder, target, field))
			cq_flat_take_null(&decoder->flat, target, row);
		else
			cq_flat_take_text(&decoder->flat, target, row, field->text, field->length);
	}
}

/* A line of names: they are looked at, or passed over. */
static bool
read_header(CsvDecoder *decoder, Line *line)
{
	Field		field = {.text = palloc(line->end - line->at + 1)};
	bool		has_more = true;
	ListCell   *cell = list_head(decoder->flat.options->names);

	while (has_more)
	{
		const char *name = cell != NULL ? lfirst(cell) : NULL;

		if (!read_field(&decoder->style, line, &field))
			return false;
		if (decoder->style.header == CQ_CSV_MATCH &&
			(name == NULL ||
			 !cq_name_case_same(pg_any_to_server(field.text, field.length, PG_UTF8), name,
								decoder->flat.options->ignores_case)))
			line->fault = psprintf("its header has \"%s\" where the column is \"%s\"",
								   pg_any_to_server(field.text, field.length, PG_UTF8),
								   name != NULL ? name : "");
		if (line->fault != NULL)
			return false;
		cell = cell != NULL ? lnext(decoder->flat.options->names, cell) : NULL;
		has_more = line->at < line->end && *line->at == decoder->style.delimiter;
		line->at += has_more;
	}
	if (decoder->style.header == CQ_CSV_MATCH && cell != NULL)
		line->fault = psprintf("its header lacks \"%s\"", (char *) lfirst(cell));
	pfree(field.text);
	if (line->fault == NULL && line->at == line->end)
		line->fault = "it has no line behind its header";
	return line->fault == NULL && end_line(line);
}

/* Reads all fields, so that what is bad is so whichever are needed. */
static bool
read_row(CsvDecoder *decoder, Line *line)
{
	char	   *room = cq_flat_room(&decoder->flat, line->end - line->at + decoder->nplaces);
	bool		has_more = true;
	int			nfields = 0;

	for (; has_more; nfields++)
	{
		Field		field = {.text = room};

		if (!read_field(&decoder->style, line, &field))
			return false;
		if (nfields < decoder->nplaces)
		{
			decoder->fields[nfields] = field;
			room += field.length + 1;
		}
		has_more = line->at < line->end && *line->at == decoder->style.delimiter;
		line->at += has_more;
	}
	if (nfields < decoder->nneeded || (decoder->is_exact && nfields > decoder->nneeded))
		line->fault = psprintf("it has %d fields, and the stream %d", nfields, decoder->nneeded);
	else if (!end_line(line) || line->at < line->end)
		line->fault = "it has more than one line";
	return line->fault == NULL;
}

static void
decode_message(CqFlat *flat, const CqMessage *message, int row)
{
	CsvDecoder *decoder = (CsvDecoder *) flat;
	Line		line = {.at = message->value, .end = message->value + message->value_length};

	line.fault = cq_flat_text_fault(message->value, message->value_length);
	if (line.fault == NULL && decoder->style.header != CQ_CSV_NO_HEADER)
		(void) read_header(decoder, &line);
	if (line.fault == NULL && read_row(decoder, &line))
		take_fields(decoder, row);
	else
		cq_flat_refuse(&decoder->flat, row,
					   cq_reject(ERRCODE_BAD_COPY_FILE_FORMAT, "invalid CSV message: %s",
								 line.fault));
}

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	CsvDecoder *decoder = palloc0(sizeof(CsvDecoder));
	ListCell   *cell;

	cq_reject_raise(check(options, columns, ncolumns), NULL);
	cq_flat_open(&decoder->flat, options, columns, ncolumns, true);
	decoder->flat.decode_message = decode_message;
	decoder->style = options->csv;
	decoder->is_exact = options->names != NIL && !has_paths(options);
	foreach(cell, options->paths)
		decoder->nneeded = Max(decoder->nneeded,
							   cq_flat_place(lfirst(cell), foreach_current_index(cell)) + 1);
	for (int i = 0; i < ncolumns; i++)
		decoder->nplaces = Max(decoder->nplaces, decoder->flat.targets[i].place + 1);
	decoder->fields = palloc0(sizeof(Field) * Max(decoder->nplaces, 1));
	return (CqDecoder *) decoder;
}

/* ---- writing ---- */

static CqEncoder *
encoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	CsvEncoder *encoder = palloc0(sizeof(CsvEncoder));
	CqColumn   *copies = palloc(sizeof(CqColumn) * Max(ncolumns, 1));

	cq_reject_raise(check(options, columns, ncolumns), NULL);
	if (has_paths(options) && !options->is_key)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot write CSV where columns say which fields they are"),
				 errhint("Without the option path a column is the field at its own place.")));
	if (ncolumns > 0)
		memcpy(copies, columns, sizeof(CqColumn) * ncolumns);
	encoder->style = options->csv;
	encoder->columns = copies;
	encoder->ncolumns = ncolumns;
	encoder->is_utf8 = GetDatabaseEncoding() == PG_UTF8;
	return (CqEncoder *) encoder;
}

/* As COPY does it: see CopyAttributeOutCSV. */
static void
write_field(const CsvEncoder *encoder, const char *text, StringInfo out)
{
	const CqCsvStyle *style = &encoder->style;
	bool		is_quoted = strcmp(text, style->null) == 0 ||
		(encoder->ncolumns == 1 && strcmp(text, "\\.") == 0);

	for (const char *at = text; *at != '\0' && !is_quoted; at++)
		is_quoted = *at == style->delimiter || *at == style->quote || *at == '\n' || *at == '\r';
	if (!is_quoted)
	{
		appendStringInfoString(out, text);
		return;
	}
	appendStringInfoChar(out, style->quote);
	for (const char *at = text; *at != '\0'; at++)
	{
		if (*at == style->quote || *at == style->escape)
			appendStringInfoChar(out, style->escape);
		appendStringInfoChar(out, *at);
	}
	appendStringInfoChar(out, style->quote);
}

static void
write_text(const CsvEncoder *encoder, const char *text, StringInfo out)
{
	char	   *utf8 = encoder->is_utf8 ? (char *) text :
		pg_server_to_any(text, strlen(text), PG_UTF8);

	write_field(encoder, utf8, out);
}

static void
encode(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	CsvEncoder *encoder = (CsvEncoder *) opaque;
	int			level = cq_settings_begin_transmission();

	for (int i = 0; i < encoder->ncolumns && encoder->style.header != CQ_CSV_NO_HEADER; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, encoder->style.delimiter);
		write_text(encoder, encoder->columns[i].name, out);
		if (i == encoder->ncolumns - 1)
			appendStringInfoChar(out, '\n');
	}
	for (int i = 0; i < encoder->ncolumns; i++)
	{
		const CqColumn *column = &encoder->columns[i];

		if (i > 0)
			appendStringInfoChar(out, encoder->style.delimiter);
		if (nulls[column->attno - 1])
			appendStringInfoString(out, encoder->style.null);
		else
			write_text(encoder, cq_flat_text_of(column, values[column->attno - 1]), out);
	}
	cq_settings_end(level);
}

const CqFormat cq_csv_format = {
	.name = "csv",
	.is_flat = true,
	.check = check,
	.decoder_open = decoder_open,
	.decode = cq_flat_decode,
	.settings = cq_json_settings,
	.encoder_open = encoder_open,
	.encode = encode,
};
