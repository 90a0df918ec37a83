"""Retention: what expires goes, what lives stays whole, whoever is at it; and tables stay within bounds."""
import random
import signal
import threading
from datetime import timedelta

import pytest
from conftest import kill, wait_until
from test_time import START, at, clock  # noqa: F401: a fixture

WINDOWS = "SELECT window_start, window_end, k, count(*), sum(id) FROM {source}, {windows} GROUP BY 1, 2, 3"


def state(db, view):
    return db.value("SELECT relation::text FROM _cq.part WHERE view = %s::regclass "
                    "AND role IN ('result', 'state') ORDER BY role LIMIT 1", view)


def expire(db, max_rows=100000):
    wait_until(lambda: db.execute("SELECT _cq.expire_rows(%s)", max_rows) == [(0,)], "there is no end to it")


def await_dropped(db, view):
    """Until windows have expired as far as the watermark says, and their state has gone."""
    wait_until(lambda: db.value("SELECT (SELECT emitted_through = closed_through AND cq.watermark(v.view) - v.retention < next_close FROM _cq.closing c "
                                "WHERE c.view = v.view) FROM _cq.view v WHERE v.view = %s::regclass", view), f"windows of {view} do not expire")


def await_emitted(db, view):
    """Until windows are closed as far as the watermark says, and their rows are there."""
    wait_until(lambda: db.value("SELECT (SELECT emitted_through = closed_through AND cq.watermark(view) < next_close FROM _cq.closing "
                                "WHERE view = %s::regclass)", view), f"windows of {view} are not closed")


@pytest.fixture
def disturbed(server, log_db):
    """Two workers, small batches; workers are ended again and again until it is to be calm, and all the while little by little is expired."""
    rng = random.Random(3)
    done = threading.Event()
    calm = threading.Event()

    def disturb():
        with server.connect(log_db.name) as connection:
            while not done.is_set():
                connection.execute("SELECT _cq.expire_rows(7)")
                pids = [pid for (pid,) in connection.execute("SELECT pid FROM cq.workers WHERE pid IS NOT NULL")]
                if pids and not calm.is_set() and rng.random() < 0.1:
                    kill(rng.choice(pids), signal.SIGTERM)
                done.wait(rng.uniform(0.01, 0.1))

    server.set(cq__workers=2, cq__batch_rows=100)
    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        yield calm
    finally:
        done.set()
        disturber.join()
        server.set(cq__workers=None, cq__batch_rows=None)


def test_windows(log_db, disturbed):
    """They are the batch over the rows that were not late, as far as they have not expired."""
    rng = random.Random(5)
    db = log_db
    views = {"tumbling": "cq.tumble(at, '1 min')", "hopping": "cq.hop(at, '20 s', '1 min')", "cumulating": "cq.cumulate(at, '20 s', '2 min')"}
    db.execute("CREATE FOREIGN TABLE s (id bigint, k int, at timestamptz, o bigint OPTIONS (metadata 'offset')) SERVER cq_log "
               "OPTIONS (event_time 'at', watermark '10 s', max_event_lead '36500 days')")
    for view, windows in views.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} WITH (retention = '2 min', late = 'keep') AS " + WINDOWS.format(source="s", windows=windows))
    for first in range(0, 9000, 300):
        times = [at(number / 10 + rng.choice([0, rng.uniform(-30, 0), rng.uniform(-400, 20)])) for number in range(first, first + 300)]
        db.execute("INSERT INTO s SELECT n + %s, mod(n, 3), t FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS x (t, n)", first, times)
        for view, windows in views.items():
            db.wait(view)
            on_time = f"(SELECT * FROM s WHERE o NOT IN (SELECT \"offset\" FROM cq.late WHERE view = '{view}'::regclass)) AS on_time"
            db.assert_equal(f"TABLE {view}", f"SELECT * FROM ({WINDOWS.format(source=on_time, windows=windows)}) AS x WHERE window_end > coalesce("
                            f"(SELECT closed_through FROM _cq.closing WHERE view = '{view}'::regclass), '-infinity')", view)
    for view in views:
        await_dropped(db, view)
        assert 0 < db.value("SELECT count(*) FROM cq.late WHERE view = %s::regclass", view) <= \
            db.value("SELECT late_rows FROM cq.views WHERE view = %s::regclass", view)
        assert 0 < db.value(f"SELECT count(*) FROM {view}") < 150
        assert db.value("SELECT closed_through FROM _cq.closing WHERE view = %s::regclass", view) > at(700)
    # The keeper has deleted them, and autovacuum knows.
    wait_until(lambda: db.value("SELECT n_tup_del FROM pg_stat_all_tables WHERE relid = '_cq.tumbling_state'::regclass") > 0, "nothing was counted")
    assert db.value("SELECT count(*) FROM cq.errors") == 0


