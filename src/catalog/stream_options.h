/*
 * stream_options.h
 *		The words that options of streams may be, in the order of the enums in stream.h; each list
 *		ends with NULL.
 */
#ifndef CQ_STREAM_OPTIONS_H
#define CQ_STREAM_OPTIONS_H

#include "postgres.h"

#include "common/reject.h"
#include "common/value_style.h"
#include "nodes/pg_list.h"

extern const char *const cq_stream_tombstones[];	/* CqTombstone */
extern const char *const cq_stream_gap_choices[];	/* CqOnGap */
extern const char *const cq_stream_framings[];	/* registry, none, connect */
extern const char *const cq_stream_modes[];	/* as CqStreamMode */
extern const char *const cq_stream_headers[];	/* as CqCsvHeader */
extern const char *const cq_stream_error_choices[]; /* fail, skip */
extern const char *const cq_stream_subject_names[]; /* CqSubjectNames */
extern const char *const cq_stream_values[];	/* plain, debezium */
extern const char *const cq_stream_number_formats[];	/* from CQ_NUMBERS_NUMBER on */
extern const char *const cq_stream_metadata[];	/* CqColumnOrigin, from CQ_COLUMN_TOPIC on */

/*
 * Is it an option of servers and user mappings that is of the schema registry, and no property of
 * librdkafka's?
 */
extern bool cq_stream_options_is_of_registry(const char *name);

/* A word for a style, or else a pattern of to_timestamp. */
extern CqReject *cq_stream_parse_time_format(const char *value, CqValueStyle *style);

/* The URLs of an option, between commas; of char *. */
extern List *cq_stream_options_parse_urls(const char *value);

#endif							/* CQ_STREAM_OPTIONS_H */
