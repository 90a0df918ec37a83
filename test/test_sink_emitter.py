"""From an outbox to Kafka: every row once, none missing, in order, whatever dies."""
import contextlib
import ctypes
import ctypes.util
import os
import random
import signal
import threading
import time

import psycopg
import pytest
from confluent_kafka import Producer

from conftest import Database, kill, wait_until
from sinks import Sink

SOON = 20           # s: less than any of the waits for a broker, more than a busy machine takes


def numbers(first, end):
    return f"SELECT (i % 10)::text AS key, i::text AS value FROM generate_series({first}, {end - 1}) i"


# ---- what a message is made of ----

def test_messages(db, topic, reader):
    main, other = topic(partitions=3), topic("_other")
    sink = Sink(db, f"{main}, {other}")
    sink.put("""VALUES ('k', 'v', NULL::int, NULL::text, NULL::timestamptz, NULL::jsonb)""".join(("SELECT * FROM (", ") x (key, value, partition, topic, timestamp, headers)")))
    sink.put("SELECT 'k' AS key, NULL AS value")
    sink.put("SELECT NULL AS key, 'to 2' AS value, 2 AS partition, timestamptz '2026-01-02 03:04:05.678Z' AS timestamp")
    sink.put(f"SELECT 'o' AS key, 'elsewhere' AS value, '{other}' AS topic")
    sink.put("""SELECT 'h' AS key, '' AS value, '[{"key": "a", "value": "1"}, {"key": "a", "value": null}, {"key": "b", "base64": "/wA="}]'::jsonb AS headers""")
    messages = reader(main, 3).read(4)
    by_value = {message.value(): message for message in messages}
    assert by_value[b"v"].key() == by_value[None].key() == b"k"
    # Where Java's clients would put it: murmur2 of 'k'.
    assert by_value[b"v"].partition() == by_value[None].partition()
    assert by_value[b"v"].offset() < by_value[None].offset()
    assert (by_value[b"to 2"].key(), by_value[b"to 2"].partition(), by_value[b"to 2"].timestamp()[1]) == (None, 2, 1767323045678)
    assert by_value[b""].headers() == [("a", b"1"), ("a", None), ("b", b"\xff\x00")]
    assert [message.value() for message in reader(other).read(1)] == [b"elsewhere"]
    sink.await_sent()
    assert db.value("SELECT count(*) FROM _cq.v_outbox") == 0
    assert sink.state() == [("running", None, 0, 5, None)]


def test_other_topics_are_not_for_it(db, topic, reader):
    """The outbox is the owner's own table: who may write to one topic must not come to others by it."""
    name, other = topic(), topic("_other")
    sink = Sink(db, name)
    sink.put("SELECT 'k' AS key, 'v' AS value")
    sink.await_sent()
    sink.put(f"SELECT 'k' AS key, 'stray' AS value, '{other}' AS topic")
    sink.await_state("down")
    assert f'topic "{other}", which is not one of stream' in sink.state()[0][4]
    db.execute("UPDATE _cq.v_outbox SET topic = NULL")
    sink.await_sent()
    assert [message.value() for message in reader(name).read(2)] == [b"v", b"stray"]
    assert reader(other).poll() == []


def test_thousands(db, topic, reader):
    name = topic(partitions=3)
    sink = Sink(db, name)
    for first in range(0, 40000, 8000):
        sink.put(numbers(first, first + 8000))
    messages = reader(name, 3).read(40000)
    sink.await_sent()
    assert len(messages) == 40000
    keys = {}
    for message in messages:
        keys.setdefault(message.key(), []).append(int(message.value()))
    assert keys == {str(key).encode(): list(range(key, 40000, 10)) for key in range(10)}


def test_batches_are_cut_by_size(db, topic, reader):
    """Rows larger than all that one transaction takes, and one that is larger than that by itself."""
    name = topic()
    db.execute("ALTER SERVER kafka OPTIONS (ADD \"message.max.bytes\" '15000000')")
    sink = Sink(db, name)
    sink.put("SELECT i::text AS key, repeat('x', i * 3000000) AS value FROM generate_series(1, 4) i")
    assert [(message.key(), len(message.value())) for message in reader(name).read(4)] == \
        [(str(i).encode(), i * 3000000) for i in range(1, 5)]
    sink.await_sent()
    assert db.value("SELECT transactions FROM cq.sinks") >= 2


# ---- what dies ----

