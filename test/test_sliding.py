"""Views over the last while before now: what they show decays by itself, and the state with it."""
import random
import signal
import threading

from conftest import kill, wait_until
from test_time import at, clock  # noqa: F401: a fixture

GROUPS = "SELECT k, count(*), sum(id), avg(id) FROM s WHERE cq.sliding(at, '1 min', '5 s') GROUP BY k"
TOTAL = "SELECT count(*), max(id) FROM s WHERE cq.sliding(at, '2 min', '10 s') AND id % 3 > 0"
KEPT = "SELECT id, at FROM s WHERE cq.sliding(at, '30 s', '10 s')"
VIEWS = {"groups": GROUPS, "total": TOTAL, "kept": KEPT}


def create(db):
    db.execute("CREATE FOREIGN TABLE s (id bigint, k int, at timestamptz) SERVER cq_log")
    for view, query in VIEWS.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")


def insert(db, *seconds):
    db.execute("INSERT INTO s SELECT n, mod(n, 7), t FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS x (t, n)", [at(second) for second in seconds])


def state(db, view):
    return db.value(f"SELECT count(*) FROM _cq.{view}_state")


def compare(db):
    for view, query in VIEWS.items():
        db.assert_equal(f"TABLE {view}", query, view)


def test_it_decays_by_itself(log_db, clock):  # noqa: F811
    db = log_db
    clock(1000)
    create(db)
    insert(db, 900, 938, 941, 999, 1000, 1004, 1005)
    for view in VIEWS:
        db.wait(view)
    # Steps are whole: what lies in the step that has begun is in, though it is ahead; what ends just as the window begins is not.
    assert db.execute("SELECT sum(count) FROM groups") == [(4,)]
    assert db.execute("TABLE total") == [(5, 7)]
    clock(1005)
    assert db.execute("SELECT sum(count) FROM groups") == [(4,)]
    clock(1063)
    assert db.execute("SELECT sum(count) FROM groups") == [(3,)]
    clock(1064.999)
    compare(db)
    clock(1065)
    assert db.execute("SELECT sum(count) FROM groups") == [(1,)]
    assert db.execute("TABLE kept") == []
    clock(1129)
    assert db.execute("TABLE groups") == []
    assert db.execute("TABLE total") == [(2, 7)]
    clock(2000)
    assert db.execute("TABLE total") == [(0, None)]
    assert state(db, "groups") > 0
    wait_until(lambda: db.execute("SELECT _cq.expire_rows(2)") == [(0,)], "there is no end to it")
    assert [state(db, view) for view in VIEWS] == [0, 0, 0]


def test_an_open_transaction_finds_its_steps(server, log_db):
    """Its now is when it began: what it might ask for stays, though for others it has gone."""
    db = log_db
    query = "SELECT count(*) FROM s WHERE cq.sliding(at, '2 s', '1 s')"
    db.execute("CREATE FOREIGN TABLE s (at timestamptz) SERVER cq_log")
    db.execute(f"CREATE CONTINUOUS VIEW v AS {query}")
    with server.connect(db.name) as reader:
        with reader.transaction():
            assert reader.execute("TABLE v").fetchall() == [(0,)]
            db.execute("INSERT INTO s SELECT clock_timestamp() - interval '1 s' FROM generate_series(1, 10)")
            db.wait("v")
            began = reader.execute("SELECT now()").fetchone()[0]
            wait_until(lambda: db.value("SELECT clock_timestamp() > %s + interval '5 s'", began), "time stands still")
            db.execute("SELECT _cq.expire_rows()")
            assert db.execute("TABLE v") == [(0,)]
            assert reader.execute("TABLE v").fetchall() == reader.execute(query).fetchall() != [(0,)]
    db.execute("SELECT _cq.expire_rows()")
    assert state(db, "v") == 0


def test_random_times(server, log_db, clock):  # noqa: F811
    """Rows of any time, two workers ended again and again, expiry all the while: it is always the batch of that moment."""
    rng = random.Random(7)
    db = log_db
    server.set(cq__workers=2, cq__batch_rows=300)
    try:
        clock(0)
        create(db)
        done = threading.Event()

        def disturb():
            with server.connect(db.name) as connection:
                while not done.is_set():
                    connection.execute("SELECT _cq.expire_rows(50)")
                    pids = [pid for (pid,) in connection.execute("SELECT pid FROM cq.workers WHERE pid IS NOT NULL")]
                    if pids:
                        kill(rng.choice(pids), signal.SIGTERM)
                    done.wait(rng.uniform(0.05, 0.3))

        disturber = threading.Thread(target=disturb)
        disturber.start()
        try:
            for now in range(0, 600, 20):
                clock(now)
                insert(db, *(now + rng.choice([0, rng.uniform(-20, 10), rng.uniform(-500, 100)]) for _ in range(500)))
                compare_at = now + rng.choice([0, 3.5, 19])
                for view in VIEWS:
                    db.wait(view)
                compare(db)
                clock(compare_at)
                compare(db)
        finally:
            done.set()
            disturber.join()
        assert db.value("SELECT count(*) FROM cq.errors") == 0
        clock(10000)
        wait_until(lambda: db.execute("SELECT _cq.expire_rows(1000)") == [(0,)], "there is no end to it")
        assert [state(db, view) for view in VIEWS] == [0, 0, 0]
    finally:
        server.set(cq__workers=None, cq__batch_rows=None)
