/*
 * source.h
 *		Where messages come from and go to: one small interface, two implementations (Kafka, the log
 *		in the database).
 *
 * A source knows topics, partitions, offsets and bytes. It knows nothing of columns, views or
 * workers.
 *
 * Promises to callers:
 * - fetch gives the messages of each partition in offset order, none twice, none left out between
 *   the position opened at and the position reported.
 * - Everything that a fetch returned stays valid until release. The caller may put its messages in
 *   another order, but lose none.
 * - Whatever is not palloc'd hangs on one struct, freed by close and, on error, by a reset callback
 *   of the memory context that was current at open.
 */
#ifndef CQ_SOURCE_H
#define CQ_SOURCE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* One message, borrowed from the source until release. */
typedef struct CqMessage
{
	/* NULL: a tombstone. For the log: a HeapTupleHeader (a composite Datum) */
	const char *value;
	const char *key;			/* NULL: none */
	uint32		value_length;	/* bytes */
	uint32		key_length;		/* bytes */
	int64		offset;
	TimestampTz timestamp;		/* DT_NOBEGIN where the message has none */
	int32		slice;			/* index into the fetch's slices: topic and partition */
	void	   *origin;			/* the source's own handle, e.g. for headers */
} CqMessage;

/* A topic's partition, and a place in it. */
typedef struct CqPosition
{
	const char *topic;
	int32		partition;
	int64		offset;			/* of the next message to read */
	TimestampTz last_timestamp; /* of the one before it; 0 unknown */
} CqPosition;

/*
 * What one fetch took from one partition: [from, next). Control records and aborted messages make
 * gaps.
 */
typedef struct CqSlice
{
	const char *topic;
	int32		partition;
	int64		from;			/* the position before the fetch */
	int64		next;			/* the position after it */
	/* the partition's end as last seen (high watermark), -1 unknown: for lag */
	int64		end;
	int64		nmessages;
	int64		nbytes;			/* keys and values */
} CqSlice;

typedef struct CqFetch
{
	CqMessage  *messages;
	int			nmessages;
	CqSlice    *slices;			/* only partitions whose position moved */
	int			nslices;
	bool		has_backlog;	/* more was waiting than was taken */
	void	   *owned;			/* the source's own bookkeeping */
} CqFetch;

/* How far a partition reaches, as the broker tells it now. */
typedef struct CqExtent
{
	const char *topic;
	int32		partition;
	int64		begin;			/* the oldest offset still there */
	/* the next offset to be written; with read_committed the last stable offset */
	int64		end;
} CqExtent;

typedef enum CqSourceEventKind
{
	CQ_SOURCE_DOWN,				/* no broker can be reached; text says why */
	/* what is here cannot be decoded before something else has come; text says what */
	CQ_SOURCE_HELD,
	CQ_SOURCE_UP,				/* it is back, or has come */
	CQ_SOURCE_GAP,				/* a partition has no offset from; there is something at to */
	CQ_SOURCE_MISSING,			/* a partition is not there any more; others of its topic are */
	CQ_SOURCE_PARTITIONS,		/* the topics' partitions may have changed */
	CQ_SOURCE_FAILED			/* cannot go on: authorization, unknown topic, bad configuration */
} CqSourceEventKind;

/* What a source has to say besides messages; taken by poll_event on the main thread. */
typedef struct CqSourceEvent
{
	CqSourceEventKind kind;
	const char *topic;			/* NULL: concerns the whole source */
	int32		partition;
	int64		from;
	int64		to;				/* less than from where the partition ends before that */
	int64		end;			/* of the partition */
	bool		is_doubtful;	/* somebody has to say whether to is where to go on */
	char	   *text;			/* for people; never holds a secret */
} CqSourceEvent;

/*
 * Questions that nobody waits for. Who has put one into the config comes back with the same
 * questions, until none is open any more; the process is woken when something has been answered.
 * What was answered stays as it was until the end.
 */
typedef struct CqInquiry CqInquiry;

extern CqInquiry *cq_kafka_extent_begin(MemoryContext parent);
extern void cq_kafka_extent_end(CqInquiry *inquiry);	/* or with the memory context */

/* Is there, as far as is known, no use in coming back yet? */
extern bool cq_kafka_extent_is_open(CqInquiry *inquiry);

/* A file descriptor that becomes readable then; the same as that of Kafka's readers. */
extern int	cq_kafka_extent_wakeup_fd(void);
extern void cq_kafka_extent_wakeup_clear(void);

/*
 * What a source is opened with. Strings live as long as the caller keeps them; the source copies
 * what it needs.
 */
typedef struct CqSourceConfig
{
	Oid			stream;			/* the foreign table */
	const char *stream_name;	/* for messages */
	/* of char *; empty for the log; or one pattern: see topic_pattern.h */
	List	   *topics;
	/* of DefElem: librdkafka properties by their own names, user mapping included */
	List	   *properties;
	/* for one statement, in a backend: small buffers, errors are raised */
	bool		bounded;
	/* of the log, not bounded: also what this transaction has written */
	bool		sees_own;
	CqInquiry  *inquiry;		/* to ask with; NULL: the answer is waited for */
} CqSourceConfig;

/* A row on its way out. */
typedef struct CqOutgoing
{
	CqMessage	message;		/* timestamp DT_NOBEGIN: now; offset -1: not known yet */
	const char *topic;			/* NULL: the stream's only one */
	int32		partition;		/* -1: by key, or any */
	Datum		headers;		/* jsonb, if has_headers */
	bool		has_headers;
} CqOutgoing;

