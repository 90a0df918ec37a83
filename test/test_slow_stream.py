"""A stream whose values take longer than a view may: smaller batches, and in the end bad values."""
import pytest

from conftest import wait_until
from test_exec import append, assert_up_to_date, await_status, status
from test_give_way import DEAF, ENDLESS, view_timeout  # noqa: F401: a fixture

# Who writes and reads the stream himself need not wait.
HANG = """CREATE FUNCTION hang(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT backend_type FROM pg_stat_get_activity(pg_backend_pid())) = 'client backend' THEN
            RETURN i;
        END IF;
        {}
    END $$"""


def create(db, body):
    """v needs what is generated, and w does not."""
    db.execute(HANG.replace("{}", body))
    db.execute("CREATE FOREIGN TABLE s (i int, k int, n int GENERATED ALWAYS AS (hang(i)) STORED) "
               "SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, sum(n) AS n FROM s GROUP BY k")
    db.execute("CREATE CONTINUOUS VIEW w AS SELECT k, count(*) AS n FROM s GROUP BY k")
    for view in ("v", "w"):
        db.wait(view)


def mend(db):
    db.execute("CREATE OR REPLACE FUNCTION hang(i int) RETURNS int IMMUTABLE LANGUAGE sql AS "
               "'SELECT i'")


@pytest.mark.parametrize("body, message", [
    (ENDLESS, 'column "n" takes longer than cq.view_timeout'),
    (DEAF, 'column "n" took longer than cq.view_timeout, and went on though it was canceled; '
           'the process had to end')])
def test_a_value_that_takes_for_ever(log_db, view_timeout, body, message):  # noqa: F811
    """It is a bad one, for those who need it."""
    db = log_db
    view_timeout("300ms")
    create(db, body)
    append(db, 0, 100)
    append(db, 100, 200)
    for view in ("v", "w"):
        db.wait(view)
    assert db.execute('SELECT view::regclass::text, "offset", sqlstate, message FROM cq.errors') \
        == [("v", 50, "57014", message)]
    assert db.value("SELECT bad_rows FROM cq.views WHERE view = 'w'::regclass") == 0
    mend(db)
    assert_up_to_date(db, "v", where="i <> 50")
    assert_up_to_date(db, "w")


def test_several_values_that_only_end_with_their_process(log_db, view_timeout):  # noqa: F811
    """Of one message: a process ends for each, and none of them twice."""
    db = log_db
    view_timeout("100ms")
    db.execute(HANG.replace("{}", DEAF))
    columns = ", ".join(f"n{n} int GENERATED ALWAYS AS (hang(i)) STORED" for n in range(4))
    db.execute(f"CREATE FOREIGN TABLE s (i int, k int, {columns}) SERVER cq_log")
    for view, value in ("v", "n0 + n1 + n2 + n3"), ("w", "i"):
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS "
                   f"SELECT k, sum({value}) AS n FROM s GROUP BY k")
        db.wait(view)
    append(db, 50, 51)
    assert_up_to_date(db, "v", where="i <> 50")
    assert_up_to_date(db, "w")
    assert db.execute('SELECT view::regclass::text, "offset" FROM cq.errors') == [("v", 0)]
    # One for the batch, as nobody knows yet for what.
    assert db.value("SELECT restarts FROM cq.workers") == 1 + 4
    mend(db)
    db.execute("SELECT cq.reset('v')")
    assert_up_to_date(db, "v")


def test_a_view_that_stops_before_it(log_db, view_timeout):  # noqa: F811
    db = log_db
    view_timeout("300ms")
    create(db, ENDLESS)
    db.execute("ALTER VIEW v SET (on_error = pause)")
    append(db, 0, 100)
    await_status(db, "v", "failed")
    assert status(db, "v")[1].endswith('offset 50: column "n" takes longer than cq.view_timeout')
    assert_up_to_date(db, "w")
    mend(db)
    db.execute("SELECT cq.resume('v')")
    assert_up_to_date(db, "v", "w")


