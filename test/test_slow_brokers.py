"""Brokers that do not answer, or slowly: streams of others do not wait for what these are asked."""
import statistics
import time

import pytest
from confluent_kafka import Producer
from conftest import wait_until

LIVING = [f"living{number}" for number in range(5)]
SILENT = [f"silent{number}" for number in range(5)]


@pytest.fixture
def slow_db(db, cluster):
    """With streams of the first broker, which are read."""
    db.execute("CREATE SERVER cluster FOREIGN DATA WRAPPER cq_kafka OPTIONS "
               f"(bootstrap_servers '{cluster.address}')")
    for name in LIVING:
        cluster.create_topic(name, leaders=[1])
        create(db, name)
        db.wait(f"v_{name}")
    return db


def create(db, name):
    db.execute(f"CREATE FOREIGN TABLE {name} (id bigint) SERVER cluster OPTIONS (topic '{name}')")
    db.execute(f"CREATE CONTINUOUS VIEW v_{name} AS SELECT count(*), sum(id) FROM {name}")


class Watch:
    """Sends to streams of the first broker, and measures how long each row takes to be seen."""

    def __init__(self, db, cluster):
        self.db = db
        self.producer = Producer({"bootstrap.servers": cluster.address, "linger.ms": 0, "log_level": 0})
        self.sent = 0
        self.latencies = []
        self.send()             # knows the leaders from then on

    def send(self):
        began = time.monotonic()
        for name in LIVING:
            self.producer.produce(name, b'{"id": 1}', partition=0)
        assert self.producer.flush(30) == 0
        self.sent += 1
        for name in LIVING:
            wait_until(lambda: self.db.execute(f"TABLE v_{name}") == [(self.sent, self.sent)], name)
            self.latencies.append(time.monotonic() - began)

    def until(self, condition, what):
        def looks():
            self.send()
            return condition()
        wait_until(looks, what)

    def assert_fast(self):
        assert statistics.median(self.latencies) < 1 and max(self.latencies) < 5, self.latencies


def troubles(db):
    return db.execute("SELECT stream::text, state, last_error FROM cq.streams "
                      "WHERE stream::text LIKE 'silent%%' ORDER BY 1")


def test_where_views_begin(slow_db, cluster):
    db = slow_db
    watch = Watch(db, cluster)
    for name in SILENT:
        cluster.create_topic(name, leaders=[2])
        cluster.produce(name, [{"id": number} for number in range(10)], partition=0)
    cluster.set_delay(2, 120000)
    for name in SILENT:
        create(db, name)
    # Each of them has been asked about in vain.
    watch.until(lambda: all(state == "waiting for broker" for _, state, _ in troubles(db)), lambda: troubles(db))
    watch.assert_fast()
    cluster.set_delay(2, 0)
    cluster.set_down(2)         # answers that are on their way are not worth waiting for
    cluster.set_up(2)
    for name in SILENT:
        wait_until(lambda: db.execute(f"TABLE v_{name}") == [(10, 45)], lambda: db.state(f"v_{name}"))
    wait_until(lambda: all(state == "reading" for _, state, _ in troubles(db)), lambda: troubles(db))


def test_what_became_of_partitions(slow_db, server, cluster):
    db = slow_db
    watch = Watch(db, cluster)
    cluster.create_topic("silent", leaders=[2] * 8)
    create(db, "silent")
    db.wait("v_silent")
    server.set(cq__enabled=False)
    try:
        wait_until(lambda: not db.worker_pids(), "workers stay")
        db.execute("UPDATE _cq.cursor SET next_offset = 1000 WHERE stream = 'silent'::regclass")
        cluster.set_delay(2, 900)       # a partition takes three answers
    finally:
        server.set(cq__enabled=None)
    watch.latencies.clear()
    wait_until(lambda: db.worker_pids(), "no worker comes")
    gaps = "SELECT count(*) FROM cq.gaps"
    watch.until(lambda: db.value(gaps) == 1, lambda: db.state("v_silent"))
    watch.assert_fast()
