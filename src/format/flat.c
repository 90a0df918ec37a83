/*
 * flat.c
 *		Messages whose parts have no names: see flat.h.
 *
 * Decides that a column is the part at the place that its path says, from 1; without one, at its own
 * place among the columns of the value.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/flat.h"
#include "format/json_value_private.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"

#define MOST_PLACES 1600		/* as many as a table has columns */

/* ---- places ---- */

int
cq_flat_place(const List *path, int place)
{
	const char *name = path != NIL ? linitial(path) : NULL;
	char	   *end;
	long		said;

	if (name == NULL)
		return place;
	if (list_length(path) != 1 || *name < '1' || *name > '9')
		return -1;
	said = strtol(name, &end, 10);
	return *end == '\0' && said <= MOST_PLACES ? (int) said - 1 : -1;
}

static int
find_place(const CqColumn *column)
{
	if (column->items != NIL)
		return -1;
	return cq_flat_place(column->has_path ? column->path : NIL, column->place);
}

CqReject *
cq_flat_check(const CqColumn *columns, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
	{
		if (find_place(&columns[i]) < 0)
			return cq_reject_hint(cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
											"the path of column \"%s\" is not the place of a field",
											columns[i].name),
								  "Fields have no names: a path is a number from 1 to %d.",
								  MOST_PLACES);
	}
	return NULL;
}

CqReject *
cq_flat_check_whole(const char *format, const CqColumn *columns, int ncolumns)
{
	if (ncolumns > 1)
		return cq_reject_hint(cq_reject(ERRCODE_FDW_INVALID_COLUMN_NAME,
										"format %s has one value, and there is another column "
										"\"%s\"", format, columns[1].name),
							  "Columns of the key have the option key, what Kafka knows of a "
							  "message the option metadata.");
	if (ncolumns == 1 && columns[0].has_path &&
		(list_length(columns[0].path) != 1 || *(char *) linitial(columns[0].path) != '\0' ||
		 columns[0].items != NIL))
		return cq_reject_hint(cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
										"the path of column \"%s\" leads to nothing",
										columns[0].name),
							  "Format %s has one value, whose path is \"\".", format);
	return NULL;
}

/* ---- opening ---- */

void
cq_flat_open(CqFlat *flat, const CqFormatOptions *options, const CqColumn *columns, int ncolumns,
			 bool is_text)
{
	memset(flat, 0, sizeof(CqFlat));
	flat->options = options;
	flat->targets = palloc0(sizeof(CqFlatTarget) * Max(ncolumns, 1));
	flat->ntargets = ncolumns;
	flat->later = cq_json_later_create();
	for (int i = 0; i < ncolumns; i++)
	{
		CqFlatTarget *target = &flat->targets[i];

		target->column = columns[i];
		target->column.name = pstrdup(columns[i].name);
		target->column.style.is_text = is_text;
		target->place = Max(find_place(&columns[i]), 0);
		target->type = getBaseType(columns[i].type);
		target->converter = cq_json_value_slow_create(columns[i].type, columns[i].typmod,
													  &target->column.style);
		target->may_change = cq_json_composite_is_within(target->converter);
		target->checks_nulls = columns[i].is_not_null ||
			cq_json_value_slow_checks_nulls(target->converter);
	}
}

/* ---- decoding ---- */

static void
begin(CqFlat *flat, Datum **values, bool **nulls, CqBadCells *bad)
{
	cq_json_later_clear(flat->later);
	memset(&flat->arena, 0, sizeof(CqJsonArena));
	flat->bad = bad;
	flat->first_bad = bad->ncells;
	for (int i = 0; i < flat->ntargets; i++)
	{
		CqFlatTarget *target = &flat->targets[i];

		target->values = values[target->column.attno - 1];
		target->nulls = nulls[target->column.attno - 1];
		if (target->may_change)
			cq_json_composite_refresh(target->converter);
	}
}