/* A message of Kafka that is kept somewhere; see kafka_kept.h. */
typedef struct CqKeptMessage
{
	CqMessage	message;
	const char *topic;
	int32		partition;
	Datum		headers;		/* jsonb, if has_headers */
	bool		has_headers;
} CqKeptMessage;

typedef struct CqSource CqSource;	/* each implementation begins its own struct with this */
typedef struct CqSink CqSink;

/*
 * The bytes of a message's first header of that name, lent as the message is; false: it has none.
 */
typedef bool (*CqMessageHeader) (const CqMessage *message, const char *name, const char **bytes,
								 size_t *length);

/* A topic to be made. */
typedef struct CqNewTopic
{
	char	   *name;
	int			npartitions;	/* -1: as the broker has it */
	int			nreplicas;		/* likewise */
	int			nsettings;
	char	  **names;
	char	  **values;
} CqNewTopic;

typedef struct CqSourceRoutine
{
	const char *name;			/* of the foreign-data wrapper: cq_kafka, cq_log */

	/*
	 * True where fetch reads the database and so wants a transaction with a snapshot; false where
	 * it waits for a network and must not have one open (workers; a bounded SELECT cannot help it).
	 */
	bool		fetch_in_transaction;

	/*
	 * Which partitions there are, and how far they reach: of CqExtent *. Waits at most timeout_ms;
	 * raises ERROR. False: the inquiry has no answer yet.
	 */
	bool		(*extents) (const CqSourceConfig *config, int timeout_ms, List **extents);

	/*
	 * For each position: the first offset whose timestamp is >= time, or the end. Sets ->offset.
	 * The same otherwise.
	 */
	bool		(*seek_time) (const CqSourceConfig *config, TimestampTz time, CqPosition *positions,
							  int npositions,
							  int timeout_ms);

	/* Opens for reading from these positions. Does not wait for the network. */
	CqSource   *(*open) (const CqSourceConfig *config, const CqPosition *positions, int npositions);

	/*
	 * Takes what is there, up to max_messages or max_bytes (whichever comes first, at least one
	 * message), and waits at most timeout_ms for the first one (0: not at all). Returns false where
	 * nothing moved. A signal ends the wait.
	 */
	bool		(*fetch) (CqSource *source, CqFetch *fetch, int max_messages, Size max_bytes,
						  int timeout_ms);
	void		(*release) (CqSource *source, CqFetch *fetch);

	/*
	 * Goes on at another offset of its only partition. NULL: it cannot. Nothing is fetched at the
	 * moment.
	 */
	void		(*seek) (CqSource *source, int64 offset);

	/*
	 * Brings the ends of what was fetched up to date with what has been heard since; asks nobody.
	 * NULL: there is nothing to hear.
	 */
	void		(*hear_ends) (const CqSource *source, CqFetch *fetch);

	/*
	 * Has the partition been read to its end, as far as is known? Asks nobody. Where it cannot be
	 * read further for something that passes by itself, such as an open transaction, writes what
	 * that is to held_up, else "".
	 */
	bool		(*is_at_end) (const CqSource *source, const char *topic, int32 partition,
							  char *held_up, Size size);

	/* Next event, or false. The text is palloc'd. */
	bool		(*poll_event) (CqSource *source, CqSourceEvent *event);

	/*
	 * A file descriptor that becomes readable when there is something to fetch, or -1 (the latch is
	 * set instead). Sources may share it: who clears it fetches from all of them before he waits
	 * again.
	 */
	int			(*wakeup_fd) (CqSource *source);
	void		(*wakeup_clear) (CqSource *source);

	/* Headers of a message as a jsonb Datum (an array of {"key","value"}), or false for none. */
	bool		(*headers) (CqSource *source, const CqMessage *message, Datum *headers);

	/* NULL: messages have no headers. */
	CqMessageHeader header;

	void		(*close) (CqSource *source);

	/*
	 * Writing: the statement's rows, sent and acknowledged at pre-commit (Kafka) or appended at
	 * once (log).
	 */
	CqSink	   *(*sink_open) (const CqSourceConfig *config);
	/* completes what is known at once. What rows point to may go after it */
	void		(*sink_append) (CqSink *sink, CqOutgoing *rows, int nrows);
	/* end of statement: hands over to the transaction */
	void		(*sink_close) (CqSink *sink);

	/*
	 * NULL where there is no such thing. Topics that can be read, without internal ones (of char
	 * *), and how many partitions each has (of int). Raises ERROR.
	 */
	List	   *(*list_topics) (const CqSourceConfig *config, int timeout_ms, List **npartitions);

	/* NULL where there is no such thing. Raises ERROR. */
	void		(*create_topic) (const CqSourceConfig *config, const CqNewTopic *plan,
								 int timeout_ms);
} CqSourceRoutine;

struct CqSource
{
	const CqSourceRoutine *routine;
};

struct CqSink
{
	const CqSourceRoutine *routine;
};

extern const CqSourceRoutine cq_kafka_source;
extern const CqSourceRoutine cq_log_source;

/* Registers what sends a transaction's rows to Kafka when it commits. */
extern void cq_kafka_source_init(void);

#endif							/* CQ_SOURCE_H */
