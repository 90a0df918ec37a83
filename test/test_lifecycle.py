"""Workers come, go, and come again: with the extension, with the database, with settings, after failures."""
import signal

import pytest

from conftest import Database, kill, is_alive, wait_until

WORKERS = "SELECT pid, backend_type FROM pg_stat_activity WHERE backend_type ~ '^pg_cq' AND datname = %s"


def create(db, view="v", **options):
    db.execute("CREATE FOREIGN TABLE IF NOT EXISTS s (k int, v bigint) SERVER cq_log")
    options = "".join(f", {name} = '{value}'" for name, value in options.items())
    db.execute(f"CREATE VIEW {view} WITH (continuous{options}) AS SELECT k, count(*) AS rows, sum(v) AS sum FROM s GROUP BY k")


def append(db, first, end):
    db.execute("INSERT INTO s SELECT mod(i, 7), i FROM generate_series(%s::bigint, %s::bigint) AS i", first, end - 1)


def assert_seen(db, first, end, view="v"):
    db.wait(view)
    db.assert_equal(f"TABLE {view}", f"SELECT mod(i, 7)::int, count(*), sum(i) FROM generate_series({first}::bigint, {end - 1}) AS i GROUP BY 1")


def processes(server, database):
    with server.connect("postgres") as connection:
        return connection.execute(WORKERS, (database,)).fetchall()


def await_workers(db, count):
    wait_until(lambda: len(db.worker_pids()) == count, lambda: f"{len(db.worker_pids())} workers, not {count}")


def test_dropped_while_it_is_read(server, log_db):
    """Of a stream that goes just when a worker reads it nothing is said."""
    before = len(server.log())
    for _ in range(25):
        log_db.execute("CREATE SCHEMA brief")
        log_db.execute("CREATE FOREIGN TABLE brief.s (k int) SERVER cq_log")
        log_db.execute("INSERT INTO brief.s SELECT generate_series(1, 100)")
        log_db.execute("CREATE VIEW brief.v WITH (continuous) AS SELECT k, count(*) FROM brief.s GROUP BY k")
        log_db.execute("INSERT INTO brief.s SELECT generate_series(1, 100)")
        log_db.execute("DROP SCHEMA brief CASCADE")
    assert "could not open relation" not in server.log()[before:]


def test_extension_comes_and_goes(server, log_db):
    for step in range(5):
        create(log_db)
        append(log_db, 0, 100 * step + 1)
        assert_seen(log_db, 0, 100 * step + 1)
        log_db.execute("DROP EXTENSION pg_cq CASCADE")
        wait_until(lambda: processes(server, log_db.name) == [], "somebody stays without the extension")
        log_db.execute("CREATE EXTENSION pg_cq")


def test_drop_extension_rolled_back(server, log_db):
    create(log_db)
    append(log_db, 0, 10)
    assert_seen(log_db, 0, 10)
    log_db.execute("BEGIN")
    log_db.execute("DROP EXTENSION pg_cq CASCADE")
    assert processes(server, log_db.name) == []
    log_db.execute("ROLLBACK")
    append(log_db, 10, 20)
    assert_seen(log_db, 0, 20)


def test_database_is_dropped_renamed_and_copied(server, log_db):
    create(log_db)
    append(log_db, 0, 10)
    assert_seen(log_db, 0, 10)
    log_db.close()
    with server.connect("postgres") as connection:
        connection.execute(f'ALTER DATABASE "{log_db.name}" RENAME TO renamed')
        connection.execute(f'ALTER DATABASE renamed RENAME TO "{log_db.name}"')
        connection.execute(f'CREATE DATABASE copied TEMPLATE "{log_db.name}"')
    copied = Database(server, "copied", None)
    try:
        await_workers(copied, 1)
        assert copied.execute("SELECT status, status_detail FROM cq.views") == [
            ("restored", "cq.resume_all() lets the views of this restored or copied database run here")]
        append(copied, 10, 20)
        with pytest.raises(Exception, match="do not run in this database"):
            copied.wait("v")
        copied.execute("SELECT cq.resume_all()")
        assert_seen(copied, 0, 20)
    finally:
        copied.close()
        with server.connect("postgres") as connection:
            connection.execute("DROP DATABASE copied")
    assert processes(server, "copied") == []
    append(log_db, 10, 15)
    assert_seen(log_db, 0, 15)


