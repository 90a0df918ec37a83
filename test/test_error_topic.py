"""Dead letters to a topic: as the messages were, with the reason, once each, and holding up nothing
but themselves."""
import json

from confluent_kafka import TopicPartition

from conftest import kill, wait_until

BAD = b'{"id": 2, "v": "x'
RETRY = "SELECT cq.retry_errors('v')"


def produce(broker, topic, messages):
    """Each is a key, a value and headers."""
    producer = broker.producer()
    for key, value, headers in messages:
        producer.produce(topic, value, key, headers=headers)
    producer.flush()


def reasons(message, before=0):
    """What was added behind the message's own headers; the offset apart."""
    added = dict(message.headers()[before:])
    return {name.rsplit("errors.", 1)[1]: value.decode() for name, value in added.items()}


def flush(db, stream="s"):
    assert db.value("SELECT cq.flush(%s::regclass, interval '60 s')", stream), \
        db.execute("TABLE cq.sinks")


def end_of(reader, topic):
    """How many messages there are, markers of transactions included."""
    return reader.consumer.get_watermark_offsets(TopicPartition(topic, 0), 30)[1]


def create(db, source, errors, columns="id int, v int", **options):
    options = {"topic": source, "error_topic": errors, **options}
    db.execute(f"CREATE FOREIGN TABLE s ({columns}) SERVER kafka OPTIONS (" +
               ", ".join(f"{key} '{value}'" for key, value in options.items()) + ")")


def test_as_they_were(db, broker, topic, reader):
    """Of two views each has its own; what was not decoded, and what a query fails at."""
    source, errors = topic(), topic("_errors")
    create(db, source, errors)
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) AS n, sum(10 / v) AS x FROM s")
    db.execute("CREATE CONTINUOUS VIEW ids AS SELECT count(*) AS n, max(id) AS id FROM s")
    own = [("a", b"\xff\x00"), ("b", None), ("a", "ä".encode())]
    produce(broker, source, [(b"k\x00", b'{"id": 1, "v": 2}', None), (b"\xfe", BAD, own),
                             (None, b'{"id": 3, "v": 0}', None), (b"t", None, own[:1])])
    db.wait("v")
    db.wait("ids")
    flush(db)
    got = reader(errors).read(5)
    place = {"topic": source, "partition": "0", "stream": "public.s"}
    seen = {}
    for message in got:
        offset = int(dict(message.headers())["__connect.errors.offset"])
        before = {1: 3, 2: 0, 3: 1}[offset]
        assert (message.headers() or [])[:before] == own[:before]
        reason = reasons(message, before)
        assert place.items() <= reason.items()
        seen[offset, reason["view"]] = (message.key(), message.value(), reason["sqlstate"])
    assert seen == {
        (1, "public.v"): (b"\xfe", BAD, "22P02"), (1, "public.ids"): (b"\xfe", BAD, "22P02"),
        (2, "public.v"): (None, b'{"id": 3, "v": 0}', "22012"),
        (3, "public.v"): (b"t", None, seen[3, "public.v"][2]),
        (3, "public.ids"): (b"t", None, seen[3, "public.v"][2])}
    assert db.execute("SELECT \"offset\", count(*) FROM cq.errors GROUP BY 1 ORDER BY 1") == [
        (1, 2), (2, 1), (3, 2)]
    assert db.execute("SELECT view::text, sink::text, state, pending_rows FROM cq.sinks") == [
        ("s", "s", "running", 0)]
    # What fails again is no other dead letter.
    before = end_of(reader(errors), errors)
    assert db.value(RETRY) == 0
    flush(db)
    assert db.execute("SELECT sent_rows, pending_rows FROM cq.sinks") == [(5, 0)]
    assert end_of(reader(errors), errors) == before
    # It goes with the stream.
    db.execute("DROP FOREIGN TABLE s CASCADE")
    assert db.execute("SELECT count(*) FROM _cq.sink UNION ALL SELECT count(*) FROM _cq.outbox_end "
                      "UNION ALL SELECT count(*) FROM pg_class WHERE relname = 's_errors'") == [
        (0,), (0,), (0,)]


