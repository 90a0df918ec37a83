"""Kafka as a source: what is read of a topic, and what is sent when a transaction commits."""
import os
import random
import signal
import threading
import time

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from conftest import wait_until

VIEWS = 60


def create_stream(db, topic, columns="a text", **options):
    options = {"topic": topic, "format": "json", **options}
    db.execute(f"CREATE FOREIGN TABLE stream ({columns}) SERVER kafka OPTIONS ("
               + ", ".join(f"\"{key}\" '{value}'" for key, value in options.items()) + ")")


def messages_of(broker, topic, partition=0):
    """All that another client finds in a partition."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "reader", "enable.partition.eof": True})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), 30)
    consumer.assign([TopicPartition(topic, partition, 0)])
    found = []
    while not found or found[-1].offset() < end - 1:
        message = consumer.poll(30)
        if message.error():
            break
        found.append(message)
    consumer.close()
    return found


def test_rows_are_sent_at_commit(db, broker, topic):
    name = topic(partitions=2)
    create_stream(db, name, "a text, k text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition'), "
                            "h jsonb OPTIONS (metadata 'headers')")
    with db.server.connect(db.name) as connection:
        connection.execute("BEGIN")
        connection.execute("""INSERT INTO stream VALUES ('one', 'k', 0, '[{"key": "x", "value": "y"}, {"key": "x", "value": null},
                           {"key": "z", "base64": "AP8="}]')""")
        connection.execute("SAVEPOINT s")
        connection.execute("INSERT INTO stream (a, p) VALUES ('dropped', 0)")
        connection.execute("ROLLBACK TO s")
        connection.execute("SAVEPOINT s")
        connection.execute("INSERT INTO stream (a, p) VALUES ('two', 0)")
        connection.execute("RELEASE s")
        assert messages_of(broker, name) == []
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO stream (a, p) VALUES ('rolled back', 0)")
        connection.execute("ROLLBACK")
    one, two = messages_of(broker, name)
    assert (one.value(), one.key(), one.headers()) == (b'{"a":"one"}', b"k", [("x", b"y"), ("x", None), ("z", b"\x00\xff")])
    assert (two.value(), two.key(), two.headers()) == (b'{"a":"two"}', None, None)
    assert messages_of(broker, name, 1) == []
    assert db.value("SELECT h FROM stream WHERE a = 'one'") == \
        [{"key": "x", "value": "y"}, {"key": "x", "value": None}, {"key": "z", "base64": "AP8="}]


def test_a_refused_row_fails_the_transaction(db, broker, topic):
    name = topic()
    create_stream(db, name, "a text, p int OPTIONS (metadata 'partition')", **{"topic.metadata.propagation.max.ms": "500"})
    db.execute("CREATE TABLE beside (a int)")
    with db.server.connect(db.name) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO beside VALUES (1)")
        connection.execute("INSERT INTO stream VALUES ('x', 7)")
        with pytest.raises(psycopg.Error, match="Kafka did not take a row"):
            connection.execute("COMMIT")
    assert db.value("SELECT count(*) FROM beside") == 0
    assert messages_of(broker, name) == []


def test_keys_go_where_javas_clients_put_them(db, broker, topic):
    name = topic(partitions=7)
    create_stream(db, name, "a text, k text OPTIONS (metadata 'key'), p int OPTIONS (metadata 'partition')")
    db.execute("INSERT INTO stream (a, k) SELECT i::text, 'key' || i FROM generate_series(1, 50) i")
    producer = Producer({"bootstrap.servers": broker.address, "partitioner": "murmur2_random"})
    partitions = {}
    for i in range(1, 51):
        producer.produce(name, b'{"a": "other"}', f"key{i}",
                         on_delivery=lambda _, message: partitions.update({message.key().decode(): message.partition()}))
    producer.flush()
    assert dict(db.execute("SELECT k, p FROM stream WHERE a <> 'other'")) == partitions


def test_prepare_is_refused(server, db, topic):
    create_stream(db, topic())
    with server.connect(db.name) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO stream VALUES ('x')")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute("PREPARE TRANSACTION 'x'")


def test_only_what_is_committed_is_read(db, broker, topic):
    name = topic()
    create_stream(db, name, "a text, o bigint OPTIONS (metadata 'offset')")
    producer = broker.producer(transactional_id=name)
    producer.init_transactions(30)

    def transact(values, commit):
        producer.begin_transaction()
        for value in values:
            producer.produce(name, value)
        producer.flush()
        if commit is not None:
            producer.commit_transaction() if commit else producer.abort_transaction()
    transact([b'{"a": "1"}', b'{"a": "2"}'], True)      # offsets 0, 1; the marker is 2
    transact([b'{"a": "no"}'], False)                   # 3; 4
    transact([b'{"a": "3"}'], True)                     # 5; 6
    transact([b'{"a": "no"}'], False)                   # 7; 8
    assert db.execute("SELECT a, o FROM stream ORDER BY o") == [("1", 0), ("2", 1), ("3", 5)]
    transact([b'{"a": "open"}'], None)                  # 9
    assert db.value("SELECT count(*) FROM stream") == 3
    producer.commit_transaction()
    assert db.value("SELECT count(*) FROM stream") == 4
    db.execute("""ALTER FOREIGN TABLE stream OPTIONS (ADD "isolation.level" 'read_uncommitted')""")
    assert db.value("SELECT count(*) FROM stream") == 6


