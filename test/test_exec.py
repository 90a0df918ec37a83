"""One batch, one transaction: rows that fail, views that fail, and whom that concerns."""
import pytest

from conftest import wait_until


def create(db, *views):
    """A stream with numbers i, and views over it, by name and query."""
    db.execute("CREATE FOREIGN TABLE s (i int, k int) SERVER cq_log")
    for options, name, query in views:
        db.execute(f"CREATE VIEW {name} WITH (continuous{options}) AS {query}")


def append(db, first, end, k="i % 10"):
    db.execute(f"INSERT INTO s SELECT i, {k} FROM generate_series({first}, {end - 1}) AS i")


def assert_up_to_date(db, *views, where="true"):
    """Each view equals its definition over the rows of the stream that satisfy where."""
    for view in views:
        db.wait(view)
        definition = db.value("SELECT definition FROM cq.views WHERE view = %s::regclass", view)
        db.execute("DROP TABLE IF EXISTS kept")
        db.execute(f"CREATE TABLE kept AS SELECT * FROM s WHERE {where}")
        db.assert_equal(f"TABLE {view}", definition.replace("FROM s", "FROM kept s").rstrip("; "), view)


def status(db, view):
    return db.execute("SELECT status, status_detail FROM cq.views WHERE view = %s::regclass", view)[0]


def await_status(db, view, expected):
    wait_until(lambda: status(db, view)[0] == expected, lambda: f"{view} is {status(db, view)}, not {expected}")


def batch_of(server, rows):
    server.set(cq__batch_rows=rows)


@pytest.fixture
def paused(log_db):
    """Lets rows of several INSERTs become one batch: nothing is read within."""
    class Paused:
        def __init__(self, *views):
            self.views = views

        def __enter__(self):
            for view in self.views:
                log_db.execute("SELECT cq.pause(%s::regclass)", view)

        def __exit__(self, *_):
            for view in self.views:
                log_db.execute("SELECT cq.resume(%s::regclass)", view)
    return Paused


def is_waiting_for_lock(db):
    return db.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq worker' AND wait_event_type = 'Lock' "
                      "AND datname = current_database()")


def cancel_worker(db):
    return db.value("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_cq worker' "
                    "AND datname = current_database()")


def test_cancelled_while_it_prepares(server, log_db):
    """The table that a view looks up is locked when a new worker comes to it."""
    db = log_db
    db.execute("CREATE TABLE dim AS SELECT k, 'name ' || k AS name FROM generate_series(0, 9) AS k")
    create(db, ("", "v", "SELECT name, count(*) AS n FROM s JOIN dim USING (k) GROUP BY name"))
    append(db, 0, 100)
    assert_up_to_date(db, "v")
    (pid,) = db.worker_pids()
    with server.connect(db.name) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE dim")
        db.execute("SELECT pg_terminate_backend(%s)", pid)
        append(db, 100, 200)
        wait_until(lambda: is_waiting_for_lock(db), "the worker does not wait for the lock")
        for _ in range(3):
            assert cancel_worker(db)
            wait_until(lambda: not is_waiting_for_lock(db), "the worker cannot be cancelled")
            wait_until(lambda: is_waiting_for_lock(db), "the worker does not try again")
        other.execute("ROLLBACK")
    assert_up_to_date(db, "v")
    assert db.execute("SELECT * FROM cq.errors") == []


