"""One user's view, or open transaction, does not hold up those of others, nor commands."""
import contextlib
import signal
import time

import pytest

from conftest import kill, wait_until
from test_exec import append, assert_up_to_date, await_status, create, status

# Never ends, until it is cancelled; and not even then.
HANG = "CREATE FUNCTION hang(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN {} END $$"
ENDLESS = "LOOP IF i <> 50 THEN RETURN i; END IF; END LOOP;"
DEAF = """LOOP
    IF i <> 50 THEN RETURN i; END IF;
    BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END;
END LOOP;"""


@pytest.fixture
def view_timeout(server):
    """A function that sets cq.view_timeout for this test."""
    yield lambda value: server.set(cq__view_timeout=value)
    server.set(cq__view_timeout="30s")


def create_hanging(db, body):
    db.execute(HANG.format(body))
    create(db, ("", "v", "SELECT k, sum(hang(i)) AS n FROM s GROUP BY k"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    db.wait("v")
    append(db, 0, 100)
    wait_until(lambda: db.execute(
        "SELECT pid FROM pg_stat_activity JOIN cq.workers w USING (pid) "
        "WHERE pg_stat_activity.state = 'active' AND w.state = 'running' "
        "AND now() - xact_start > interval '0.3 s' AND now() - state_since > interval '0.3 s'"),
        lambda: f"nothing hangs: {everything(db)}")


def everything(db):
    """That says how the database's views and workers are."""
    return [(table, db.execute(f"SELECT * FROM {table}")) for table in (
        "cq.views", "cq.streams", "cq.positions", "cq.workers",
        "(SELECT pid, backend_type, state, xact_start, wait_event_type, wait_event "
        "FROM pg_stat_activity WHERE datname = current_database()) AS activity")]


@contextlib.contextmanager
def within(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.mark.parametrize("body, command", [
    (ENDLESS, "SELECT cq.pause('v')"), (DEAF, "SELECT cq.pause('v')"),
    (ENDLESS, "SELECT cq.pause('w')"),
    (ENDLESS, "SELECT cq.reset('v', 'latest')"), (ENDLESS, "ALTER VIEW v SET (on_error = pause)"),
    (ENDLESS, "DROP VIEW v"), (DEAF, "DROP VIEW v")])
def test_commands_do_not_wait(log_db, body, command):
    db = log_db
    create_hanging(db, body)
    with within(5):                 # one second, on a machine that has nothing else to do
        db.execute(command)
    if "'w'" not in command and "ALTER" not in command:
        assert_up_to_date(db, "w")


def test_a_superuser_can_stop_it(server, log_db):
    """Nor do DROP SCHEMA and the like wait, which lock much else as well."""
    db = log_db
    create_hanging(db, ENDLESS)
    with within(5):
        db.execute("DROP FOREIGN TABLE s CASCADE")
    db.execute("CREATE FOREIGN TABLE s (i int, k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k")
    append(db, 0, 10)
    assert_up_to_date(db, "v")


@pytest.mark.parametrize("body", [ENDLESS, DEAF])
def test_a_view_whose_time_is_over(log_db, view_timeout, body):
    """It goes on by itself, with fewer and fewer rows, and fails at one that takes too long."""
    db = log_db
    view_timeout("1s")
    create_hanging(db, body)
    assert_up_to_date(db, "w")
    await_status(db, "v", "failed")
    if body == ENDLESS:
        assert "cq.view_timeout" in status(db, "v")[1]
        assert db.value("SELECT next_offset FROM cq.positions WHERE view = 'v'::regclass") == 50
        db.assert_equal("TABLE v", "SELECT k, sum(i) FROM s WHERE i < 50 GROUP BY k")
    db.execute("CREATE OR REPLACE FUNCTION hang(i int) RETURNS int IMMUTABLE LANGUAGE sql AS "
               "'SELECT i'")
    db.execute("SELECT cq.resume('v')")
    assert_up_to_date(db, "v", "w")


@pytest.mark.parametrize("body", [ENDLESS, DEAF])
def test_a_view_that_takes_for_ever_to_plan(log_db, view_timeout, body):
    """As where a function of a constant hangs, after it was replaced."""
    db = log_db
    view_timeout("300ms")
    db.execute(HANG.format("BEGIN RETURN i; END;"))
    create(db, ("", "v", "SELECT k, sum(i + hang(50)) AS n FROM s GROUP BY k"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    append(db, 0, 10)
    assert_up_to_date(db, "v", "w")
    db.execute(HANG.format(body).replace("CREATE", "CREATE OR REPLACE"))
    for pid in db.worker_pids():    # which remember what it was
        kill(pid, signal.SIGTERM)
    append(db, 10, 20)
    assert_up_to_date(db, "w")
    await_status(db, "v", "failed")
    if body == ENDLESS:
        assert status(db, "v")[1] == "to plan it takes longer than cq.view_timeout"
    db.execute("CREATE OR REPLACE FUNCTION hang(i int) RETURNS int IMMUTABLE LANGUAGE sql AS "
               "'SELECT i'")
    db.execute("SELECT cq.resume('v')")
    assert_up_to_date(db, "v", "w")


def test_retention_waits_for_nobody(server, log_db):
    """What is locked is trimmed later: who holds it may wait for what was trimmed before."""
    db = log_db
    for stream in "s", "t":
        db.execute(f"CREATE FOREIGN TABLE {stream} (i int) SERVER cq_log OPTIONS (retention '1 s')")
        db.execute(f"INSERT INTO {stream} VALUES (1)")
    (logs,) = zip(*db.execute("SELECT log::regclass::text FROM _cq.log ORDER BY log"))
    for locked in logs:
        with server.connect(db.name) as other:
            other.execute("BEGIN")
            other.execute(f"LOCK TABLE {locked}")
            with within(5):
                db.execute("SELECT _cq.log_trim()")
            other.execute("ROLLBACK")


def create_closing(db, body):
    """v's emission runs a function, and w's none."""
    db.execute(HANG.format(body))
    db.execute("CREATE FOREIGN TABLE s (i int, at timestamptz) SERVER cq_log "
               "OPTIONS (event_time 'at')")
    for name, value in ("v", "hang(max(i))"), ("w", "max(i)"):
        db.execute(f"CREATE CONTINUOUS VIEW {name} WITH (emit = 'close') AS SELECT window_end, "
                   f"{value} AS n FROM s, cq.tumble(at, '1 min') GROUP BY 1")
        db.wait(name)


@pytest.mark.parametrize("body", [ENDLESS, DEAF])
def test_windows_that_take_for_ever(log_db, view_timeout, body):
    """Their view stops, after ten times as long; those of others are closed."""
    db = log_db
    create_closing(db, body)
    view_timeout("300ms")
    db.execute("INSERT INTO s VALUES (50, '2025-01-01 00:00Z'), (1, '2025-01-01 00:01Z')")
    db.wait("w")
    assert db.execute("SELECT n FROM w") == [(50,)]
    await_status(db, "v", "failed")
    if body == ENDLESS:
        assert status(db, "v")[1] == ("its windows cannot be closed: it takes longer than ten "
                                      "times cq.view_timeout, which can be raised")
    db.execute("CREATE OR REPLACE FUNCTION hang(i int) RETURNS int IMMUTABLE LANGUAGE sql AS "
               "'SELECT i'")
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    db.assert_equal("TABLE v", "TABLE w")


def test_windows_that_take_long(log_db, view_timeout):
    """They are emitted when there is more time."""
    db = log_db
    create_closing(db, "PERFORM pg_sleep(2); RETURN i;")
    view_timeout("100ms")
    db.execute("INSERT INTO s VALUES (50, '2025-01-01 00:00Z'), (1, '2025-01-01 00:01Z')")
    await_status(db, "v", "failed")
    view_timeout("30s")
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    assert status(db, "v") == ("running", None)
    assert db.execute("SELECT n FROM v") == [(50,)]


def test_windows_whose_emission_somebody_cancels(server, log_db):
    """That is not the view's fault: it is done again."""
    db = log_db
    create_closing(db, "PERFORM pg_advisory_xact_lock_shared(1); RETURN i;")
    with server.connect(db.name) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        db.execute("INSERT INTO s VALUES (50, '2025-01-01 00:00Z'), (1, '2025-01-01 00:01Z')")
        since = "-infinity"
        for _ in range(3):
            cancelled = []
            wait_until(lambda: cancelled.extend(db.execute(
                "SELECT waitstart, pg_cancel_backend(pid) FROM pg_locks "
                "WHERE locktype = 'advisory' AND NOT granted AND waitstart > %s AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())", since))
                or cancelled, "nobody waits")
            (since, _), = cancelled
    db.wait("v")
    assert status(db, "v") == ("running", None)
    assert db.execute("SELECT n FROM v") == [(50,)]
    db.assert_equal("TABLE v", "TABLE w")


REPLACE = ("CREATE OR REPLACE VIEW v WITH (continuous) AS "
           "SELECT k, sum(i + 0) AS n FROM s GROUP BY k")


@pytest.mark.parametrize("command, end", [
    ("SELECT cq.pause('v')", "COMMIT"), ("SELECT cq.pause('v')", "ROLLBACK"),
    ("SELECT cq.reset('v')", "COMMIT"), ("SELECT cq.reset('v')", "ROLLBACK"),
    ("DROP VIEW v", "COMMIT"), ("DROP VIEW v", "ROLLBACK"),
    (REPLACE, "COMMIT"), (REPLACE, "ROLLBACK"),
    ("ALTER VIEW v SET (on_error = pause)", "COMMIT"), ("LOCK TABLE v", "ROLLBACK"),
    ("SELECT cq.pause('v'); SELECT cq.resume('v')", "COMMIT")])
def test_an_open_transaction(server, log_db, command, end):
    """It holds up the view that it is about, and no other; that one is exact, however it ends."""
    db = log_db
    create(db, ("", "v", "SELECT k, sum(i) AS n FROM s GROUP BY k"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    append(db, 0, 100)
    assert_up_to_date(db, "v", "w")
    with server.connect(db.name) as other:
        other.execute("BEGIN")
        other.execute(command)
        append(db, 100, 200)
        assert_up_to_date(db, "w")
        db.execute("CREATE CONTINUOUS VIEW x AS SELECT max(i) AS n FROM s")
        append(db, 200, 300)
        assert_up_to_date(db, "w", "x")
        other.execute(end)
    append(db, 300, 400)
    assert_up_to_date(db, "w", "x")
    if end == "COMMIT" and command == "SELECT cq.pause('v')":
        assert db.execute("SELECT sum(n) FROM v") == [(sum(range(100)),)]
        assert db.value("SELECT next_offset FROM cq.positions WHERE view = 'v'::regclass") == 100
        db.execute("SELECT cq.resume('v')")
    if not (end == "COMMIT" and command == "DROP VIEW v"):
        assert_up_to_date(db, "v")
    wait_until(lambda: db.value("SELECT count(*) FROM _cq.cursor c WHERE NOT EXISTS "
                                "(SELECT FROM _cq.follow f WHERE f.cursor_id = c.cursor_id)") == 0,
               "cursors are left")


@pytest.mark.parametrize("command", ["SELECT cq.pause('v')", "SELECT cq.reset('v')", "DROP VIEW v"])
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_prepared_transaction(server, log_db, command, end):
    """It stands for as long as nobody ends it, and has no session that could be ended."""
    db = log_db
    create(db, ("", "v", "SELECT k, sum(i) AS n FROM s GROUP BY k"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    append(db, 0, 100)
    assert_up_to_date(db, "v", "w")
    with server.connect(db.name) as other:
        other.execute("BEGIN")
        other.execute(command)
        other.execute(f"PREPARE TRANSACTION '{db.name}'")
    try:
        append(db, 100, 200)
        assert_up_to_date(db, "w")
        db.execute("CREATE CONTINUOUS VIEW x AS SELECT max(i) AS n FROM s")
        append(db, 200, 300)
        assert_up_to_date(db, "w", "x")
        for pid in db.worker_pids():    # the next one finds it as well
            kill(pid, signal.SIGTERM)
        append(db, 300, 400)
        assert_up_to_date(db, "w", "x")
    finally:
        db.execute(f"{end} PREPARED '{db.name}'")
    append(db, 400, 500)
    assert_up_to_date(db, "w", "x")
    if end == "COMMIT" and command == "SELECT cq.pause('v')":
        assert db.execute("SELECT sum(n) FROM v") == [(sum(range(100)),)]
        db.execute("SELECT cq.resume('v')")
    if end == "ROLLBACK" or command != "DROP VIEW v":
        assert_up_to_date(db, "v")


def test_many_bad_rows_do_not_hold_up_others(log_db):
    """Their view goes on by itself."""
    db = log_db
    create(db, ("", "v", "SELECT k, sum(1 / (i % 2)) AS n FROM s GROUP BY k"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    db.wait("v")
    append(db, 0, 4000)
    db.wait("w")
    db.assert_equal("TABLE w", "SELECT k, count(*) FROM s GROUP BY k")
    db.wait("v")
    db.assert_equal("TABLE v", "SELECT k, count(*) FROM s WHERE i % 2 = 1 GROUP BY k")
    assert db.value("SELECT bad_rows FROM cq.views WHERE view = 'v'::regclass") == 2000
    assert db.value("SELECT max_batch_time < 2000 FROM cq.stat_views WHERE view = 'v'::regclass")
