"""Logical replication of a database with continuous views: results arrive, nothing stands still."""
from conftest import Database, wait_until


def restart(server, **settings):
    server.set(**settings)
    server.stop()
    server.start()


def test_all_tables_are_published_and_results_copied(server, db, topic):
    """FOR ALL TABLES has ours among them, which are updated and deleted from."""
    target = topic()
    copy = Database(server, f"{db.name}_copy", None)
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{copy.name}"')
    try:
        db.close()
        restart(server, wal_level="logical")
        db.execute("CREATE FOREIGN TABLE s (k int, at timestamptz) SERVER cq_log "
                   "OPTIONS (event_time 'at', retention '1 ms')")
        db.execute("CREATE TABLE copied (k int PRIMARY KEY, n bigint)")
        db.execute("CREATE FOREIGN TABLE sent (k int, n bigint) SERVER kafka "
                   f"OPTIONS (topic '{target}', mode 'upsert')")
        by_minute = "SELECT window_end, count(*) AS n FROM s, cq.tumble(at, '1 min') GROUP BY 1"
        views = {
            "amended": "WITH (emit = 'close', late = 'amend', retention = '1 hour') AS "
                       + by_minute,
            "closed": f"WITH (emit = 'close', late = 'keep') AS {by_minute}",
            "kept": "WITH (retention = '1 min', retention_by = 'event_time') AS "
                    "SELECT k, at FROM s",
            "into_table": "WITH (sink = 'copied', changes = 'told') AS "
                          "SELECT k, count(*) AS n FROM s GROUP BY k",
            "into_topic": "WITH (sink = 'sent') AS SELECT k, count(*) AS n FROM s GROUP BY k",
            "sessions": "AS SELECT k, x, count(*) FROM (SELECT k, cq.session(at, '1 min') "
                        "OVER (PARTITION BY k ORDER BY at) AS x FROM s) q GROUP BY k, x",
        }
        db.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        for name, rest in views.items():
            db.execute(f"CREATE CONTINUOUS VIEW {name} {rest}")
        db.execute("CREATE PUBLICATION results FOR TABLE copied, _cq.amended_result")
        db.execute("SELECT pg_create_logical_replication_slot('results', 'pgoutput')")
        copy.execute("CREATE TABLE copied (k int PRIMARY KEY, n bigint)")
        copy.execute("CREATE SCHEMA _cq")
        copy.execute("CREATE TABLE _cq.amended_result "
                     "(window_end timestamptz, n bigint, _cq_window_end timestamptz)")
        copy.execute(f"CREATE SUBSCRIPTION results CONNECTION 'host={server.environment['PGHOST']} "
                     f"port={server.environment['PGPORT']} user=postgres dbname={db.name}' "
                     "PUBLICATION results WITH (create_slot = false, slot_name = 'results')")
        for first, last in ((1, 60), (1, 30), (100, 1000)):
            db.execute("INSERT INTO s SELECT i %% 7, timestamptz '2025-01-01' + i * interval '5 s' "
                       "FROM generate_series(%s::int, %s) i", first, last)
            for view in views:
                db.wait(view)
        db.execute("SELECT cq.flush('into_topic')")
        assert db.execute("SELECT view FROM cq.views WHERE status NOT IN ('running', 'waiting')") == []
        assert db.value("SELECT count(*) FROM cq.errors") == 0
        db.assert_equal("TABLE into_table", "TABLE copied")
        wait_until(lambda: db.value("SELECT count(*) FROM _cq.into_topic_outbox") == 0, "outbox")
        db.execute("SELECT _cq.log_trim(), _cq.expire_rows()")
        assert db.value("SELECT count(*) FROM s") == 0
        for table in ("copied", "_cq.amended_result"):
            wanted = sorted(db.execute(f"TABLE {table}"))
            assert wanted
            wait_until(lambda: sorted(copy.execute(f"TABLE {table}")) == wanted, f"no copy of {table}")
        for view in views:
            db.execute(f"SELECT cq.pause('{view}'), cq.resume('{view}'), cq.reset('{view}')")
            db.wait(view)
        db.execute("UPDATE _cq.identity SET prefix = prefix")
        db.execute("INSERT INTO _cq.gap (stream, topic, partition, from_offset, to_offset) "
                   "VALUES ('s', 'x', 0, 0, 1)")
        copy.execute("DROP SUBSCRIPTION results")
        db.execute("DROP FOREIGN TABLE s, sent CASCADE")
        assert db.value("SELECT count(*) FROM _cq.gap") == 0
    finally:
        copy.close()
        db.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')
            connection.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        restart(server, wal_level=None)
