"""Positions that are not there: what the topic has become, and that nothing is read twice or left out without a word."""
import shutil

import psycopg
import pytest
from conftest import wait_until


def create(db, topic, **options):
    options = {"topic": topic, "format": "json", **options}
    db.execute("CREATE FOREIGN TABLE s (id bigint) SERVER kafka OPTIONS ("
               + ", ".join(f"\"{key}\" '{value}'" for key, value in options.items()) + ")")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*), sum(id) FROM s")


def values(first, end):
    return [{"id": number} for number in range(first, end)]


def status(db):
    return db.execute("SELECT status, status_detail FROM cq.views WHERE view = 'v'::regclass")[0]


def gaps(db):
    return db.execute("SELECT partition, from_offset, to_offset FROM cq.gaps ORDER BY partition, from_offset")


def assert_seen(db, count, total):
    wait_until(lambda: db.execute("SELECT * FROM v") == [(count, total)],
               lambda: f"{db.execute('SELECT * FROM v')} {db.state('v')}")


def lose_end(broker, topic, total, lost):
    """Produces total messages, has them read by db.wait in between, and has the broker lose the last of them."""
    log = broker.directory / "logs" / f"{topic}-0"
    kept = broker.directory / f"{topic}.kept"
    broker.produce(topic, values(0, total - lost))
    shutil.copytree(log, kept)
    broker.produce(topic, values(total - lost, total))
    return log, kept


def restart_with(broker, log, kept):
    broker.kill()
    shutil.rmtree(log)
    shutil.move(kept, log)
    broker.start()


@pytest.mark.parametrize("on_gap", ["skip", "pause"])
def test_a_log_that_lost_its_end(broker, db, topic, on_gap):
    """The rest was read already: nothing is read again."""
    name = topic()
    create(db, name, on_gap=on_gap)
    log, kept = lose_end(broker, name, 300, 100)
    db.wait("v")
    restart_with(broker, log, kept)
    wait_until(lambda: gaps(db) == [(0, 300, 200)], lambda: f"{gaps(db)} {db.state('v')}")
    if on_gap == "pause":
        wait_until(lambda: status(db) == ("failed", f'topic "{name}" partition 0: offset 300 is past the end, 200: the log has '
                                          "lost its end; call cq.resume to go on at offset 200, or cq.reset"),
                   lambda: status(db))
        # It may grow beyond the old position before somebody comes.
        broker.produce(name, values(1000, 1150))
        db.execute("SELECT cq.resume('v')")
    else:
        broker.produce(name, values(1000, 1150))
    assert_seen(db, 450, sum(range(300)) + sum(range(1000, 1150)))
    assert status(db)[0] == "running"
    assert db.execute("SELECT next_offset, lag_messages FROM cq.positions WHERE view = 'v'::regclass") == [(350, 0)]


def test_what_cannot_be_told(broker, db, topic):
    """Messages whose times say nothing: the views stop though on_gap says skip."""
    name = topic()
    create(db, name, on_gap="skip")
    broker.produce(name, values(0, 100))
    broker.delete_records(name, 0, 10)
    db.wait("v")
    db.execute("SELECT cq.pause('v')")
    db.execute("UPDATE _cq.cursor SET last_timestamp = NULL, next_offset = 200")
    db.execute("SELECT cq.resume('v')")
    wait_until(lambda: status(db) == ("failed", f'topic "{name}" partition 0: offset 200 is past the end, 100: the log has lost its '
                                      "end, or the topic was made anew, which cannot be told; call cq.resume to go on at "
                                      "offset 100, or cq.reset"), lambda: status(db))
    (count, total), = db.execute("SELECT * FROM v")
    db.execute("SELECT cq.resume('v')")
    broker.produce(name, values(1000, 1010))
    assert_seen(db, count + 10, total + sum(range(1000, 1010)))
    assert status(db)[0] == "running"


