/*
 * error_topic.h
 *		Dead letters on their way to a topic of their own: the option error_topic of a stream.
 */
#ifndef CQ_ERROR_TOPIC_H
#define CQ_ERROR_TOPIC_H

#include "catalog/stream.h"
#include "common/reject.h"
#include "source/source.h"

/* A message of a stream that a view could not process. */
typedef struct CqFailedMessage
{
	const CqStream *stream;
	Oid			view;
	const CqMessage *message;	/* borrowed, with its headers, to the end of the transaction */
	const char *topic;
	int32		partition;
	Datum		headers;		/* jsonb, if has_headers */
	bool		has_headers;
	const CqReject *reject;
	const char *column;			/* the one that is bad, or NULL */
} CqFailedMessage;

/* At the beginning of a transaction, with messages of one stream. */
extern void cq_error_topic_begin(void);

/* Takes note of one. Not within a subtransaction that may be rolled back. */
extern void cq_error_topic_add(const CqFailedMessage *failed);

/*
 * The last that is done before the commit: puts them into the stream's outbox, which this
 * transaction has to itself from here on. False: there is nothing for the emitter to do. What is
 * wrong with the outbox holds up nothing else.
 */
extern bool cq_error_topic_write(void);

#endif							/* CQ_ERROR_TOPIC_H */
