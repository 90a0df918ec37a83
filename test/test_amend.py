"""Closed windows that late rows correct: at any moment what the batch gives for the windows that are closed."""
import random
from datetime import datetime, timedelta, timezone

import pytest

START = datetime(2025, 1, 1, tzinfo=timezone.utc)
VIEWS = {
    "minutes": "SELECT window_end, k, count(*) AS n, sum(v) AS total, max(v) AS highest FROM s, cq.tumble(at, '1 min') {condition} "
               "GROUP BY window_end, k HAVING sum(v) % 3 <> 0",
    "hops": "SELECT window_start, window_end, count(*) AS n, avg(v) AS mean FROM s, cq.hop(at, '20 s', '1 min') {condition} GROUP BY 1, 2",
    "growing": "SELECT window_end, k % 2 AS half, count(*) AS n FROM s, cq.cumulate(at, '30 s', '2 min') {condition} GROUP BY 1, 2",
}


@pytest.fixture(params=[1, 2])
def workers(server, request):
    server.set(cq__workers=request.param, cq__batch_rows=50)
    yield request.param
    server.set(cq__workers=None, cq__batch_rows=None)


def test_random_orders(db, broker, topic, workers):
    seed = workers
    rng = random.Random(seed)
    name = topic(partitions=3)
    db.execute(f"CREATE FOREIGN TABLE s (k int, v int, at timestamptz) SERVER kafka OPTIONS (topic '{name}', event_time 'at', watermark '10 s')")
    for view, query in VIEWS.items():
        db.execute(f"CREATE TABLE {view}_copy AS {query.format(condition='')} LIMIT 0")
        db.execute(f"CREATE CONTINUOUS VIEW {view} WITH (emit = 'close', late = 'amend', sink = '{view}_copy') AS {query.format(condition='')}")
    # For so long, and no longer: windows that have expired are not touched, not even by rows of others that overlap them.
    db.execute(f"CREATE TABLE short_copy AS {VIEWS['hops'].format(condition='')} LIMIT 0")
    db.execute(f"CREATE CONTINUOUS VIEW short WITH (emit = 'close', late = 'amend', retention = '90 s', sink = 'short_copy') AS {VIEWS['hops'].format(condition='')}")
    final = {}
    for number in range(12):
        rows = []
        for _ in range(rng.randrange(1, 200) if number < 11 else 200):      # The last close what all before left open.
            # Mostly in order, some of long ago.
            seconds = rng.uniform(0, 30 * number + 30) if rng.random() < 0.3 else 30 * number + rng.uniform(0, 30)
            rows.append({"k": rng.randrange(5), "v": rng.randrange(100), "at": (START + timedelta(seconds=seconds)).isoformat()})
        broker.produce(name, rows, partition=lambda row: row["v"] % 3)
        for view, query in VIEWS.items():
            db.wait(view)
            closed = db.value("SELECT emitted_through FROM _cq.closing WHERE view = %s::regclass", view) \
                if db.execute("SELECT view FROM _cq.closing WHERE view = %s::regclass", view) else START
            db.assert_equal(f"TABLE {view}", query.format(condition=f"WHERE window_end <= '{closed}'"), f"seed {seed}, {view}, {number}")
            db.assert_equal(f"TABLE {view}", f"TABLE {view}_copy", f"seed {seed}, {view}, {number}")
        db.wait("short")
        marks = db.execute("SELECT expired_through, closed_through FROM _cq.closing WHERE view = 'short'::regclass AND isfinite(expired_through)")
        if marks:
            (expired, closed), = marks
            condition = f"window_end > '{expired}' AND window_end <= '{closed}'"
            db.assert_equal(f"SELECT * FROM short WHERE {condition}", f"SELECT * FROM short_copy WHERE {condition}", f"seed {seed}, {number}")
            rows = dict((end, row) for end, *row in db.execute("SELECT window_end, n, mean FROM short_copy"))
            for end, row in final.items():
                assert rows[end] == row, f"seed {seed}, {number}: window until {end}"
            final.update((end, row) for end, row in rows.items() if end <= expired)
    assert all(count > 5 for view in VIEWS for (count,) in db.execute(f"SELECT count(*) FROM {view}"))
    assert len(final) > 5
    assert db.value("SELECT sum(late_rows) FROM cq.views WHERE view <> 'short'::regclass") == 0