def test_a_view_goes_past_the_markers_at_the_end(db, broker, topic):
    name = topic()
    create_stream(db, name)
    db.execute("CREATE VIEW counted WITH (continuous) AS SELECT count(*) FROM stream")
    producer = broker.producer(transactional_id=name)
    producer.init_transactions(30)
    for commit in (True, False, True, False, False):
        producer.begin_transaction()
        producer.produce(name, b'{"a": "x"}')
        producer.flush()
        producer.commit_transaction() if commit else producer.abort_transaction()
    db.wait("counted")
    assert db.value("SELECT count FROM counted") == 2
    assert db.value("SELECT next_offset FROM cq.positions WHERE view = 'counted'::regclass") == 10


def test_nothing_but_markers(db, broker, topic):
    """What was aborted, and the markers of that, are no rows."""
    name = topic()
    create_stream(db, name)
    producer = broker.producer(transactional_id=name)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(name, b'{"a": "no"}')
    producer.flush()
    producer.abort_transaction()
    assert db.execute("SELECT a FROM stream") == []
    assert db.execute("SELECT count(a), max(a) FROM stream") == [(0, None)]
    db.execute("ANALYZE stream")
    db.execute("CREATE VIEW counted WITH (continuous) AS SELECT count(a) FROM stream")
    db.wait("counted")
    assert db.value("SELECT count FROM counted") == 0


def test_large_messages(db, broker, topic):
    """A message may be larger than what is fetched at a time."""
    name = topic(max_message_bytes=30000000)
    create_stream(db, name, **{"message.max.bytes": "25000000"})
    db.execute("CREATE VIEW counted WITH (continuous) AS SELECT count(*), sum(length(a)) FROM stream")
    db.execute("INSERT INTO stream SELECT repeat('x', 20000000)")
    db.wait("counted")
    assert db.execute("SELECT * FROM counted") == [(1, 20000000)]
    assert db.value("SELECT length(a) FROM stream") == 20000000


def test_a_missing_topic_is_an_error(db):
    create_stream(db, "missing")
    with pytest.raises(psycopg.errors.FdwTableNotFound, match='Kafka topic "missing" does not exist'):
        db.execute("SELECT * FROM stream")


def test_a_broker_that_hangs_does_not_keep_a_statement(server, db, broker, topic):
    """Cancelled at once, whatever the statement waits for. (statement_timeout does not cover a commit.)"""
    create_stream(db, topic())
    pid = int((broker.directory / "pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        for statement in ("SELECT * FROM stream", "INSERT INTO stream VALUES ('x')"):
            with server.connect(db.name) as connection:
                timer = threading.Timer(0.5, connection.cancel)
                timer.start()
                begin = time.monotonic()
                with pytest.raises(psycopg.errors.QueryCanceled):
                    connection.execute(statement)
                assert time.monotonic() - begin < 5
    finally:
        os.kill(pid, signal.SIGCONT)
    assert wait_until(lambda: db.value("SELECT count(*) FROM stream") >= 0, "the broker does not answer again")


def test_nothing_is_left_out_behind_a_time(db, broker, topic):
    """What comes while brokers are asked where a time begins, is read."""
    name = topic(message_timestamp_type="LogAppendTime")
    db.execute("CREATE FOREIGN TABLE s (id int, at timestamptz OPTIONS (metadata 'timestamp')) "
               f"SERVER kafka OPTIONS (topic '{name}')")
    producer = broker.producer(linger_ms=0)
    delays = random.Random(1)
    for number in range(VIEWS):
        db.execute(f"CREATE VIEW v{number} WITH (continuous, start = latest) AS "
                   "SELECT count(*) AS n FROM s")
        time.sleep(delays.uniform(0, 0.02))     # not for anything: this is what is varied
        producer.produce(name, '{"id": 1}')
        producer.flush()
        db.wait(f"v{number}")
    for number in range(VIEWS):
        db.wait(f"v{number}")
    db.assert_equal(" UNION ALL ".join(f"SELECT {number}, n FROM v{number}" for number in range(VIEWS)),
                    "SELECT substr(view::text, 2)::int, "
                    "(SELECT count(*) FROM s WHERE at >= created_at) FROM _cq.view")