def test_values_that_take_their_time(log_db, view_timeout):  # noqa: F811
    """Many at a time take too long, and few do not: none is bad. While that is so, it is said."""
    db = log_db
    view_timeout("300ms")
    create(db, "PERFORM pg_sleep(0.01); RETURN i;")
    append(db, 0, 200)
    wait_until(lambda: db.execute("SELECT 1 FROM cq.streams WHERE stream = 's'::regclass AND "
                                  "last_error LIKE '%stream \"s\" takes longer than%'"),
               lambda: db.execute("SELECT * FROM cq.streams"))
    mend(db)
    assert_up_to_date(db, "v", "w")
    assert db.execute("TABLE cq.errors") == []


def test_views_under_other_settings(db, broker, topic, view_timeout):  # noqa: F811
    """A domain's check is slow, and what it is of depends on TimeZone: for each of the views."""
    name = topic(partitions=2)
    view_timeout("300ms")
    db.execute("""CREATE FUNCTION hang(at timestamptz) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN
            IF extract(minute FROM at) = 50 THEN PERFORM pg_sleep(1000); END IF;
            RETURN true;
        END $$""")
    db.execute("CREATE DOMAIN checked AS timestamptz CHECK (hang(VALUE))")
    db.execute(f"CREATE FOREIGN TABLE s (i int, at checked) SERVER kafka "
               f"OPTIONS (topic '{name}', format 'json')")
    for view, zone in (("u", "UTC"), ("v", "Asia/Tokyo")):
        db.execute(f"SET TimeZone = '{zone}'")
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS SELECT i, at FROM s")
    db.execute("CREATE CONTINUOUS VIEW w AS SELECT count(*) AS n FROM s")
    times = [f"2025-01-01 {i // 60:02}:{i % 60:02}" for i in range(100)]
    broker.produce(name, [{"i": i, "at": at} for i, at in enumerate(times)],
                   partition=lambda value: value["i"] % 2)
    for view in ("u", "v", "w"):
        db.wait(view)
    assert db.value("TABLE w") == 100
    assert db.execute("SELECT view::regclass::text, count(*) FROM cq.errors GROUP BY 1 ORDER BY 1") \
        == [("u", 1), ("v", 1)]
    for view, zone in (("u", "UTC"), ("v", "Asia/Tokyo")):
        db.execute(f"SET TimeZone = '{zone}'")
        db.assert_equal(f"TABLE {view}", "SELECT i, ('2025-01-01 00:00'::timestamptz + "
                        "i * interval '1 min')::checked FROM generate_series(0, 99) AS i "
                        "WHERE i <> 50")


@pytest.fixture
def stranger(server, log_db):
    with server.connect("postgres") as connection:
        connection.execute("CREATE ROLE stranger")
        yield "stranger"
        log_db.execute("DROP OWNED BY stranger CASCADE")
        connection.execute("DROP ROLE stranger")


def test_a_stream_that_a_view_feeds(log_db, view_timeout, stranger):  # noqa: F811
    """What is slow further down, to whoever reads it, does not hold up what comes before."""
    db = log_db
    view_timeout("300ms")
    db.execute(f"""CREATE FUNCTION hang(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN
            IF i = 50 AND current_user = '{stranger}' THEN PERFORM pg_sleep(1000); END IF;
            RETURN i;
        END $$""")
    db.execute("CREATE FOREIGN TABLE s (i int, k int) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE t (i int, n int GENERATED ALWAYS AS (hang(i)) STORED) "
               "SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 't') AS SELECT i FROM s")
    db.execute("CREATE CONTINUOUS VIEW w AS SELECT n, count(*) FROM t GROUP BY n")
    db.execute(f"GRANT CREATE ON SCHEMA public TO {stranger}")
    db.execute(f"GRANT USAGE ON FOREIGN SERVER cq_log TO {stranger}")
    db.execute(f"ALTER FOREIGN TABLE t OWNER TO {stranger}")
    db.execute(f"GRANT ALL ON t TO postgres")
    for view in ("v", "w"):
        db.wait(view)
    append(db, 0, 100)
    append(db, 100, 200)
    for view in ("v", "w"):
        db.wait(view)
    db.assert_equal("TABLE v", "SELECT i FROM s")
    db.assert_equal("TABLE w", "SELECT i, 1::bigint FROM s WHERE i <> 50")
    assert db.execute("SELECT view::regclass::text, message FROM cq.errors") == [
        ("w", 'column "n" takes longer than cq.view_timeout')]
