/*
 * reader.h
 *		Reads a stream on from given positions, for a worker: source, format and batch put together.
 */
#ifndef CQ_READER_H
#define CQ_READER_H

#include "catalog/stream.h"
#include "stream/batch.h"

/*
 * Opens stream (options as of now, user mapping of the table's owner). Within a transaction; does
 * not wait for the network. Lives in a child of CurrentMemoryContext, closed with it at the latest.
 */
extern CqReader *cq_reader_open(Oid stream, const CqPosition *positions, int npositions);
extern void cq_reader_close(CqReader *reader);

/* Has the stream the columns that it had when the reader was opened? Within a transaction. */
extern bool cq_reader_is_current(const CqReader *reader);

/* From now on it lives in a child of context instead. */
extern void cq_reader_keep(CqReader *reader, MemoryContext context);

/*
 * The same of a stream kept in the database, also of what this transaction has written there. To be
 * closed before it ends.
 */
extern CqReader *cq_reader_open_own(Oid stream, const CqPosition *positions, int npositions);

/*
 * Reads messages that somebody has kept of a stream of Kafka. They live as long as the reader; to
 * be closed before the transaction ends. What they cannot be decoded without is waited for; raises
 * ERROR where it is not to be had.
 */
extern CqReader *cq_reader_open_kept(Oid stream, CqKeptMessage *messages, int nmessages);

/* Goes on at another offset: of a reader that fetches in the transaction. */
extern void cq_reader_seek(CqReader *reader, int64 offset);

/* See CqSourceRoutine.fetch. NULL where nothing moved. The batch before is released. */
extern CqBatch *cq_reader_fetch(CqReader *reader, int max_messages, Size max_bytes, int timeout_ms);
/* brings the ends of the batch's slices up to date; asks nobody */
extern void cq_reader_hear_ends(CqReader *reader);
/* done with the batch: frees its messages and columns */
extern void cq_reader_release(CqReader *reader);

/*
 * Columns of which it is news that some message has had the field, or that none of the last
 * thousands has; true where there are any. told says that it is no news any more. Attribute
 * numbers, palloc'd.
 */
extern bool cq_decode_fields(const CqReader *reader, Bitmapset **seen, Bitmapset **unseen);
extern void cq_decode_fields_told(CqReader *reader, const Bitmapset *seen, const Bitmapset *unseen);

extern bool cq_reader_fetches_in_transaction(const CqReader *reader);
/* See CqSourceRoutine.is_at_end. */
extern bool cq_reader_is_at_end(const CqReader *reader, const char *topic, int32 partition,
								char *held_up, Size size);
extern bool cq_reader_poll_event(CqReader *reader, CqSourceEvent *event);
extern int	cq_reader_wakeup_fd(CqReader *reader);
extern void cq_reader_wakeup_clear(CqReader *reader);
extern const CqStream *cq_reader_stream(const CqReader *reader);

/*
 * Partitions and extents of a stream now (of CqExtent *). Waits for the broker, unless there is an
 * inquiry: false where that has no answer yet. Raises ERROR. Within a transaction.
 */
extern bool cq_reader_extents(Oid stream, Oid userid, CqInquiry *inquiry, int timeout_ms,
							  List **extents);

/* Sets each position's offset to the first message at or after time. The same otherwise. */
extern bool cq_reader_seek_time(Oid stream, Oid userid, CqInquiry *inquiry, TimestampTz time,
								CqPosition *positions, int npositions, int timeout_ms);

/* What is wrong with the options and columns of a stream that its formats know; NULL: nothing. */
extern CqReject *cq_reader_check(const CqStream *stream);

/* Are its columns of the value fields at their places, whatever their names are? */
extern bool cq_reader_goes_by_place(Oid stream);

#endif							/* CQ_READER_H */
