"""Brokers within this process, as librdkafka has them for its own tests: a topic's leaders can be chosen, and brokers go away alone."""
import ctypes
import json

from confluent_kafka import Producer


class MockCluster:
    def __init__(self, brokers):
        self.library = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_handle_mock_cluster", "rd_kafka_mock_cluster_bootstraps"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        error = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self.library.rd_kafka_conf_new())
        for key, value in (("test.mock.num.brokers", str(brokers)), ("log_level", "0")):
            assert self.library.rd_kafka_conf_set(conf, key.encode(), value.encode(), error, ctypes.c_size_t(512)) == 0, error.value
        self.client = ctypes.c_void_p(self.library.rd_kafka_new(0, conf, error, ctypes.c_size_t(512)))
        assert self.client.value, error.value
        self.cluster = ctypes.c_void_p(self.library.rd_kafka_handle_mock_cluster(self.client))
        self.address = self.library.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def create_topic(self, topic, leaders):
        """One partition for each of them."""
        assert self.library.rd_kafka_mock_topic_create(self.cluster, topic.encode(), len(leaders), 1) == 0
        for partition, leader in enumerate(leaders):
            assert self.library.rd_kafka_mock_partition_set_leader(self.cluster, topic.encode(), partition, leader) == 0

    def produce(self, topic, values, partition):
        producer = Producer({"bootstrap.servers": self.address, "log_level": 0})
        failed = []
        for value in values:
            producer.produce(topic, json.dumps(value), partition=partition, on_delivery=lambda error, _: error and failed.append(error))
        assert producer.flush(30) == 0 and not failed, failed

    def deny_topic(self, topic):
        """From now on it is said not to exist."""
        self.library.rd_kafka_mock_topic_set_error(self.cluster, topic.encode(), 3)     # UNKNOWN_TOPIC_OR_PART

    def set_down(self, broker):
        assert self.library.rd_kafka_mock_broker_set_down(self.cluster, broker) == 0

    def set_up(self, broker):
        assert self.library.rd_kafka_mock_broker_set_up(self.cluster, broker) == 0

    def set_delay(self, broker, milliseconds):
        """How long its answers take from now on."""
        assert self.library.rd_kafka_mock_broker_set_rtt(self.cluster, broker, milliseconds) == 0

    def close(self):
        self.library.rd_kafka_destroy(self.client)
