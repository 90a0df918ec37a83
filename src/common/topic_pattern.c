/*
 * topic_pattern.c
 *		Topics by a regular expression: see topic_pattern.h. It is one of PostgreSQL's own, whatever
 *		the client library has.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "common/topic_pattern.h"
#include "regex/regex.h"
#include "utils/builtins.h"

bool
cq_topic_pattern_is(const char *topic)
{
	return topic[0] == '^';
}

bool
cq_topic_pattern_matches(const char *pattern, const char *topic)
{
	return RE_compile_and_execute(cstring_to_text(pattern), unconstify(char *, topic),
								  strlen(topic), REG_ADVANCED, C_COLLATION_OID, 0, NULL);
}