class Writer(threading.Thread):
    """Puts rows into the outbox whose value is their id, in batches, until it is told to stop. Survives the server."""

    def __init__(self, sink, pause=0.003, seed=0):
        super().__init__(daemon=True)
        self.sink = sink
        self.pause = pause
        self.random = random.Random(seed)
        self.stopped = threading.Event()
        self.db = Database(sink.db.server, sink.db.name, None)

    def run(self):
        while not self.stopped.is_set():
            with contextlib.suppress(psycopg.OperationalError):
                self.batch(self.random.randint(1, 300))
            self.stopped.wait(self.pause)
        self.db.close()

    def batch(self, rows):
        first = self.db.value("SELECT next_id FROM _cq.outbox_end WHERE view = %s::regclass", self.sink.name)
        self.sink.put(numbers(first, first + rows), self.db)

    def stop(self):
        self.stopped.set()
        self.join()


def assert_all_there(sink, reader, partitions):
    """Every row once, none missing, in order in each partition."""
    wait_until(lambda: sink.state()[0][2] == 0, sink.state, 120)
    end = sink.db.value("SELECT next_id FROM _cq.outbox_end WHERE view = %s::regclass", sink.name)
    reader.read(end - 1)
    time.sleep(0.2)             # more than there should be
    ids = {partition: [] for partition in range(partitions)}
    for message in reader.poll():
        ids[message.partition()].append(int(message.value()))
    for one in ids.values():
        assert one == sorted(one)
    assert sorted(sum(ids.values(), [])) == list(range(1, end))
    assert sink.db.value(f"SELECT count(*) FROM _cq.{sink.name}_outbox") == 0


KILLS = int(os.environ.get("KILLS", 54)) // 4


def test_emitter_is_killed(db, topic, reader):
    """With SIGKILL, so that the whole server goes down, at random moments."""
    name = topic(partitions=2)
    sink = Sink(db, name)
    chance = random.Random(int(os.environ.get("KILL_SEED", 1)))
    writer = Writer(sink)
    writer.start()
    for _ in range(KILLS):
        pid = wait_until(lambda: again(sink.emitter_pid), "no emitter")
        time.sleep(chance.random() * 0.7)
        kill(pid)
        wait_until(lambda: again(sink.emitter_pid) not in (None, pid), "no new emitter")
    writer.stop()
    assert_all_there(sink, reader(name, 2), 2)


def again(function):
    """None while the server is away."""
    try:
        return function()
    except psycopg.OperationalError:
        return None


def test_emitter_is_told_to_end(db, topic, reader):
    name = topic(partitions=2)
    sink = Sink(db, name)
    writer = Writer(sink)
    writer.start()
    for _ in range(10):
        pid = wait_until(sink.emitter_pid, "no emitter")
        time.sleep(0.15)
        kill(pid, signal.SIGTERM)
        wait_until(lambda: sink.emitter_pid() != pid, "does not end", SOON)
    writer.stop()
    assert_all_there(sink, reader(name, 2), 2)


def test_broker_is_killed(db, broker, topic, reader):
    name = topic(partitions=2)
    sink = Sink(db, name)
    sink.await_state("running")
    writer = Writer(sink, pause=0.02)
    writer.start()
    for _ in range(3):
        time.sleep(0.5)
        broker.kill()
        time.sleep(0.5)
        broker.start()
        sent = sink.state()[0][3]
        wait_until(lambda: sink.state()[0][3] > sent, sink.state)
    writer.stop()
    assert_all_there(sink, reader(name, 2), 2)


def test_broker_stands_still(db, broker, topic, reader):
    """For longer than a transaction may take: brokers abort it, and it is sent again."""
    name = topic(partitions=2)
    db.execute("ALTER SERVER kafka OPTIONS (ADD \"transaction.timeout.ms\" '2000', ADD \"socket.timeout.ms\" '1500')")
    sink = Sink(db, name)
    sink.await_state("running")
    writer = Writer(sink, pause=0.01)
    writer.start()
    pid = int((broker.directory / "pid").read_text())
    for seconds in (1, 5):
        time.sleep(0.5)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        sent = sink.state()[0][3]
        wait_until(lambda: sink.state()[0][3] > sent, sink.state)
    writer.stop()
    assert_all_there(sink, reader(name, 2), 2)
    sink.await_state("running")


def test_broker_is_away(db, broker, topic, reader):
    """That is said, the emitter ends at once when told to, and what has come meanwhile is sent later."""
    name = topic()
    sink = Sink(db, name)
    sink.await_state("running")
    broker.kill()
    try:
        sink.put(numbers(1, 101))
        sink.await_state("down")
        pid = sink.emitter_pid()
        kill(pid, signal.SIGTERM)
        wait_until(lambda: sink.emitter_pid() not in (None, pid), "no new emitter", SOON)
        sink.await_state("down")
    finally:
        broker.start()
    assert_all_there(sink, reader(name), 1)
    sink.await_state("running")


