/*
 * json_encode.c
 *		From a row to a JSON object: see json_encode.h.
 *
 * Decides that a value is written as the server's to_json writes it: numbers and booleans bare, NaN and infinities as strings,
 * times in ISO 8601, bytea as a string in hex, json and jsonb embedded, arrays as arrays, composites as objects. Null is written as
 * null, so that a message always has all fields. What is written reads back to the same row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/json_encode.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#define MAX_NUMBER_LENGTH	20	/* of an int8, with its sign */

/* A field of the object, or of one within it. */
typedef struct Member
{
	char	   *prefix;			/* what stands before the value: "name": */
	char	   *name;
	const CqColumn *column;		/* NULL: an object, with members */
	List	   *members;		/* of Member * */
	FmgrInfo	to_json;
} Member;

typedef struct JsonEncoder
{
	Member		top;
	bool		is_utf8;		/* the server's encoding */
} JsonEncoder;

static Member *
add_member(Member *parent, const char *name)
{
	Member	   *member = palloc0(sizeof(Member));
	StringInfoData prefix;

	initStringInfo(&prefix);
	escape_json(&prefix, name);
	appendStringInfoChar(&prefix, ':');
	member->prefix = prefix.data;
	member->name = pstrdup(name);
	parent->members = lappend(parent->members, member);
	return member;
}

static Member *
find_member(const Member *parent, const char *name)
{
	ListCell   *cell;

	foreach(cell, parent->members)
		if (strcmp(((Member *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	return NULL;
}

/* to_json wants to know, from its call's expression, what type its argument has. */
static void
set_up_to_json(Member *member)
{
	const CqColumn *column = member->column;
	Expr	   *argument = (Expr *) makeNullConst(column->type, column->typmod, column->collation);

	fmgr_info(F_TO_JSON, &member->to_json);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSON, JSONOID, list_make1(argument), InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL),
					   &member->to_json);
}

/* Finds the place of a column's field, making the objects on the way to it. */
static void
place_column(Member *top, const CqColumn *column)
{
	Member	   *member = top;
	CqColumn   *copy = palloc(sizeof(CqColumn));
	ListCell   *cell;

	foreach(cell, column->path)
	{
		Member	   *inner = member->column == NULL ? find_member(member, lfirst(cell)) : NULL;

		if (member->column != NULL || (inner != NULL && lnext(column->path, cell) == NULL))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("column \"%s\" cannot be written to a JSON message", column->name),
					 errdetail("Another column has the same field, or one around or within it.")));
		member = inner != NULL ? inner : add_member(member, lfirst(cell));
	}
	*copy = *column;
	member->column = copy;
	set_up_to_json(member);
}

CqEncoder *
cq_json_encoder_open(const CqColumn *columns, int ncolumns)
{
	JsonEncoder *encoder = palloc0(sizeof(JsonEncoder));

	encoder->is_utf8 = GetDatabaseEncoding() == PG_UTF8;
	for (int i = 0; i < ncolumns; i++)
		place_column(&encoder->top, &columns[i]);
	return (CqEncoder *) encoder;
}

/* Writes a value of a type that needs no look at the catalogs, for speed; false for others. */
static bool
write_simple(Oid type, Datum value, StringInfo out)
{
	char		number[MAX_NUMBER_LENGTH + 1];
	char		time[MAXDATELEN + 1];

	switch (type)
	{
		case BOOLOID:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			return true;
		case INT2OID:
			pg_itoa(DatumGetInt16(value), number);
			break;
		case INT4OID:
			pg_ltoa(DatumGetInt32(value), number);
			break;
		case INT8OID:
			pg_lltoa(DatumGetInt64(value), number);
			break;
		case TEXTOID:
		case VARCHAROID:
			{
				char	   *string = TextDatumGetCString(value);

				escape_json(out, string);
				pfree(string);
				return true;
			}
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			JsonEncodeDateTime(time, value, type, NULL);
			appendStringInfo(out, "\"%s\"", time);
			return true;
		default:
			return false;
	}
	appendStringInfoString(out, number);
	return true;
}

static void
write_value(Member *member, Datum value, StringInfo out)
{
	text	   *json;

	if (write_simple(member->column->type, value, out))
		return;
	json = DatumGetTextPP(FunctionCall1(&member->to_json, value));
	appendBinaryStringInfo(out, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
	pfree(json);
}

static void
write_object(Member *object, const Datum *values, const bool *nulls, StringInfo out)
{
	char		separator = '{';
	ListCell   *cell;

	if (object->members == NIL)
		appendStringInfoChar(out, separator);
	foreach(cell, object->members)
	{
		Member	   *member = lfirst(cell);

		appendStringInfoChar(out, separator);
		separator = ',';
		appendStringInfoString(out, member->prefix);
		if (member->column == NULL)
			write_object(member, values, nulls, out);
		else if (nulls[member->column->attno - 1])
			appendStringInfoString(out, "null");
		else
			write_value(member, values[member->column->attno - 1], out);
	}
	appendStringInfoChar(out, '}');
}

void
cq_json_encode(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	JsonEncoder *encoder = (JsonEncoder *) opaque;
	int			start = out->len;
	char	   *message;

	write_object(&encoder->top, values, nulls, out);
	if (encoder->is_utf8)
		return;
	message = pg_server_to_any(out->data + start, out->len - start, PG_UTF8);
	if (message != out->data + start)
	{
		out->len = start;
		appendStringInfoString(out, message);
		pfree(message);
	}
}
