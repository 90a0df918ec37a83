"""Sessions that merge as rows arrive in any order, in batches of any size: always what the definition gives over the same rows."""
import os
import random
import signal
from datetime import datetime, timedelta, timezone

import pytest
from conftest import kill, wait_until, while_workers_end

SEED = int(os.environ.get("PG_CQ_SEED", 1))
STEPS = int(os.environ.get("PG_CQ_STEPS", 60))
START = datetime(2030, 1, 1, tzinfo=timezone.utc)
SESSIONS = """SELECT k, s, count(*), sum(id), lower(s) AS first
              FROM (SELECT id, k, cq.session(at, '10 s') OVER (PARTITION BY k ORDER BY at) AS s FROM {source}) q GROUP BY k, s"""

# Of many rows and few, with keys of different kinds, NULLs among them, in and out of the order of the GROUP BY.
VIEWS = {
    "by_text": "SELECT g, s, count(*), sum(n), min(g || id) FROM (SELECT *, cq.session(b, 7) OVER (PARTITION BY g ORDER BY b) AS s FROM s) q GROUP BY g, s",
    "by_two": "SELECT n, upper(s), k, avg(n), max(at) - min(at) AS span FROM (SELECT *, cq.session(at, '90 s') OVER (PARTITION BY k, n ORDER BY at) AS s FROM s) q "
              "GROUP BY n, s, k HAVING count(*) > 1",
    "of_all": "SELECT s, count(*), variance(id) FROM (SELECT id, cq.session(b, 2) OVER (ORDER BY b) AS s FROM s WHERE k > 3) q GROUP BY s",
    "by_array": "SELECT s, tags, count(*) FROM (SELECT tags, cq.session(z, '00:00:30') OVER (PARTITION BY tags ORDER BY z) AS s FROM s) q "
                "WHERE tags IS NULL OR cardinality(tags) < 2 GROUP BY s, tags",
    "fails": "SELECT k, s, sum(10 / (id % 100)) FROM (SELECT id, k, cq.session(b, 7) OVER (PARTITION BY k ORDER BY b) AS s FROM s) q GROUP BY k, s",
    "joined": "SELECT name, s, count(*) FROM (SELECT name, cq.session(b, 5) OVER (PARTITION BY name ORDER BY b) AS s FROM s LEFT JOIN dim USING (k)) q GROUP BY name, s",
}


def check(db, view):
    """But for the rows that are the view's dead letters."""
    db.wait(view)
    db.execute(f"""
        DROP SCHEMA IF EXISTS oracle CASCADE;
        CREATE SCHEMA oracle;
        CREATE TABLE oracle.s AS SELECT * FROM s WHERE o NOT IN (SELECT "offset" FROM cq.errors WHERE view = '{view}'::regclass);
        SET search_path = oracle, public""")
    db.assert_equal(f"TABLE {view}", VIEWS[view], f"seed {SEED}, {view}")
    db.execute("RESET search_path")
    state = db.part(view)
    keys = db.value("SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = %s::regclass AND attname ~ '^k[0-9]'", state)
    assert db.execute(f"SELECT {keys}, count(*) FROM {state} GROUP BY {keys} HAVING count(*) > 1") == []


