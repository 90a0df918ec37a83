"""From an earlier version to this one with streams, views and state: by update, and by dump."""
import difflib
import re
from pathlib import Path

import psycopg
import pytest
from conftest import TOP, Database, wait_until

FIXTURES = Path(__file__).parent / "upgrade"
VERSION = re.search(r"default_version = '(.*)'", (TOP / "pg_cq.control").read_text())[1]
OLD = [path.stem for path in sorted(FIXTURES.glob("*.sql"))]

# The views of the fixtures, as batches over the stream.
BATCH = {
    "totals": "SELECT k, count(*) AS n, avg(x) AS mean FROM reading GROUP BY k",
    "net": "SELECT count(*) FROM reading",
    "on_its_way": "SELECT k, count(*) AS n FROM reading GROUP BY k",
    "kept": "SELECT k, x, at FROM reading WHERE x > 10",
    "hopping": "SELECT window_start, k, sum(x), max(at) FROM reading, cq.hop(at, '1 min', '5 min') "
               "GROUP BY 1, 2",
    "closed": "SELECT * FROM (SELECT window_end, count(*) FROM reading, cq.tumble(at, '1 min') "
              "GROUP BY 1) w WHERE window_end <= cq.watermark('closed')",
    "sessions": "SELECT k, s, count(*) FROM (SELECT k, cq.session(at, '1 min') "
                "OVER (PARTITION BY k ORDER BY at) AS s FROM reading) q GROUP BY k, s",
    "failing": "SELECT k, sum(1 / k) FROM reading WHERE k <> 0 GROUP BY k",
}


@pytest.fixture
def empty(server, name):
    """A function that makes databases without the extension."""
    made = []

    def create(suffix=""):
        with server.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}{suffix}"')
        made.append(Database(server, f"{name}{suffix}", None))
        return made[-1]
    yield create
    for db in made:
        db.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{db.name}" WITH (FORCE)')


def load(server, db, version):
    """What a database of that version had: of a dump, as it comes."""
    server.program("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", db.name,
                   "-f", str(FIXTURES / f"{version}.sql"))


def make_own(db):
    """As if never dumped: the catalog is this database's, and parts belong to their wholes."""
    db.execute("""
        UPDATE _cq.identity SET
            database_id = (SELECT oid FROM pg_database WHERE datname = current_database()),
            system_identifier = (SELECT system_identifier FROM pg_control_system())""")
    db.execute("""
        INSERT INTO pg_depend
        SELECT 'pg_class'::regclass, part, 0, 'pg_class'::regclass, whole, 0, 'i'
        FROM _cq.view, LATERAL (SELECT view) w (whole),
            unnest(ARRAY[definition, state, result, outbox, changes]) part
        WHERE part IS NOT NULL
        UNION ALL
        SELECT 'pg_class'::regclass, view, 0, 'pg_class'::regclass, sink, 0, 'n'
        FROM _cq.view WHERE sink IS NOT NULL""")


def check_all(db):
    """All views have what they had, and go on."""
    assert db.value("SELECT count(*) FROM reading") == 31
    for _ in range(2):
        for view in BATCH:
            db.wait(view)
        for view, batch in BATCH.items():
            db.assert_equal(f"TABLE {view}", batch, view)
        db.assert_equal("TABLE totals", "TABLE copied")
        db.execute("INSERT INTO reading "
                   "SELECT i % 4, i, timestamptz '2025-01-01' + i * interval '10 s' "
                   "FROM generate_series(28, 45) i")
    db.wait("closed_once")
    assert db.execute("SELECT sum(n), max(window_end) = '2025-01-01 00:07Z' FROM closed_once") \
        == [(44, True)]
    assert db.value("SELECT obj_description('totals'::regclass)") is not None
    assert db.value("SELECT status FROM cq.views WHERE view = 'resting'::regclass") == "paused"
    db.execute("SELECT cq.resume('resting')")
    db.wait("resting")
    assert db.value("SELECT n FROM resting") == 67
    assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'failing'::regclass") == 10 + 2 * 5
    assert db.value("SELECT count(*) FROM _cq.on_its_way_outbox") == 4 + 2 * 4
    wait_until(lambda: db.execute("SELECT state FROM cq.sinks") == [("down",)], "sink is not tried")
    for view in ("closed", "sessions", "net"):
        db.execute(f"SELECT cq.reset('{view}')")
        db.wait(view)
        db.assert_equal(f"TABLE {view}", BATCH[view], view)
    db.execute("CREATE OR REPLACE CONTINUOUS VIEW kept AS SELECT k, x, at FROM reading")
    db.wait("kept")
    db.assert_equal("TABLE kept", "TABLE reading")
    db.execute("CREATE CONTINUOUS VIEW another AS SELECT k, count(*) FROM reading GROUP BY k")
    db.wait("another")
    db.execute("DROP FOREIGN TABLE reading, sent, unread CASCADE")
    assert db.execute("SELECT relname FROM pg_class WHERE relnamespace = '_cq'::regnamespace "
                      "AND relname ~ '_(state|definition|log|result|outbox)$'") == []


