/*
 * shared.h
 *		What launcher, supervisors and workers share: a slot for each database, a slot for each
 *		ingest worker.
 *
 * A slot outlives the process that it is for: who starts a process gives it the slot and the slot's
 * generation, the process attaches if the generation is still the same, and is detached when it
 * ends, however that happens.
 *
 *		database:  FREE ─► STARTING ─► RUNNING ─► LEFT ─► FREE or STARTING		moved by the launcher, → RUNNING → LEFT by the supervisor
 *		worker:    FREE ─► STARTING ─► (its states while it runs) ─► STOPPED ─► RESTARTING ─► STARTING	moved by the supervisor and the worker
 *
 * The keeper, and the emitter, of which a database has one where there are sinks, have slots like
 * that of a worker, with numbers of their own.
 *
 * All of it is guarded by one lock, held for moments.
 */
#ifndef CQ_SHARED_H
#define CQ_SHARED_H

#include "postgres.h"

#include "common/watch.h"
#include "datatype/timestamp.h"
#include "stats/meter.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#define CQ_SLOT_ERROR_LENGTH	512
#define CQ_EMITTER_NUMBER		0	/* of the emitter's slot among those of workers */
#define CQ_KEEPER_NUMBER		(-1)	/* of the keeper's */
#define CQ_START_TIMEOUT_MS		30000	/* a process that has not attached by then never will */

typedef enum CqDatabaseState
{
	CQ_DATABASE_FREE,			/* nobody is there */
	CQ_DATABASE_STARTING,
	CQ_DATABASE_RUNNING,
	CQ_DATABASE_LEFT
} CqDatabaseState;

/* Why a supervisor left. */
typedef enum CqOutcome
{
	CQ_OUTCOME_FAILED,			/* also: killed */
	CQ_OUTCOME_TOLD,			/* asked to */
	CQ_OUTCOME_NO_EXTENSION
} CqOutcome;

typedef struct CqDatabaseSlot
{
	Oid			database;		/* InvalidOid: the slot is free */
	CqDatabaseState state;
	TimestampTz state_since;
	uint32		generation;
	PGPROC	   *process;		/* the supervisor, NULL: none */
	pid_t		pid;
	CqOutcome	outcome;		/* where state is LEFT */
	bool		is_wanted;		/* the extension was created since the launcher last looked */
	int			holds;			/* transactions that want the database for themselves */
	/* grows when somebody knows of partitions that no worker has seen */
	uint32		settle_requests;
	uint32		closing_requests;	/* grows when a batch may have brought windows to their end */
	uint32		emitting_requests;	/* grows when a batch has put rows into an outbox */
	bool		wants_emitter;	/* as the keeper has found */
	bool		lacks_process;	/* max_worker_processes was reached */
} CqDatabaseSlot;

/*
 * Numbers of workers: those of the default pool from 1, those of the pool with slot p from p *
 * CQ_POOL_STEP + 1.
 */
#define CQ_POOL_STEP			100
#define CQ_POOL_OF(number)		((number) / CQ_POOL_STEP)
#define CQ_WITHIN_POOL(number)	((number) % CQ_POOL_STEP)

#define CQ_POOL_CHANGES			16	/* that are remembered until they are told */
#define CQ_POOL_REASON_LENGTH	128

/* That a pool has another number of workers, and why. */
typedef struct CqPoolChange
{
	TimestampTz at;				/* 0: none */
	int			from;
	int			to;
	char		reason[CQ_POOL_REASON_LENGTH];
} CqPoolChange;

/* A compute pool of a database; slot 0 is nobody's, for the default pool. */
typedef struct CqPoolSlot
{
	Oid			database;		/* InvalidOid: the slot is free */
	char		name[NAMEDATALEN];
	bool		is_there;		/* in the catalog; else its workers end */
	bool		is_used;		/* by views that run */
	bool		has_news;		/* that it sleeps through */
	int			min_workers;
	int			max_workers;
	int			nice;
	int			wanted;			/* workers; those with higher numbers give up what they have */
	/* as last measured: */
	int			nplaces;		/* partitions */
	double		busy;			/* workers that have no time left for more */
	double		backlog;		/* seconds of one worker */
	int64		lag;
	/* of the monotonic clock; 0: it is not so */
	int64		over_since;		/* there is more to do than its workers can */
	int64		under_since;	/* there would be too, with one less */
	int64		idle_since;		/* nothing has come */
	int64		nrows;			/* that its workers had read, when looked at last */
	uint32		nchanges;		/* so far; the last ones are kept, by number */
	uint32		ntold;			/* of them */
	CqPoolChange changes[CQ_POOL_CHANGES];
} CqPoolSlot;

typedef enum CqWorkerState
{
	CQ_WORKER_STARTING,
	CQ_WORKER_LOADING,			/* views and positions */
	CQ_WORKER_RUNNING,
	CQ_WORKER_IDLE,				/* nothing to read */
	CQ_WORKER_DOWN,				/* waits for a broker */
	/* the database is a copy or a restore: nothing runs until cq.resume_all() */
	CQ_WORKER_COPY,
	CQ_WORKER_STOPPED,			/* has ended */
	CQ_WORKER_RESTARTING,		/* has ended, and will be started again */
	CQ_WORKER_NO_PROCESS		/* max_worker_processes was reached */
} CqWorkerState;