static void
set_null(CqFlat *flat, int row)
{
	for (int i = 0; i < flat->ntargets; i++)
	{
		flat->targets[i].values[row] = (Datum) 0;
		flat->targets[i].nulls[row] = true;
	}
}

void
cq_flat_decode(CqDecoder *decoder, const CqMessage *messages, int nmessages, int first_row,
			   Datum **values, bool **nulls, CqBadCells *bad)
{
	CqFlat	   *flat = (CqFlat *) decoder;

	begin(flat, values, nulls, bad);
	for (int i = 0; i < nmessages; i++)
	{
		if (messages[i].value == NULL)
			set_null(flat, first_row + i);
		else
			flat->decode_message(flat, &messages[i], first_row + i);
	}
	cq_json_later_run(flat->later, bad);
	cq_bad_cells_sort(bad, flat->first_bad);
}

char *
cq_flat_room(CqFlat *flat, Size length)
{
	return cq_json_value_take(&flat->arena, length + 1);
}

void
cq_flat_take(CqFlat *flat, CqFlatTarget *target, int row, const CqJsonToken *token)
{
	CqJsonCell	cell = {
		.token = *token, .converter = target->converter, .column = &target->column, .row = row,
		.value = &target->values[row], .is_null = &target->nulls[row]
	};

	if (token->kind != CQ_JSON_NULL &&
		cq_json_value_convert(target->converter, token, &flat->arena, &target->values[row]))
	{
		target->nulls[row] = false;
		return;
	}
	target->values[row] = (Datum) 0;
	target->nulls[row] = true;
	cq_json_later_add(flat->later, &cell, flat->bad);
}

/* Is a number better taken as one? Where the type's own input would read it the same. */
static bool
takes_number(const CqFlatTarget *target, const CqJsonToken *token)
{
	switch (target->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return token->kind == CQ_JSON_INTEGER;
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return true;
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
			/* A style says what the number counts. */
			return target->column.style.times != CQ_TIMES_PLAIN &&
				target->column.style.times != CQ_TIMES_ISO;
		default:
			return false;
	}
}

void
cq_flat_take_text(CqFlat *flat, CqFlatTarget *target, int row, const char *text, Size length)
{
	CqJsonToken token = {.text = text, .length = length, .kind = CQ_JSON_STRING};
	CqJsonToken number = token;

	if (length > 0 && length <= 1000 && (cq_json_is_digit(*text) || *text == '-') &&
		cq_json_token_number(text, text + length, &number) && takes_number(target, &number))
		cq_flat_take(flat, target, row, &number);
	else
		cq_flat_take(flat, target, row, &token);
}

void
cq_flat_take_null(CqFlat *flat, CqFlatTarget *target, int row)
{
	static const CqJsonToken null = {.text = "null", .length = 4, .kind = CQ_JSON_NULL};

	target->values[row] = (Datum) 0;
	target->nulls[row] = true;
	if (target->column.is_not_null)
		cq_bad_cells_add(flat->bad, row, target->column.attno,
						 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "field \"%s\" is null",
								   target->column.name));
	else if (target->checks_nulls)
		cq_flat_take(flat, target, row, &null);
}

void
cq_flat_refuse(CqFlat *flat, int row, CqReject *reject)
{
	set_null(flat, row);
	cq_bad_cells_add(flat->bad, row, 0, reject);
}

const char *
cq_flat_text_fault(const char *text, Size length)
{
	if (memchr(text, '\0', length) != NULL)
		return "it has a zero byte";
	if (!pg_verify_mbstr(PG_UTF8, text, length, true))
		return "it is not UTF-8";
	return NULL;
}

/* ---- writing ---- */

char *
cq_flat_text_of(const CqColumn *column, Datum value)
{
	char	   *styled = cq_json_style_write(&column->style, getBaseType(column->type), value);
	Oid			output;
	bool		is_varlena;

	if (styled != NULL)
		return styled;
	getTypeOutputInfo(column->type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}