def test_random_cuts(server, log_db):
    rng = random.Random(SEED)
    db = log_db
    db.execute("""
        CREATE FOREIGN TABLE s (id int, k int, g text, n numeric, tags text[], at timestamptz, z timestamp, b bigint, o bigint OPTIONS (metadata 'offset')) SERVER cq_log;
        CREATE TABLE dim AS SELECT k, 'n' || k / 2 AS name FROM generate_series(0, 6) AS k;
        CREATE FUNCTION feed(first int, last int, seed float8, spread int, key int) RETURNS void LANGUAGE sql AS $$
            SELECT setseed(seed);
            INSERT INTO s SELECT i, coalesce(key, floor(random() * 10)), (ARRAY['a', 'B', 'b ', 'cc', NULL])[ceil(random() * 5)],
                (ARRAY[1.0, 1.00, 2.5, NULL, 'NaN', -3])[ceil(random() * 6)], (ARRAY['{}', '{a}', '{a,NULL}', NULL])[ceil(random() * 4)]::text[],
                CASE WHEN b % 97 > 0 THEN timestamptz '2025-03-30 00:00Z' + b * interval '1 min' END, timestamp '2025-01-01' + b * interval '10 s', NULLIF(b, 11)
            FROM (SELECT i, floor(random() * spread)::bigint AS b FROM generate_series(first, last) AS i OFFSET 0) x
        $$""")
    for view, query in VIEWS.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
    nrows = 0
    try:
        for step in range(STEPS):
            happens = rng.choices(["feed", "batch", "pause", "reset", "vacuum", "kill"], [14, 3, 1, 0.5, 1, 0.5])[0]
            view = rng.choice(list(VIEWS))
            if happens == "feed":
                count = rng.choice([1, 3, 30, 400])
                db.execute("SELECT feed(%s, %s, %s, %s, %s)", nrows, nrows + count - 1, rng.uniform(-1, 1), rng.choice([100, 3000, 30000]), rng.choice([None, 5]))
                nrows += count
            elif happens == "batch":
                server.set(cq__batch_rows=rng.choice([1, 2, 7, 100, 250000]) if nrows < 3000 else 100)
            elif happens == "pause":
                db.execute(f"SELECT cq.pause('{view}'); SELECT cq.resume('{view}')")
            elif happens == "reset":
                db.execute(f"SELECT cq.reset('{view}')")
            elif happens == "vacuum":
                db.execute(f"VACUUM {rng.choice(['', 'FULL'])} _cq.{view}_state")
            else:
                for pid in db.worker_pids():
                    kill(pid, signal.SIGTERM)
            if step % 10 == 9:
                for view in VIEWS:
                    check(db, view)
        assert db.value("SELECT count(*) FROM cq.errors") > 0
    finally:
        server.set(cq__batch_rows=None)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_share_keys(server, db, broker, topic, workers):
    """Each session gets rows from all partitions, while workers come and go; two views with locks in one lane; one that emits on close."""
    rng = random.Random(workers)
    name = topic(partitions=3)
    server.set(cq__workers=workers, cq__batch_rows=100)
    try:
        columns = "id bigint, k int, at timestamptz, part int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset')"
        db.execute(f"CREATE FOREIGN TABLE s ({columns}) SERVER kafka OPTIONS (topic '{name}', format 'json', event_time 'at', "
                   "watermark '20 s', max_event_lead '36500 days')")
        db.execute("CREATE CONTINUOUS VIEW now AS " + SESSIONS.format(source="s"))
        db.execute("CREATE CONTINUOUS VIEW closed WITH (emit = 'close', late = 'keep') AS " + SESSIONS.format(source="s"))
        db.execute("CREATE CONTINUOUS VIEW of_all AS SELECT s, count(*) FROM (SELECT cq.session(at, '100 ms') OVER (ORDER BY at) AS s FROM s) q GROUP BY s")
        values = [{"id": number, "k": rng.randrange(12), "at": (START + timedelta(
            seconds=number / 10 + rng.choice([0, rng.uniform(-30, 0), rng.uniform(-100, 20)]))).isoformat()} for number in range(9000)]

        def send():
            for first in range(0, len(values), 300):
                broker.produce(name, values[first:first + 300], partition=lambda value: value["id"] % 3)
        while_workers_end(db, rng, (0.2, 0.6), send)
        for view in ("now", "closed", "of_all"):
            db.wait(view)
        db.assert_equal("TABLE now", SESSIONS.format(source="s"))
        db.assert_equal("TABLE of_all", "SELECT s, count(*) FROM (SELECT cq.session(at, '100 ms') OVER (ORDER BY at) AS s FROM s) q GROUP BY s")
        assert db.value("SELECT count(*) FROM cq.errors") == 0
        closed = db.value("SELECT closed_through FROM _cq.closing WHERE view = 'closed'::regclass")
        on_time = "(SELECT * FROM s WHERE (part, o) NOT IN (SELECT partition, \"offset\" FROM cq.late)) AS on_time"
        db.assert_equal("TABLE closed", f"SELECT * FROM ({SESSIONS.format(source=on_time)}) x WHERE upper(s) <= '{closed}'")
        assert 0 < db.value("SELECT count(*) FROM cq.late") < len(values) / 2
        wait_until(lambda: db.value("SELECT next_close > cq.watermark('closed') FROM _cq.closing WHERE view = 'closed'::regclass"), "it is not closed")
        assert db.value("SELECT bool_and(upper(k2) > %s) FROM _cq.closed_state", closed)
    finally:
        server.set(cq__workers=None, cq__batch_rows=None)
