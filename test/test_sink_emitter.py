"""From an outbox to Kafka: every row once, none missing, in order, whatever dies."""
import time

import pytest

from conftest import kill, wait_until
from sinks import Reader, Sink


@pytest.fixture
def reader(broker):
    """A function that makes readers, which are closed at the end."""
    made = []

    def make(topic, partitions=1):
        made.append(Reader(broker, topic, partitions))
        return made[-1]
    yield make
    for one in made:
        one.close()


def numbers(first, end):
    return f"SELECT (i % 10)::text AS key, i::text AS value FROM generate_series({first}, {end - 1}) i"


# ---- what a message is made of ----

def test_messages(db, topic, reader):
    main, other = topic(partitions=3), topic("_other")
    sink = Sink(db, main)
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
