/*
 * emitter.h
 *		One sink, from its outbox to where its rows go: at least once, and exactly once where the
 *		destination keeps the place together with the rows.
 *
 *		               ┌──── due ◄────────── after 1, 2, 4 … 30 s ◄──────────────┐
 *		               ▼                                                         │ whatever went wrong
 *		RESTING ──► CONNECTING ──────place────────► settle ──► IDLE ◄──sent───────┤
 *		                                             │         │ rows            │
 *		                      place and database     │         ▼                 │
 *		                      contradict each other  │      hand over ──► SENDING ┘
 *		                                             ▼
 *		                                          STOPPED until somebody has decided: cq.resume_sink
 *
 * hand over, one transaction of the database:
 *		delete what has arrived, read what is next, write sent_id and sending_id; commit, flushed,
 *		and replicated where standbys are synchronous. So nothing leaves the database that a crash,
 *		or a standby's promotion, could undo: what was read was committed before.
 * SENDING, no transaction of the database open:
 *		the transport (transport.h) takes the rows there, and the place behind them: of Kafka, in
 *		one transaction of its own.
 *
 * Under a backlog the next rows are handed over while those before are being sent: sending_id may
 * run ahead, it says no more than what may have arrived.
 *
 * What a crash leaves: before the commit of hand over, nothing. After it, rows up to sending_id of
 * which is unknown whether they have arrived; the place that the transport tells says which. So it
 * is asked for whenever anything was in doubt, and there must be one: it is made before the first
 * rows are handed over, and renewed while there are none, since Kafka forgets offsets.
 *
 * Contradictions, each of which means that somebody has to say whether rows in the outbox are to be
 * sent:
 *		the place is ahead of sending_id      the database was restored to an earlier point
 *		there is none, or it is behind and rows were handed over of which it would have to tell it
 *		has another epoch somebody else has written it
 *
 * An emitter raises no errors: what goes wrong with one sink puts off that one.
 */
#ifndef CQ_EMITTER_H
#define CQ_EMITTER_H

#include "catalog/sink.h"
#include "datatype/timestamp.h"

typedef struct CqEmitter CqEmitter;

/*
 * Of a sink as the catalog has it; in a context of its own, for which the caller's transaction does
 * not matter.
 */
extern CqEmitter *cq_emitter_create(const CqViewSink *sink);

/* Ends it. What was being sent is settled by whoever serves the sink next. */
extern void cq_emitter_close(CqEmitter *emitter);

/* Does it still serve this row? Takes note of whether it may go on. */
extern bool cq_emitter_matches(CqEmitter *emitter, const CqViewSink *sink);

extern const CqViewSink *cq_emitter_sink(const CqEmitter *emitter);

/* Options of the stream, its server or a user mapping may have changed: then it connects anew. */
extern void cq_emitter_note_options(CqEmitter *emitter);

/* The last id in its outbox, as somebody has seen it, within whose transaction it is called. */
extern void cq_emitter_note_end(CqEmitter *emitter, int64 end_id);

/* True where it would look for rows now, if it knew that there are any. */
extern bool cq_emitter_is_idle(const CqEmitter *emitter);

/*
 * Does what can be done now, with a few transactions of the database at most; does not wait for the
 * network. No transaction may be open. False: its row has to be looked at anew.
 */
extern bool cq_emitter_step(CqEmitter *emitter);

/* When to call that again though nothing has happened, in ms. */
extern long cq_emitter_delay(const CqEmitter *emitter, long most);

/* Readable when there is something to do, or -1. */
extern int	cq_emitter_fd(const CqEmitter *emitter);

/* Grows with each descriptor that is opened or closed, in this process: numbers are given again. */
extern uint32 cq_emitter_fd_changes(void);

/*
 * Frees what closed emitters have left behind, as soon as it is not used any more. Returns when to
 * call it again, in ms.
 */
extern long cq_emitter_reap(long most);

#endif							/* CQ_EMITTER_H */
