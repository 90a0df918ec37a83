/*
 * json_infer.c
 *		Which columns a sample of messages suggests: see json_infer.h.
 *
 * Decides: one column for each field at the top of any message, in the order in which they first appear. Its type is the
 * narrowest that takes all the values seen: bigint, double precision, numeric (numbers that those two cannot hold exactly), boolean,
 * date, timestamptz (strings in ISO 8601 everywhere), text; jsonb for objects, arrays, and values of several kinds.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "format/json_infer.h"
#include "format/json_parser.h"
#include "format/json_time.h"
#include "format/json_walk.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"

/* Digits that double precision always gives back. */
#define DOUBLE_DIGITS	15

static bool
fits_double(const CqJsonToken *token)
{
	int			ndigits = 0;

	for (uint32 i = 0; i < token->length && token->text[i] != 'e' && token->text[i] != 'E'; i++)
		if (token->text[i] >= '0' && token->text[i] <= '9' && (token->text[i] != '0' || ndigits > 0))
			ndigits++;
	return ndigits <= DOUBLE_DIGITS;
}

/* The narrowest type for one value. */
static Oid
type_of(const CqJsonToken *token)
{
	CqJsonClock clock = {0};
	DateADT		date;
	Timestamp	timestamp;

	switch (token->kind)
	{
		case CQ_JSON_MISSING:
		case CQ_JSON_NULL:
			return InvalidOid;
		case CQ_JSON_FALSE:
		case CQ_JSON_TRUE:
			return BOOLOID;
		case CQ_JSON_INTEGER:
			return INT8OID;
		case CQ_JSON_NUMBER:
			return fits_double(token) ? FLOAT8OID : NUMERICOID;
		case CQ_JSON_STRING:
			if (cq_json_time_date(&clock, token->text, token->length, &date))
				return DATEOID;
			if (cq_json_time_timestamp(&clock, token->text, token->length, &timestamp))
				return TIMESTAMPTZOID;
			return TEXTOID;
		case CQ_JSON_OBJECT:
		case CQ_JSON_ARRAY:
			break;
	}
	return JSONBOID;
}

static bool
is_number(Oid type)
{
	return type == INT8OID || type == FLOAT8OID || type == NUMERICOID;
}

static bool
is_string(Oid type)
{
	return type == DATEOID || type == TIMESTAMPTZOID || type == TEXTOID;
}

/* The narrowest type that takes the values of both; either may be InvalidOid, nothing seen yet. */
static Oid
common_type(Oid a, Oid b)
{
	if (a == b || !OidIsValid(b))
		return a;
	if (!OidIsValid(a))
		return b;
	if (is_number(a) && is_number(b))
		return a == NUMERICOID || b == NUMERICOID ? NUMERICOID : FLOAT8OID;
	if (is_string(a) && is_string(b))
		return TEXTOID;
	return JSONBOID;
}

static CqColumn *
make_column(const char *utf8_name, AttrNumber attno, Oid type)
{
	CqColumn   *column = palloc0(sizeof(CqColumn));
	char	   *name = pg_any_to_server(utf8_name, strlen(utf8_name), PG_UTF8);

	column->attno = attno;
	column->name = name;
	column->path = list_make1(name);
	column->type = OidIsValid(type) ? type : TEXTOID;
	column->typmod = -1;
	column->collation = get_typcollation(column->type);
	return column;
}

List *
cq_json_infer(const CqMessage *messages, int nmessages)
{
	CqJsonParser *parser = cq_json_parser_create();
	CqJsonShape *shape = cq_json_shape_create(true);
	Oid			types[MaxHeapAttributeNumber] = {0};
	List	   *columns = NIL;
	int			ntypes = 0;

	if (parser == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed to create a JSON parser.")));
	PG_TRY();
	{
		for (int i = 0; i < nmessages; i++)
		{
			const CqJsonToken *tokens;
			CqJsonFault fault;

			if (messages[i].value == NULL ||
				!cq_json_walk(shape, parser, messages[i].value, messages[i].value_length, &fault))
				continue;
			ntypes = Min(shape->ntokens, MaxHeapAttributeNumber);
			tokens = shape->tokens;
			for (int j = 0; j < ntypes; j++)
				types[j] = common_type(types[j], type_of(&tokens[j]));
		}
	}
	PG_FINALLY();
	{
		cq_json_parser_free(parser);
	}
	PG_END_TRY();

	for (int i = 0; i < ntypes; i++)
		if (*shape->owners[i]->name != '\0')	/* no column can have that name */
			columns = lappend(columns, make_column(shape->owners[i]->name, list_length(columns) + 1, types[i]));
	return columns;
}