def test_once_each(db, broker, topic, reader):
    """Several workers at several partitions, of which the server loses one."""
    source, errors = topic(partitions=6), topic("_errors")
    create(db, source, errors)
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) AS n, sum(10 / v) AS x FROM s")
    for first in (0, 3000):
        broker.produce(source, ({"id": i, "v": i % 3} for i in range(first, first + 3000)),
                       partition=lambda row: row["id"] % 6)
        if first == 0:
            wait_until(lambda: db.worker_pids(), "no worker")
            kill(db.worker_pids()[0])
            wait_until(lambda: not is_up(db), "the server does not end")
            wait_until(lambda: is_up(db), "the server does not come back")
    db.wait("v")
    flush(db)
    got = [json.loads(message.value())["id"] for message in reader(errors).read(2000)]
    assert sorted(got) == list(range(0, 6000, 3))
    assert db.value("SELECT pending_rows FROM cq.sinks") == 0  # what was sent counts since a crash
    assert db.value("SELECT n FROM v") == 4000


def is_up(db):
    try:
        return db.value("SELECT true")
    except Exception:
        db.close()
        return False


def test_a_topic_that_is_not_there(db, broker, topic, reader, name):
    """Nothing waits for it but what is to go there; it is seen in cq.sinks."""
    source, errors = topic(), name + "_errors"
    create(db, source, errors)
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) AS n FROM s")
    produce(broker, source, [(None, b"1", None), (None, b'{"id": 1}', None)])
    db.wait("v")
    assert db.value("SELECT n FROM v") == 1
    wait_until(lambda: db.execute("SELECT state, pending_rows FROM cq.sinks") == [("down", 1)],
               lambda: db.execute("TABLE cq.sinks"))
    assert db.value("SELECT cq.flush('s', interval '1 ms')") is False
    assert topic("_errors") == errors
    flush(db)
    assert [message.value() for message in reader(errors).read(1)] == [b"1"]


def test_somebody_elses_view(db, broker, topic, reader):
    """The stream's owner does not read in a reason what only the view's owner may see."""
    source, errors = topic(), topic("_errors")
    db.execute("CREATE ROLE error_reader LOGIN")
    db.execute("CREATE ROLE error_owner LOGIN")
    try:
        create(db, source, errors, columns="id text")
        db.execute("GRANT CREATE, USAGE ON SCHEMA public TO error_owner, error_reader")
        db.execute("GRANT USAGE ON FOREIGN SERVER kafka TO error_owner")
        db.execute("CREATE USER MAPPING FOR error_owner SERVER kafka")
        db.execute("ALTER FOREIGN TABLE s OWNER TO error_owner")
        db.execute("GRANT SELECT ON s TO error_reader")
        db.execute("SET ROLE error_reader")
        db.execute("CREATE TABLE known (id text)")
        db.execute("INSERT INTO known VALUES ('secret')")
        db.execute("CREATE CONTINUOUS VIEW v AS SELECT count((k.id || s.id)::int) AS n "
                   "FROM s JOIN known k ON true")
        db.execute("RESET ROLE")
        produce(broker, source, [(None, b'{"id": "x"}', None)])
        db.wait("v")
        flush(db)
        (message,) = reader(errors).read(1)
        assert reasons(message)["exception.message"] == "data exception 22P02"
        assert db.value("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 's_errors'"
                        ) == "error_owner"
    finally:
        db.execute("RESET ROLE")
        db.execute("DROP OWNED BY error_reader, error_owner CASCADE")
        db.execute("DROP ROLE error_reader, error_owner")


def test_no_circle(db, broker, topic, reader):
    """Two streams that are each other's error_topic: a message goes round ten times."""
    one, other = topic("_one"), topic("_other")
    for name, source, errors in (("a", one, other), ("b", other, one)):
        db.execute(f"CREATE FOREIGN TABLE {name} (id int) SERVER kafka "
                   f"OPTIONS (topic '{source}', error_topic '{errors}')")
        db.execute(f"CREATE CONTINUOUS VIEW v_{name} AS SELECT count(*) AS n FROM {name}")
    produce(broker, one, [(None, b"no", None)])
    failed = "SELECT count(*) FROM cq.errors WHERE view = 'v_a'::regclass"
    wait_until(lambda: db.value(failed) == 11,
               lambda: db.execute("SELECT view, count(*) FROM cq.errors GROUP BY 1"))
    flush(db, "a")
    assert db.execute("SELECT view::text, sent_rows FROM cq.sinks ORDER BY 1") == [
        ("a", 10), ("b", 10)]
