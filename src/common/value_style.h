/*
 * value_style.h
 *		How a producer writes values for which the format has no type of their own: times, decimals
 *		and documents in JSON. All zeros: as the format says.
 */
#ifndef CQ_VALUE_STYLE_H
#define CQ_VALUE_STYLE_H

typedef enum CqTimeStyle
{
	CQ_TIMES_PLAIN,				/* ISO 8601, or a whole number of milliseconds */
	CQ_TIMES_ISO,
	CQ_TIMES_SECONDS,			/* since 1970, or midnight; with a fraction */
	CQ_TIMES_MILLISECONDS,
	CQ_TIMES_MICROSECONDS,
	CQ_TIMES_NANOSECONDS,
	/* numbers of days, and of milli- or microseconds by the precision */
	CQ_TIMES_DEBEZIUM,
	CQ_TIMES_PATTERN			/* as to_timestamp has them */
} CqTimeStyle;

typedef enum CqNumberStyle
{
	CQ_NUMBERS_PLAIN,			/* numbers, also in strings */
	CQ_NUMBERS_NUMBER,			/* no strings */
	CQ_NUMBERS_STRING,			/* no numbers */
	CQ_NUMBERS_BASE64			/* decimals: the unscaled value's bytes; the column has the scale */
} CqNumberStyle;

typedef struct CqValueStyle
{
	CqTimeStyle times;
	const char *pattern;		/* of CQ_TIMES_PATTERN */
	CqNumberStyle numbers;		/* of decimals */
	bool		is_debezium;	/* dates count days, strings for json and jsonb are their text */
	/* a string is text as the type's input function takes it, also of bytea, json and jsonb */
	bool		is_text;
	bool		is_never_null;	/* of CSV: what is null without quotes is text as well */
	bool		null_if_quoted; /* of CSV: what is null without quotes is null with them, too */
	bool		ignores_case;	/* names of fields are the same if they differ by case only */
} CqValueStyle;

#endif							/* CQ_VALUE_STYLE_H */
