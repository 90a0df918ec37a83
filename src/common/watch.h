/*
 * watch.h
 *		How long somebody's code runs in a process of ours, and whether others wait meanwhile.
 *
 *		begin ──── tick, each 100 ms ──────────────────────────────────────────► end
 *		             │ after 300 ms says in shared memory that it takes long; the launcher then
 *		             │ looks who waits for a lock that this process holds
 *		             ├─ somebody does ──► cancel: all is rolled back, and done again
 *		             ├─ the view's time is over, or its memory is used up ──► cancel: its part is
 *		             │  rolled back
 *		             └─ a function has caught several such ──► the process ends
 *
 * As autovacuum does, a process of ours gives way to whoever waits for a relation that it has
 * locked. All functions do nothing in a process that has not been told of a slot.
 */
#ifndef CQ_WATCH_H
#define CQ_WATCH_H

#include "postgres.h"

#include <signal.h>

#include "access/attnum.h"
#include "access/htup_details.h"
#include "datatype/timestamp.h"

typedef enum CqWatchExcess
{
	CQ_WATCH_WITHIN,
	CQ_WATCH_TIME,
	CQ_WATCH_MEMORY
} CqWatchExcess;

/* A value of a stream. */
typedef struct CqWatchPlace
{
	Oid			stream;			/* InvalidOid: none */
	uint32		topic;			/* its hash */
	int32		partition;
	AttrNumber	attno;
	int64		offset;
} CqWatchPlace;

/* A message, and which of its values made a process end. */
typedef struct CqDeafMessage
{
	CqWatchPlace place;			/* of any of them */
	uint8		columns[MaxHeapAttributeNumber / 8 + 1];	/* by attno, a bit each */
} CqDeafMessage;

#define CQ_WATCH_MESSAGES 16

/* In shared memory, of one process. Written without a lock. */
typedef struct CqWatchSlot
{
	volatile sig_atomic_t is_long;	/* look whether somebody waits */
	volatile sig_atomic_t must_yield;	/* somebody does */
	volatile TimestampTz began; /* what takes long */
	/* The view or stream whose function only ended with the process, and in how many messages. */
	volatile Oid culprit;
	volatile int culprit_rows;
	volatile int ndeaf;			/* how many messages were noted here, the last ones */
	CqDeafMessage deaf[CQ_WATCH_MESSAGES];
} CqWatchSlot;

/* Once. tell is called in a signal handler, each time that is_long has been set. */
extern void cq_watch_init(CqWatchSlot *slot, void (*tell) (void));

/* What is done between these may be cancelled. */
extern void cq_watch_begin(void);
extern void cq_watch_end(void);

/*
 * The part of a view in it, for which it has cq.view_timeout and cq.view_memory. An error ends it
 * as well: then end is to be called first of all.
 */
extern void cq_watch_begin_part(Oid view);

/* The same of a stream, so many of whose messages are decoded; of one value, else place is NULL. */
extern void cq_watch_begin_decoding(Oid stream, int nrows, const CqWatchPlace *place);

/* Did a process before this one have to end there? */
extern bool cq_watch_take_deaf(const CqWatchPlace *place);

/* The batch is committed: what was told of its messages is not told again. */
extern void cq_watch_forget_deaf(void);

extern void cq_watch_end_part(void);

/*
 * After the end: has the view had its time, or its memory? Nothing that it has done since is to be
 * trusted.
 */
extern bool cq_watch_exceeded(void);

/* What of, for "it takes …". */
extern const char *cq_watch_excess(void);

/*
 * Does something as the part of a view, alone, for which it has ten times as long: it is of many
 * batches at once, which do not wait for it. For a caller that catches errors.
 */
extern void cq_watch_run(Oid view, void (*run) (void *arg), void *arg);

/* Raises ERROR where it was: a function has caught the cancel. */
extern void cq_watch_require_within(void);

/* Is this a process of ours? */
extern bool cq_watch_is_here(void);

/* Was it cancelled, or is to be, because somebody waits? */
extern bool cq_watch_yields(void);

#endif							/* CQ_WATCH_H */
