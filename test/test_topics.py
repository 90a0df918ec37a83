"""cq.topics, cq.create_topic, cq.tail: what another client says; rights; waits that end."""
import socket
import time

import psycopg
import pytest
from confluent_kafka.admin import ConfigResource
from conftest import DEADLINE, wait_until
from psycopg import errors


@pytest.fixture
def silent_broker():
    """The system accepts connections for it, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_topic_is_made(db, broker, name):
    made = f"{name}_made"
    known = "SELECT * FROM cq.topics('kafka') WHERE topic LIKE %s ORDER BY topic"
    assert db.execute(known, made + "%") == []
    db.execute("""SELECT cq.create_topic('kafka', %s, 3,
        settings => '{"cleanup.policy": "compact", "retention.ms": 60000}')""", made)
    db.execute("SELECT cq.create_topic('kafka', %s)", made + "_plain")
    broker.await_partitions(made, 3)
    broker.await_partitions(made + "_plain", 1)
    resource = ConfigResource(ConfigResource.Type.TOPIC, made)
    settings = broker.admin.describe_configs([resource])[resource].result(30)
    assert [settings[name].value for name in ("cleanup.policy", "retention.ms")] == \
        ["compact", "60000"]
    wait_until(lambda: db.execute(known, made + "%") == [(made, 3), (made + "_plain", 1)],
               lambda: str(db.execute(known, made + "%")))
    assert db.value("SELECT count(*) FROM cq.topics('kafka') WHERE topic LIKE '\\_\\_%'") == 0
    # A rollback does not take it back, and a second one is refused.
    with pytest.raises(errors.DuplicateObject, match="was not created"):
        db.execute("SELECT cq.create_topic('kafka', %s, 3)", made)
    for arguments, message in (("'a b'", "was not created"), ("'ok', 0", "at least one partition"),
                               ("'ok', 1, -1", "one replica"), ("'ok', 1, 5", "replication factor"),
                               ("'ok', settings => '{\"no.such\": 1}'", "was not created"),
                               ("'ok', settings => '{\"retention.ms\": null}'", "cannot be null"),
                               ("'ok', settings => '{\"retention.ms\": \"x\"}'", "was not created"),
                               ("'ok', timeout => '-1 s'", "invalid timeout"),
                               ("'ok', timeout => '1 year'", "invalid timeout"),
                               ("NULL", "cannot be null")):
        with pytest.raises(psycopg.Error) as error:
            db.execute(f"SELECT cq.create_topic('kafka', {arguments})")
        assert message.lower() in str(error.value).lower(), (arguments, str(error.value))
    with pytest.raises(errors.WrongObjectType):
        db.execute("SELECT * FROM cq.topics('cq_log')")


def test_the_latest_messages(db, broker, topic):
    name = topic(partitions=2)
    keys = {b"one": None, None: b"k\xff"}
    broker.produce(name, [b"one", b"\xff\xfe", None, b'{"a": 1}', b"two"],
                   partition=lambda value: 1 if value == b"two" else 0,
                   key=lambda value: keys.get(value, b"key"))
    db.execute(f"CREATE FOREIGN TABLE s (a int) SERVER kafka OPTIONS (topic '{name}')")
    assert db.execute('SELECT partition, "offset", key, value, headers FROM cq.tail(\'s\') '
                      "ORDER BY 1, 2") == [
        (0, 0, None, "one", None), (0, 1, "key", "\\xfffe", None), (0, 2, "\\x6bff", None, None),
        (0, 3, "key", '{"a": 1}', None), (1, 0, "key", "two", None)]
    assert db.execute("SELECT partition, \"offset\" FROM cq.tail('s', 2) WHERE partition = 0") in \
        ([(0, 3)], [(0, 3), (0, 2)])    # messages of the same millisecond come by partition
    assert db.execute("SELECT \"offset\" FROM cq.tail('s', 1)") in ([(0,)], [(3,)])
    # Of a stream in the database.
    db.execute("CREATE FOREIGN TABLE l (a int, b text) SERVER cq_log")
    assert db.execute("SELECT * FROM cq.tail('l')") == []
    db.execute("INSERT INTO l SELECT i, 'x y' FROM generate_series(1, 50) i")
    assert db.execute("SELECT topic, \"offset\", value FROM cq.tail('l', 2)") == \
        [("log", 49, '(50,"x y")'), ("log", 48, '(49,"x y")')]
    for query, message in (("'l', 20000", "invalid number"), ("'l', -1", "negative"),
                           ("'pg_class'", "is not")):
        with pytest.raises(psycopg.Error) as error:
            db.execute(f"SELECT * FROM cq.tail({query})")
        assert message in str(error.value), str(error.value)
    db.execute("DROP ROLE IF EXISTS stranger")
    db.execute("CREATE ROLE stranger")
    try:
        for query in ("cq.tail('l')", "_cq.tail('l', 1)", "cq.topics('kafka')",
                      "cq.create_topic('kafka', 'no')"):
            db.execute("SET ROLE stranger")
            with pytest.raises(errors.InsufficientPrivilege):
                db.execute(f"SELECT * FROM {query}")
            db.execute("RESET ROLE")
    finally:
        db.execute("RESET ROLE")
        db.execute("DROP ROLE stranger")


def test_a_broker_that_is_silent(silent_broker, log_db):
    """It says nothing: a cancellation ends the wait, and so does the timeout."""
    db = log_db
    db.execute("CREATE SERVER silent FOREIGN DATA WRAPPER cq_kafka "
               f"OPTIONS (bootstrap_servers '{silent_broker}')")
    for call in ("cq.topics('silent')", "cq.create_topic('silent', 't')"):
        began = time.monotonic()
        db.execute("SET statement_timeout = '300 ms'")
        with pytest.raises(errors.QueryCanceled):
            db.execute(f"SELECT * FROM {call}")
        db.execute("RESET statement_timeout")
        assert time.monotonic() - began < DEADLINE / 2      # its own timeout is longer
    for call in ("cq.topics('silent', '200 ms')",
                 "cq.create_topic('silent', 't', timeout => '200 ms')"):
        with pytest.raises(psycopg.Error) as error:
            db.execute(f"SELECT * FROM {call}")
        assert not isinstance(error.value, errors.QueryCanceled), call