class MockCluster:
    """Brokers within librdkafka that err when they are told to."""
    OFFSET_FETCH = 9            # as the protocol numbers its requests
    NOT_COORDINATOR = 16        # and its errors

    def __init__(self):
        self.library = ctypes.CDLL(ctypes.util.find_library("rdkafka"))
        for function in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(self.library, function).restype = ctypes.c_void_p
        self.library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        reason = ctypes.create_string_buffer(512)
        self.client = ctypes.c_void_p(self.library.rd_kafka_new(0, ctypes.c_void_p(self.library.rd_kafka_conf_new()), reason, 512))
        assert self.client, reason.value
        self.cluster = ctypes.c_void_p(self.library.rd_kafka_mock_cluster_new(self.client, 1))
        self.address = self.library.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def create_topic(self, name):
        assert self.library.rd_kafka_mock_topic_create(self.cluster, name.encode(), 1, 1) == 0

    def answer_with_errors(self, request, *errors):
        self.library.rd_kafka_mock_push_request_errors_array(
            self.cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), (ctypes.c_int * len(errors))(*errors))

    def close(self):
        self.library.rd_kafka_mock_cluster_destroy(self.cluster)
        self.library.rd_kafka_destroy(self.client)


def test_coordinator_has_moved(server, db, name):
    """The broker that is asked for the place says that it is another's to tell: the emitter looks who, and asks again."""
    cluster = MockCluster()
    length = len(server.log())
    try:
        cluster.create_topic(name)
        db.create_server("mock", bootstrap_servers=cluster.address)
        cluster.answer_with_errors(cluster.OFFSET_FETCH, *[cluster.NOT_COORDINATOR] * 3)
        sink = Sink(db, name, server="mock")
        sink.put(numbers(1, 11))
        sink.await_sent()
        assert "terminated by signal" not in server.log()[length:]
    finally:
        cluster.close()


# ---- others ----

def transactional(broker, name):
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": name, "log_level": 0})
    producer.init_transactions(30)
    return producer


def test_fenced(db, broker, topic, reader):
    """Another producer with the same transactional id, as of a promoted standby: it wins, until ours comes back later."""
    name = topic()
    sink = Sink(db, name)
    sink.put(numbers(1, 11))
    sink.await_sent()
    transactional(broker, sink.transactional_id())
    sink.put(numbers(11, 21))
    sink.await_state("down")
    assert "another producer has taken over" in sink.state()[0][4]
    assert_all_there(sink, reader(name), 1)
    sink.await_state("running")


def test_open_transaction_of_somebody_else(db, broker, topic, reader):
    """Readers wait for it; ours goes on."""
    name = topic()
    other = transactional(broker, f"{name}_other")
    other.begin_transaction()
    other.produce(name, "other")
    other.flush()
    sink = Sink(db, name)
    sink.put(numbers(1, 101))
    sink.await_sent()
    messages = reader(name)
    assert messages.poll() == []
    other.abort_transaction()
    assert_all_there(sink, messages, 1)


def test_one_sink_in_trouble(db, topic, reader):
    name = topic()
    bad = Sink(db, f"{name}_not_there", name="bad")
    sink = Sink(db, name)
    bad.put(numbers(1, 11))
    sink.put(numbers(1, 1001))
    sink.await_sent()
    bad.await_state("down")
    assert bad.state()[0][4] == f'Kafka topic "{name}_not_there" does not exist'
    for first in range(1001, 3001, 100):
        sink.put(numbers(first, first + 100))
    sink.await_sent(SOON)
    assert_all_there(sink, reader(name), 1)
    # The topic comes, and all is well.
    db.broker.create_topic(f"{name}_not_there")
    try:
        assert_all_there(bad, reader(f"{name}_not_there"), 1)
        bad.await_state("running")
    finally:
        db.broker.delete_topic(f"{name}_not_there")


# ---- contradictions ----

def reconnect(sink):
    pid = wait_until(sink.emitter_pid, "no emitter")
    kill(pid, signal.SIGTERM)
    wait_until(lambda: sink.emitter_pid() not in (None, pid), "no new emitter")


def forget_place(broker, sink):
    group = sink.transactional_id()
    broker.admin.delete_consumer_groups([group])[group].result(30)


