/*
 * kafka_consumer.h
 *		A consumer and its partitions: shared by reading (kafka_consumer.c) and by what goes wrong
 *		with it (kafka_event.c).
 */
#ifndef CQ_KAFKA_CONSUMER_H
#define CQ_KAFKA_CONSUMER_H

#include "source/kafka.h"

/* Messages taken from librdkafka at a time. */
#define CQ_KAFKA_CHUNK_SIZE 1000

typedef struct CqKafkaProbe CqKafkaProbe;	/* kafka_probe.c */

typedef struct CqKafkaPartition
{
	const char *topic;
	int32		partition;
	int64		next;
	int			slice;			/* in the present fetch, or -1 */
	bool		is_started;		/* librdkafka fetches it */
	bool		is_stopped;		/* until opened again */
	bool		is_at_end;		/* nothing came since end-of-partition */
	bool		has_gap;		/* to be reported, once it is known where the partition begins */
	bool		has_failed;		/* was reported, and nothing came since */
	char	   *unreadable;		/* why the batch that begins at bad cannot be read; NULL: it can */
	int64		bad;
	CqKafkaProbe *probe;		/* that looks for its end */
	bool		is_away;		/* its leader cannot be reached, as last heard */
	int32		leader;			/* then: which, or -1: it has none */
	bool		is_missing;		/* there is no such partition, as far as is known */
	int			nlooks;			/* that have said so */
	TimestampTz asked;			/* when the broker was last asked */
	TimestampTz last_timestamp; /* of the last message; 0 unknown */
} CqKafkaPartition;

typedef struct CqKafkaTopic
{
	char	   *name;
	rd_kafka_topic_t *handle;
	CqKafkaPartition **partitions;	/* by number; NULL where it is not read */
	int			npartitions;
	int			nseen;			/* partitions that it has, as last heard; -1 not yet */
} CqKafkaTopic;

typedef struct CqKafkaConsumer
{
	CqSource	source;
	MemoryContext context;
	CqKafkaClient *client;
	dlist_node	node;			/* among the client's readers */
	rd_kafka_queue_t *queue;	/* what comes from the partitions */
	CqSourceConfig config;		/* a copy */
	Oid			stream;
	bool		is_bounded;
	CqKafkaTopic *topics;
	int			ntopics;
	CqKafkaPartition *partitions;
	int			npartitions;
	CqKafkaPartition *last;			/* of the last message: they come in runs */
	rd_kafka_topic_t *last_handle;

	CqMessage  *messages;		/* lent to the caller: nmessages of them */
	int			capacity;
	int			nmessages;
	CqSlice    *slices;
	int			nslices;
	/* taken from librdkafka, and not yet looked at */
	rd_kafka_message_t *chunk[CQ_KAFKA_CHUNK_SIZE];
	int			chunk_next;
	int			chunk_end;

	List	   *events;			/* of CqSourceEvent *, in context */
	bool		was_down;		/* as last reported */
	bool		had_failed;
	bool		was_silent;
	int			npartitions_seen;	/* of all topics, as last looked at */
	bool		has_pattern;	/* its topics are those that match one */
	int64		topic_interval; /* microseconds; 0 not known yet */
	TimestampTz topics_looked_at;	/* then somebody was told to */
	TimestampTz nudged;			/* see nudge() */
	int64		nudge_interval; /* microseconds */

	/* kafka_gap.c's */
	CqKafkaPartition *asked_about;	/* at the moment, or NULL */
	struct CqKafkaQuestion *question;	/* then; NULL: its probe looks */
	int			next_look;		/* at which partition */
} CqKafkaConsumer;

/* kafka_probe.c */
typedef enum CqKafkaProbeAnswer
{
	CQ_KAFKA_PROBE_LOOKS,		/* it still does */
	CQ_KAFKA_PROBE_LEARNT,		/* something, but has to look again */
	CQ_KAFKA_PROBE_KNOWS,
	CQ_KAFKA_PROBE_FAILED		/* to get an answer */
} CqKafkaProbeAnswer;

extern bool cq_kafka_probe_start(CqKafkaConsumer *consumer, CqKafkaPartition *partition);
extern CqKafkaProbeAnswer cq_kafka_probe_hear(CqKafkaPartition *partition, int64 *next, int64 *end);
extern void cq_kafka_probe_forget(CqKafkaPartition *partition);

/* kafka_leader.c */
extern void cq_kafka_leader_name(const CqKafkaPartition *partition, char *text, Size size);

/* kafka_gap.c */
extern void cq_kafka_gap_settle(CqKafkaConsumer *consumer);
extern void cq_kafka_gap_forget(CqKafkaConsumer *consumer);

/* kafka_event.c */
extern CqSourceEvent *cq_kafka_event_add(CqKafkaConsumer *consumer, CqSourceEventKind kind,
										 const CqKafkaPartition *partition, const char *text);
extern void cq_kafka_event_note_error(CqKafkaConsumer *consumer, CqKafkaPartition *partition,
									  rd_kafka_resp_err_t error, int64 offset,
									  const char *reason);
extern void cq_kafka_event_note_recovery(CqKafkaConsumer *consumer, CqKafkaPartition *partition);
extern void cq_kafka_event_note_client(CqKafkaConsumer *consumer);
extern void cq_kafka_event_note_topic(CqKafkaClient *client, const char *name, size_t length,
									  int npartitions);

/* Something came from partition: whatever was wrong is over. */
static inline void
cq_kafka_event_note_progress(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	if (unlikely(partition->has_failed))
		cq_kafka_event_note_recovery(consumer, partition);
}

#endif							/* CQ_KAFKA_CONSUMER_H */