def test_keys(log_db, clock, disturbed):  # noqa: F811
    """A key that is never silent for too long keeps all of its rows. One that was may begin anew, but never in the middle of things."""
    rng = random.Random(9)
    db = log_db
    retention, step, rounds = 60, 10, 60
    clock(0)
    db.execute("CREATE FOREIGN TABLE s (k int, round int) SERVER cq_log")
    db.execute(f"CREATE CONTINUOUS VIEW v WITH (retention = '{retention} s') AS SELECT k, count(*), min(round), max(round) FROM s GROUP BY k")
    db.execute("CREATE CONTINUOUS VIEW everything AS SELECT k, count(*) FROM s GROUP BY k")
    seen = {}
    for now in range(rounds):
        clock(now * step)
        # 0 to 99 come all the time, 100 to 199 now and then, others once.
        keys = list(range(100)) + [key for key in range(100, 200) if rng.random() < 0.1] + [200 + now]
        rng.shuffle(keys)
        for _ in range(3):
            db.execute("INSERT INTO s SELECT k, %s FROM unnest(%s::int[]) AS k", now, keys)
        for key in keys:
            seen.setdefault(key, []).append(now)
        db.wait("v")
        if now % 5 == 4:
            for key, count, first, last in db.execute("TABLE v"):
                came = seen[key]
                assert last == came[-1] and count == 3 * sum(r >= first for r in came), (key, count, first, last, came)
                # A batch may be processed a little later than it came, and the clock be seen a little later than it was set.
                begins = [0] + [i for i in range(1, len(came)) if (came[i] - came[i - 1]) * step > retention - 2 * step]
                assert first in [came[i] for i in begins], (key, first, came)
                assert key >= 100 or first == 0, (key, first)
    # Others are at it as well, and a group that somebody is at stays for the moment.
    disturbed.set()
    wait_until(lambda: len(db.worker_pids()) == 2, "workers do not come back")
    clock((rounds - 1) * step + 9)
    silent = [key for key in seen if (rounds - 1 - seen[key][-1]) * step > retention + 2 * step]
    wait_until(lambda: db.execute("SELECT _cq.expire_rows()") and db.execute("SELECT k FROM v WHERE k = ANY (%s)", silent) == [], "silent keys stay")
    assert {key for (key,) in db.execute("SELECT k FROM v")} >= set(range(100))
    db.wait("everything")
    assert db.value("SELECT count(*) FROM everything") == len(seen)
    clock(rounds * step + 1000)
    wait_until(lambda: db.execute("SELECT _cq.expire_rows()") and db.value("SELECT count(*) FROM _cq.v_state") == 0, "keys stay")
    # All begin anew.
    db.execute("INSERT INTO s VALUES (1, 1000)")
    db.wait("v")
    assert db.execute("TABLE v") == [(1, 1, 1000, 1000)]