typedef struct CqWorkerSlot
{
	Oid			database;		/* InvalidOid: the slot is free */
	/* of all in the database: see CQ_POOL_STEP; CQ_EMITTER_NUMBER, CQ_KEEPER_NUMBER: these */
	int			number;
	int			total;			/* of its pool */
	char		pool[NAMEDATALEN];	/* of a worker; empty: the default one */
	int			nice;
	uint32		map_changes;	/* grows when partitions have come or are to go: see map.h */
	uint32		load_number;
	uint32		generation;
	PGPROC	   *process;		/* NULL: none */
	pid_t		pid;
	bool		left_as_told;	/* the last process ended by itself, without an error */
	int			failures;		/* in a row */
	TimestampTz next_start;
	TimestampTz started_at;		/* the last process */
	/* when it was last at the top of its loop; of the monotonic clock; written without a lock */
	volatile int64 heard_at;
	CqWorkerState state;
	TimestampTz state_since;
	CqWatchSlot watch;
	int64		rows;
	int64		bytes;
	int64		nbatches;
	/* written without a lock, by the process alone: */
	CqMeter		used;			/* by this process and those before it */
	CqMeter		used_before;	/* by those */
	int64		ncommits;		/* of transactions that have written something */
	int64		nrestarts;
	TimestampTz last_batch_time;
	TimestampTz last_error_time;	/* 0: none */
	char		last_error[CQ_SLOT_ERROR_LENGTH];
} CqWorkerSlot;

typedef struct CqShared
{
	LWLock	   *lock;
	PGPROC	   *launcher;		/* NULL: none */
	bool		is_off;			/* cq.enabled, as the launcher has it */
	ConditionVariable changed;	/* a process left, or a batch was committed */
	int			nslots;			/* of each kind */
	CqDatabaseSlot *databases;
	CqWorkerSlot *workers;
	CqPoolSlot *pools;
} CqShared;

/* What a process is started with. */
typedef struct CqStart
{
	Oid			database;
	int			slot;
	uint32		generation;
} CqStart;

extern CqShared *cq_shared;		/* NULL: not preloaded */

/*
 * How long, in ms, to wait before anything is started: more than 0 where the server has crashed
 * again and again.
 */
extern int	cq_shared_start_delay;

extern void cq_shared_init(void);

/*
 * Raises ERROR where there will be no workers in this database: it is a copy, they are switched
 * off, … (wait.c)
 */
extern void cq_wait_require_workers(void);

/* Raises ERROR, with what to set, where the module was not preloaded. */
extern void cq_shared_require(void);

/* "worker 1 of 2", or "worker 1 of pool p": palloc'd. */
extern char *cq_shared_worker_name(const CqWorkerSlot *slot);

/* With the lock held. NULL where there is none, or with create, no room. */
extern CqDatabaseSlot *cq_shared_find_database(Oid database, bool create);

/*
 * Each attaches this process until it ends. False: it is not wanted any more. Call before
 * connecting to a database.
 */
extern void cq_shared_attach_launcher(void);
extern CqDatabaseSlot *cq_shared_attach_supervisor(const CqStart *start);
extern CqWorkerSlot *cq_shared_attach_worker(const CqStart *start);

/*
 * Asks all workers of a database, and with_supervisor its supervisor, to end. False where nobody is
 * left. With the lock not held.
 */
extern bool cq_shared_terminate(Oid database, bool with_supervisor);

extern void cq_shared_wake_launcher(void);

/*
 * Called by the launcher: asks processes to give way to those who wait for them. When to look
 * again, in ms.
 */
extern long cq_yield_look(long most);

/* Has this process watched (common/watch.h). */
extern void cq_yield_watch(CqWorkerSlot *slot);

/*
 * Stops the view for whose function the last process of this slot had to end. No transaction is
 * open before or after.
 */
extern void cq_yield_condemn(CqWorkerSlot *slot);

/* Has the keeper look which windows are to be closed. */
extern void cq_shared_request_closing(void);

/* How often that was called. */
extern uint32 cq_shared_closing_requests(void);

/* Tells the supervisor whether there is something to emit. */
extern void cq_shared_want_emitter(bool wants);

/*
 * Has the emitter look into the outboxes of this database: after the commit of a batch that has put
 * rows into one.
 */
extern void cq_shared_request_emitting(void);

/* How often that was called. */
extern uint32 cq_shared_emitting_requests(void);

/*
 * SIGTERM: a process that is busy is interrupted, as any backend; one that waits ends by itself
 * once it sees ShutdownRequestPending.
 */
extern volatile bool cq_shared_is_busy;
extern void cq_shared_on_sigterm(SIGNAL_ARGS);

/* ---- of a worker, about itself ---- */

/* It is there, and is at nothing that takes long. */
extern void cq_shared_hear(CqWorkerSlot *slot);

/* Notes what it has used so far: once in a while. */
extern void cq_shared_measure(CqWorkerSlot *slot);

extern void cq_shared_set_state(CqWorkerSlot *slot, CqWorkerState state);
extern void cq_shared_count(CqWorkerSlot *slot, int64 rows, int64 bytes);
extern void cq_shared_set_error(CqWorkerSlot *slot, const char *message);
extern const char *cq_shared_state_name(CqWorkerState state);

/* Main functions of the processes. */
extern PGDLLEXPORT void cq_launcher_main(Datum arg);
extern PGDLLEXPORT void cq_supervisor_main(Datum arg);
extern PGDLLEXPORT void cq_ingest_main(Datum arg);
extern PGDLLEXPORT void cq_emit_main(Datum arg);
extern PGDLLEXPORT void cq_keeper_main(Datum arg);

#endif							/* CQ_SHARED_H */
