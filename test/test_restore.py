"""Restored and copied databases: they have everything, stand still until told to go on, and go on from where they were."""
import signal

import pytest
from conftest import Database, kill, wait_until

VIEWS = {
    "by_key": "SELECT k, count(*), sum(v), avg(v) FROM s GROUP BY k HAVING count(*) > 1",
    "big": "SELECT k, v FROM s WHERE v % 3 = 0",
}


def fill(db, start, end):
    db.execute(f"INSERT INTO s SELECT i % 7, i FROM generate_series({start}, {end - 1}) i")


def wait(db):
    for view in VIEWS:
        db.wait(view)


def assert_views_hold(db, end):
    """Each view equals its query over the numbers up to end."""
    for view, query in VIEWS.items():
        query = query.replace("FROM s", f"FROM (SELECT i % 7 AS k, i AS v FROM generate_series(0, {end - 1}) i) s")
        db.assert_equal(f"TABLE {view}", query)


@pytest.fixture
def original(db):
    db.execute("CREATE FOREIGN TABLE s (k int, v int) SERVER cq_log")
    for view, query in VIEWS.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
    db.execute("CREATE INDEX ON big (k)")
    db.execute("COMMENT ON CONTINUOUS VIEW big IS 'big ones'")
    fill(db, 0, 1000)
    wait(db)
    return db


@pytest.fixture
def other(server, broker, name):
    """Another database, not there yet."""
    other = Database(server, name + "_other", broker)
    yield other
    other.close()
    with server.connect("postgres") as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{other.name}" WITH (FORCE)')


def copy_by_dump(original, other):
    server = original.server
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{other.name}"')
    dump = server.directory / "dump.sql"
    server.program("pg_dump", "-f", str(dump), original.name)
    server.program("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", other.name, "-f", str(dump))


def copy_by_template(original, other):
    original.close()
    with original.server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{other.name}" TEMPLATE "{original.name}"')


def test_nothing_runs_while_a_dump_is_being_restored(db):
    """Cursors come before the views that follow them, and before the identity of whom all belongs to."""
    db.execute("INSERT INTO _cq.cursor (stream, topic, partition, next_offset) VALUES (0, 't', 0, 7)")
    (pid,) = wait_until(db.worker_pids, "no worker")
    kill(pid, signal.SIGTERM)
    wait_until(lambda: db.execute("SELECT pid FROM cq.workers WHERE state = 'idle' AND pid <> %s", pid), "no new worker")
    assert db.value("SELECT next_offset FROM _cq.cursor") == 7


@pytest.mark.parametrize("copy", [copy_by_dump, copy_by_template])
def test_copy_goes_on_when_told(original, other, copy):
    copy(original, other)
    fill(original, 1000, 1500)
    wait(original)
    assert_views_hold(original, 1500)

    assert other.value("SELECT _cq.is_copy()")
    assert_views_hold(other, 1000)
    fill(other, 1000, 2000)
    assert_views_hold(other, 1000)
    other.execute("SELECT cq.resume_all()")
    assert not other.value("SELECT _cq.is_copy()")
    wait(other)
    assert_views_hold(other, 2000)
    assert other.value("SELECT count(*) FROM cq.errors") == 0
    assert other.value("SELECT obj_description('big'::regclass)") == "big ones"
    assert other.value("SELECT count(*) FROM pg_index JOIN _cq.part ON relation = indrelid "
                       "WHERE role = 'state'") == 1

    other.execute("DROP CONTINUOUS VIEW by_key, big")
    other.execute("DROP FOREIGN TABLE s")
    assert other.execute("SELECT relname FROM pg_class WHERE relnamespace = '_cq'::regnamespace "
                         "AND relname ~ '^(by_key|big|s)_'") == []
    assert_views_hold(original, 1500)


def test_database_can_be_dropped_and_renamed_while_workers_run(original, other):
    original.close()
    with original.server.connect("postgres") as connection:
        connection.execute(f'ALTER DATABASE "{original.name}" RENAME TO "{other.name}"')
    fill(other, 1000, 2000)
    wait(other)
    assert_views_hold(other, 2000)
    other.close()
    with original.server.connect("postgres") as connection:
        connection.execute(f'DROP DATABASE "{other.name}"')
        connection.execute(f'CREATE DATABASE "{original.name}"')


def test_extension_can_be_dropped_while_workers_run(original):
    original.execute("DROP EXTENSION pg_cq CASCADE")
    assert original.value("SELECT count(*) FROM pg_class WHERE relname IN ('s', 'by_key', 'big')") == 0
    original.execute("CREATE EXTENSION pg_cq")
    original.execute("CREATE FOREIGN TABLE s (k int, v int) SERVER cq_log")
    original.execute(f"CREATE CONTINUOUS VIEW by_key AS {VIEWS['by_key']}")
