"""DDL of two sessions against running batches: nothing hangs, nothing is lost, nothing is left behind."""
import random
import threading

import psycopg
import pytest

QUERIES = ["SELECT k, count(*), sum(v) FROM s GROUP BY k",
           "SELECT k, count(*), sum(v), max(v) FROM s GROUP BY k"]
NAMES = ["a", "b", "c"]

# What happens where two do this at once; anything else is a failure: deadlocks, internal errors.
EXPECTED = {"42P01",    # it does not exist (any more)
            "42P07",    # it exists already
            "23505", "42710",   # as the server says it of two that create the same relation, or its row type
            "42809"}    # it is not a continuous view (any more)


def commands(name, other):
    return [f"CREATE CONTINUOUS VIEW {name} AS {QUERIES[0]}",
            f"CREATE CONTINUOUS VIEW IF NOT EXISTS {name} AS {QUERIES[0]}",
            f"CREATE OR REPLACE CONTINUOUS VIEW {name} AS {QUERIES[1]}",
            f"DROP CONTINUOUS VIEW {name}",
            f"DROP VIEW IF EXISTS {name}, {other}",
            f"ALTER CONTINUOUS VIEW {name} RENAME TO {other}",
            f"ALTER CONTINUOUS VIEW {name} SET (on_error = 'pause')",
            f"ALTER CONTINUOUS VIEW {name} OWNER TO CURRENT_USER",
            f"CREATE INDEX ON {name} (k)",
            f"SELECT cq.pause('{name}')",
            f"SELECT cq.resume('{name}')",
            f"SELECT cq.reset('{name}')",
            f"BEGIN; DROP VIEW IF EXISTS {name}; CREATE CONTINUOUS VIEW {name} AS {QUERIES[0]}; ROLLBACK"]


@pytest.mark.parametrize("seed", [1, 2])
def test_ddl_against_batches(db, seed):
    db.execute("CREATE FOREIGN TABLE s (k int, v int) SERVER cq_log")
    unexpected = []
    done = threading.Event()

    def feed():
        with db.server.connect(db.name) as connection:
            while not done.is_set():
                connection.execute("INSERT INTO s SELECT i % 5, i FROM generate_series(1, 20) i")

    def change(choose):
        with db.server.connect(db.name) as connection:
            for _ in range(80):
                command = choose.choice(commands(*choose.sample(NAMES, 2)))
                try:
                    connection.execute(command)
                except psycopg.Error as error:
                    if error.sqlstate not in EXPECTED:
                        unexpected.append((command, error))
                    connection.execute("ROLLBACK")

    feeder = threading.Thread(target=feed)
    changers = [threading.Thread(target=change, args=(random.Random(seed * 10 + i),)) for i in range(2)]
    for thread in [feeder, *changers]:
        thread.start()
    for thread in changers:
        thread.join()
    done.set()
    feeder.join()
    assert unexpected == []

    for (view,) in db.execute("SELECT view::text FROM cq.views"):
        db.execute("SELECT cq.resume(%s::regclass)", view)
        db.wait(view)
        db.assert_equal(f"SELECT k, count, sum FROM {view}", QUERIES[0], view)
    assert db.value("SELECT count(*) FROM cq.errors") == 0
    assert db.execute("SELECT * FROM _cq.follow f WHERE NOT EXISTS (SELECT FROM _cq.view v WHERE v.view = f.view)"
                      " OR NOT EXISTS (SELECT FROM _cq.cursor c WHERE c.cursor_id = f.cursor_id)") == []
    assert db.value("SELECT count(*) FROM pg_class c WHERE relnamespace = '_cq'::regnamespace "
                    "AND relname ~ '_(state|definition)[0-9]*$' AND relkind IN ('r', 'v')") == \
        2 * db.value("SELECT count(*) FROM _cq.view")


def test_views_that_go_soon_leave_no_errors(log_db, server):
    """What closes windows and deletes old rows finds views that are being dropped or replaced."""
    before = len(server.log())
    log_db.execute("CREATE FOREIGN TABLE s (k int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at')")
    log_db.execute("INSERT INTO s VALUES (1, now())")
    for i in range(15):
        log_db.execute("CREATE CONTINUOUS VIEW closed WITH (emit = 'close') AS "
                       "SELECT window_end, count(*) FROM s, cq.tumble(at, '1 s') GROUP BY 1")
        log_db.execute("CREATE CONTINUOUS VIEW groups WITH (retention = '1 s') AS SELECT k, count(*) AS n FROM s GROUP BY k")
        log_db.execute("CREATE CONTINUOUS VIEW kept WITH (retention = '1 s') AS SELECT k, at FROM s")
        log_db.execute("INSERT INTO s VALUES (%s, now() + make_interval(secs => %s))", i, i)
        log_db.execute("CREATE OR REPLACE CONTINUOUS VIEW groups WITH (retention = '1 s') AS "
                       "SELECT k, count(*) AS n FROM s WHERE k > 0 GROUP BY k")
        log_db.wait("groups")
        log_db.execute("DROP VIEW closed, groups, kept")
    told = [line for line in server.log()[before:].splitlines() if "could not open" in line]
    assert told == []
