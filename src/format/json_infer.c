/*
 * json_infer.c
 *		Which columns a sample of messages suggests: see json_infer.h.
 *
 * Decides: one column for each field at the top of any message, in the order in which they first
 * appear. Its type is the narrowest that takes all the values seen: bigint, double precision,
 * numeric (numbers that those two cannot hold exactly, or that come as strings as well), boolean,
 * date, timestamp or timestamptz (strings in ISO 8601 everywhere, all without or all with a zone),
 * text; jsonb for objects, arrays, and values of several kinds. What somebody may not expect is
 * said: fields that are left out, or whose columns have other names, and what makes a column wider
 * than most of its values need.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/heap.h"
#include "catalog/pg_type.h"
#include "common/attempt.h"
#include "common/name.h"
#include "format/json_infer.h"
#include "format/json_parser.h"
#include "format/json_time.h"
#include "format/json_walk.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"

/* Digits that double precision always gives back. */
#define DOUBLE_DIGITS	15

/* Kinds of values, with what they are called. */
typedef enum Kind
{
	KIND_INTEGER,
	KIND_DOUBLE,
	KIND_NUMERIC,
	KIND_BOOLEAN,
	KIND_DATE,
	KIND_TIMESTAMP,
	KIND_TIMESTAMPTZ,
	KIND_NUMBER_AS_TEXT,
	KIND_TEXT,
	KIND_DOCUMENT,
	NKINDS
} Kind;

/* What was seen of one field: how many values of each kind. */
typedef struct Seen
{
	int			counts[NKINDS];
} Seen;

static void add_remark(List **remarks, const char *format,...) pg_attribute_printf(2, 3);

static void
add_remark(List **remarks, const char *format,...)
{
	StringInfoData text;

	initStringInfo(&text);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	*remarks = lappend(*remarks, text.data);
}

static bool
fits_double(const CqJsonToken *token)
{
	int			ndigits = 0;

	for (uint32 i = 0; i < token->length && token->text[i] != 'e' && token->text[i] != 'E'; i++)
		if (token->text[i] >= '0' && token->text[i] <= '9' && (token->text[i] != '0' ||
															   ndigits > 0))
			ndigits++;
	return ndigits <= DOUBLE_DIGITS;
}

/* Of a time in ISO 8601: the zone stands behind the seconds. */
static bool
has_zone(const CqJsonToken *token)
{
	for (uint32 i = 19; i < token->length; i++)
	{
		if (strchr("Z+-", token->text[i]) != NULL)
			return true;
	}
	return false;
}

static Kind
kind_of_string(const CqJsonToken *token)
{
	CqJsonClock clock = {0};
	CqJsonToken number;
	DateADT		date;
	Timestamp	timestamp;

	if (cq_json_time_date(&clock, token->text, token->length, &date))
		return KIND_DATE;
	if (cq_json_time_timestamp(&clock, token->text, token->length, &timestamp))
		return has_zone(token) ? KIND_TIMESTAMPTZ : KIND_TIMESTAMP;
	if (token->length > 0 &&
		cq_json_token_number(token->text, token->text + token->length, &number))
		return KIND_NUMBER_AS_TEXT;
	return KIND_TEXT;
}

/* NKINDS: nothing can be told. */
static Kind
kind_of(const CqJsonToken *token)
{
	switch (token->kind)
	{
		case CQ_JSON_MISSING:
		case CQ_JSON_AMBIGUOUS:
		case CQ_JSON_NULL:
			return NKINDS;
		case CQ_JSON_FALSE:
		case CQ_JSON_TRUE:
			return KIND_BOOLEAN;
		case CQ_JSON_INTEGER:
			return KIND_INTEGER;
		case CQ_JSON_NUMBER:
			return fits_double(token) ? KIND_DOUBLE : KIND_NUMERIC;
		case CQ_JSON_STRING:
			return kind_of_string(token);
		case CQ_JSON_OBJECT:
		case CQ_JSON_ARRAY:
			break;
	}
	return KIND_DOCUMENT;
}

