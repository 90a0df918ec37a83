/*
 * kafka_question.h
 *		A question to the brokers, asked by a thread: which partitions there are, and where they
 *		begin, end, or come to a time.
 *
 * It is asked again and again until the deadline, in steps, since the broker that was asked first
 * may be the one that does not answer.
 */
#ifndef CQ_KAFKA_QUESTION_H
#define CQ_KAFKA_QUESTION_H

#include "source/kafka_thread.h"

#define CQ_KAFKA_QUESTION_WHATS 3

typedef struct CqKafkaQuestion
{
	CqKafkaJob	job;

	/* What is asked. */
	/* their names, as partitions without a number and with that of all as offset, are the answer */
	bool		all_topics;
	int			ntopics;
	char	  **topics;			/* whose partitions come into the list */
	int			nwhats;
	int64		whats[CQ_KAFKA_QUESTION_WHATS]; /* of each partition in the list, in this order: the
												 * first offset at or after so many ms,
												 * RD_KAFKA_OFFSET_BEGINNING or _END */
	int			timeout_ms;

	/* What is the answer, when it is done. */
	rd_kafka_resp_err_t error;
	const char *topic;			/* that the error is about, or NULL */
	rd_kafka_topic_partition_list_t *list;	/* partitions */
	int64	   *offsets[CQ_KAFKA_QUESTION_WHATS];	/* negative: there is none that late */

	int			nfailed;		/* attempts; while it is being asked */
} CqKafkaQuestion;

/* With room for so many topics; the list is empty. NULL where there is no memory. */
extern CqKafkaQuestion *cq_kafka_question_make(rd_kafka_t *rk, int ntopics, int timeout_ms);

/* More to ask. False where there is no memory. */
extern bool cq_kafka_question_add_topic(CqKafkaQuestion *question, const char *topic);

/* Did the first attempt fail? */
extern bool cq_kafka_question_has_failed(const CqKafkaQuestion *question);

/* The first offset of a partition at or after what. Waits; for any thread. */
extern bool cq_kafka_question_ask_offset(rd_kafka_t *rk, const char *topic, int32 partition,
										 int64 what, int timeout_ms, int64 *answer);

#endif							/* CQ_KAFKA_QUESTION_H */
