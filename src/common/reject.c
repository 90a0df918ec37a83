/*
 * reject.c
 *		A reason for saying no, as a value: see reject.h.
 */
#include "postgres.h"

#include "common/reject.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

static char *format_text(const char *format, va_list args) pg_attribute_printf(1, 0);

static char *
format_text(const char *format, va_list args)
{
	StringInfoData text;

	initStringInfo(&text);
	for (;;)
	{
		va_list		copy;
		int			needed;

		va_copy(copy, args);
		needed = appendStringInfoVA(&text, format, copy);
		va_end(copy);
		if (needed == 0)
			return text.data;
		enlargeStringInfo(&text, needed);
	}
}

CqReject *
cq_reject(int sqlerrcode, const char *format,...)
{
	CqReject   *reject = palloc0(sizeof(CqReject));
	va_list		args;

	reject->sqlerrcode = sqlerrcode;
	reject->location = -1;
	va_start(args, format);
	reject->message = format_text(format, args);
	va_end(args);
	return reject;
}

CqReject *
cq_reject_detail(CqReject *reject, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	reject->detail = format_text(format, args);
	va_end(args);
	return reject;
}

CqReject *
cq_reject_hint(CqReject *reject, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	reject->hint = format_text(format, args);
	va_end(args);
	return reject;
}

CqReject *
cq_reject_unsupported(int location, const char *what, const char *hint)
{
	CqReject   *reject = cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED, "%s", what),
									  location);

	return hint != NULL ? cq_reject_hint(reject, "%s", hint) : reject;
}

CqReject *
cq_reject_constraint(CqReject *reject, const char *name)
{
	reject->constraint = name != NULL ? pstrdup(name) : NULL;
	return reject;
}

CqReject *
cq_reject_at(CqReject *reject, int location)
{
	reject->location = location;
	return reject;
}

void
cq_reject_raise(const CqReject *reject, const char *query_text)
{
	int			position = 0;

	if (reject == NULL)
		return;
	if (query_text != NULL && reject->location >= 0)
		position = pg_mbstrlen_with_len(query_text, reject->location) + 1;
	ereport(ERROR,
			(errcode(reject->sqlerrcode),
			 errmsg("%s", reject->message),
			 reject->detail ? errdetail("%s", reject->detail) : 0,
			 reject->hint ? errhint("%s", reject->hint) : 0,
			 position > 0 ? errposition(position) : 0));
}