static int
count_kinds(const Seen *seen, Kind first, Kind last)
{
	int			count = 0;

	for (int i = first; i <= (int) last; i++)
		count += seen->counts[i];
	return count;
}

static Oid
type_of_strings(const Seen *seen, int nstrings)
{
	if (seen->counts[KIND_DATE] == nstrings)
		return DATEOID;
	if (seen->counts[KIND_DATE] + seen->counts[KIND_TIMESTAMP] == nstrings)
		return TIMESTAMPOID;
	return seen->counts[KIND_TIMESTAMPTZ] == nstrings ? TIMESTAMPTZOID : TEXTOID;
}

/* Text where nothing but nulls was seen. */
static Oid
type_of(const Seen *seen)
{
	int			nnumbers = count_kinds(seen, KIND_INTEGER, KIND_NUMERIC);
	int			nstrings = count_kinds(seen, KIND_DATE, KIND_TEXT);
	int			nvalues = count_kinds(seen, 0, NKINDS - 1);

	if (nstrings == nvalues)
		return nvalues == 0 ? TEXTOID : type_of_strings(seen, nstrings);
	if (seen->counts[KIND_BOOLEAN] == nvalues)
		return BOOLOID;
	if (nnumbers + seen->counts[KIND_NUMBER_AS_TEXT] < nvalues)
		return JSONBOID;
	if (seen->counts[KIND_NUMBER_AS_TEXT] > 0 || seen->counts[KIND_NUMERIC] > 0)
		return NUMERICOID;
	return seen->counts[KIND_DOUBLE] > 0 ? FLOAT8OID : INT8OID;
}

/* What was seen, where it is of several kinds that have nothing in common. */
static void
remark_on_kinds(const Seen *seen, Oid type, const char *field, List **remarks)
{
	int			ntimes = count_kinds(seen, KIND_DATE, KIND_TIMESTAMPTZ);
	struct
	{
		const char *name;
		int			count;
	}			kinds[] = {
		{"numbers", count_kinds(seen, KIND_INTEGER, KIND_NUMERIC)},
		{"booleans", seen->counts[KIND_BOOLEAN]},
		{"times", type == TEXTOID ? ntimes : 0},
		{type == TEXTOID ? "other strings" : "strings",
		count_kinds(seen, KIND_NUMBER_AS_TEXT, KIND_TEXT) + (type == TEXTOID ? 0 : ntimes)},
		{"objects or arrays", seen->counts[KIND_DOCUMENT]}
	};
	StringInfoData text;
	int			nkinds = 0;

	if (type == TEXTOID && ntimes > 0 && ntimes == count_kinds(seen, 0, NKINDS - 1))
		add_remark(remarks, "Field \"%s\" has times with and without a zone: text.", field);
	initStringInfo(&text);
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (kinds[i].count > 0)
			appendStringInfo(&text, "%s%s: %d", nkinds++ > 0 ? ", " : "", kinds[i].name,
							 kinds[i].count);
	}
	if (nkinds > 1 && (type == JSONBOID || type == TEXTOID))
		add_remark(remarks, "Field \"%s\" has values of several kinds (%s): %s.", field, text.data,
				   type == JSONBOID ? "jsonb" : "text");
}

/* ---- names ---- */

typedef struct Conversion
{
	const char *utf8;
	char	   *result;
} Conversion;

static void
convert(void *arg)
{
	Conversion *conversion = arg;

	conversion->result = pg_any_to_server(conversion->utf8, strlen(conversion->utf8), PG_UTF8);
}

/* In the server's encoding; NULL where that lacks a character. */
static char *
server_name(const char *utf8)
{
	Conversion	conversion = {.utf8 = utf8};
	ErrorData  *error = NULL;

	if (GetDatabaseEncoding() == PG_UTF8)
		return pstrdup(utf8);
	error = cq_attempt(convert, &conversion);
	if (error == NULL)
		return conversion.result;
	FreeErrorData(error);
	return NULL;
}

