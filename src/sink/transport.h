/*
 * transport.h
 *		How an emitter's rows get to where they go: one small interface, an implementation for each
 *		kind of destination.
 *
 *		open ──► CONNECTING ──► READY ──send──► SENDING ──arrived──► READY, the place is behind
 *		             │                             │
 *		             │                             └─ not arrived ─► READY, the place is as it was
 *		             ▼                             ▼
 *		           FAILED ◄────────────────────────┘              error says why
 *
 * The place is up to where rows have arrived, as the destination itself knows it, or as the
 * database does where it does not. After FAILED only close is left; who wants to go on opens
 * another one, and learns the place from it.
 *
 * Promises:
 * - Nothing here waits for the network. What has to goes on by itself, and is looked at by state;
 *   a descriptor says when that is worth it.
 * - Nothing raises ERROR but what is called within a transaction of the database: describe, open,
 *   prepare, record, send.
 * - Rows that were handed to send are borrowed until the state is no longer SENDING, or until close
 *   has said that they are not used any more.
 * - Nothing that is said for people holds a secret.
 */
#ifndef CQ_TRANSPORT_H
#define CQ_TRANSPORT_H

#include "catalog/sink.h"
#include "lib/stringinfo.h"
#include "sink/outbox_read.h"

typedef enum CqTransportState
{
	CQ_TRANSPORT_CONNECTING,
	CQ_TRANSPORT_READY,
	CQ_TRANSPORT_SENDING,
	CQ_TRANSPORT_FAILED
} CqTransportState;

typedef struct CqTransportPlace
{
	bool		is_there;
	bool		is_ours;		/* it speaks of this sink's epoch */
	int64		next_id;		/* rows below it have arrived */
	bool		is_of_database; /* the destination keeps none: what is written down here counts */
} CqTransportPlace;

/* What may be wrong with a place, for people: sentences without their ends. */
typedef struct CqTransportPlaceText
{
	const char *destination;	/* where rows are */
	const char *foreign;		/* it is there, and not ours */
	const char *missing;		/* it is not there */
	const char *missing_because;	/* a whole sentence: when that happens */
	const char *old;			/* it is behind what is known of it */
} CqTransportPlaceText;

/* What went wrong last. */
typedef struct CqTransportError
{
	int			sqlstate;		/* 0: nothing */
	const char *message;
	const char *detail;			/* or NULL */
	int			pause_ms;		/* before that long there is no use in trying again */
} CqTransportError;

typedef struct CqTransport CqTransport;

typedef struct CqTransportMethods
{
	/*
	 * All that a transport of the sink is made of, as text: as long as that is the same it need not
	 * be opened anew. Raises ERROR where the sink's table is not fit, or the view's owner may not
	 * write there. palloc'd.
	 */
	char	   *(*describe) (const CqViewSink *sink);

	/*
	 * Begins to connect. NULL: something has been asked for that has to be known first; *trouble is
	 * why it is not, or NULL. Raises ERROR as describe does, and for bad options. Lives until it is
	 * closed, whatever becomes of the current memory context.
	 */
	CqTransport *(*open) (const CqViewSink *sink, const char **trouble);

	/*
	 * Rows as they come from the outbox, which is its owner's to write to: checked, and made ready
	 * to be sent; in the context that is given. Raises ERROR for rows that must not be sent. Those
	 * that are not to be sent yet are left out; where all are, held_because says why.
	 */
	void		(*prepare) (CqTransport *transport, const CqViewSink *sink, CqOutboxRows *rows,
							MemoryContext context);

	/*
	 * Writes down what became of rows up to an id, which have arrived, or were given up; in the
	 * transaction that moves the sink's place there, from sink->sent_id, which is committed. NULL:
	 * there is nothing to say of them. What raises ERROR is sent again.
	 */
	void		(*record) (CqTransport *transport, const CqViewSink *sink, int64 through_id);

	CqTransportState (*state) (CqTransport *transport);

	/* In state READY. */
	CqTransportPlace (*place) (const CqTransport *transport);

	/* palloc'd. Not where it is the database's. */
	CqTransportPlaceText (*place_text) (const CqTransport *transport);

	/* Of the last job, in state READY or FAILED. palloc'd, or the transport's. */
	CqTransportError (*error) (const CqTransport *transport);

	/* Why it takes long, while CONNECTING or SENDING; false: it does not. The text is palloc'd. */
	bool		(*trouble) (CqTransport *transport, char **text);

	/*
	 * In state READY: sends rows, in their order as far as the destination has one, and moves the
	 * place to next_id; or, with no rows, only that. What it needs beside the rows is palloc'd in
	 * CurrentMemoryContext, and borrowed like them.
	 */
	void		(*send) (CqTransport *transport, const CqOutboxRows *rows, int64 next_id);

	/* Readable when state has something to look at. */
	int			(*fd) (const CqTransport *transport);

	/* From time to time while nothing is sent. */
	void		(*tend) (CqTransport *transport);

	/* Ends it. False: rows are still borrowed, and it is to be called again later. */
	bool		(*close) (CqTransport *transport);
} CqTransportMethods;

/* What all transports begin with. */
struct CqTransport
{
	const CqTransportMethods *methods;
	int			max_rows;		/* that it is given at once */
	/* what became of rows is written down before others are sent: no more is lost by a crash */
	bool		is_one_by_one;
};

/* The kind for a sink's table. Within a transaction; raises ERROR where it has none. */
extern const CqTransportMethods *cq_transport_methods(const CqViewSink *sink);

/* Options (of DefElem) for describe. */
extern void cq_transport_describe(StringInfo text, const List *options);

/* ---- transport_kafka.c ---- */

extern const CqTransportMethods cq_transport_kafka;

/* ---- transport_http.c ---- */

extern const CqTransportMethods cq_transport_http;

/* ---- transport_model.c ---- */

extern const CqTransportMethods cq_transport_model;

#endif							/* CQ_TRANSPORT_H */
