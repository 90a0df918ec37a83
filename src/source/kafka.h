/*
 * kafka.h
 *		What the files of the Kafka source share; nobody outside this room includes it.
 */
#ifndef CQ_KAFKA_H
#define CQ_KAFKA_H

#include "postgres.h"

#include <librdkafka/rdkafka.h>

#include "common/compat.h"
#include "lib/ilist.h"
#include "source/source.h"

typedef struct CqKafkaRemains CqKafkaRemains;	/* kafka_closer.h */

typedef enum CqKafkaRole
{
	/* reads messages for a long time, in a worker, or for one statement, in a backend */
	CQ_KAFKA_READER,
	CQ_KAFKA_INQUIRER,			/* asks for offsets and goes */
	CQ_KAFKA_WRITER,			/* sends the rows of one statement */
	/* sends rows in Kafka's transactions for a long time, in a worker */
	CQ_KAFKA_EMITTER
} CqKafkaRole;

#define CQ_KAFKA_TEXT_LENGTH 512
#define CQ_KAFKA_LOG_LINES 16
#define CQ_KAFKA_TROUBLES 16

/*
 * What librdkafka's callbacks leave behind. They run on the main thread, while it polls, but within
 * librdkafka's frames: so they only write here, and neither allocate nor raise.
 */
typedef struct CqKafkaNotes
{
	bool		is_down;		/* no broker can be reached */
	bool		has_failed;		/* and will not succeed by trying again; failure says why */
	char		last_error[CQ_KAFKA_TEXT_LENGTH];
	char		failure[CQ_KAFKA_TEXT_LENGTH];
	int			ntroubles;		/* with partitions, since last looked at */
	struct
	{
		rd_kafka_resp_err_t error;
		char		text[CQ_KAFKA_TEXT_LENGTH]; /* begins with "topic [partition]:" */
	}			troubles[CQ_KAFKA_TROUBLES];
	int			nlines;			/* of log, since last written out */
	int			nlost;			/* log lines that found no room */
	struct
	{
		int			level;
		char		text[CQ_KAFKA_TEXT_LENGTH];
	}			lines[CQ_KAFKA_LOG_LINES];
} CqKafkaNotes;

typedef struct CqKafkaClient
{
	dlist_node	node;			/* among all that are open in this process */
	MemoryContext context;		/* holds it */
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;	/* the main queue: messages, errors, logs, statistics */
	char	   *stream_name;	/* for messages */
	bool		is_lasting;		/* a worker's, not a statement's */
	CqKafkaNotes notes;
	CqKafkaRemains *(*let_go) (void *owner);	/* gives what hangs on rk, or NULL; or NULL */
	void	   *owner;

	/* what statistics say of a topic; or NULL */
	void		(*note_topic) (struct CqKafkaClient *client, const char *name, size_t length,
							   int npartitions);
	int			statistics_ms;	/* how often they come; 0: not at all */
	TimestampTz heard_at;		/* when they came last */
	TimestampTz polled_at;

	/* of one that several may share: see kafka_pool.h */
	char	   *key;			/* NULL: nobody does */
	int			nusers;
	int			capacity;		/* partitions that its queues are made for */
	int			npartitions;	/* that are read by its users */
	dlist_head	readers;		/* of CqKafkaConsumer */
	List	   *places;			/* of CqKafkaPlace *: what is being read, or was */
	List	   *leftovers;		/* of rd_kafka_topic_t *: they go when it does */
	bool		is_spoiled;		/* nobody joins it any more */
	TimestampTz asked_at;		/* of one that asks: when it was last borrowed */

	double		log_budget;		/* lines that may be written to the server's log now */
	TimestampTz log_time;		/* when log_budget was last looked at */
	int64		nsuppressed;	/* lines kept from the log since the last one written */
} CqKafkaClient;

/* kafka_property.c */
extern char *cq_kafka_property_name(const char *name);
extern bool cq_kafka_property_is_owned(const char *name);
extern bool cq_kafka_property_is_secret(const char *name);
extern bool cq_kafka_property_is_address(const char *name);
extern int64 cq_kafka_property_ceiling(const char *name);

