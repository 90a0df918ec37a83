"""Transaction ids that run out: no row's fault, and all goes on once there are some again."""
from conftest import Database, Server, wait_until

SEGMENT = 32 * 8192 * 4                 # transactions in a file of pg_xact
STOP = 2**31 - 1 - 3000000              # so long after the oldest one nobody gets another
LEFT = 600


def run_out(server):
    """Sets the clock of transactions shortly before the limit; the server does not run."""
    with server.connect("postgres") as connection:
        oldest, = connection.execute("SELECT min(datfrozenxid::text::bigint) FROM pg_database").fetchone()
    server.stop()
    xid = oldest + STOP - LEFT
    server.program("pg_resetwal", "-x", str(xid), str(server.directory / "data"))
    clog = server.directory / "data" / "pg_xact" / f"{xid // SEGMENT:04X}"
    clog.write_bytes(bytes(8192 * 32))
    server.start()


def test_transaction_ids_run_out(tmp_path, broker, topic, name):
    server = Server(tmp_path / "server")
    server.directory.mkdir()
    server.start()
    try:
        with server.connect("postgres") as connection:
            # It keeps the oldest transaction from moving, so that no vacuum gets us out too soon.
            connection.execute("ALTER SYSTEM SET wal_level = logical")
            connection.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
            server.stop()
            server.start()
        with server.connect("postgres") as connection:
            connection.execute("SELECT pg_create_logical_replication_slot('keep', 'test_decoding')")
            connection.execute(f'CREATE DATABASE "{name}"')
        db = Database(server, name, broker)
        db.execute("CREATE EXTENSION pg_cq")
        db.create_server()
        kafka = topic(partitions=2)
        db.execute(f"CREATE FOREIGN TABLE s (id bigint) SERVER kafka OPTIONS (topic '{kafka}')")
        views = {"total": "SELECT count(*) AS n, sum(id) AS ids FROM s", "rows": "SELECT id FROM s",
                 "groups": "SELECT id % 7 AS k, count(*) AS n FROM s GROUP BY 1",
                 "newest": "SELECT id % 7 AS k, id, row_number() OVER (PARTITION BY id % 7 ORDER BY id) AS n FROM s"}
        for view, query in views.items():
            db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
        for view in views:
            db.wait(view)
        server.set(cq__batch_rows=3)
        db.close()
        run_out(server)
        broker.produce(kafka, [{"id": number} for number in range(2000)], partition=lambda value: value["id"] % 2)

        def detail():
            return db.execute("SELECT DISTINCT status, status_detail, bad_rows FROM cq.views")
        wait_until(lambda: "not accepting commands" in (detail()[0][1] or ""), detail)
        assert 0 < db.value("SELECT n FROM total") < 2000
        assert [(status, bad) for status, _, bad in detail()] == [("waiting", 0)]
        assert db.execute("TABLE cq.errors") == []
        with server.connect("postgres") as connection:
            connection.execute("SELECT pg_drop_replication_slot('keep')")
            databases = [row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
        for database in databases:
            with server.connect(database) as connection:
                connection.execute("SET vacuum_freeze_min_age = 0; SET vacuum_freeze_table_age = 0")
                connection.execute("VACUUM")
        for view, query in views.items():
            db.wait(view)
            db.assert_equal(f"TABLE {view}", query, view)
        assert set(db.execute("SELECT status, bad_rows FROM cq.views")) == {("running", 0)}
        assert db.execute("TABLE cq.errors") == []
        db.close()
    finally:
        server.stop("immediate")
