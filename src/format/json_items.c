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
#include "format/name_case.h"
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

/* The name of a member, without escapes; NULL: it stands for no characters. palloc'd. */
static char *
plain_name(const CqJsonToken *name)
{
	char	   *plain = palloc(name->length + 1);
	const char *reason;
	int64		length = cq_json_token_unescape(name->text, name->length, plain, &reason);

	if (length < 0)
	{
		pfree(plain);
		return NULL;
	}
	plain[length] = '\0';
	return plain;
}

static void
find_field(const CqJsonToken *object, const char *wanted, bool ignores_case, CqJsonToken *field)
{
	uint32		place = 1;
	CqJsonToken name;
	CqJsonToken value;
	char	   *spelling = NULL;

	field->kind = CQ_JSON_MISSING;
	while (object->kind == CQ_JSON_OBJECT && field->kind != CQ_JSON_AMBIGUOUS &&
		   cq_json_token_next_member(object, &place, &name, &value))
	{
		char	   *plain = plain_name(&name);

		if (plain != NULL && cq_name_case_same(plain, wanted, ignores_case))
		{
			if (spelling != NULL && strcmp(plain, spelling) != 0)
				value.kind = CQ_JSON_AMBIGUOUS;
			*field = value;
			spelling = plain;
		}
		else if (plain != NULL)
			pfree(plain);
	}
}

void
cq_json_items_follow(const List *steps, bool ignores_case, CqJsonToken *token)
{
	ListCell   *cell;

	foreach(cell, steps)
	{
		const CqPathStep *step = lfirst(cell);
		CqJsonToken within = {.kind = CQ_JSON_MISSING};

		if (token->kind == CQ_JSON_AMBIGUOUS)
			return;
		if (step->name != NULL)
			find_field(token, step->name, ignores_case, &within);
		else
			find_item(token, step->index, &within);
		*token = within;
	}
}
