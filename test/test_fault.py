"""Whose fault an error is: the row's, the view's, or the state that the server is in."""
import pytest

from conftest import wait_until
from test_exec import append, assert_up_to_date, await_status, create, status

FAIL = """CREATE FUNCTION fail(i int) RETURNS int STABLE LANGUAGE plpgsql AS $$
    BEGIN
        IF {which} AND (SELECT fails FROM switch) THEN
            RAISE 'no' USING ERRCODE = '{sqlstate}';
        END IF;
        RETURN i;
    END $$"""


def create_failing(db, sqlstate, which="i = 50"):
    """A view that fails with this code on those rows while the switch says so, and another."""
    db.execute("CREATE TABLE switch AS SELECT true AS fails")
    db.execute(FAIL.format(which=which, sqlstate=sqlstate))
    create(db, ("", "v", "SELECT k, sum(fail(i)) AS n FROM s GROUP BY k"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))


def counted(db, view):
    return db.value("SELECT bad_rows FROM cq.views WHERE view = %s::regclass", view)


def last_error(db, view):
    return db.value("SELECT last_error FROM cq.views WHERE view = %s::regclass", view) or ""


def await_error(db, view, sqlstate):
    wait_until(lambda: sqlstate in last_error(db, view),
               lambda: f"{view} says {last_error(db, view)} and is {status(db, view)}")


@pytest.mark.parametrize("sqlstate", ["53100", "58030", "08006"])
def test_what_is_the_servers_state(log_db, sqlstate):
    """It passes, and nothing is lost; meanwhile the view says why, and others go on."""
    db = log_db
    create_failing(db, sqlstate)
    append(db, 0, 100)
    assert_up_to_date(db, "w")
    await_error(db, "v", sqlstate)
    assert counted(db, "v") == 0
    db.execute("UPDATE switch SET fails = false")
    assert_up_to_date(db, "v")
    assert counted(db, "v") == 0 and db.execute("SELECT * FROM cq.errors") == []


@pytest.mark.parametrize("sqlstate", ["40001", "54000"])
def test_many_views_that_say_it_passes(log_db, sqlstate):
    """However many there are: the others do not wait for each of them, again and again."""
    db = log_db
    create_failing(db, sqlstate, which="true")
    views = [f"x{number}" for number in range(5)]
    for view in views:
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS SELECT k, max(fail(i)) AS n FROM s GROUP BY k")
        db.wait(view)
    append(db, 0, 100)
    assert_up_to_date(db, "w")
    for view in views:
        await_error(db, view, sqlstate)
    db.execute("UPDATE switch SET fails = false")
    assert_up_to_date(db, "v", *views)
    assert db.execute("TABLE cq.errors") == []


@pytest.mark.parametrize("sqlstate", ["54000"])
def test_a_limit_that_all_rows_meet(log_db, sqlstate):
    """Where nothing passes, it is not for what is in the rows."""
    db = log_db
    create_failing(db, sqlstate, which="true")
    append(db, 0, 100)
    assert_up_to_date(db, "w")
    await_error(db, "v", sqlstate)
    db.execute("UPDATE switch SET fails = false")
    assert_up_to_date(db, "v")
    assert counted(db, "v") == 0 and db.execute("SELECT * FROM cq.errors") == []


@pytest.mark.parametrize("on_error", ["skip", "pause"])
def test_a_limit_that_one_row_meets(log_db, on_error):
    """The others pass: it is the row's."""
    db = log_db
    create_failing(db, "54000")
    db.execute(f"ALTER VIEW v SET (on_error = {on_error})")
    append(db, 0, 100)
    if on_error == "skip":
        db.wait("v")
        assert db.execute('SELECT "offset", sqlstate, message FROM cq.errors') == [
            (50, "54000", "no")]
        assert counted(db, "v") == 1
        assert_up_to_date(db, "v", where="i <> 50")
    else:
        await_status(db, "v", "failed")
        assert db.value("SELECT next_offset FROM cq.positions WHERE view = 'v'::regclass") == 50
        db.assert_equal("TABLE v", "SELECT k, sum(i) FROM s WHERE i < 50 GROUP BY k")


def test_a_row_that_is_too_large(log_db):
    """For an index, which says that it is a limit."""
    db = log_db
    db.execute("""CREATE FUNCTION long(i int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN
            RETURN (SELECT string_agg(md5((i * 1000 + n)::text), '')
                    FROM generate_series(1, CASE i WHEN 50 THEN 1000 ELSE 1 END) AS n);
        END $$""")
    create(db, (", changes = c", "v", "SELECT long(i) AS long, count(*) AS n FROM s GROUP BY 1"))
    append(db, 0, 100)
    db.wait("v")
    assert db.execute("SELECT \"offset\", sqlstate FROM cq.errors") == [(50, "54000")]
    assert status(db, "v") == ("running", None)
    assert_up_to_date(db, "v", where="i <> 50")