@pytest.mark.parametrize("version", OLD)
def test_a_database_is_updated(server, empty, version):
    db = empty()
    db.execute(f"CREATE EXTENSION pg_cq VERSION '{version}'")
    load(server, db, version)
    make_own(db)
    db.execute("CREATE FOREIGN TABLE dated (at timestamptz) SERVER away "
               "OPTIONS (topic 't', event_time 'at')")
    db.execute("UPDATE pg_foreign_table SET ftoptions = '{topic=t,event_time=at}' "
               "WHERE ftrelid = 'dated'::regclass")
    db.execute("SET TimeZone = 'Europe/Berlin'")
    db.execute("ALTER EXTENSION pg_cq UPDATE")
    db.execute("RESET TimeZone")
    assert db.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_cq'") == VERSION
    # What was read under the server's settings still is.
    assert db.value("SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 'dated'::regclass") == \
        ["topic=t", "event_time=at", "timezone=Europe/Berlin", "datestyle=ISO, MDY"]
    db.execute("DROP FOREIGN TABLE dated")
    check_all(db)


@pytest.mark.parametrize("version", OLD)
def test_a_dump_of_an_earlier_version_is_restored(server, empty, version):
    db = empty()
    db.execute("CREATE EXTENSION pg_cq")
    load(server, db, version)
    assert db.value("SELECT bool_and(streams::text = format('{%s}', stream)) FROM cq.views")
    db.execute("SELECT cq.resume_all()")
    check_all(db)


# What tells one database from another, and not what is in it.
LOCAL = re.compile(r"^SELECT pg_catalog\.binary_upgrade_set_next\w+\([^;]*\);\n?"
                   r"|^UPDATE pg_catalog\.pg_class\nSET relfrozenxid[^;]*;"
                   r"|^--.*\n|^\\(?:un)?restrict .*\n|(?<=, '\{)[\d,]+(?=\}')", re.M)


def objects(server, db):
    """The extension as pg_upgrade would make it again: statements by object, without OIDs."""
    dump = server.program("pg_dump", "--schema-only", "--binary-upgrade", "-d", db.name)
    found = {}
    for part in re.split(r"^-- Name: ", dump, flags=re.M)[1:]:
        title, _, body = part.partition("\n")
        statements = LOCAL.sub("", re.sub(r"(?<=;)(?=SELECT|UPDATE|ALTER)", "\n", body))
        title = title.partition("; Owner:")[0]
        found.setdefault(title, []).append(re.sub(r"\n+", "\n", statements).strip())
    found["configuration"] = ["\n".join(map(str, db.execute("""
        SELECT t.c::regclass::text, extcondition[t.n]
        FROM pg_extension, unnest(extconfig) WITH ORDINALITY t (c, n)
        WHERE extname = 'pg_cq' ORDER BY 1""")))]
    return {title: "\n".join(sorted(bodies)) for title, bodies in found.items()}


@pytest.mark.parametrize("version", OLD)
def test_updated_and_fresh_are_the_same(server, empty, version):
    """What a change adds to schema/ and forgets in the script that updates, or the reverse."""
    fresh, updated = empty("_fresh"), empty("_updated")
    fresh.execute("CREATE EXTENSION pg_cq")
    updated.execute(f"CREATE EXTENSION pg_cq VERSION '{version}'")
    updated.execute("ALTER EXTENSION pg_cq UPDATE")
    expected, got = objects(server, fresh), objects(server, updated)
    assert len(expected) > 150
    differences = []
    for title in sorted(expected.keys() | got.keys()):
        one, other = expected.get(title, "").splitlines(), got.get(title, "").splitlines()
        differences += difflib.unified_diff(one, other, f"fresh {title}", f"updated {title}",
                                            lineterm="")
    assert not differences, "\n".join(differences)


