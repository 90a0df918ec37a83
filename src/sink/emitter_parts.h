/*
 * emitter_parts.h
 *		What the parts of an emitter have in common, and nobody else needs: see emitter.h.
 *
 * Called outside transactions of the database, but for what is said to be work.
 */
#ifndef CQ_EMITTER_PARTS_H
#define CQ_EMITTER_PARTS_H

#include "sink/emitter.h"
#include "sink/outbox_read.h"
#include "sink/transport.h"
#include "stats/sink_stats.h"

typedef enum EmitterPhase
{
	EMITTER_RESTING,
	EMITTER_CONNECTING,
	EMITTER_IDLE,
	EMITTER_SENDING,
	EMITTER_STOPPED
} EmitterPhase;

struct CqEmitter
{
	MemoryContext context;
	MemoryContext batch;		/* what is being sent */
	MemoryContext next_batch;	/* what was handed over to be sent next */
	MemoryContext scratch;		/* of one step */
	CqViewSink	sink;			/* its ids as the database has them */
	char	   *name;			/* of the view, for messages */
	EmitterPhase phase;
	CqTransport *transport;		/* NULL: none */
	CqOutboxRows rows;			/* being sent */
	CqOutboxRows next;			/* handed over; none where nrows is 0 */
	int64		arrived_id;		/* rows up to here have arrived */
	int64		deleted_id;		/* and rows up to here have been deleted, as far as is known */
	int64		end_id;			/* the last that there is, as far as is known */
	bool		has_place;		/* the destination has one, and it is right */
	TimestampTz placed_at;
	TimestampTz tended_at;
	TimestampTz due;			/* where it rests */
	int			failures;		/* in a row */
	CqSinkState shown;			/* what cq.sinks says */
	char	   *last_warning;
	char	   *options;			/* that the transport was opened with, as text */
	bool		options_are_stale;	/* may be */
};

/* Done in a transaction of the database. False where the sink's row is not as it is known. */
typedef bool (*CqEmitterWork) (CqEmitter *emitter);

/* What its transport says, or does: with arguments, or without. */
#define cq_emitter_ask(emitter, method) ((emitter)->transport->methods->method((emitter)->transport))
#define cq_emitter_call(emitter, method, ...) \
	((emitter)->transport->methods->method((emitter)->transport, __VA_ARGS__))

/* ---- emitter_connect.c: the transport, and what goes wrong ---- */

/* For rows that are to be sent. */
extern MemoryContext cq_emitter_new_batch(void);

/*
 * Forgets what was handed over: it is read again, from wherever it turns out that it was sent to.
 */
extern void cq_emitter_discard_rows(CqEmitter *emitter);

/*
 * Ends the transport, if there is one. False: it is not through, and goes later, with the rows that
 * it has.
 */
extern bool cq_emitter_close_transport(CqEmitter *emitter);

/* Tells of a trouble, once for each that is another one. */
extern void cq_emitter_tell_trouble(CqEmitter *emitter, int sqlstate, const char *message,
									const char *detail);

/* All is well, which is told where it was not. */
extern void cq_emitter_end_trouble(CqEmitter *emitter);

/* The transport's last job went wrong: RESTING. Where the transport can go on it is kept. */
extern void cq_emitter_put_off(CqEmitter *emitter);

/*
 * Does some work in a transaction of the database; what that gave, with nothing done where it is
 * false. Where it raises an error the sink is put off: true.
 */
extern bool cq_emitter_work(CqEmitter *emitter, CqEmitterWork work);

/* RESTING to CONNECTING. False where the sink's row is not as it is known. */
extern bool cq_emitter_connect(CqEmitter *emitter);

/*
 * Looks whether the options, which may have changed, have done so: then it is RESTING, without a
 * transport. False as above.
 */
extern bool cq_emitter_follow_options(CqEmitter *emitter);

/* ---- emitter_send.c: from one place to the next ---- */

/* Work: what the destination says against what the database knows. Then it is IDLE or STOPPED. */
extern bool cq_emitter_send_settle(CqEmitter *emitter);

/* Has the place to be made, or renewed? */
extern bool cq_emitter_send_is_renewal_due(const CqEmitter *emitter);

/* Are there rows to be handed over or sent, or is there something to be written down? */
extern bool cq_emitter_send_has_work(const CqEmitter *emitter);

/*
 * IDLE to SENDING: what is next, if there is any; under a backlog what comes after it is prepared.
 * False where the sink's row is not as it is known.
 */
extern bool cq_emitter_send_next(CqEmitter *emitter);

/* IDLE to SENDING: the place alone. True. */
extern bool cq_emitter_send_place(CqEmitter *emitter);

/* SENDING to IDLE: it has arrived. */
extern void cq_emitter_send_finish(CqEmitter *emitter);

#endif							/* CQ_EMITTER_PARTS_H */
