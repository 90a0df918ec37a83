/*
 * log.h
 *		Streams kept in this database: what there is besides reading and writing them
 *		(cq_log_source).
 */
#ifndef CQ_LOG_H
#define CQ_LOG_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The topic that slices, positions and cursors of such a stream name; it has one partition, 0. */
#define CQ_LOG_TOPIC "log"

/* Removes all rows of a stream, within the transaction. Offsets go on. */
extern void cq_log_table_truncate(Oid stream);

/*
 * Removes the rows older than cutoff whose offset is less than limit, from the beginning, at most
 * max_rows of them. Returns how many. Rows of a transaction in progress, and those after them,
 * stay.
 */
extern int64 cq_log_write_trim(Oid stream, TimestampTz cutoff, int64 limit, int64 max_rows);

#endif							/* CQ_LOG_H */
