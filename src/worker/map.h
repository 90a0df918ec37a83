/*
 * map.h
 *		Which worker of a compute pool reads which partition: a map in shared memory.
 *
 * Partitions come into it as workers load their lanes: each falls to the worker of its pool that
 * has the least to do. From then on they are moved one by one (scale.c), which no worker notices
 * but the two. The one that has it lets go of it between two batches, and only then the other one
 * takes it, unless that takes too long: then both read it for a while, of which batches commit in
 * one (a batch moves cursors from where they stand, or not at all).
 *
 * The default pool has no map: its workers share out partitions by their hashes (exec/lane.c).
 */
#ifndef CQ_MAP_H
#define CQ_MAP_H

#include "postgres.h"

#include "worker/shared.h"

typedef struct CqPlaceKey
{
	Oid			database;
	Oid			stream;
	int			pool;			/* index of its slot */
	uint32		topic;			/* hash; topics that share it go together */
	int32		partition;
} CqPlaceKey;

/* A partition, as views of one pool read it. */
typedef struct CqPlace
{
	CqPlaceKey	key;
	int			worker;			/* its number: the one that is to read it */
	int			holder;			/* that reads it; 0: none */
	uint32		load_number;	/* of the holder, when it was found last */
	int64		moved_at;		/* of the monotonic clock */
	double		busy;			/* share of a worker's time that it takes, lately */
	double		backlog;		/* seconds of work that wait */
	int64		lag;			/* messages that wait */
} CqPlace;

/* Shared memory; with room for the places, and for asking for it. */
extern Size cq_map_size(void);
extern void cq_map_startup(void);

/*
 * Is the partition this worker's? One that is new falls to somebody. Calls for one load lie between
 * the other two; what is not found in between is nobody's any more.
 */
extern void cq_map_begin_load(CqWorkerSlot *slot);
extern bool cq_map_is_own(CqWorkerSlot *slot, Oid stream, const char *topic, int32 partition);
extern void cq_map_end_load(CqWorkerSlot *slot);

/* Of a partition that this worker reads. */
extern void cq_map_tell(const CqWorkerSlot *slot, Oid stream, const char *topic, int32 partition,
						double busy, double backlog, int64 lag);

/* ---- with the lock of cq_shared held ---- */

/* What this partition is to its worker. */
extern double cq_map_weight(const CqPlace *place);

/* Of the workers of the pool that run, the one with the least to do, or 0. */
extern int	cq_map_least_loaded(Oid database, int pool);

/* Gives it to another worker. */
extern void cq_map_move(CqPlace *place, int worker);

/* Calls what for each partition of the pool; it may remove it. */
extern void cq_map_visit(Oid database, int pool, void (*what) (CqPlace *place, void *context),
						 void *context);

/* The pool is no more. */
extern void cq_map_forget(Oid database, int pool);

#endif							/* CQ_MAP_H */