def test_a_view_that_somebody_has_locked(server, broker, db, topic):
    """It does not go along with the cursor: it stops there as well, later."""
    def states():
        return db.execute("SELECT view::text, status, next_offset FROM cq.views JOIN cq.positions "
                          "USING (view) ORDER BY 1")

    name = topic()
    create(db, name, on_gap="pause")
    db.execute("CREATE CONTINUOUS VIEW w AS SELECT count(*) FROM s")
    broker.produce(name, values(0, 100))
    db.wait("v")
    db.wait("w")
    wait_until(lambda: db.value("SELECT count(*) FROM _cq.cursor") == 1, lambda: states())
    server.set(cq__enabled=False)
    try:
        wait_until(lambda: not db.worker_pids(), "workers stay")
        db.execute("UPDATE _cq.cursor SET last_timestamp = NULL, next_offset = 200")
        with server.connect(db.name) as other:
            other.execute("BEGIN; SELECT FROM _cq.view WHERE view = 'w'::regclass FOR UPDATE")
            server.set(cq__enabled=None)
            wait_until(lambda: states() == [("v", "failed", 100), ("w", "running", 200)], states)
            other.execute("ROLLBACK")
    finally:
        server.set(cq__enabled=None)
    wait_until(lambda: states() == [("v", "failed", 100), ("w", "failed", 100)], states)
    assert gaps(db) == [(0, 200, 100)]


@pytest.mark.parametrize("on_gap", ["skip", "pause"])
def test_a_topic_with_fewer_partitions(broker, db, topic, on_gap):
    """What is there is read on, whatever on_gap says, and the way out that is told works."""
    name = topic(partitions=3)
    create(db, name, on_gap=on_gap)
    broker.produce(name, values(0, 30), partition=lambda value: 2)
    db.wait("v")
    broker.delete_topic(name)
    broker.create_topic(name, 2)
    broker.produce(name, values(100, 110), partition=lambda value: value["id"] % 2)
    assert_seen(db, 40, sum(range(30)) + sum(range(100, 110)))
    wait_until(lambda: gaps(db) == [(2, 30, 0)], lambda: gaps(db))
    if on_gap == "pause":
        text = wait_until(lambda: db.value("SELECT last_error FROM cq.streams WHERE stream = 's'::regclass"), "nothing is told")
        assert "partition 2: there is no such partition any more, but 2" in text, text
        db.execute("ALTER FOREIGN TABLE s OPTIONS (SET on_gap 'skip')")
    wait_until(lambda: db.execute("SELECT partition, next_offset FROM cq.positions WHERE view = 'v'::regclass ORDER BY 1")
               == [(0, 5), (1, 5)], lambda: db.state("v"))
    wait_until(lambda: db.value("SELECT state FROM cq.streams") == "reading", lambda: db.execute("SELECT * FROM cq.streams"))
    broker.produce(name, values(110, 120), partition=lambda value: value["id"] % 2)
    assert_seen(db, 50, sum(range(30)) + sum(range(100, 120)))
    assert db.value("SELECT count(*) FROM s") == 20
    broker.add_partitions(name, 3)
    broker.produce(name, values(120, 130), partition=2)
    db.wait("v")
    assert_seen(db, 60, sum(range(30)) + sum(range(100, 130)))


def bomb(broker, topic, codec, size):
    """A message that is small as long as it is packed."""
    producer = broker.producer(compression_type=codec, message_max_bytes=200000000, queue_buffering_max_kbytes=400000)
    producer.produce(topic, b'{"id": 1, "x": "' + b"x" * size + b'"}')
    assert producer.flush(60) == 0


@pytest.mark.parametrize("on_gap", ["skip", "pause"])
def test_a_batch_that_is_too_large_unpacked(broker, db, topic, on_gap):
    """It is named, and passed over where somebody says so; what is before and behind it is read."""
    name = topic()
    create(db, name, on_gap=on_gap, **{"receive.message.max.bytes": "20000000"})
    broker.produce(name, values(0, 10))
    bomb(broker, name, "zstd", 50000000)
    broker.produce(name, values(10, 20))
    if on_gap == "pause":
        wait_until(lambda: status(db)[0] == "failed", lambda: db.state("v"))
        assert status(db)[1].startswith(f'topic "{name}" partition 0: offset 10 cannot be read, the next that can is 11: '), status(db)
        assert status(db)[1].endswith("call cq.reset, or set option on_gap of the stream to skip and call cq.resume")
        db.execute("ALTER FOREIGN TABLE s OPTIONS (SET on_gap 'skip')")
        db.execute("SELECT cq.resume('v')")
    assert_seen(db, 20, sum(range(20)))
    assert gaps(db) == [(0, 10, 11)]
    assert status(db)[0] == "running"
    with pytest.raises(psycopg.Error, match="could not read Kafka topic"):
        db.value("SELECT count(*) FROM s")
    # Or there is room for it.
    db.execute("ALTER FOREIGN TABLE s OPTIONS (SET \"receive.message.max.bytes\" '100000000')")
    assert db.value("SELECT count(*) FROM s") == 21