def test_cancelled_in_a_function_that_hangs(log_db):
    db = log_db
    db.execute("CREATE TABLE switch AS SELECT true AS hangs")
    db.execute("""CREATE FUNCTION maybe_hang(i int) RETURNS int STABLE LANGUAGE plpgsql AS $$
        BEGIN
            IF i = 50 AND (SELECT hangs FROM switch) THEN PERFORM pg_sleep(3600); END IF;
            RETURN i;
        END $$""")
    create(db, ("", "v", "SELECT k, sum(maybe_hang(i)) AS n FROM s GROUP BY k"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    append(db, 0, 100)

    def sleeps(after):
        return db.execute("SELECT xact_start FROM pg_stat_activity WHERE backend_type = 'pg_cq worker' "
                          "AND wait_event = 'PgSleep' AND datname = current_database() "
                          "AND xact_start > %s", after)
    since = "-infinity"
    for _ in range(2):
        ((since,),) = wait_until(lambda: sleeps(since), "it does not hang, or cannot be cancelled")
        assert cancel_worker(db)
    wait_until(lambda: sleeps(since), "it does not hang again")
    db.execute("UPDATE switch SET hangs = false")
    cancel_worker(db)
    assert_up_to_date(db, "v", "w")
    assert db.execute("SELECT * FROM cq.errors") == []


def test_pause_finds_the_first_bad_row(log_db, paused):
    """A row that cannot be decoded lies behind one that the view fails on."""
    db = log_db
    create(db, (", on_error = 'pause'", "v", "SELECT k, sum(1000 / (i - 60)) AS n FROM s GROUP BY k"))
    db.execute("SELECT cq.wait('v')")
    with paused("v"):
        append(db, 0, 100)
        append(db, 100, 101, "NULL")
        db.execute("ALTER FOREIGN TABLE s ALTER k SET NOT NULL")
    await_status(db, "v", "failed")
    assert "offset 60: division by zero" in status(db, "v")[1]
    assert db.execute("SELECT next_offset FROM cq.positions WHERE view = 'v'::regclass") == [(60,)]
    db.assert_equal("TABLE v", "SELECT i % 10, sum(1000 / (i - 60)) FROM generate_series(0, 59) AS i GROUP BY 1")


def test_no_dead_letters_from_behind_the_stop(log_db, paused):
    """What cannot be decoded behind the row at which the view stops is found, once, when it goes on."""
    db = log_db
    db.execute("CREATE TABLE dim AS SELECT k FROM generate_series(0, 9) AS k")
    db.execute("CREATE ROLE reader; GRANT USAGE, CREATE ON SCHEMA public TO reader; GRANT SELECT ON dim TO reader")
    try:
        create(db, ("", "v", "SELECT k, count(*) AS n FROM s WHERE k IN (SELECT k FROM dim) GROUP BY k"))
        db.execute("GRANT SELECT ON s TO reader; ALTER VIEW v OWNER TO reader; SELECT cq.wait('v')")
        with paused("v"):
            append(db, 0, 100)
            append(db, 100, 101, "NULL")
            db.execute("ALTER FOREIGN TABLE s ALTER k SET NOT NULL; REVOKE SELECT ON dim FROM reader")
        await_status(db, "v", "failed")
        assert "permission denied for table dim" in status(db, "v")[1]
        assert db.value("SELECT count(*) FROM cq.errors") == 0
        db.execute("GRANT SELECT ON dim TO reader; SELECT cq.resume('v')")
        db.wait("v")
        assert db.execute("SELECT \"offset\" FROM cq.errors") == [(100,)]
        db.assert_equal("TABLE v", "SELECT i % 10, count(*) FROM generate_series(0, 99) AS i GROUP BY 1")
    finally:
        db.execute("DROP VIEW IF EXISTS v; DROP OWNED BY reader; DROP ROLE reader")


def test_state_shorter_than_remembered(log_db):
    """VACUUM takes off pages with rows of a batch that was rolled back; the worker remembers places there."""
    db = log_db
    db.execute("CREATE TABLE switch AS SELECT true AS fails")
    db.execute("""CREATE FUNCTION maybe_fail(i int) RETURNS int STABLE LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT fails FROM switch) THEN RAISE 'not now' USING ERRCODE = 'serialization_failure'; END IF;
            RETURN i;
        END $$""")
    create(db, ("", "v", "SELECT i, count(*) AS n FROM s GROUP BY i"),
           ("", "w", "SELECT k, sum(maybe_fail(i)) AS n FROM s GROUP BY k"))
    state = db.part("v")
    append(db, 0, 10000)
    wait_until(lambda: db.value(f"SELECT pg_relation_size('{state}')") > 100000, "nothing was written")

    def is_short():
        db.execute(f"VACUUM {state}")
        return db.value(f"SELECT pg_relation_size('{state}')") == 0
    db.execute("SELECT cq.pause('w')")
    assert_up_to_date(db, "v")
    db.execute(f"DELETE FROM {state}")
    wait_until(is_short, "pages stay")
    append(db, 0, 10000)
    db.wait("v")
    assert status(db, "v") == ("running", None)
    db.assert_equal("TABLE v", "SELECT i, 1::bigint FROM generate_series(0, 9999) AS i")


def memory_peak(pid):
    """In MB."""
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def test_many_bad_rows_in_bounded_memory(log_db, paused):
    db = log_db
    create(db, ("", "v", "SELECT i / 5 AS g, sum(1 / (k - 3)) AS n FROM s GROUP BY i / 5"))
    append(db, 0, 1)
    assert_up_to_date(db, "v")
    (pid,) = db.worker_pids()
    with paused("v"):
        append(db, 1, 10000)
    db.wait("v")
    assert db.value("SELECT count(*) FROM cq.errors") == 1000
    assert_up_to_date(db, "v", where="k <> 3")
    assert db.worker_pids() == [pid]
    assert memory_peak(pid) < 100


@pytest.mark.parametrize("sqlstate", ["20000", "21000", "22012", "23514", "2F005", "38000", "54001",
                                      "P0001", "0A000", "MY001"])
def test_errors_of_a_row(log_db, sqlstate):
    db = log_db
    db.execute(f"""CREATE FUNCTION fail(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN IF i = 50 THEN RAISE 'no' USING ERRCODE = '{sqlstate}'; END IF; RETURN i; END $$""")
    create(db, ("", "v", "SELECT k, sum(fail(i)) AS n FROM s GROUP BY k"))
    append(db, 0, 100)
    db.wait("v")
    assert db.execute("SELECT \"offset\", sqlstate, message FROM cq.errors") == [(50, sqlstate, "no")]
    db.assert_equal("TABLE v", "SELECT i % 10, sum(i) FROM generate_series(0, 99) AS i WHERE i <> 50 GROUP BY 1")


def test_errors_of_the_view(log_db):
    """It stops, loses nothing, and goes on when told to."""
    db = log_db
    db.execute("CREATE TABLE switch AS SELECT true AS fails")
    db.execute("""CREATE FUNCTION fail(i int) RETURNS int STABLE LANGUAGE plpgsql AS
        $$ BEGIN IF i = 50 AND (SELECT fails FROM switch) THEN PERFORM no_such_function(); END IF; RETURN i; END $$""")
    create(db, ("", "v", "SELECT k, sum(fail(i)) AS n FROM s GROUP BY k"), ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    append(db, 0, 100)
    await_status(db, "v", "failed")
    assert "no_such_function() does not exist" in status(db, "v")[1]
    assert_up_to_date(db, "w")
    db.execute("UPDATE switch SET fails = false")
    db.execute("SELECT cq.resume('v')")
    assert_up_to_date(db, "v", "w")
    assert db.execute("SELECT * FROM cq.errors") == []


def test_long_payload(log_db):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (t text) SERVER cq_log; CREATE VIEW v WITH (continuous) AS SELECT t::int AS i FROM s")
    db.execute("ALTER FOREIGN TABLE s ALTER t SET STORAGE EXTERNAL")
    db.execute("INSERT INTO s SELECT repeat('x', 10000000) FROM generate_series(1, 3); INSERT INTO s VALUES ('1')")
    db.wait("v")
    assert db.execute("TABLE v") == [(1,)]
    assert db.execute("SELECT length(payload), payload_length > 10000000, length(message) < 20000000 FROM cq.errors") == [(1 << 20, True, True)] * 3


def test_stream_and_table_change(log_db):
    """Names may change, and what a view does not read; what it reads is kept."""
    db = log_db
    db.execute("CREATE TABLE dim AS SELECT k, 'n' || k AS name, 1 AS x FROM generate_series(0, 9) AS k")
    create(db, ("", "v", "SELECT name, sum(i) AS n FROM s JOIN dim USING (k) GROUP BY name"))

    def feed(first, end, stream="s", column="i"):
        db.execute(f"INSERT INTO {stream} ({column}, k) SELECT i, i % 10 FROM generate_series({first}, {end - 1}) AS i")
        db.wait("v")
        db.assert_equal("TABLE v", f"SELECT 'n' || i % 10, sum(i) FROM generate_series(0, {end - 1}) AS i GROUP BY 1")
    feed(0, 100)
    db.execute("ALTER FOREIGN TABLE s ADD COLUMN extra text; ALTER TABLE dim ADD y int, DROP x")
    db.execute("VACUUM FULL dim")
    feed(100, 200)
    db.execute("ALTER FOREIGN TABLE s RENAME i TO number; ALTER FOREIGN TABLE s DROP extra")
    db.execute("ALTER TABLE dim RENAME name TO title; ALTER TABLE dim RENAME TO dimension")
    feed(200, 300, column="number")
    for refused in ["DROP TABLE dimension", "ALTER FOREIGN TABLE s DROP number", "ALTER TABLE dimension ALTER title TYPE varchar"]:
        with pytest.raises(Exception, match="depend|used by a view"):
            db.execute(refused)
    db.execute("ALTER FOREIGN TABLE s RENAME TO stream")
    feed(300, 400, "stream", "number")


@pytest.mark.parametrize("again", ["SELECT cq.reset('v')", "CREATE OR REPLACE VIEW v WITH (continuous) AS SELECT k, sum(i / k) AS n FROM s GROUP BY k"])
def test_errors_go_when_the_view_begins_again(log_db, again):
    db = log_db
    create(db, ("", "v", "SELECT k, sum(i / k) AS n FROM s GROUP BY k"))
    append(db, 0, 100)
    for _ in range(2):
        db.wait("v")
        assert db.value("SELECT count(*) FROM cq.errors") == 10
        db.execute(again)


@pytest.mark.parametrize("command", ["pause", "reset"])
def test_command_while_a_batch_stops_the_view(server, log_db, command):
    """The command has the batch done again, or waits for it; and the batch not for the command."""
    db = log_db
    db.execute("""CREATE FUNCTION fail_late(i int) RETURNS int STABLE LANGUAGE plpgsql AS $$
        BEGIN
            IF i = 50 THEN PERFORM pg_sleep(0.5); RAISE 'late'; END IF;
            RETURN i;
        END $$""")
    create(db, (", on_error = 'pause'", "v", "SELECT k, sum(fail_late(i)) AS n FROM s GROUP BY k"))
    db.wait("v")
    with server.connect(db.name) as other:
        append(db, 50, 51)
        wait_until(lambda: db.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"),
                   "nothing is done")
        other.execute(f"SELECT cq.{command}('v')")
    if command == "pause":
        db.execute("SELECT cq.resume('v')")
    await_status(db, "v", "failed")
    assert status(db, "v")[1].endswith("late")


def test_drop_of_a_stream_waits_for_no_cursor(server, log_db):
    """A worker may hold one cursor and want another that the drop holds: what is locked is left, and workers remove it."""
    db = log_db
    create(db, ("", "v", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    append(db, 0, 10)
    db.wait("v")
    with server.connect(db.name) as other:
        other.execute("BEGIN")
        other.execute("SELECT FROM _cq.cursor FOR UPDATE")
        db.execute("SET lock_timeout = '5s'")
        db.execute("DROP FOREIGN TABLE s CASCADE")
        other.execute("ROLLBACK")
    db.execute("CREATE FOREIGN TABLE s (i int, k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k")
    db.wait("v")
    wait_until(lambda: db.value("SELECT count(*) FROM _cq.cursor") == 1, "the cursor is still there")


@pytest.mark.parametrize("is_prepared", [False, True])
def test_no_deadlock_with_a_batch(server, log_db, is_prepared):
    """A batch that waits for a lock holds none: neither DROP SCHEMA nor it can lock in an order that the other would mind."""
    db = log_db
    db.execute("CREATE TABLE dim AS SELECT k FROM generate_series(0, 9) AS k; CREATE VIEW dims AS TABLE dim")
    create(db, ("", "v", "SELECT k, count(*) AS n FROM s GROUP BY k"), ("", "w", "SELECT k, count(*) AS n FROM s JOIN dims USING (k) GROUP BY k"))
    append(db, 0, 100)
    assert_up_to_date(db, "v", "w")
    with server.connect(db.name) as other:
        other.execute("BEGIN; LOCK TABLE dim")
        if not is_prepared:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_cq worker' AND datname = current_database()")
        append(db, 100, 200)
        wait_until(lambda: is_waiting_for_lock(db), "the worker does not wait for the lock")
        other.execute("DROP VIEW v; COMMIT")
    assert_up_to_date(db, "w")
    assert db.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