def test_internal_errors(log_db):
    """Nobody can say what they are about: the view stops, and loses nothing."""
    db = log_db
    create_failing(db, "XX000")
    append(db, 0, 100)
    await_status(db, "v", "failed")
    assert_up_to_date(db, "w")
    assert db.execute("SELECT * FROM cq.errors") == []
    db.execute("UPDATE switch SET fails = false")
    db.execute("SELECT cq.resume('v')")
    assert_up_to_date(db, "v")


def test_internal_errors_of_the_server(log_db):
    """A row that names what the server says cannot be."""
    db = log_db
    db.execute("""CREATE FUNCTION identify(class int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
        BEGIN
            RETURN pg_identify_object(class, 1, 0)::text;
        END $$""")
    create(db, ("", "v", "SELECT CASE WHEN i = 50 THEN identify(k + 1) END AS what, "
                         "count(*) AS n FROM s GROUP BY 1"))
    append(db, 0, 100)
    await_status(db, "v", "failed")
    assert db.execute("SELECT * FROM cq.errors") == []


@pytest.mark.parametrize("statement", [
    "INSERT INTO pg_namespace SELECT * FROM pg_namespace WHERE nspname = 'pg_catalog'",
    "INSERT INTO _cq.log SELECT * FROM _cq.log LIMIT 1"])
def test_constraints_of_catalogs(log_db, statement):
    """Two that do the same at once, say: that passes."""
    db = log_db
    db.execute("CREATE TABLE switch AS SELECT true AS fails")
    db.execute(f"""CREATE FUNCTION fail(i int) RETURNS int VOLATILE LANGUAGE plpgsql
        SET allow_system_table_mods = on AS $$
        BEGIN
            IF i = 50 AND (SELECT fails FROM switch) THEN {statement}; END IF;
            RETURN i;
        END $$""")
    db.execute("CREATE FUNCTION hidden(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
               "$$ BEGIN RETURN fail(i); END $$")
    create(db, ("", "v", "SELECT k, sum(hidden(i)) AS n FROM s GROUP BY k"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    append(db, 0, 100)
    assert_up_to_date(db, "w")
    await_error(db, "v", "23505")
    assert db.execute("SELECT * FROM cq.errors") == []
    db.execute("UPDATE switch SET fails = false")
    assert_up_to_date(db, "v")
    assert counted(db, "v") == 0


def test_constraints_of_parts(log_db):
    """Which only a superuser can add: nothing is lost, and all goes on without them."""
    db = log_db
    create(db, ("", "v", "SELECT i, k FROM s"),
           ("", "w", "SELECT k, count(*) AS n FROM s GROUP BY k"))
    append(db, 0, 5)
    assert_up_to_date(db, "v", "w")
    state = db.part("v")
    column = db.value("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass "
                      "AND atttypid = 'int'::regtype AND attnum = 2", state)
    db.execute(f'CREATE UNIQUE INDEX extra ON {state} ("{column}")')
    append(db, 5, 100)
    assert_up_to_date(db, "w")
    await_error(db, "v", "23505")
    assert db.execute("SELECT * FROM cq.errors") == [] and counted(db, "v") == 0
    db.execute("DROP INDEX _cq.extra")
    assert_up_to_date(db, "v")
    assert counted(db, "v") == 0


def test_what_a_generated_column_does_not_find(log_db):
    """It is no row's fault that a table is not there: they are kept waiting."""
    db = log_db
    db.execute("CREATE TABLE public.looked_up AS SELECT 1 AS x")
    db.execute("CREATE FUNCTION next(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
               "$$ BEGIN RETURN i + (SELECT x FROM public.looked_up); END $$")
    db.execute("CREATE FOREIGN TABLE s (i int, n int GENERATED ALWAYS AS (next(i)) STORED) "
               "SERVER cq_log")
    db.execute("CREATE VIEW v WITH (continuous) AS SELECT count(*), sum(n) FROM s")
    db.execute("INSERT INTO s SELECT generate_series(1, 10)")
    db.wait("v")
    db.execute("SELECT cq.pause('v')")
    db.execute("INSERT INTO s SELECT generate_series(11, 20)")
    db.execute("ALTER TABLE public.looked_up RENAME TO away")
    db.execute("SELECT cq.resume('v')")
    wait_until(lambda: "42P01" in str(db.execute("SELECT * FROM cq.streams")) or
               db.execute("SELECT * FROM cq.errors"), "nothing tells what is missing")
    assert db.execute("SELECT * FROM cq.errors") == []
    db.execute("ALTER TABLE public.away RENAME TO looked_up")
    db.wait("v")
    assert db.execute("TABLE v") == [(20, sum(range(2, 22)))]


def test_bad_rows_are_those_that_were_committed(log_db):
    """A batch that is rolled back for another view's sake counts nothing."""
    db = log_db
    create_failing(db, "40001")
    db.execute("CREATE VIEW a WITH (continuous) AS "
               "SELECT k, sum(1 / (i % 20)) AS n FROM s GROUP BY k")
    append(db, 0, 100)
    db.wait("a")
    await_error(db, "v", "40001")
    assert counted(db, "a") == db.value("SELECT count(*) FROM cq.errors") == 5
    assert db.value("SELECT rows FROM cq.views WHERE view = 'a'::regclass") == 100
