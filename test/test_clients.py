"""Kafka clients: they come and go without holding anybody up, and many streams share one."""
import os
import resource
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic
from conftest import fresh_database, is_alive, server_with, wait_until

STREAMS = 500

# Once the file is there, no Kafka client can be ended: as when one of librdkafka's threads waits for a mutex that it owns.
HANGING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
void rd_kafka_destroy_flags(void *rk, int flags)
{
	void (*destroy) (void *, int) = (void (*) (void *, int)) dlsym(RTLD_NEXT, "rd_kafka_destroy_flags");
	while (access("%s", F_OK) == 0)
		pause();
	destroy(rk, flags);
}
"""


def create(db, name, topic, **options):
    options = {"topic": topic, "format": "json", **options}
    db.execute(f"CREATE FOREIGN TABLE {name} (id bigint) SERVER kafka OPTIONS ("
               + ", ".join(f"\"{key}\" '{value}'" for key, value in options.items()) + ")")
    db.execute(f"CREATE CONTINUOUS VIEW {name}_seen AS SELECT count(*), sum(id) FROM {name}")


def channels(pid):
    """Sockets and pipes of a process: what clients have."""
    return [link for link in map(os.readlink, Path(f"/proc/{pid}/fd").iterdir()) if link.startswith(("socket:", "pipe:"))]


@pytest.fixture
def hang(tmp_path):
    return tmp_path / "hang"


@pytest.fixture
def hanging_db(tmp_path, hang, broker, name):
    """A database of a server whose clients cannot be ended while the file is there."""
    with (server_with(HANGING % hang, tmp_path) as server,
          fresh_database(server, name, broker) as db):
        db.create_server()
        yield db
        hang.unlink(missing_ok=True)


def test_a_client_that_does_not_end(hanging_db, hang, broker, topic):
    """Neither workers nor statements wait for it, and processes end all the same."""
    db = hanging_db
    one, other = topic("_one"), topic("_other")
    create(db, "one", one)
    create(db, "other", other, **{"client.id": "another client"})
    broker.produce(one, [{"id": 1}])
    broker.produce(other, [{"id": 1}])
    db.wait("one_seen")
    db.wait("other_seen")
    (worker,) = db.worker_pids()
    hang.touch()

    began = time.monotonic()
    assert db.value("SELECT count(*) FROM one") == 1
    db.execute("INSERT INTO one VALUES (2)")
    assert time.monotonic() - began < 20
    backend = db.value("SELECT pg_backend_pid()")
    db.close()
    wait_until(lambda: not is_alive(backend), "the backend does not end")

    db.wait("one_seen")
    db.execute("DROP FOREIGN TABLE one CASCADE")
    broker.produce(other, [{"id": 2}])
    db.wait("other_seen")
    assert db.execute("SELECT * FROM other_seen") == [(2, 3)]
    assert db.worker_pids() == [worker]

    db.execute(f"SELECT pg_terminate_backend({worker})")
    wait_until(lambda: not is_alive(worker), "the worker does not end")
    broker.produce(other, [{"id": 3}])
    db.wait("other_seen")
    assert db.execute("SELECT * FROM other_seen") == [(3, 6)]
    began = time.monotonic()
    db.close()
    db.server.stop("fast")
    assert time.monotonic() - began < 20
    assert "server process" not in db.server.log()      # … was terminated, exited with
    db.server.start()


def limit_descriptors(pid, limit):
    """The soft limit: the one before."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
    return soft


def troubles(db):
    return dict(db.execute("SELECT stream::text, last_error FROM cq.streams WHERE last_error IS NOT NULL"))


def test_descriptors_that_run_out(broker, db, topic):
    """Streams that need some say so; others are read on, and all once there are some again."""
    one, other = topic("_one"), topic("_other")
    create(db, "one", one)
    broker.produce(one, [{"id": 1}])
    db.wait("one_seen")
    (worker,) = db.worker_pids()
    limit = len(os.listdir(f"/proc/{worker}/fd")) + 20
    before = limit_descriptors(worker, limit)
    create(db, "other", other, **{"client.id": "another client"})
    broker.produce(other, [{"id": 2}])
    broker.produce(one, [{"id": 3}])
    db.wait("one_seen")
    wait_until(lambda: f"the process has no file descriptors left of its {limit}" in troubles(db).get("other", ""),
               lambda: troubles(db))
    assert "one" not in troubles(db)
    limit_descriptors(worker, before)
    db.wait("other_seen")
    assert db.execute("SELECT * FROM one_seen, other_seen") == [(2, 4, 1, 2)]
    wait_until(lambda: db.execute("SELECT DISTINCT state FROM cq.streams") == [("reading",)], lambda: troubles(db))
    assert db.worker_pids() == [worker]


