/*
 * json_scalar.c
 *		What a token of valid JSON is: see json_scalar.h.
 */
#include "postgres.h"

#include "format/json_scalar.h"

char *
cq_json_scalar_text(const CqJsonToken *token)
{
	char	   *text = palloc(token->length + 1);
	const char *reason;
	int64		length = token->length;

	if (token->kind == CQ_JSON_STRING && token->is_escaped)
		length = cq_json_token_unescape(token->text, token->length, text, &reason);
	else
		memcpy(text, token->text, token->length);
	if (length < 0)
		return NULL;
	text[length] = '\0';
	return text;
}

bool
cq_json_scalar_whole(const CqJsonToken *token, int64 *value)
{
	char	   *text;
	char	   *end;
	double		number;

	if (token->kind == CQ_JSON_INTEGER)
	{
		*value = token->integer;
		return true;
	}
	if (token->kind != CQ_JSON_NUMBER)
		return false;
	text = cq_json_scalar_text(token);
	end = text + strcspn(text, ".eE");
	if (*end == '.' && strspn(end + 1, "0") == strlen(end + 1))
	{
		*end = '\0';
		errno = 0;
		*value = strtoll(text, NULL, 10);
		return errno == 0;
	}
	number = strtod(text, NULL);
	*value = (int64) Max(Min(number, 9007199254740992.0), -9007199254740992.0);
	return (double) *value == number;
}

bool
cq_json_scalar_unsigned(const CqJsonToken *token, uint64 *value)
{
	char	   *text;

	if (token->kind != CQ_JSON_NUMBER)
		return false;
	text = cq_json_scalar_text(token);
	if (*text == '\0' || strspn(text, "0123456789") != strlen(text))
		return false;
	errno = 0;
	*value = strtoull(text, NULL, 10);
	return errno == 0;
}

bool
cq_json_scalar_float(const CqJsonToken *token, float8 *number, float4 *single)
{
	char	   *text = cq_json_scalar_text(token);

	if (token->kind == CQ_JSON_STRING)
	{
		if (text == NULL || (strcmp(text, "NaN") != 0 && strcmp(text, "Infinity") != 0 &&
							 strcmp(text, "-Infinity") != 0))
			return false;
	}
	else if (token->kind != CQ_JSON_INTEGER && token->kind != CQ_JSON_NUMBER)
		return false;
	*number = strtod(text, NULL);
	*single = strtof(text, NULL);
	return true;
}
