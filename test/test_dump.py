"""pg_dump and restore half-way through a topic: definition, state and positions come along, and it goes on exactly."""
import psycopg
import pytest
from conftest import Database

QUERY = "SELECT id % 7 AS k, count(*) AS messages, sum(id) AS sum FROM {source} GROUP BY 1"


def values(first, end):
    return [{"id": number} for number in range(first, end)]


def sent(end):
    return f"generate_series(0, {end - 1}::bigint) AS id"


def test_dump_and_restore(broker, server, db, topic, tmp_path):
    name = topic(partitions=3)
    db.execute(f"CREATE FOREIGN TABLE s (id bigint) SERVER kafka OPTIONS (topic '{name}', format 'json')")
    db.execute(f"CREATE CONTINUOUS VIEW v AS {QUERY.format(source='s')}")
    db.execute("COMMENT ON VIEW v IS 'sevens'")
    db.execute("CREATE CONTINUOUS VIEW kept AS SELECT id FROM s WHERE id % 100 = 0")
    broker.produce(name, values(0, 3000), partition=lambda value: value["id"] % 3)
    for view in ("v", "kept"):
        db.wait(view)

    dump = tmp_path / "dump"
    server.program("pg_dump", "-Fc", "-f", str(dump), db.name)
    broker.produce(name, values(3000, 5000), partition=lambda value: value["id"] % 3)
    db.wait("v")
    db.assert_equal("TABLE v", QUERY.format(source=sent(5000)))

    copy = Database(server, f"{db.name}_restored", broker)
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{copy.name}"')
    try:
        server.program("pg_restore", "--exit-on-error", "-d", copy.name, str(dump))
        # A copy does not run by itself: as of the dump, whatever has come since.
        assert copy.execute("SELECT DISTINCT status FROM cq.views") == [("restored",)]
        copy.assert_equal("TABLE v", QUERY.format(source=sent(3000)))
        assert copy.value("SELECT obj_description('v'::regclass)") == "sevens"
        copy.execute("SELECT cq.resume_all()")
        for view in ("v", "kept"):
            copy.wait(view)
        copy.assert_equal("TABLE v", QUERY.format(source=sent(5000)))
        copy.assert_equal("TABLE kept", "SELECT id FROM generate_series(0, 4999::bigint) AS id WHERE id % 100 = 0")
        # And the first goes on as well.
        broker.produce(name, values(5000, 5100), partition=lambda value: value["id"] % 3)
        for database in (db, copy):
            database.wait("v")
            database.assert_equal("TABLE v", QUERY.format(source=sent(5100)))
    finally:
        copy.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')


TELLING = {
    "totals": "SELECT k, count(*) AS n FROM s GROUP BY k",
    "closed": "SELECT window_end, count(*) AS n FROM s, cq.tumble(at, '1 min') GROUP BY window_end",
    "sessions": "SELECT k, x, count(*) AS n FROM (SELECT k, cq.session(at, '1 min') OVER (PARTITION BY k ORDER BY at) AS x FROM s) q GROUP BY k, x",
}