def test_many_keys_in_small_steps(log_db, clock):  # noqa: F811
    """More old rows than are noted at a time; groups of several rows."""
    db = log_db
    clock(0)
    db.execute("CREATE FOREIGN TABLE s (k int, v text) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v WITH (retention = '1 min') AS SELECT k, count(*), max(v) FROM s GROUP BY k")
    db.execute("INSERT INTO s SELECT mod(i, 5000), i FROM generate_series(1, 20000) AS i")
    db.wait("v")
    # As a worker leaves them that has forgotten where they are.
    db.execute("INSERT INTO _cq.v_state SELECT * FROM _cq.v_state WHERE mod(k1, 3) = 0")
    db.execute("INSERT INTO _cq.v_state SELECT * FROM _cq.v_state WHERE mod(k1, 9) = 0")
    clock(50)
    db.execute("INSERT INTO s SELECT i * 7, 'young' FROM generate_series(0, 100) AS i")
    db.wait("v")
    clock(100)
    young = db.execute("SELECT * FROM v WHERE k <= 700 AND mod(k, 7) = 0 ORDER BY 1")
    assert db.value("SELECT _cq.expire_rows(1)") <= 10
    assert db.value("SELECT _cq.expire_rows(100)") <= 1000
    wait_until(lambda: db.execute("SELECT _cq.expire_rows(100)") and db.execute("SELECT * FROM v ORDER BY 1") == young, "old rows stay")


def test_keys_of_a_view_that_is_behind_stay(log_db, clock):  # noqa: F811
    """Nobody knows that a key is silent whose messages have not been read."""
    db = log_db
    clock(0)
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v WITH (retention = '1 min') AS SELECT k, count(*) FROM s GROUP BY k")
    db.execute("INSERT INTO s VALUES (1), (2)")
    db.wait("v")
    db.execute("SELECT cq.pause('v')")
    db.execute("INSERT INTO s VALUES (2)")
    clock(100)
    assert db.execute("SELECT _cq.expire_rows()") == [(0,)]
    assert db.execute("SELECT * FROM v ORDER BY 1") == [(1, 1), (2, 1)]
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    clock(110)
    wait_until(lambda: db.execute("SELECT _cq.expire_rows()") and db.execute("SELECT k FROM v") == [(2,)], "1 stays, or 2 does not")


def test_a_key_that_somebody_is_at_stays_whole(server, log_db, clock):  # noqa: F811
    db = log_db
    clock(0)
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v WITH (retention = '1 min') AS SELECT k, count(*) FROM s GROUP BY k")
    db.execute("INSERT INTO s VALUES (1), (2), (2)")
    db.wait("v")
    for _ in range(2):
        db.execute("INSERT INTO _cq.v_state SELECT * FROM _cq.v_state")
    before = db.execute("SELECT * FROM v ORDER BY 1")
    with server.connect(db.name) as other:
        with other.transaction():
            place = other.execute("SELECT ctid FROM _cq.v_state WHERE k1 = 2 ORDER BY ctid OFFSET 2 FOR UPDATE").fetchone()
            assert place
            clock(100)
            wait_until(lambda: db.execute("SELECT _cq.expire_rows()") and db.execute("SELECT k FROM v") == [(2,)], "1 has not gone")
            assert db.execute("TABLE v") == before[1:]
            assert db.execute("SELECT _cq.expire_rows()") == [(0,)]
            assert db.execute("TABLE v") == before[1:]
    expire(db)
    assert db.execute("TABLE v") == []


def sizes(db, views):
    return {view: db.value("SELECT pg_relation_size(%s::regclass)", state(db, view)) for view in views}