def test_a_connection_that_finds_no_descriptor(broker, db, topic):
    """As when the broker comes back."""
    one = topic()
    create(db, "one", one)
    broker.produce(one, [{"id": 1}])
    db.wait("one_seen")
    (worker,) = db.worker_pids()
    before = limit_descriptors(worker, 3)
    broker.kill()
    wait_until(lambda: "no file descriptors left of its 3" in troubles(db).get("one", ""), lambda: troubles(db))
    broker.start()
    broker.produce(one, [{"id": 2}])
    limit_descriptors(worker, before)
    wait_until(lambda: db.execute("SELECT * FROM one_seen") == [(2, 3)], lambda: db.state("one_seen"))
    wait_until(lambda: db.value("SELECT state FROM cq.streams") == "reading", lambda: troubles(db))


def test_500_streams(broker, db, name):
    """They share a few clients, so that neither descriptors nor threads grow with them."""
    topics = [f"{name}_{i}" for i in range(STREAMS)]
    everything = " UNION ALL ".join(f"SELECT * FROM v{i}" for i in range(STREAMS))
    producer = broker.producer()

    def produce_one_each():
        for i, topic in enumerate(topics):
            producer.produce(topic, b'{"id": %d}' % i)
        producer.flush()

    def sums():
        return db.execute(f"SELECT sum(count), sum(sum) FROM ({everything}) AS x")[0]

    def await_sums(n):
        wait_until(lambda: sums() == (n * STREAMS, n * STREAMS * (STREAMS - 1) // 2), lambda: f"{sums()}: not all is read")
        (worker,) = db.worker_pids()
        return worker
    for future in broker.admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
        future.result(60)
    try:
        produce_one_each()
        db.execute(f"""DO $$ BEGIN FOR i IN 0..{STREAMS - 1} LOOP
            EXECUTE format('CREATE FOREIGN TABLE s%s (id int) SERVER kafka OPTIONS (topic %L, format ''json'')',
                           i, '{name}_' || i);
            EXECUTE format('CREATE VIEW v%s WITH (continuous) AS SELECT count(*), sum(id) FROM s%s', i, i);
        END LOOP; END $$""")
        worker = await_sums(1)
        assert len(channels(worker)) < 200
        db.execute(f"SELECT pg_terminate_backend({worker})")
        produce_one_each()
        worker = await_sums(2)
        assert len(channels(worker)) < 200
    finally:
        for future in broker.admin.delete_topics(topics).values():
            future.result(60)


def test_each_stream_is_told_what_is_its_own(db, cluster):
    """Of many that share a client: more than it can note at a time."""
    names = [f"s{number}" for number in range(40)]
    db.execute("CREATE SERVER cluster FOREIGN DATA WRAPPER cq_kafka OPTIONS "
               f"(bootstrap_servers '{cluster.address}', "
               "\"topic.metadata.refresh.interval.ms\" '1000', "
               "\"topic.metadata.propagation.max.ms\" '100')")
    for name in names:
        cluster.create_topic(name, leaders=[1])
        db.execute(f"CREATE FOREIGN TABLE {name} (id bigint) SERVER cluster OPTIONS (topic '{name}')")
        db.execute(f"CREATE CONTINUOUS VIEW v_{name} AS SELECT count(*) FROM {name}")
    for name in names:
        db.wait(f"v_{name}")
    for name in names[1:]:
        cluster.deny_topic(name)
    told = "SELECT state FROM cq.streams ORDER BY stream::oid"
    wait_until(lambda: [state for (state,) in db.execute(told)] == ["reading"] + ["failed"] * 39,
               lambda: db.execute("SELECT stream, state, last_error FROM cq.streams"))