def test_failed_command_brings_workers_back(server, log_db):
    """Somebody is connected, so that the database cannot be dropped; its workers return."""
    create(log_db)
    append(log_db, 0, 10)
    assert_seen(log_db, 0, 10)
    with server.connect("postgres") as connection:
        with pytest.raises(Exception, match="being accessed by other users"):
            connection.execute(f'DROP DATABASE "{log_db.name}"')
    append(log_db, 10, 20)
    assert_seen(log_db, 0, 20)


def test_number_of_workers(server, log_db):
    create(log_db)
    for step, count in enumerate([3, 1, 2]):
        server.set(cq__workers=count)
        wait_until(lambda: log_db.execute("SELECT worker, workers FROM cq.workers WHERE pid IS NOT NULL")
                   == [(i + 1, count) for i in range(count)], lambda: f"not {count} workers")
        append(log_db, step * 10, step * 10 + 10)
        assert_seen(log_db, 0, step * 10 + 10)
    server.set(cq__workers=None)
    await_workers(log_db, 1)


def test_switched_off_and_on(server, log_db):
    create(log_db)
    server.set(cq__enabled="off")
    wait_until(lambda: processes(server, log_db.name) == [], "workers stay")
    append(log_db, 0, 10)
    with pytest.raises(Exception, match="switched off"):
        log_db.wait("v")
    server.set(cq__enabled=None)
    assert_seen(log_db, 0, 10)


def test_terminated_worker_is_replaced(log_db):
    create(log_db)
    append(log_db, 0, 10)
    assert_seen(log_db, 0, 10)
    for step in range(1, 4):
        (pid,) = log_db.worker_pids()
        kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_alive(pid), "worker ignores SIGTERM", 5)
        append(log_db, step * 10, step * 10 + 10)
        assert_seen(log_db, 0, step * 10 + 10)


def test_terminated_supervisor_and_launcher_are_replaced(server, log_db):
    create(log_db)
    await_workers(log_db, 1)
    (pid,) = [pid for pid, kind in processes(server, log_db.name) if kind == "pg_cq supervisor"]
    kill(pid, signal.SIGTERM)
    append(log_db, 0, 10)
    assert_seen(log_db, 0, 10)
    pid = log_db.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq launcher'")
    kill(pid, signal.SIGTERM)
    wait_until(lambda: log_db.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq launcher' AND pid <> %s", pid),
               "no launcher comes")
    append(log_db, 10, 20)
    assert_seen(log_db, 0, 20)


def test_killed_worker(server, log_db):
    """The server recovers; everything goes on where it was."""
    create(log_db)
    for step in range(3):
        append(log_db, step * 1000, step * 1000 + 1000)
        if step == 1:
            assert_seen(log_db, 0, 2000)
        (pid,) = wait_until(log_db.worker_pids, "no worker")
        kill(pid)

        def is_back():
            try:
                log_db.close()
                pids = log_db.worker_pids()
                return pids and pid not in pids     # before the postmaster knows, all looks as it was
            except Exception:
                return False
        wait_until(is_back, "the server does not come back")
    assert_seen(log_db, 0, 3000)


