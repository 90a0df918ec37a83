/*
 * outbox_read.h
 *		The outbox of a view, as the emitter works with it: read what is next, delete what was sent,
 *		write down how far it is.
 *
 * All of it within a transaction with a snapshot. The outbox is its owner's, who may put triggers
 * on it or change its columns: it is read and deleted from as they, and what comes out is checked.
 * _cq.sink is written as the catalog's owner.
 */
#ifndef CQ_OUTBOX_READ_H
#define CQ_OUTBOX_READ_H

#include "catalog/sink.h"
#include "source/source.h"

/* Rows on their way out. A message's offset is the row's id. */
typedef struct CqOutboxRows
{
	CqOutgoing *rows;
	uint64		nrows;
	int64		nbytes;			/* keys and values */
	int64		after;			/* they were read behind it */
	int64		last_id;		/* of the last row, or else the one behind which it was read */
	bool		has_more;		/* as much as was wanted was there */
	const char *held_because;	/* why none of them is to be sent yet, or NULL */
	TimestampTz read_at;		/* what was committed by then is among them, if there is no more */
} CqOutboxRows;

/*
 * Reads on behind an id: at least one row if there is any, and up to a number of rows or bytes.
 * palloc'd in CurrentMemoryContext.
 */
extern void cq_outbox_read(const CqViewSink *sink, int64 after, uint64 max_rows, int64 max_bytes,
						   CqOutboxRows *rows);

/* Deletes rows with ids in (after, through]. */
extern void cq_outbox_read_delete(const CqViewSink *sink, int64 after, int64 through);

/*
 * The sink's row, locked, into sent_id and sending_id. False where it is not there any more, has
 * failed, or has another epoch, because somebody has decided something about it: then the sink has
 * to be looked at anew.
 */
extern bool cq_outbox_read_lock_progress(CqViewSink *sink);

/* Writes sent_id and sending_id; the row has been locked. */
extern void cq_outbox_read_write_progress(const CqViewSink *sink);

/*
 * The sink stands from here on. arrived_id: up to where the destination says that it has rows, or
 * -1.
 */
extern void cq_outbox_read_write_failure(const CqViewSink *sink, const char *detail,
										 int64 arrived_id);

/* The last id that there has been in the outbox of each view. Calls tell for each. */
extern void cq_outbox_read_ends(void (*tell) (Oid view, int64 end_id, void *arg), void *arg);

#endif							/* CQ_OUTBOX_READ_H */
