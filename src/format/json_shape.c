/*
 * json_shape.c
 *		Which fields of a message are wanted: see json_shape.h.
 */
#include "postgres.h"

#include "format/json_shape.h"
#include "format/name_case.h"

CqJsonShape *
cq_json_shape_create(bool learns)
{
	CqJsonShape *shape = palloc0(sizeof(CqJsonShape));

	shape->context = CurrentMemoryContext;
	shape->learns = learns;
	shape->top.token = -1;
	if (learns)
		shape->top.guesses = palloc0(sizeof(CqJsonGuess) * CQ_JSON_GUESSES);
	return shape;
}

/* By length first, which mostly decides. */
static inline int
compare_names(const char *a, uint32 a_length, const char *b, uint32 b_length)
{
	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return memcmp(a, b, a_length);
}

/* The place within field where name stands, or would stand. */
static int
place_of(const CqJsonField *field, const char *name, uint32 length, bool *found)
{
	int			low = 0;
	int			high = field->ninner;

	*found = false;
	while (low < high)
	{
		int			middle = (low + high) / 2;
		CqJsonField *inner = field->inner[middle];
		int			order = compare_names(name, length, inner->name, inner->length);

		if (order == 0)
		{
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static CqJsonField *
find_or_add(CqJsonShape *shape, CqJsonField *field, const char *name, uint32 length)
{
	MemoryContext old;
	bool		found;
	int			place = place_of(field, name, length, &found);
	CqJsonField *inner;

	if (found)
		return field->inner[place];

	old = MemoryContextSwitchTo(shape->context);
	inner = palloc0(sizeof(CqJsonField));
	inner->name = pnstrdup(name, length);
	inner->length = length;
	inner->token = -1;
	if (field->inner == NULL)
		field->inner = palloc(sizeof(CqJsonField *));
	else
		field->inner = repalloc(field->inner, sizeof(CqJsonField *) * (field->ninner + 1));
	memmove(field->inner + place + 1, field->inner + place,
			sizeof(CqJsonField *) * (field->ninner - place));
	field->inner[place] = inner;
	field->ninner++;
	if (field->guesses == NULL)
		field->guesses = palloc(sizeof(CqJsonGuess) * CQ_JSON_GUESSES);
	/* they may say that nobody wants this name */
	memset(field->guesses, 0, sizeof(CqJsonGuess) * CQ_JSON_GUESSES);
	MemoryContextSwitchTo(old);
	return inner;
}

/* Gives field a token if it has none. */
static int
want(CqJsonShape *shape, CqJsonField *field)
{
	if (field->token >= 0)
		return field->token;
	if (shape->ntokens == shape->capacity)
	{
		MemoryContext old = MemoryContextSwitchTo(shape->context);

		shape->capacity = Max(16, shape->capacity * 2);
		if (shape->tokens == NULL)
		{
			shape->tokens = palloc(sizeof(CqJsonToken) * shape->capacity);
			shape->owners = palloc(sizeof(CqJsonField *) * shape->capacity);
		}
		else
		{
			shape->tokens = repalloc(shape->tokens, sizeof(CqJsonToken) * shape->capacity);
			shape->owners = repalloc(shape->owners, sizeof(CqJsonField *) * shape->capacity);
		}
		MemoryContextSwitchTo(old);
	}
	field->token = shape->ntokens++;
	shape->tokens[field->token].kind = CQ_JSON_MISSING;
	shape->owners[field->token] = field;
	return field->token;
}

int
cq_json_shape_add(CqJsonShape *shape, const List *path)
{
	CqJsonField *field = &shape->top;
	ListCell   *cell;

	foreach(cell, path)
	{
		const char *name = lfirst(cell);

		if (shape->ignores_case)
			name = cq_name_case_fold(name, strlen(name));
		field = find_or_add(shape, field, name, strlen(name));
	}
	return want(shape, field);
}

void
cq_json_shape_forget(CqJsonShape *shape, const CqJsonField *field)
{
	for (int i = 0; i < field->ninner; i++)
	{
		CqJsonField *inner = field->inner[i];

		if (inner->token >= 0)
			shape->tokens[inner->token].kind = CQ_JSON_MISSING;
		inner->spelling.kind = CQ_JSON_MISSING;
		cq_json_shape_forget(shape, inner);
	}
}

static void
make_ambiguous(CqJsonShape *shape, CqJsonField *field)
{
	if (field->token >= 0)
		shape->tokens[field->token].kind = CQ_JSON_AMBIGUOUS;
	field->spelling.kind = CQ_JSON_AMBIGUOUS;
	for (int i = 0; i < field->ninner; i++)
		make_ambiguous(shape, field->inner[i]);
}

bool
cq_json_shape_spell(CqJsonShape *shape, CqJsonField *field, const CqJsonToken *name)
{
	if (field->spelling.kind == CQ_JSON_MISSING)
		field->spelling = *name;
	else if (field->spelling.kind == CQ_JSON_STRING &&
			 !cq_json_token_same_text(&field->spelling, name))
		make_ambiguous(shape, field);
	return field->spelling.kind == CQ_JSON_STRING;
}

/* The field of that name, which has no escapes; where the shape learns, there is one afterwards. */
static CqJsonField *
look_up(CqJsonShape *shape, CqJsonField *field, const char *name, uint32 length)
{
	bool		found;
	char	   *folded = shape->ignores_case ? cq_name_case_fold(name, length) : NULL;
	int			place = place_of(field, folded != NULL ? folded : name, length, &found);
	CqJsonField *inner;

	if (folded != NULL)
		pfree(folded);
	if (found)
		return field->inner[place];
	if (!shape->learns || field != &shape->top)
		return NULL;
	inner = find_or_add(shape, field, name, length);
	want(shape, inner);
	return inner;
}

CqJsonField *
cq_json_shape_search(CqJsonShape *shape, CqJsonField *field, uint32 place, const char *name,
					 uint32 length, bool is_escaped)
{
	CqJsonField *inner = NULL;

	if (is_escaped)
	{
		char	   *unescaped = palloc(length);
		const char *reason;
		int64		unescaped_length = cq_json_token_unescape(name, length, unescaped, &reason);

		if (unescaped_length >= 0)	/* what stands for no character is no column's name */
			inner = look_up(shape, field, unescaped, (uint32) unescaped_length);
		pfree(unescaped);
		return inner;
	}

	inner = look_up(shape, field, name, length);
	if (place < CQ_JSON_GUESSES)
	{
		CqJsonGuess *guess = &field->guesses[place];

		guess->length = length <= CQ_JSON_GUESS_LENGTH ? length : 0;
		memcpy(guess->name, name, guess->length);
		guess->field = inner;
	}
	return inner;
}
