/*
 * version_seen.h
 *		Versions of what is read by its name (_cq.version), and which of them each reader has seen
 *		(_cq.reads): where the two are equal, the reader is level with it.
 *
 * All of these act as the catalog's owner, within a transaction.
 */
#ifndef CQ_VERSION_SEEN_H
#define CQ_VERSION_SEEN_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * Those of some views (of Oid) that are not level with what they themselves read. *with, where it
 * is asked for: with which.
 */
extern List *cq_version_seen_behind(const List *views, List **with);

/*
 * All views that are not level with one that they themselves read: of Oid. *running: those that
 * run.
 */
extern List *cq_version_seen_all_behind(List **running);

/* A table whose changes count has this version. */
extern void cq_version_seen_set(Oid table, int64 version);

/*
 * The versions of views that have changed go on; those that have followed have seen that, and what
 * has become of tables.
 */
extern void cq_version_seen_note(const List *changed, const List *tables, const List *followed);

/* The view has seen all that is there. */
extern void cq_version_seen_note_all(Oid view);

#endif							/* CQ_VERSION_SEEN_H */