/* kafka_conf.c */
extern rd_kafka_conf_t *cq_kafka_conf_build(const CqSourceConfig *config, CqKafkaRole role,
											int npartitions);

/* kafka_client.c */
extern CqKafkaClient *cq_kafka_client_open(const CqSourceConfig *config, CqKafkaRole role,
										   MemoryContext context,
										   rd_kafka_conf_t *conf);
extern void cq_kafka_client_set_callbacks(CqKafkaClient *client, rd_kafka_conf_t *conf);
extern void cq_kafka_client_close(CqKafkaClient *client);
extern void cq_kafka_client_poll(CqKafkaClient *client);
extern void cq_kafka_client_write_log(CqKafkaClient *client);
extern bool cq_kafka_client_is_silent(const CqKafkaClient *client);
extern bool cq_kafka_client_lacks_descriptors(char *reason, size_t size);
extern int	cq_kafka_client_sqlstate(rd_kafka_resp_err_t error);
extern void cq_kafka_client_rename(CqKafkaClient *client, const char *stream_name);
pg_noreturn extern void cq_kafka_client_raise_down(const CqKafkaClient *client);

/* kafka_consumer.c */
extern CqSource *cq_kafka_consumer_open(const CqSourceConfig *config, const CqPosition *positions,
										int npositions);
extern bool cq_kafka_consumer_fetch(CqSource *source, CqFetch *fetch, int max_messages,
									Size max_bytes, int timeout_ms);
extern void cq_kafka_consumer_release(CqSource *source, CqFetch *fetch);
extern bool cq_kafka_consumer_is_at_end(const CqSource *source, const char *topic,
										int32 partition, char *held_up, Size size);
extern void cq_kafka_consumer_hear_ends(const CqSource *source, CqFetch *fetch);
extern int	cq_kafka_consumer_wakeup_fd(CqSource *source);
extern void cq_kafka_consumer_wakeup_clear(CqSource *source);
extern void cq_kafka_consumer_close(CqSource *source);

/* kafka_event.c */
extern bool cq_kafka_event_poll(CqSource *source, CqSourceEvent *event);

/* kafka_extent.c */
extern List *cq_kafka_extent_topics(const CqSourceConfig *config, int timeout_ms,
									List **npartitions);
extern bool cq_kafka_extent_list(const CqSourceConfig *config, int timeout_ms, List **extents);
extern bool cq_kafka_extent_seek_time(const CqSourceConfig *config, TimestampTz time,
									  CqPosition *positions, int npositions,
									  int timeout_ms);

/* kafka_headers.c */
typedef struct CqKafkaHeader
{
	char	   *key;
	char	   *value;			/* NULL: null */
	size_t		length;
} CqKafkaHeader;

extern int	cq_kafka_headers_parse(Datum headers, CqKafkaHeader **result);
extern bool cq_kafka_headers_read(CqSource *source, const CqMessage *message, Datum *headers);
extern bool cq_kafka_headers_find(const CqMessage *message, const char *name, const char **bytes,
								  size_t *length);

/* kafka_producer.c */
extern CqSink *cq_kafka_producer_open(const CqSourceConfig *config);
extern void cq_kafka_producer_append(CqSink *sink, CqOutgoing *rows, int nrows);
extern void cq_kafka_producer_close(CqSink *sink);
extern void cq_kafka_producer_init(void);

/* kafka_leader.c */
extern void cq_kafka_leader_forget_away(CqKafkaClient *client);
extern void cq_kafka_leader_note_away(CqKafkaClient *client, const char *name, size_t length,
									  int32 partition, int32 leader);

/* kafka_statistics.c */
extern int	cq_kafka_statistics_note(rd_kafka_t *rk, char *json, size_t length, void *opaque);

/* kafka_topic.c */
extern void cq_kafka_topic_create(const CqSourceConfig *config, const CqNewTopic *plan,
								  int timeout_ms);

/* kafka_time.c: milliseconds since 1970, as Kafka has them */
extern TimestampTz cq_kafka_time_from_ms(int64 ms);
extern int64 cq_kafka_time_to_ms(TimestampTz time);

#endif							/* CQ_KAFKA_H */