# Whatever looks into the catalog, by what each calls.
ENTRIES = """
SELECT cq.wait('v'); SELECT cq.flush('v'); SELECT cq.pause('v'); SELECT cq.resume('v');
SELECT cq.reset('v'); SELECT cq.watermark('v'); SELECT cq.stat_reset('v');
SELECT cq.resume_sink('v', true); SELECT cq.resume_all();
TABLE cq.views; TABLE cq.streams; TABLE cq.sinks; TABLE cq.workers; TABLE cq.stat_views;
SELECT * FROM _cq.stream_extents('s'); SELECT _cq.log_trim('s'); SELECT _cq.log_trim();
SELECT _cq.expire_rows(); SELECT _cq.close_windows(); SELECT _cq.emit_windows();
SELECT _cq.unblock_views(); CREATE CONTINUOUS VIEW w AS SELECT k FROM s;
CREATE OR REPLACE CONTINUOUS VIEW v AS SELECT k FROM s; CREATE INDEX ON v (k);
ALTER CONTINUOUS VIEW v SET (on_error = 'pause'); DROP VIEW v; DROP FOREIGN TABLE s CASCADE;
INSERT INTO s VALUES (1); SELECT * FROM s"""

# What has nothing to do with it, and what only reads a view.
OTHERS = """
CREATE TABLE t (a int); CREATE OR REPLACE VIEW plain AS SELECT a FROM t; CREATE INDEX ON t (a);
DROP TABLE t CASCADE; SELECT * FROM v; SELECT * FROM grouped;
CREATE FOREIGN TABLE other (a int) SERVER away OPTIONS (topic 'other'); DROP FOREIGN TABLE other"""


def statements(text):
    return [statement.strip() for statement in text.split(";")]


def set_version(db, version, *changes):
    """As a script would that updates to it."""
    with db.server.connect(db.name) as connection, connection.transaction():
        for change in changes:
            connection.execute(change)
        connection.execute("UPDATE pg_extension SET extversion = %s WHERE extname = 'pg_cq'", (version,))
        connection.execute("SELECT _cq.start_workers()")


@pytest.mark.parametrize("loaded", ["older", "newer"])
def test_a_library_beside_another_catalog_says_what_to_do(log_db, loaded):
    """Until restart and update nothing of ours runs, and nothing else is disturbed."""
    db = log_db
    db.execute("CREATE SERVER away FOREIGN DATA WRAPPER cq_kafka "
               "OPTIONS (bootstrap_servers '127.0.0.1:1')")
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE sent (k int, count bigint) SERVER away "
               "OPTIONS (topic 'sent', mode 'upsert')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k FROM s")
    db.execute("CREATE CONTINUOUS VIEW grouped WITH (sink = 'sent') AS "
               "SELECT k, count(*) FROM s GROUP BY k")
    db.execute("INSERT INTO s VALUES (1), (2)")
    for view in ("v", "grouped"):
        db.wait(view)
    before = db.worker_pids()
    tables = ("view", "input", "node", "part", "identity", "log", "sink", "cursor", "follow",
              "closing", "error")
    if loaded == "older":
        set_version(db, "9.9.9",
                    *(f"ALTER TABLE _cq.{table} ADD COLUMN added int" for table in tables))
    else:
        set_version(db, "0.1.7")
    hint = {"older": "Restart the server, once the package of the newer version is there.",
            "newer": "Run ALTER EXTENSION pg_cq UPDATE."}[loaded]
    for statement in statements(ENTRIES):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as error:
            db.execute(statement)
        assert error.value.diag.message_hint == hint, statement
    for statement in statements(OTHERS):
        db.execute(statement)
    assert db.execute("SELECT * FROM grouped ORDER BY 1") == [(1, 1), (2, 1)]
    running = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() " \
              "AND backend_type IN ('pg_cq worker', 'pg_cq emitter')"
    wait_until(lambda: db.execute(running) == [], "workers go on")

    if loaded == "newer":
        set_version(db, VERSION)
        db.execute("INSERT INTO s VALUES (2)")
        db.wait("grouped")
        assert db.execute("SELECT * FROM grouped ORDER BY 1") == [(1, 1), (2, 2)]
        assert set(db.worker_pids()).isdisjoint(before)


def test_a_script_asks_for_its_library(log_db):
    log_db.execute("SELECT _cq.require_library(%s)", VERSION)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="older than 9.9.9"):
        log_db.execute("SELECT _cq.require_library('9.9.9')")
