/*
 * table_turn.h
 *		Tables whose changes count: what is in a table's log goes to the views that read it.
 *
 * To the graph (graph.h) such a table is a view that nobody maintains: its version is the offset in
 * its log up to which its readers have been told. What is there as of that offset is what the table
 * shows, less what is in the log from there on: both as of one snapshot, whichever that is. So
 * views are brought level without a lock that writers would wait for.
 */
#ifndef CQ_TABLE_TURN_H
#define CQ_TABLE_TURN_H

#include "postgres.h"

#include "node/tree_run.h"

/* Nobody else takes the table's turn to the end of the transaction. */
extern void cq_table_turn_hold(Oid table);

/* All of a table's rows, as of its version, for a view that compares them. */
extern CqToldView *cq_table_turn_whole(Oid table);

/*
 * Takes what is in the log, as much as a batch may have, to the views. Within a transaction. False:
 * there is nothing, or not now.
 */
extern bool cq_table_turn_run(Oid table, Oid stream);

/* Is there something in the log, perhaps? Within a transaction. */
extern bool cq_table_turn_is_due(Oid table, Oid stream);

/* How far a table's log goes now: as of cq_log_scan_stable_end. */
extern int64 cq_table_turn_goal(Oid table);

#endif							/* CQ_TABLE_TURN_H */
