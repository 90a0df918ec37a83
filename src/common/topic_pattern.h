/*
 * topic_pattern.h
 *		Topics by a regular expression: what begins with ^, as no name of a topic does.
 */
#ifndef CQ_TOPIC_PATTERN_H
#define CQ_TOPIC_PATTERN_H

#include "postgres.h"

extern bool cq_topic_pattern_is(const char *topic);

/* Raises ERROR where it is no regular expression. */
extern bool cq_topic_pattern_matches(const char *pattern, const char *topic);

#endif							/* CQ_TOPIC_PATTERN_H */