def test_days_within_bounds(log_db):
    """Five days in a moment: after vacuum, tables and their indexes do not grow."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (id bigint, k text, at timestamptz) SERVER cq_log "
               "OPTIONS (event_time 'at', watermark '10 s', max_event_lead '36500 days')")
    views = {
        "windows": ("retention = '1 hour'", "SELECT window_start, k, count(*), sum(id) FROM s, cq.tumble(at, '1 min') GROUP BY 1, 2"),
        "hops": ("retention = '1 hour'", "SELECT window_end, k, count(*) FROM s, cq.hop(at, '1 min', '5 min') GROUP BY 1, 2"),
        "closed": ("emit = 'close', retention = '1 hour'", "SELECT window_start, k, count(*) FROM s, cq.tumble(at, '1 min') GROUP BY 1, 2"),
        "keys": ("retention = '1 hour', retention_by = 'event_time'", "SELECT id / 10, count(*), max(k) FROM s GROUP BY 1"),
        "rows": ("retention = '1 hour', retention_by = 'event_time'", "SELECT id, k FROM s"),
    }
    for view, (options, query) in views.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} WITH ({options}) AS {query}")
    hours, per_hour = 3, 3600
    peaks = []
    alive = []
    for first in range(0, 5 * 24, hours):
        db.execute("INSERT INTO s SELECT i, 'key ' || mod(i, 10), %s + i * interval '1 s' FROM generate_series(%s::bigint, %s) AS i",
                   START, first * per_hour, (first + hours) * per_hour - 1)
        for view in views:
            db.wait(view)
        for view in ("windows", "hops"):
            await_dropped(db, view)
        await_emitted(db, "closed")
        expire(db)
        for view in views:
            db.execute(f"VACUUM {state(db, view)}")
        peaks.append(sizes(db, views))
        alive.append({view: db.value(f"SELECT count(*) FROM {state(db, view)}") for view in views})
    indexes = db.execute("SELECT sum(pg_relation_size(indexrelid)) FROM pg_index "
                         "WHERE indrelid IN (SELECT relation FROM _cq.part WHERE role IN ('state', 'result'))")
    assert indexes[0][0] < 3000000, indexes
    early, late = peaks[3], peaks[-1]
    for view in views:
        # A vacuum may find that somebody still sees what it came for. If nothing went, it would be ten times as much.
        assert late[view] <= early[view] * 3 + 8192 * 8, (view, [peak[view] for peak in peaks])
    assert max(rows["rows"] for rows in alive) <= 3600 + 11
    assert max(rows["keys"] for rows in alive) <= 362
    assert max(rows["windows"] for rows in alive[1:]) <= 62 * 10
    assert db.value("SELECT count(*) FROM cq.errors") == 0
    db.assert_equal("TABLE rows", f"SELECT id, k FROM s WHERE at >= (SELECT max(at) FROM s) - interval '1 hour 10 s'")
    db.assert_equal("TABLE windows", "SELECT window_start, k, count(*), sum(id) FROM s, cq.tumble(at, '1 min') WHERE window_end > "
                    "(SELECT closed_through FROM _cq.closing WHERE view = 'windows'::regclass) GROUP BY 1, 2")
    assert db.value("SELECT min(window_start) FROM closed") >= START + timedelta(hours=5 * 24 - 1, minutes=-2)


def test_changes_are_told_while_keys_go(server, log_db):
    """A batch and who deletes silent keys meet at one key: the batch waits, and nothing is done again."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v WITH (retention = '1 us', changes = 'told') AS SELECT k, count(*) FROM s GROUP BY k")
    db.execute("CREATE CONTINUOUS VIEW beside AS SELECT count(*) FROM s")
    with server.connect(db.name) as other:
        def delete():
            other.execute("ROLLBACK; BEGIN")
            return other.execute("SELECT _cq.expire_rows()").fetchone()[0] == 2

        def delete_and_hold():
            """Not before a worker has looked again is it known that nothing more came; and the keeper may be first."""
            db.execute("INSERT INTO s VALUES (1), (2)")
            for view in ("v", "beside"):
                db.wait(view)
            wait_until(lambda: delete() or db.value("SELECT count(*) FROM v") == 0, "no key goes")
            return db.value("SELECT count(*) FROM v") == 2
        other.execute("BEGIN")
        wait_until(delete_and_hold, "the keeper is first each time")
        before = db.value("TABLE beside")
        db.execute("INSERT INTO s VALUES (1)")
        wait_until(lambda: db.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq worker' AND wait_event_type = 'Lock' "
                                      "AND datname = current_database()"), "the batch does not wait")
        other.execute("COMMIT")
    db.wait("beside")
    assert db.value("TABLE beside") == before + 1
    db.wait("v")
    assert db.value("SELECT count(*) FROM cq.workers WHERE last_error IS NOT NULL") == 0
    # The key began anew.
    assert db.execute("SELECT (old).k, (new).count FROM told") [-1] == (None, 1)
