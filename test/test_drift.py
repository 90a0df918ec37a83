"""max_drift: a view waits in the stream, or partition, that is ahead, and nobody else does."""
import json
from datetime import datetime, timedelta, timezone

import pytest
from conftest import wait_until

BATCH = 10
DRIFT = timedelta(minutes=30)
BEGIN = datetime(2025, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def small_batches(server):
    """Workers that start from now on take batches of ten rows, and any time for them."""
    def set_all(rows, timeout):
        server.set(cq__batch_rows=rows, cq__view_timeout=timeout)

    def is_set():
        with server.connect("postgres") as connection:
            return connection.execute("SHOW cq.batch_rows").fetchone() == (str(BATCH),)
    set_all(BATCH, "10min")
    wait_until(is_set, "the settings are not there")
    yield
    set_all(None, None)


@pytest.fixture(params=[1, 2])
def workers(server, small_batches, request):
    server.set(cq__workers=request.param)
    yield request.param
    server.set(cq__workers=None)


@pytest.fixture
def gate(server):
    """While this file is there, reading of b waits at v = 100."""
    path = server.directory / "data" / "gate"
    path.touch()
    path.chmod(0o644)
    yield path
    path.unlink(missing_ok=True)


QUERY = "SELECT k, a.v AS a, b.v AS b FROM a JOIN b USING (k)"

ROWS = """
    INSERT INTO a SELECT i % 5, i, '2025-01-01 00:00Z'::timestamptz + i * interval '1 min'
    FROM generate_series(0, 79) i;
    INSERT INTO b SELECT i % 5, i, '2025-01-01 00:00Z'::timestamptz + i * interval '3 s'
    FROM generate_series(0, 399) i"""


def create(db):
    db.execute("""
        CREATE FUNCTION passes(v int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
        BEGIN
            WHILE v = 100 AND (pg_stat_file('gate', true)).size IS NOT NULL
            LOOP
                PERFORM pg_sleep(0.01);
            END LOOP;
            RETURN true;
        END $$""")
    for stream in "ab":
        db.execute(f"CREATE FOREIGN TABLE {stream} (k int, v int, at timestamptz) SERVER cq_log "
                   "OPTIONS (event_time 'at')")
    db.execute("CREATE CONTINUOUS VIEW neighbour AS SELECT count(*) AS n FROM a")
    db.execute("CREATE CONTINUOUS VIEW joined WITH (max_drift = '30 min') AS "
               "SELECT k, a.v AS a, b.v AS b FROM a "
               "JOIN (SELECT * FROM b WHERE passes(v)) b USING (k)")
    for view in ("neighbour", "joined"):
        db.wait(view)


def places(db):
    return dict(db.execute("SELECT stream::text, next_offset FROM cq.positions "
                           "WHERE view = 'joined'::regclass"))


def is_held(db):
    """The one worker is at the gate. By then a has had its turn as often as b."""
    return places(db)["b"] == 100 and db.execute(
        "SELECT v.status, h.reason FROM cq.views v LEFT JOIN _cq.held_back() h USING (view) "
        "WHERE v.view = 'joined'::regclass") == \
        [("waiting", "stream public.a is 00:34:03 ahead of stream public.b")]


def test_side_ahead_waits(server, log_db, small_batches, gate):
    db = log_db
    create(db)
    db.execute(ROWS)
    wait_until(lambda: is_held(db), lambda: f"it is not held: {db.state('joined')}")
    # b has come to 4:57, a to 39 minutes: half an hour, and what is left of a batch of ten minutes.
    assert places(db)["a"] == 40
    wait_until(lambda: db.value("TABLE neighbour") == 80, "the neighbour is held up")
    # It stays there, in another process.
    db.close()
    server.stop()
    server.start()
    wait_until(lambda: is_held(db), lambda: f"it is not held: {db.state('joined')}")
    assert places(db)["a"] == 40
    gate.unlink()
    db.wait("joined")
    db.assert_equal("TABLE joined", QUERY)
    assert places(db) == {"a": 80, "b": 400}
    # All follow one cursor in a again.
    wait_until(lambda: db.value("SELECT count(*) FROM _cq.cursor WHERE stream = 'a'::regclass") == 1,
               "the views do not meet")
    assert db.value("SELECT status FROM cq.views WHERE view = 'joined'::regclass") == "running"
    # A side that has nothing to be read holds up nothing.
    db.execute("INSERT INTO a VALUES (1, 1000, '2025-01-03 00:00Z')")
    db.wait("joined")
    db.assert_equal("TABLE joined", QUERY)


def test_partitions(broker, db, topic, workers):
    name = topic(partitions=2)
    producer = broker.producer()
    counts = {0: 100, 1: 600}
    for partition, length in ((0, 60), (1, 5)):
        for i in range(counts[partition]):
            at = BEGIN + timedelta(seconds=length * i)
            producer.produce(name, json.dumps({"v": i, "at": at.isoformat()}), partition=partition)
    assert producer.flush(30) == 0
    db.execute(f"CREATE FOREIGN TABLE s (v int, at timestamptz) SERVER kafka "
               f"OPTIONS (topic '{name}', event_time 'at')")
    db.execute("CREATE CONTINUOUS VIEW counted WITH (max_drift = '30 min') AS "
               "SELECT v % 10 AS k, count(*), sum(v) FROM s GROUP BY 1")

    def drift_is_kept():
        found = {partition: (place, at) for partition, place, at in db.execute(
            "SELECT partition, next_offset, event_time FROM cq.positions "
            "WHERE view = 'counted'::regclass")}
        if len(found) < 2:
            return False
        for one, other in ((0, 1), (1, 0)):
            if found[other][0] < counts[other] and found[one][1] is not None:
                behind = found[other][1] or found[one][1] - DRIFT
                assert found[one][1] - behind <= DRIFT + timedelta(minutes=BATCH)
        return all(found[partition][0] == counts[partition] for partition in counts)
    wait_until(drift_is_kept, lambda: f"it does not end: {db.state('counted')}")
    db.wait("counted")
    db.assert_equal("TABLE counted", "SELECT v % 10 AS k, count(*), sum(v) FROM s GROUP BY 1")
