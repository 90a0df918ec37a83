"""Several workers, and partitions that come, go and begin again."""
import pytest

from conftest import wait_until

QUERY = "SELECT k, count(*) AS messages, sum(id) AS sum FROM {source} GROUP BY k"


def values(first, end):
    return [{"id": number, "k": number % 17} for number in range(first, end)]


def sent(*ranges):
    """The rows of these ranges of ids, as a relation."""
    series = " UNION ALL ".join(f"SELECT id, id % 17 AS k FROM generate_series({first}, {end - 1}::bigint) AS id"
                                for first, end in ranges)
    return f"({series}) AS sent"


def create(db, topic, **options):
    options = "".join(f", {name} '{value}'" for name, value in options.items())
    db.execute(f"CREATE FOREIGN TABLE s (id bigint, k bigint) SERVER kafka OPTIONS (topic '{topic}', format 'json'{options})")
    db.execute(f"CREATE CONTINUOUS VIEW v AS {QUERY.format(source='s')}")


def assert_seen(db, *ranges):
    db.wait("v")
    db.assert_equal("TABLE v", QUERY.format(source=sent(*ranges)))


@pytest.fixture
def workers(server):
    yield lambda count: server.set(cq__workers=count)
    server.set(cq__workers=None)


def test_workers_come_and_go(broker, db, topic, workers):
    name = topic(partitions=5)
    create(db, name)
    for step, count in enumerate([1, 3, 2, 8, 1]):
        workers(count)
        wait_until(lambda: len(db.worker_pids()) == count, lambda: f"{len(db.worker_pids())} workers, not {count}")
        broker.produce(name, values(step * 1000, step * 1000 + 1000), partition=lambda value: value["id"] % 5)
        assert_seen(db, (0, step * 1000 + 1000))


def test_partitions_are_added(broker, db, topic):
    name = topic(partitions=1)
    create(db, name)
    broker.produce(name, values(0, 1000), partition=0)
    assert_seen(db, (0, 1000))
    broker.add_partitions(name, 3)
    broker.produce(name, values(1000, 4000), partition=lambda value: value["id"] % 3)
    # The oracle is what was sent; cq.wait learns of partitions from the broker.
    assert_seen(db, (0, 4000))
    assert db.execute("SELECT partition, next_offset FROM cq.positions WHERE view = 'v'::regclass ORDER BY partition") == [
        (0, 2000), (1, 1000), (2, 1000)]


def test_topic_recreated_pauses(broker, db, topic):
    """Messages that are no longer there are a gap, never skipped silently."""
    name = topic()
    create(db, name)
    broker.produce(name, values(0, 1000))
    assert_seen(db, (0, 1000))
    broker.delete_topic(name)
    broker.create_topic(name)
    broker.produce(name, values(1000, 1500))
    wait_until(lambda: db.value("SELECT status FROM cq.views WHERE view = 'v'::regclass") != "running",
               "the view does not stop at the gap")
    db.assert_equal("TABLE v", QUERY.format(source=sent((0, 1000))))
    db.execute("SELECT cq.reset('v', 'earliest')")
    db.execute("SELECT cq.resume('v')")
    assert_seen(db, (1000, 1500))


def test_gap_is_skipped_where_told(broker, db, topic):
    """Messages fallen out of retention before they were read, with on_gap = skip: the rest is counted, the gap is shown."""
    name = topic(retention_ms=-1, segment_bytes=1048576)
    create(db, name, on_gap="skip")
    broker.produce(name, values(0, 500))
    assert_seen(db, (0, 500))
    db.execute("SELECT cq.pause('v')")
    broker.produce(name, values(500, 1000))
    broker.delete_records(name, 0, 800)
    db.execute("SELECT cq.resume('v')")
    assert_seen(db, (0, 500), (800, 1000))


def test_broker_away(broker, db, topic):
    """While the broker is down the state says so, and afterwards nothing is missing."""
    name = topic(partitions=2)
    create(db, name)
    broker.produce(name, values(0, 500), partition=lambda value: value["id"] % 2)
    assert_seen(db, (0, 500))
    broker.kill()
    try:
        wait_until(lambda: db.value("SELECT status_detail FROM cq.views WHERE view = 'v'::regclass"), "the outage is not shown")
        db.assert_equal("TABLE v", QUERY.format(source=sent((0, 500))))
    finally:
        broker.start()
    broker.produce(name, values(500, 900), partition=lambda value: value["id"] % 2)
    assert_seen(db, (0, 900))


def test_pause_and_resume_lose_nothing(broker, db, topic):
    name = topic(partitions=2)
    create(db, name)
    for step in range(5):
        db.execute("SELECT cq.pause('v')")
        broker.produce(name, values(step * 100, step * 100 + 100), partition=lambda value: value["id"] % 2)
        db.execute("SELECT cq.resume('v')")
        assert_seen(db, (0, step * 100 + 100))


def test_views_meet_among_partitions(broker, db, topic):
    """The view behind finds, in one batch, messages of several partitions from beyond where the other one stands."""
    name = topic(partitions=3)
    create(db, name)
    db.execute(f"CREATE CONTINUOUS VIEW late AS {QUERY.format(source='s')}")
    db.wait("late")
    (worker,) = db.worker_pids()
    end = 0
    for _ in range(3):
        db.execute("SELECT cq.pause('late')")
        broker.produce(name, values(end, end + 1500), partition=lambda value: value["id"] % 3)
        db.wait("v")
        db.execute("SELECT cq.pause('v')")
        broker.produce(name, values(end + 1500, end + 21000), partition=lambda value: value["id"] % 3)
        db.execute("SELECT cq.resume('late'), cq.resume('v')")
        end += 21000
        assert_seen(db, (0, end))
        db.wait("late")
        db.assert_equal("TABLE late", "TABLE v")
    wait_until(lambda: db.value("SELECT count(*) FROM _cq.cursor") == 3, "views do not meet")
    assert db.worker_pids() == [worker]
