/*
 * row_key.h
 *		By which of its columns the rows of a query's answer are told apart.
 */
#ifndef CQ_ROW_KEY_H
#define CQ_ROW_KEY_H

#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"

/*
 * True where no two rows of the answer have the same values in *columns (of the select list, from
 * 1), as grouping compares them; of the sets that are known, the smallest one. None at all where
 * the answer has one row at most. query is a definition after parse analysis; it is not changed.
 *
 * What a stream with mode upsert has for a key counts as such: producers send all messages of a key
 * to one partition.
 */
extern bool cq_row_key_find(const Query *query, Bitmapset **columns);

#endif							/* CQ_ROW_KEY_H */
