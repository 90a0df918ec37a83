"""cq.usage: who used what, and that the sum is what the operating system says."""
import time

from conftest import wait_until


def processes(db):
    """Those that do the work of this database: supervisor, workers, keeper, emitter."""
    return [pid for (pid,) in db.execute(
        "SELECT pid FROM pg_stat_activity "
        "WHERE datname = current_database() AND backend_type LIKE 'pg_cq%'")]


def cpu_seconds(pids):
    """By the system's clock for each of them, which counts all threads, in nanoseconds."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def test_the_sum_is_what_the_system_says(server, db, broker, topic, name):
    name = topic(partitions=4)
    out = topic("_out")
    db.execute(f"CREATE FOREIGN TABLE s (a int, b text) SERVER kafka OPTIONS (topic '{name}')")
    db.execute(f"CREATE FOREIGN TABLE told (k int, n bigint) SERVER kafka "
               f"OPTIONS (topic '{out}', mode 'upsert')")
    db.execute("CREATE CONTINUOUS VIEW a AS SELECT a % 100 AS k, count(*) AS n FROM s GROUP BY 1")
    db.execute("CREATE CONTINUOUS VIEW b AS SELECT count(*) AS n, max(md5(md5(b))) FROM s")
    db.execute("CREATE CONTINUOUS VIEW c WITH (sink = 'told') AS "
               "SELECT a % 10 AS k, count(*) AS n FROM s GROUP BY 1")
    broker.produce(name, ({"a": i, "b": f"{i:0200}"} for i in range(60000)),
                   partition=lambda value: value["a"] % 4)
    for view in ("a", "b", "c"):
        db.wait(view)
    assert db.value("SELECT cq.flush('c', '60 s')")
    sums = """SELECT sum(cpu_seconds), sum(rows), sum(bytes_in), sum(bytes_out), sum(wal_bytes)
              FROM cq.usage WHERE period = %s"""

    def told_and_real():
        db.execute("SELECT _cq.write_usage()")
        return db.execute(sums, "minute")[0][0], cpu_seconds(processes(db))

    def agree():
        told, real = told_and_real()
        return real > 0.3 and abs(told - real) < 0.05 * real
    # Whoever has worked tells so when he next looks around.
    wait_until(agree, lambda: str(told_and_real()))
    # All of them in one statement: the keeper writes as well.
    assert db.value("""
        SELECT count(*) = 1 FROM (
            SELECT DISTINCT sum(cpu_seconds)::numeric(20, 6), sum(rows), sum(bytes_in),
                   sum(wal_bytes)
            FROM cq.usage GROUP BY period) periods""")
    rows = """SELECT name, sum(rows)::int, sum(bytes_in)::int, sum(bytes_out) > 0
              FROM cq.usage WHERE period = 'day' AND {} GROUP BY name ORDER BY name"""
    nbytes = db.value("SELECT bytes FROM cq.stat_views WHERE view = 'a'::regclass")
    assert db.execute(rows.format("view IS NOT NULL")) == [
        (f"public.{view}", 60000, nbytes, view == "c") for view in ("a", "b", "c")]
    assert db.execute(rows.format("view IS NULL"))[0][:3] == (None, 0, 0)
    assert db.value("""
        SELECT bool_and(cpu_seconds > 0 AND wal_bytes > 0 AND state_bytes > 0
                        AND owner = 'postgres')
        FROM cq.usage WHERE period = 'hour' AND view IS NOT NULL""")
    # It is what cq.stat_views has of each, and what the keeper and the emitter did.
    assert db.value("""
        SELECT bool_and(u.cpu_seconds >= s.cpu_time / 1000 - 1e-6) FROM cq.stat_views s
        JOIN (SELECT view, sum(cpu_seconds) AS cpu_seconds FROM cq.usage
              WHERE period = 'day' GROUP BY view) u USING (view)""")


def test_whose_usage_it_is(server, log_db):
    db = log_db
    for role in ("one", "two", "watcher"):
        db.execute(f"DROP ROLE IF EXISTS {role}")
        db.execute(f"CREATE ROLE {role}")
    db.execute("GRANT pg_monitor TO watcher")
    try:
        db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
        for view, owner in (("v", "one"), ("w", "two")):
            db.execute(f"CREATE CONTINUOUS VIEW {view} AS SELECT count(*) FROM s")
            db.execute(f"GRANT SELECT ON s TO {owner}")
            db.execute(f"ALTER VIEW {view} OWNER TO {owner}")
        db.execute("INSERT INTO s SELECT generate_series(1, 100)")
        db.wait("v")
        db.wait("w")
        query = "SELECT DISTINCT name, owner FROM cq.usage WHERE rows > 0 ORDER BY 1"

        def seen_by(role):
            db.execute(f"SET ROLE {role}")
            try:
                return db.execute(query)
            finally:
                db.execute("RESET ROLE")
        everything = [("public.v", "one"), ("public.w", "two")]

        def written():
            db.execute("SELECT _cq.write_usage()")
            return db.execute(query)
        wait_until(lambda: written() == everything, lambda: str(db.execute("TABLE cq.usage")))
        assert seen_by("one") == everything[:1] and seen_by("watcher") == everything
        # It stays when the view has gone, and for as long as is said.
        db.execute("DROP VIEW v")
        assert seen_by("one") == everything[:1]
        kept = "SELECT DISTINCT period FROM cq.usage WHERE name = 'public.v' ORDER BY 1"
        db.execute("UPDATE _cq.usage SET began_at = began_at - "
                   "CASE period WHEN 'day' THEN interval '9 days' ELSE '3 days' END")
        db.execute("SELECT _cq.trim_usage()")
        assert db.execute(kept) == [("day",), ("hour",)]
        server.set(cq__usage_retention=7)
        try:
            wait_until(lambda: db.value("SHOW cq.usage_retention") == "7", "it does not arrive")
            db.execute("SELECT _cq.trim_usage()")
        finally:
            server.set(cq__usage_retention=None)
        assert db.execute(kept) == [("hour",)]
    finally:
        db.execute("RESET ROLE")
        for role in ("one", "two", "watcher"):
            db.execute(f"DROP OWNED BY {role} CASCADE")
            db.execute(f"DROP ROLE {role}")
