"""pg_dump and restore half-way through a topic: definition, state and positions come along, and it goes on exactly."""
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
