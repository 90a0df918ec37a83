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
