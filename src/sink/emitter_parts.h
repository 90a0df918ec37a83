/*
 * emitter_parts.h
 *		What the parts of an emitter have in common, and nobody else needs: see emitter.h.
 *
 * Called outside transactions of the database, but for what is said to be work.
 */
#ifndef CQ_EMITTER_PARTS_H
#define CQ_EMITTER_PARTS_H

#include "sink/emitter.h"
#include "sink/framing.h"
#include "sink/outbox_read.h"
#include "source/kafka_transaction.h"
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
	CqKafkaTransaction *transaction;	/* NULL: none */
	/* of the stream as the producer knows it; NULL: there is nothing to put in */
	CqFraming  *framing;
	MemoryContext framing_context;
	CqOutboxRows rows;			/* being sent */
	CqOutboxRows next;			/* handed over; none where nrows is 0 */
	int64		kafka_id;		/* rows up to here are in Kafka */
	int64		deleted_id;		/* and rows up to here have been deleted, as far as is known */
	int64		end_id;			/* the last that there is, as far as is known */
	bool		has_place;		/* Kafka has one, and it is right */
	TimestampTz placed_at;
	TimestampTz tended_at;
	TimestampTz due;			/* where it rests */
	int			failures;		/* in a row */
	CqSinkState shown;			/* what cq.sinks says */
	char	   *last_warning;
	char	   *options;			/* that the producer was opened with, as one text */
	bool		options_are_stale;	/* may be */
};

/* Done in a transaction of the database. False where the sink's row is not as it is known. */
typedef bool (*CqEmitterWork) (CqEmitter *emitter);

/* ---- emitter_producer.c: the producer, and what goes wrong ---- */

/* For rows that are to be sent. */
extern MemoryContext cq_emitter_new_batch(void);

/*
 * Forgets what was handed over: it is read again, from wherever it turns out that it was sent to.
 */
extern void cq_emitter_discard_rows(CqEmitter *emitter);

/*
 * Ends the producer, if there is one. False: it is not through, and goes later, with the rows that
 * it has.
 */
extern bool cq_emitter_close_producer(CqEmitter *emitter);

/* Tells of a trouble, once for each that is another one. */
extern void cq_emitter_tell_trouble(CqEmitter *emitter, int sqlstate, const char *message,
									const char *detail);

/* All is well, which is told where it was not. */
extern void cq_emitter_end_trouble(CqEmitter *emitter);

/* The producer's last job went wrong: RESTING. Where the producer can go on it is kept. */
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
 * producer. False as above.
 */
extern bool cq_emitter_follow_options(CqEmitter *emitter);

/* ---- emitter_send.c: from one place to the next ---- */

/* Work: what Kafka says against what the database knows. Then it is IDLE or STOPPED. */
extern bool cq_emitter_send_settle(CqEmitter *emitter);

/* Has the place in Kafka to be made, or renewed? */
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

/* SENDING to IDLE: it is in Kafka. */
extern void cq_emitter_send_finish(CqEmitter *emitter);

#endif							/* CQ_EMITTER_PARTS_H */
