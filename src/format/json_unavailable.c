/*
 * json_unavailable.c
 *		Values that are not in the message: see json_unavailable.h.
 *
 * Strings, documents and all else that is text: the text. Bytes: its bytes in base64 (or in
 * hexadecimal). Arrays: one element that is the text, or numbers that are its bytes. hstore: the
 * text as its only key and value.
 */
#include "postgres.h"

#include "common/base64.h"
#include "format/json_unavailable.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/json.h"

struct CqJsonUnavailable
{
	List	   *texts;			/* of CqJsonToken * */
};

/* As a message has it: a string without its quotes. */
static void
add(CqJsonUnavailable *unavailable, CqJsonKind kind, const char *text)
{
	CqJsonToken *token = palloc0(sizeof(CqJsonToken));

	token->kind = kind;
	token->text = text;
	token->length = strlen(text);
	unavailable->texts = lappend(unavailable->texts, token);
}

static char *
in_base64(const char *text)
{
	int			room = pg_b64_enc_len(strlen(text)) + 1;
	char	   *result = palloc0(room);

	if (pg_b64_encode((const void *) text, strlen(text), result, room) < 0)
		elog(ERROR, "could not encode \"%s\"", text);
	return result;
}

static char *
in_hexadecimal(const char *text)
{
	char	   *result = palloc0(2 * strlen(text) + 1);

	(void) hex_encode(text, strlen(text), result);
	return result;
}

static char *
in_numbers(const char *text)
{
	StringInfoData numbers;

	initStringInfo(&numbers);
	for (const char *byte = text; *byte != '\0'; byte++)
		appendStringInfo(&numbers, "%c%d", byte == text ? '[' : ',', *byte);
	appendStringInfoChar(&numbers, ']');
	return numbers.data;
}

CqJsonUnavailable *
cq_json_unavailable_create(const char *value)
{
	CqJsonUnavailable *unavailable = palloc0(sizeof(CqJsonUnavailable));
	char	   *text = pg_server_to_any(value, strlen(value), PG_UTF8);
	StringInfoData quoted;

	initStringInfo(&quoted);
	escape_json(&quoted, text);
	add(unavailable, CQ_JSON_STRING, pnstrdup(quoted.data + 1, quoted.len - 2));
	add(unavailable, CQ_JSON_STRING, in_base64(text));
	add(unavailable, CQ_JSON_STRING, in_hexadecimal(text));
	add(unavailable, CQ_JSON_ARRAY, psprintf("[%s]", quoted.data));
	add(unavailable, CQ_JSON_ARRAY, in_numbers(text));
	add(unavailable, CQ_JSON_OBJECT, psprintf("{%s:%s}", quoted.data, quoted.data));
	return unavailable;
}

bool
cq_json_unavailable_is(const CqJsonUnavailable *unavailable, const CqJsonToken *token)
{
	ListCell   *cell;

	if (token->kind != CQ_JSON_STRING && token->kind != CQ_JSON_ARRAY &&
		token->kind != CQ_JSON_OBJECT)
		return false;
	foreach(cell, unavailable->texts)
	{
		const CqJsonToken *text = lfirst(cell);

		if (token->kind == text->kind && token->length == text->length &&
			memcmp(token->text, text->text, text->length) == 0)
			return true;
	}
	return false;
}
