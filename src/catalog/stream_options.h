/*
 * stream_options.h
 *		The words that options of streams may be, in the order of the enums in stream.h; each list ends with NULL.
 */
#ifndef CQ_STREAM_OPTIONS_H
#define CQ_STREAM_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"

extern const char *const cq_stream_tombstones[];	/* CqTombstone */
extern const char *const cq_stream_gap_choices[];	/* CqOnGap */
extern const char *const cq_stream_framings[];	/* registry, none */
extern const char *const cq_stream_modes[];	/* as CqStreamMode */
extern const char *const cq_stream_error_choices[]; /* fail, skip */
extern const char *const cq_stream_metadata[];	/* CqColumnOrigin, from CQ_COLUMN_TOPIC on */

/* Is it an option of servers and user mappings that is of the schema registry, and no property of librdkafka's? */
extern bool cq_stream_is_of_registry(const char *name);

/* The URLs of an option, between commas; of char *. */
extern List *cq_stream_parse_urls(const char *value);

#endif							/* CQ_STREAM_OPTIONS_H */