@pytest.mark.parametrize("resend", [True, False])
def test_restored_to_an_earlier_point(db, topic, reader, resend):
    sink = Sink(db, topic())
    sink.put(numbers(1, 101))
    sink.await_sent()
    db.execute("UPDATE _cq.outbox_end SET next_id = 51")
    db.execute("UPDATE _cq.sink SET sent_id = 50, sending_id = 50")
    reconnect(sink)
    sink.await_state("failed")
    assert sink.state()[0][1] == ("Rows up to 100 are in Kafka, but no more than 50 were handed over by this database: "
                                  "it seems to have been restored to an earlier point.")
    sink.put("SELECT 'k' AS key, 'again ' || i AS value FROM generate_series(51, 70) i")
    before = sink.transactional_id()
    db.execute("SELECT cq.resume_sink('v', %s)", resend)
    assert sink.transactional_id() != before
    sink.put("SELECT 'k' AS key, 'new' AS value")
    sink.await_sent()
    values = [message.value().decode() for message in reader(sink.topic).read(121 if resend else 101)]
    assert values[100:] == [f"again {i}" for i in range(51, 71) if resend] + ["new"]
    with pytest.raises(Exception, match='the sink of continuous view "v" has not failed'):
        db.execute("SELECT cq.resume_sink('v', true)")


@pytest.mark.parametrize("resend", [True, False])
def test_lost_place(db, broker, topic, reader, resend):
    sink = Sink(db, topic())
    sink.put(numbers(1, 101))
    sink.await_sent()
    # Nothing is in doubt: it goes on.
    forget_place(broker, sink)
    reconnect(sink)
    sink.put(numbers(101, 111))
    sink.await_sent()
    # As if it had died between handing over and sending, long ago.
    server = db.server
    server.set(cq__enabled="off")
    try:
        wait_until(lambda: sink.emitter_pid() is None, "the emitter is still there")
        sink.put("SELECT 'k' AS key, 'doubt' AS value FROM generate_series(1, 5)")
        sink.put("SELECT 'k' AS key, 'behind' AS value")
        db.execute("UPDATE _cq.sink SET sending_id = 115")
        forget_place(broker, sink)
    finally:
        server.set(cq__enabled=None)
    sink.await_state("failed")
    assert "has no offset any more, and so it is not known whether rows 111 to 115 were sent" in sink.state()[0][1]
    db.execute("SELECT cq.resume_sink('v', %s)", resend)
    sink.await_sent()
    values = [message.value() for message in reader(sink.topic).read(116 if resend else 111)]
    assert values[110:] == [b"doubt"] * (5 if resend else 0) + [b"behind"]


# ---- coming and going ----

def test_alter_and_drop(db, broker, topic, reader):
    first, second = topic(), topic("_second")
    sink = Sink(db, first)
    sink.put(numbers(1, 11))
    sink.await_sent()
    db.execute(f"ALTER FOREIGN TABLE v_sink OPTIONS (SET topic '{second}')")
    sink.put(numbers(11, 21))
    assert [int(message.value()) for message in reader(second).read(10)] == list(range(11, 21))
    db.execute("ALTER SERVER kafka OPTIONS (SET bootstrap_servers '127.0.0.1:1')")
    sink.put(numbers(21, 31))
    sink.await_state("down")
    db.execute(f"ALTER SERVER kafka OPTIONS (SET bootstrap_servers '{broker.address}')")
    sink.await_sent()
    db.execute("DROP VIEW v")
    assert db.execute("SELECT * FROM _cq.sink") == db.execute("SELECT * FROM _cq.outbox_end") == []
    assert db.value("SELECT to_regclass('_cq.v_outbox')") is None
    wait_until(lambda: sink.emitter_pid() is None, "the emitter is still there")


def test_only_its_owner_resumes(db, server, topic):
    sink = Sink(db, topic())
    sink.await_state("running")
    db.execute("CREATE ROLE nobody_special")
    try:
        db.execute("SET ROLE nobody_special")
        with pytest.raises(Exception, match="must be owner of view v"):
            db.execute("SELECT cq.resume_sink('v', true)")
        assert sink.state() == []
        db.execute("RESET ROLE")
    finally:
        db.execute("RESET ROLE")
        db.execute("DROP ROLE nobody_special")


@pytest.mark.parametrize("keep_ids", [True, False])
def test_copy(db, server, broker, topic, reader, keep_ids):
    """A copy of the database sends nothing until told to; under other ids than the original unless told to keep them."""
    sink = Sink(db, topic())
    sink.put(numbers(1, 11))
    sink.await_sent()
    original = sink.transactional_id()
    other = Database(server, f"{db.name}_copy", broker)
    db.close()
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{other.name}" TEMPLATE "{db.name}"')
    try:
        sink.db = other
        sink.put("SELECT 'k' AS key, 'copy' AS value")
        assert sink.state()[0][0] == "restored"
        other.execute("SELECT cq.resume_all(%s)", keep_ids)
        assert (sink.transactional_id() == original) == keep_ids
        sink.await_sent()
        assert [message.value() for message in reader(sink.topic).read(11)][10:] == [b"copy"]
    finally:
        other.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{other.name}" WITH (FORCE)')
