/*
 * kafka_leader.c
 *		Which partitions cannot be read since their leader is away, though other brokers are there.
 *
 * librdkafka's statistics say so (kafka_statistics.c), of all that a client reads. It is noted
 * where a partition is read, anew with each of them, within librdkafka's callback.
 */
#include "postgres.h"

#include "source/kafka_consumer.h"

void
cq_kafka_leader_forget_away(CqKafkaClient *client)
{
	dlist_iter	iter;

	dlist_foreach(iter, &client->readers)
	{
		CqKafkaConsumer *consumer = dlist_container(CqKafkaConsumer, node, iter.cur);

		for (int i = 0; i < consumer->npartitions; i++)
			consumer->partitions[i].is_away = false;
	}
}

/* The name is not terminated. */
void
cq_kafka_leader_note_away(CqKafkaClient *client, const char *name, size_t length, int32 partition,
						  int32 leader)
{
	dlist_iter	iter;

	dlist_foreach(iter, &client->readers)
	{
		CqKafkaConsumer *consumer = dlist_container(CqKafkaConsumer, node, iter.cur);

		for (int i = 0; i < consumer->ntopics; i++)
		{
			CqKafkaTopic *topic = &consumer->topics[i];

			if (partition >= topic->npartitions || topic->partitions[partition] == NULL ||
				strncmp(topic->name, name, length) != 0 || topic->name[length] != '\0')
				continue;
			topic->partitions[partition]->is_away = true;
			topic->partitions[partition]->leader = leader;
		}
	}
}

/* Why a partition that is away cannot be read. */
void
cq_kafka_leader_name(const CqKafkaPartition *partition, char *text, Size size)
{
	if (partition->leader < 0)
		snprintf(text, size, "it has no leader");
	else
		snprintf(text, size, "its leader, broker %d, cannot be reached", partition->leader);
}
