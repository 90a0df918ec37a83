/*
 * json_items.c
 *		From an array to what a column has of it: see json_items.h.
 *
 * Decides that an index is as in jsonpath: from 0, and an item that is not there, as also what is
 * no array, is nothing at all, rather than a fault of the message.
 */
#include "postgres.h"

#include "common/path_step.h"
#include "format/json_items.h"
#include "mb/pg_wchar.h"

List *
cq_json_items_copy(const List *steps)
{
	List	   *copies = NIL;
	ListCell   *cell;

	foreach(cell, steps)
	{
		const CqPathStep *step = lfirst(cell);
		CqPathStep *copy = palloc(sizeof(CqPathStep));

		*copy = *step;
		if (step->name != NULL)
			copy->name = pstrdup(pg_server_to_any(step->name, strlen(step->name), PG_UTF8));
		copies = lappend(copies, copy);
	}
	return copies;
}

static void
find_item(const CqJsonToken *array, int index, CqJsonToken *item)
{
	uint32		place = 1;

	item->kind = CQ_JSON_MISSING;
	if (array->kind != CQ_JSON_ARRAY || index < 0)
		return;
	for (int i = 0; cq_json_token_next_element(array, &place, item); i++)
	{
		if (i == index)
			return;
	}
	item->kind = CQ_JSON_MISSING;
}

static bool
is_named(const CqJsonToken *name, const char *wanted)
{
	size_t		length = strlen(wanted);
	const char *reason;
	char	   *unescaped;
	bool		is_same;

	if (!name->is_escaped)
		return name->length == length && memcmp(name->text, wanted, length) == 0;
	unescaped = palloc(name->length);
	is_same = cq_json_token_unescape(name->text, name->length, unescaped, &reason) ==
		(int64) length && memcmp(unescaped, wanted, length) == 0;
	pfree(unescaped);
	return is_same;
}

static void
find_field(const CqJsonToken *object, const char *wanted, CqJsonToken *field)
{
	uint32		place = 1;
	CqJsonToken name;
	CqJsonToken value;

	field->kind = CQ_JSON_MISSING;
	while (object->kind == CQ_JSON_OBJECT &&
		   cq_json_token_next_member(object, &place, &name, &value))
	{
		if (is_named(&name, wanted))
			*field = value;
	}
}

void
cq_json_items_follow(const List *steps, CqJsonToken *token)
{
	ListCell   *cell;

	foreach(cell, steps)
	{
		const CqPathStep *step = lfirst(cell);
		CqJsonToken within = {.kind = CQ_JSON_MISSING};

		if (step->name != NULL)
			find_field(token, step->name, &within);
		else
			find_item(token, step->index, &within);
		*token = within;
	}
}