def test_pause_resume_reset(log_db):
    create(log_db)
    create(log_db, "other")
    append(log_db, 0, 10)
    assert_seen(log_db, 0, 10)
    log_db.execute("SELECT cq.pause('v')")
    append(log_db, 10, 30)
    assert_seen(log_db, 0, 30, "other")
    assert log_db.execute("SELECT next_offset FROM cq.positions WHERE view = 'v'::regclass") == [(10,)]
    with pytest.raises(Exception, match="is paused"):
        log_db.wait("v")
    log_db.execute("SELECT cq.resume('v')")
    assert_seen(log_db, 0, 30)
    log_db.execute("SELECT cq.reset('v')")
    assert_seen(log_db, 0, 30)
    log_db.execute("""SELECT cq.reset('v', '{"0": 20}')""")
    assert_seen(log_db, 20, 30)
    log_db.execute("SELECT cq.reset('v', 'latest')")
    append(log_db, 30, 40)
    assert_seen(log_db, 30, 40)
    assert_seen(log_db, 0, 40, "other")


def test_views_meet(log_db):
    """A view that comes later catches up and then shares a cursor, so that everything is read but once."""
    create(log_db)
    append(log_db, 0, 200000)
    assert_seen(log_db, 0, 200000)
    create(log_db, "late")
    create(log_db, "newest", start="latest")
    append(log_db, 200000, 200010)
    assert_seen(log_db, 0, 200010, "late")
    assert_seen(log_db, 200000, 200010, "newest")
    wait_until(lambda: log_db.value("SELECT count(*) FROM _cq.cursor") == 1,
               lambda: f"views do not meet: {log_db.execute('TABLE cq.positions')}")
    append(log_db, 200010, 200020)
    assert_seen(log_db, 0, 200020)
    assert_seen(log_db, 0, 200020, "late")
    assert_seen(log_db, 200000, 200020, "newest")


def test_views_meet_while_rows_come(log_db):
    create(log_db)
    create(log_db, "late", start="latest")
    append(log_db, 0, 1000)
    end = 1000
    for round in range(3):
        log_db.execute("SELECT cq.pause('late')")
        append(log_db, end, end + 20000)
        log_db.execute("SELECT cq.resume('late')")
        end += 20000
        for step in range(20):
            append(log_db, end, end + 50)
            end += 50
    assert_seen(log_db, 0, end, "late")
    assert_seen(log_db, 0, end)
    wait_until(lambda: log_db.value("SELECT count(*) FROM _cq.cursor") == 1,
               lambda: f"views do not meet: {log_db.execute('TABLE cq.positions')}")


def test_everybody_sees_his_own(server, log_db):
    create(log_db)
    append(log_db, 0, 10)
    log_db.wait("v")
    log_db.execute("DROP ROLE IF EXISTS stranger")
    log_db.execute("CREATE ROLE stranger")
    try:
        log_db.execute("SET ROLE stranger")
        for name in ("views", "positions", "streams", "errors", "gaps", "stat_views"):
            assert log_db.value(f"SELECT count(*) FROM cq.{name}") == 0, name
        for call in ("pause('v')", "resume('v')", "reset('v')", "stat_reset('v')", "wait('v')", "stat_reset()"):
            with pytest.raises(Exception, match="must be owner|permission denied"):
                log_db.execute(f"SELECT cq.{call}")
        log_db.execute("RESET ROLE")
        log_db.execute("GRANT SELECT ON v TO stranger")
        log_db.execute("SET ROLE stranger")
        assert log_db.execute("SELECT view::text, status, lag_messages FROM cq.views") == [("v", "running", 0)]
        assert log_db.value("SELECT next_offset FROM cq.positions") == 10
        log_db.wait("v")
    finally:
        log_db.execute("RESET ROLE")
        log_db.execute("DROP OWNED BY stranger")
        log_db.execute("DROP ROLE stranger")


def test_statistics(log_db):
    create(log_db)
    append(log_db, 0, 70)
    log_db.wait("v")
    assert log_db.execute("SELECT rows, bad_rows, groups_inserted, batches > 0, last_error FROM cq.stat_views") == [(70, 0, 7, True, None)]
    assert log_db.execute("SELECT sum(rows) FROM cq.stat_workers") == [(70,)]
    assert log_db.value("SELECT rows_per_second > 0 FROM cq.views")
    log_db.execute("SELECT cq.stat_reset('v')")
    assert log_db.execute("SELECT rows, batches FROM cq.stat_views") == [(0, 0)]
