/*
 * retention.h
 *		Deletes rows that are too old from a view's tables.
 */
#ifndef CQ_RETENTION_H
#define CQ_RETENTION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "tcop/dest.h"

/*
 * Deletes rows whose time in a column, a timestamptz or timestamp, or the end of a range of these,
 * is before horizon, at most so
 * many, in a transaction that has just begun to write: rows that a batch is at are waited for.
 * Gives how many went. As the table's owner: it is theirs, and so is whatever might fire on it.
 * deleted, unless it is NULL, is given those rows.
 */
extern int64 cq_retention_delete(Oid table, const char *column, TimestampTz horizon,
								 int64 max_rows, DestReceiver *deleted);

/*
 * The same, in a table of a node, of rows that are not the newest before the horizon of those which
 * are equal in the columns keys (of char *); where a row has come with a time from from on.
 */
extern int64 cq_retention_delete_versions(Oid table, const char *column, const List *keys,
										  TimestampTz from, TimestampTz horizon, int64 max_rows);

/*
 * Runs a DELETE over the table with two parameters of the type that the column has, or that bounds
 * of its ranges have.
 */
extern void cq_retention_delete_by(Oid table, const char *column, const char *statement,
								   TimestampTz one, TimestampTz other);

/* Is there any? */
extern bool cq_retention_is_due(Oid table, const char *column, TimestampTz horizon);

/* What is before it is too old at that time. */
extern TimestampTz cq_retention_horizon(TimestampTz now, const Interval *retention);

#endif							/* CQ_RETENTION_H */
