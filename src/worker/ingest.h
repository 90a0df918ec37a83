/*
 * ingest.h
 *		What an ingest worker knows, shared by the files that make it up.
 */
#ifndef CQ_INGEST_H
#define CQ_INGEST_H

#include "postgres.h"

#include "exec/exec.h"
#include "storage/latch.h"
#include "worker/shared.h"

/* Something about a stream that is to be tried, or tried again, when due. In TopMemoryContext. */
typedef struct CqTask
{
	Oid			stream;
	TimestampTz due;
	int			failures;		/* in a row */
	char	   *message;		/* of the last failure, so that it is logged but once */

	/* Of settling. */
	CqInquiry  *inquiry;		/* that it waits for, or NULL */
	/* has to be done once more, since somebody wants it as of now */
	bool		is_wanted_again;
	bool		accepts_faults; /* see cq_settle_lane */
} CqTask;

/* A lane, and how it fares. */
typedef struct CqIngestLane
{
	CqLane	   *lane;			/* its reader is NULL where it is to be opened */
	/* it could not be read: its reader is opened again when due. NULL: it could */
	CqTask	   *trouble;
	uint64		reader_number;	/* of all that were opened */
	bool		is_down;		/* no broker can be reached */
	double		us_per_row;		/* lately */
	TimestampTz last_batch;		/* with rows in it */
	TimestampTz next_meeting;	/* not before */
	TimestampTz rests_until;	/* it has no turn before */
	int			nskipped;		/* turns in a row */
	bool		gave_way;		/* it has left its turn to another worker, and wants the next one */
	int64		busy_us;		/* with its batches, since that was told */
} CqIngestLane;

typedef struct CqIngest
{
	CqWorkerSlot *slot;
	int			worker;			/* 0 … nworkers - 1; of a compute pool: more, any number */
	int			nworkers;		/* of its pool */
	uint32		map_changes;	/* as last seen in its slot */
	int64		told_at;		/* how busy it is; of the monotonic clock */
	List	   *lanes;			/* of CqIngestLane *, in context */
	MemoryContext context;		/* of the lanes; a new one with each load */
	MemoryContext readers;		/* outlives loads */
	bool		lanes_are_stale;
	bool		readers_are_stale;	/* a stream's options may have changed */
	TimestampTz next_drift;		/* who is held for max_drift is asked again, where some are */
	bool		has_drifted;	/* a view with max_drift has gone on since */
	TimestampTz next_load;		/* where lanes could not be loaded; 0: they could */
	List	   *settlings;		/* of CqTask *: partitions to be looked up; in TopMemoryContext */
	bool		settles_all;	/* look up all streams at the next load */
	uint32		settle_requests;	/* as last seen in the database's slot */
	WaitEventSet *wait_set;		/* NULL: to be made anew */
} CqIngest;

/* ---- load.c: the lanes, and their readers ---- */

/* Registers for changes of the catalog. Once. */
extern void cq_load_watch(CqIngest *ingest);

/* Loads the lanes; keeps readers of those that are the same. */
extern void cq_load_lanes(CqIngest *ingest);

/* The reader is of no more use: a load opens another one. */
extern void cq_load_drop_reader(CqIngest *ingest, CqIngestLane *lane);

/*
 * The lane cannot be read, for this reason: it is left alone for 1, 2, 4 … 30 s. Others go on, also
 * those of its stream.
 */
extern void cq_load_put_off(CqIngest *ingest, CqIngestLane *lane, const char *message);

/* All of its views are locked by others: it is left alone for 0.1 … 1 s. */
extern void cq_load_wait_for_lock(CqIngestLane *lane);

/* The stream is read, if all of its lanes are, and nothing of it cannot be looked up. */
extern void cq_load_show_reading(const CqIngest *ingest, Oid stream);

/* It can be read. */
extern void cq_load_end_trouble(CqIngest *ingest, CqIngestLane *lane);

/* Is what was put off to be done again: readers to be opened, lanes to be loaded? */
extern bool cq_load_is_due(const CqIngest *ingest);

/* Lanes are stale where others are to be held now, for max_drift. */
extern void cq_load_heed_drift(CqIngest *ingest);

/* Looks up the partitions of streams, of those whose time has come. */
extern void cq_load_settle(CqIngest *ingest);
extern void cq_load_want_settled(CqIngest *ingest, Oid stream);

/* Is somebody asked about partitions? */
extern bool cq_load_asks(const CqIngest *ingest);

/* When cq_load_lanes or cq_load_settle have something to do, in ms from now, at most most. */
extern long cq_load_delay(const CqIngest *ingest, long most);

/* ---- turn.c: whose turn it is ---- */

/* Gives lanes their turns. False where none had anything. Stops where lanes have become stale. */
extern bool cq_turn_run(CqIngest *ingest);

/* ---- event.c: what sources say besides messages ---- */

extern void cq_event_take(CqIngest *ingest);

/* ---- look.c: who is silent ---- */

/* Tells of all partitions that are read, after a round that began then (of the real clock). */
extern void cq_look_tell(const CqIngest *ingest, int64 began);

/* Tells how busy it is with its partitions, where it is of a compute pool. */
extern void cq_look_tell_busy(CqIngest *ingest);

/* ---- level.c ---- */

/*
 * Tells what has become of the rows of tables whose changes count, and brings views level that read
 * others by their names and have stayed behind; looks for them where something has changed, and now
 * and then. False where no table had anything to be told. No transaction is open before or after.
 */
extern bool cq_level_run(CqIngest *ingest, bool has_changed);

#endif							/* CQ_INGEST_H */
