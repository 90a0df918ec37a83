/*
 * stream_options.h
 *		The words that options of streams may be, in the order of the enums in stream.h; each list ends with NULL.
 */
#ifndef CQ_STREAM_OPTIONS_H
#define CQ_STREAM_OPTIONS_H

extern const char *const cq_stream_tombstones[];	/* CqTombstone */
extern const char *const cq_stream_gap_choices[];	/* CqOnGap */
extern const char *const cq_stream_modes[];	/* as CqStreamMode */
extern const char *const cq_stream_error_choices[]; /* fail, skip */
extern const char *const cq_stream_metadata[];	/* CqColumnOrigin, from CQ_COLUMN_TOPIC on */

#endif							/* CQ_STREAM_OPTIONS_H */