def test_sinks_changes_and_windows_come_along(server, log_db, tmp_path):
    """A dump of views that tell their changes: sinks, streams of changes and indexes are whole again, and belong to the views."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at')")
    db.execute("CREATE TABLE copied (k int PRIMARY KEY, n bigint)")
    db.execute("CREATE SERVER away FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers '127.0.0.1:1')")
    db.execute("CREATE FOREIGN TABLE sent (k int, n bigint) SERVER away OPTIONS (topic 'sent', mode 'upsert')")
    db.execute(f"CREATE CONTINUOUS VIEW totals WITH (sink = 'copied', changes = 'told') AS {TELLING['totals']}")
    db.execute(f"CREATE CONTINUOUS VIEW on_its_way WITH (sink = 'sent') AS {TELLING['totals']}")
    db.execute("CREATE CONTINUOUS VIEW net AS SELECT sum((new).n - coalesce((old).n, 0)) AS n FROM told")
    db.execute(f"CREATE CONTINUOUS VIEW closed WITH (emit = 'close', late = 'amend', retention = '1 day') AS {TELLING['closed']}")
    db.execute(f"CREATE CONTINUOUS VIEW sessions AS {TELLING['sessions']}")
    db.execute("INSERT INTO s SELECT i % 3, timestamptz '2025-01-01' + i * interval '10 s' FROM generate_series(1, 30) i")
    db.execute("SELECT cq.set_budget('kept', 'rows', 1000, 'day', view => 'net')")
    for view in ("net", "on_its_way", "closed", "sessions"):
        db.wait(view)
    dump = tmp_path / "dump"
    server.program("pg_dump", "-Fc", "-f", str(dump), db.name)

    copy = Database(server, f"{db.name}_restored", None)
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{copy.name}"')
    try:
        server.program("pg_restore", "--exit-on-error", "-d", copy.name, str(dump))
        copy.execute("SELECT cq.resume_all()")
        assert copy.execute("SELECT name, view::text, amount FROM cq.budgets") == [
            ("kept", "net", 1000)]
        copy.execute("INSERT INTO s SELECT i % 4, timestamptz '2025-01-01' + i * interval '10 s' FROM generate_series(20, 40) i")
        for view in ("net", "on_its_way", "closed", "sessions"):
            copy.wait(view)
        for view in ("totals", "sessions"):
            copy.assert_equal(f"TABLE {view}", TELLING[view])
        copy.assert_equal("TABLE closed", f"SELECT * FROM ({TELLING['closed']}) x WHERE window_end <= cq.watermark('closed')")
        copy.assert_equal("TABLE totals", "TABLE copied")
        copy.assert_equal("TABLE net", "SELECT sum(n) FROM totals")
        assert copy.execute("SELECT count(*), max(id) FROM _cq.on_its_way_outbox") == [(7, 7)]
        with pytest.raises(psycopg.errors.DependentObjectsStillExist):
            copy.execute("DROP TABLE copied")
        copy.execute("DROP VIEW net, totals, on_its_way")
        assert copy.execute("SELECT relname FROM pg_class WHERE relname = 'told' OR relname ~ '_outbox$'") == []
    finally:
        copy.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')


FIFTHS = "SELECT k % 5 AS k, count(*) AS n FROM generate_series({}, {}) k GROUP BY 1"


@pytest.mark.parametrize("form", ["-Fc", "-Fd"])
def test_restored_in_parallel(server, log_db, tmp_path, form):
    """Whatever comes first, views show what they had, and nothing runs before it is told to."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    for number in range(16):
        db.execute(f"CREATE CONTINUOUS VIEW v{number} AS "
                   f"SELECT k % 5 AS k, count(*) AS n FROM s WHERE k >= {number} GROUP BY 1")
    db.execute("INSERT INTO s SELECT generate_series(0, 99)")
    for number in range(16):
        db.wait(f"v{number}")
    server.program("pg_dump", form, "-f", str(tmp_path / "dump"), db.name)
    for jobs in (2, 4):
        copy = Database(server, f"{db.name}_{jobs}", None)
        with server.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{copy.name}"')
        try:
            server.program("pg_restore", "--exit-on-error", "-j", str(jobs), "-d", copy.name,
                           str(tmp_path / "dump"))
            assert copy.execute("SELECT status, count(*) FROM cq.views GROUP BY 1") \
                == [("restored", 16)]
            for number in range(16):
                copy.assert_equal(f"TABLE v{number}", FIFTHS.format(number, 99))
            copy.execute("SELECT cq.resume_all()")
            copy.execute("INSERT INTO s SELECT generate_series(100, 109)")
            for number in range(16):
                copy.wait(f"v{number}")
                copy.assert_equal(f"TABLE v{number}", FIFTHS.format(number, 109))
        finally:
            copy.close()
            with server.connect("postgres") as connection:
                connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')


def test_what_comes_first_does_not_matter(log_db):
    """Of a parallel restore: the view's rule comes when its row is there, and no identity."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k")
    db.execute("INSERT INTO s VALUES (1)")
    db.wait("v")
    definition = db.value("SELECT pg_get_viewdef('v'::regclass)")
    db.execute("DELETE FROM _cq.identity")
    db.execute("SELECT _cq.start_workers()")
    assert db.value("SELECT status FROM cq.views") == "restored"
    db.execute("CREATE OR REPLACE VIEW v AS SELECT NULL::int AS k, NULL::bigint AS n")
    db.execute(f"CREATE OR REPLACE VIEW v AS {definition}")
    db.execute("CREATE CONTINUOUS VIEW another AS SELECT k FROM s")
    assert db.execute("SELECT DISTINCT status FROM cq.views") == [("restored",)]
    db.execute("SELECT cq.resume_all()")
    db.execute("INSERT INTO s VALUES (1)")
    db.wait("v")
    assert db.execute("TABLE v") == [(1, 2)]
    with pytest.raises(psycopg.errors.WrongObjectType):
        db.execute("CREATE OR REPLACE VIEW v AS SELECT NULL::int AS k, NULL::bigint AS n")


def test_a_dump_without_data_says_what_it_leaves(server, log_db, tmp_path):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k")
    db.execute("INSERT INTO s VALUES (1)")
    db.wait("v")
    server.program("pg_dump", "-s", "-f", str(tmp_path / "schema"), db.name)
    server.program("pg_dump", "-t", "s", "-f", str(tmp_path / "stream"), db.name)
    for dump in ("schema", "stream"):
        copy = Database(server, f"{db.name}_{dump}", None)
        with server.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{copy.name}"')
        try:
            copy.execute("CREATE EXTENSION pg_cq")
            server.program("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", copy.name,
                           "-f", str(tmp_path / dump))
            said = []
            copy.connection.add_notice_handler(lambda message: said.append(message.message_detail))
            copy.execute("SELECT cq.resume_all()")
            left = ["_cq.s_log, _cq.v_definition, _cq.v_state"] if dump == "schema" else []
            assert [", ".join(sorted(detail.split(", "))) for detail in said] == left
            copy.execute("INSERT INTO s VALUES (2)")
            assert copy.execute("TABLE s") == [(2,)]
            if left:
                assert copy.execute("TABLE v") == []
                copy.execute("DROP TABLE _cq.s_log, _cq.v_state CASCADE")
            copy.execute("CREATE CONTINUOUS VIEW v2 AS SELECT k, count(*) AS n FROM s GROUP BY k")
            copy.wait("v2")
            assert copy.execute("TABLE v2") == [(2, 1)]
        finally:
            copy.close()
            with server.connect("postgres") as connection:
                connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')
