/*
 * kafka_source.c
 *		Kafka as a source: which function does what.
 */
#include "postgres.h"

#include "source/kafka.h"

const CqSourceRoutine cq_kafka_source = {
	.name = "cq_kafka",
	.fetch_in_transaction = false,
	.extents = cq_kafka_extent_list,
	.seek_time = cq_kafka_extent_seek_time,
	.open = cq_kafka_consumer_open,
	.fetch = cq_kafka_consumer_fetch,
	.release = cq_kafka_consumer_release,
	.hear_ends = cq_kafka_consumer_hear_ends,
	.is_at_end = cq_kafka_consumer_is_at_end,
	.poll_event = cq_kafka_event_poll,
	.wakeup_fd = cq_kafka_consumer_wakeup_fd,
	.wakeup_clear = cq_kafka_consumer_wakeup_clear,
	.headers = cq_kafka_headers_read,
	.header = cq_kafka_headers_find,
	.close = cq_kafka_consumer_close,
	.sink_open = cq_kafka_producer_open,
	.sink_append = cq_kafka_producer_append,
	.sink_close = cq_kafka_producer_close,
	.list_topics = cq_kafka_extent_topics,
	.create_topic = cq_kafka_topic_create,
};

void
cq_kafka_source_init(void)
{
	cq_kafka_producer_init();
}