static bool
is_system_column(const char *name)
{
	return SystemAttributeByName(name) != NULL;
}

/* The names of fields that columns can have, in their order; their numbers are in indexes. */
static List *
nameable_fields(const CqJsonShape *shape, int nfields, List **indexes, List **remarks)
{
	List	   *fields = NIL;

	for (int i = 0; i < nfields; i++)
	{
		char	   *field = server_name(shape->owners[i]->name);

		if (field == NULL)
			add_remark(remarks, "A field is left out: its name has characters that "
					   "the database's encoding lacks.");
		else if (*field == '\0')
			add_remark(remarks, "The field with the empty name is left out.");
		else
		{
			fields = lappend(fields, field);
			*indexes = lappend_int(*indexes, i);
		}
	}
	return fields;
}

static CqColumn *
make_column(char *field, char *name, AttrNumber attno, Oid type)
{
	CqColumn   *column = palloc0(sizeof(CqColumn));

	column->attno = attno;
	column->name = name;
	column->path = list_make1(field);
	column->type = type;
	column->typmod = -1;
	column->collation = get_typcollation(column->type);
	return column;
}

static List *
make_columns(const CqJsonShape *shape, const Seen *seen, int nfields, List **remarks)
{
	List	   *columns = NIL;
	List	   *indexes = NIL;
	List	   *fields = nameable_fields(shape, nfields, &indexes, remarks);
	List	   *names = cq_name_choose(fields, is_system_column);

	for (int i = 0; i < list_length(fields); i++)
	{
		char	   *field = list_nth(fields, i);
		char	   *name = list_nth(names, i);
		const Seen *values = &seen[list_nth_int(indexes, i)];

		if (strcmp(name, field) != 0)
			add_remark(remarks, "Field \"%s\" is column \"%s\".", field, name);
		remark_on_kinds(values, type_of(values), field, remarks);
		columns = lappend(columns, make_column(field, name, i + 1, type_of(values)));
	}
	if (shape->ntokens > nfields)
		add_remark(remarks, "%d fields are left out, since a table has at most %d columns.",
				   shape->ntokens - nfields, nfields);
	return columns;
}

/* Takes note of what the messages have; how many of them are objects. */
static int
look_at(const CqMessage *messages, int nmessages, CqJsonShape *shape, CqJsonParser *parser,
		Seen *seen)
{
	int			nobjects = 0;

	for (int i = 0; i < nmessages; i++)
	{
		CqJsonFault fault;

		if (messages[i].value == NULL ||
			!cq_json_walk(shape, parser, messages[i].value, messages[i].value_length, &fault))
			continue;
		nobjects++;
		for (int j = 0; j < Min(shape->ntokens, MaxHeapAttributeNumber); j++)
		{
			Kind		kind = kind_of(&shape->tokens[j]);

			if (kind < NKINDS)
				seen[j].counts[kind]++;
		}
	}
	return nobjects;
}

List *
cq_json_infer(const CqMessage *messages, int nmessages, List **remarks)
{
	CqJsonParser *parser = cq_json_parser_create();
	CqJsonShape *shape = cq_json_shape_create(true);
	Seen	   *seen = palloc0(sizeof(Seen) * MaxHeapAttributeNumber);
	int volatile nobjects = 0;

	*remarks = NIL;
	if (parser == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed to create a JSON parser.")));
	PG_TRY();
	{
		nobjects = look_at(messages, nmessages, shape, parser, seen);
	}
	PG_FINALLY();
	{
		cq_json_parser_free(parser);
	}
	PG_END_TRY();

	if (nobjects > 0 && nobjects < nmessages)
		add_remark(remarks, "Of %d messages, %d are not JSON objects.", nmessages,
				   nmessages - nobjects);
	return make_columns(shape, seen, Min(shape->ntokens, MaxHeapAttributeNumber), remarks);
}
