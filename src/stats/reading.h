/*
 * reading.h
 *		What workers know of the partitions that they read: since when nothing has come, what holds
 *		them up.
 *
 * Workers tell it of each cursor whenever they have looked; who asks for watermarks and retention
 * judges by it who is silent. It is no statistic, so it has room for any number of cursors. It does
 * not outlive the server: what was silent before is not known to be silent now.
 */
#ifndef CQ_READING_H
#define CQ_READING_H

#include "postgres.h"

#define CQ_READING_TEXT_LENGTH	200

/* Times are those of the monotonic clock (clock.h). */
typedef struct CqReading
{
	int64		silent_since;	/* read to its end, and nothing has come since; 0: there may be */
	int64		next_offset;	/* where it stood */
	bool		has_caught_up;	/* has been read to its end, by the reader that reads it now */
	int64		looked_at;		/* what was there by then has been taken; of the real clock */
	char		held_up[CQ_READING_TEXT_LENGTH];	/* why it cannot be read to its end, or empty */
} CqReading;

/* Shared memory; from _PG_init. */
extern void cq_reading_init(void);

/* Of a worker (1 …) about a cursor of this database. */
extern void cq_reading_note(int64 cursor_id, int worker, const CqReading *reading);
extern void cq_reading_forget(int64 cursor_id);

/*
 * What was told by a worker of this database, or by those after the last one: of a worker that
 * begins.
 */
extern void cq_reading_forget_worker(int worker, int first_gone, int end_gone);

/* Of a database that is no more. */
extern void cq_reading_forget_database(Oid database);

/* False where nobody has told anything. */
extern bool cq_reading_get(int64 cursor_id, CqReading *reading);

/* Has its worker looked within the last seconds? */
extern bool cq_reading_is_fresh(const CqReading *reading);

#endif							/* CQ_READING_H */
