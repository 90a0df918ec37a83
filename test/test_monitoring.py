"""What cq.* says, to whom: honest status, figures for pg_monitor, no values of what one may not read."""
import psycopg
import pytest
from conftest import wait_until


@pytest.fixture
def roles(log_db):
    """A low owner, somebody who may select all, and a monitor."""
    names = ("low", "high", "watcher")
    for name in names:
        log_db.execute(f"DROP ROLE IF EXISTS {name}")
        log_db.execute(f"CREATE ROLE {name}")
    log_db.execute("GRANT pg_monitor TO watcher")
    log_db.execute("GRANT CREATE ON SCHEMA public TO low")

    def run(role, query):
        log_db.execute(f"SET ROLE {role}")
        try:
            return log_db.execute(query)
        finally:
            log_db.execute("RESET ROLE")
    yield run
    log_db.execute("RESET ROLE")
    for name in names:
        log_db.execute(f"DROP OWNED BY {name} CASCADE")
        log_db.execute(f"DROP ROLE {name}")


SECRET = "Rumpelstiltskin"
TEXTS = (
    "SELECT status_detail, last_error FROM cq.views", "SELECT last_error FROM cq.stat_views",
    "SELECT last_error FROM _cq.stat_relations()", "SELECT last_error FROM cq.streams",
    "SELECT key, encode(payload, 'escape'), message FROM cq.errors",
    "SELECT key, encode(payload, 'escape') FROM cq.late",
)


@pytest.mark.parametrize("by", ["columns", "view"])
def test_values_are_for_who_may_select_all(log_db, roles, by):
    """Who may read some columns, or rows through a view, makes a view that fails on purpose."""
    log_db.execute("CREATE FOREIGN TABLE s (k text, secret text, at timestamptz) SERVER cq_log "
                   "OPTIONS (event_time 'at')")
    if by == "columns":
        log_db.execute("GRANT SELECT (k, at) ON s TO low")
    else:
        log_db.execute("CREATE VIEW part_of WITH (security_barrier) AS SELECT k, at FROM s")
        log_db.execute("GRANT SELECT ON part_of TO low")
    source = "s" if by == "columns" else "part_of"
    roles("low", f"CREATE VIEW skips WITH (continuous) AS SELECT k::int AS k FROM {source}")
    roles("low", "CREATE VIEW stops WITH (continuous, on_error = 'pause') AS "
                 f"SELECT k::int AS k FROM {source}")
    roles("low", "CREATE VIEW closes WITH (continuous, emit = 'close', late = 'keep') AS "
                 f"SELECT window_end, count(*) AS n FROM {source}, cq.tumble(at, '1 min') GROUP BY 1")
    log_db.execute(f"INSERT INTO s VALUES ('{SECRET}', '{SECRET}', '2025-01-01 00:10Z')")
    log_db.wait("closes")
    log_db.execute(f"INSERT INTO s VALUES ('{SECRET}', '{SECRET}', '2025-01-01 00:00Z')")
    log_db.wait("closes")
    log_db.wait("skips")
    wait_until(lambda: log_db.value("SELECT status FROM cq.views WHERE view = 'stops'::regclass")
               == "failed", "the view does not stop")
    assert SECRET in str(log_db.execute(TEXTS[0])) and SECRET in str(log_db.execute(TEXTS[4]))
    assert SECRET in str(log_db.execute("SELECT last_error FROM cq.stat_views"))
    for text in TEXTS:
        assert SECRET not in str(roles("low", text)), text
    with pytest.raises(psycopg.Error) as error:
        roles("low", "SELECT cq.wait('stops')")
    assert SECRET not in str(error.value.diag.message_detail)
    # Place and kind are told; and deleting works.
    assert roles("low", "SELECT partition, \"offset\", payload_length > 0, sqlstate, message "
                        "FROM cq.errors WHERE view = 'skips'::regclass ORDER BY error_id") == \
        [(0, 0, True, "22P02", "data exception 22P02"), (0, 1, True, "22P02", "data exception 22P02")]
    assert roles("low", "SELECT status_detail FROM cq.views WHERE view = 'stops'::regclass") == \
        [('topic "log" partition 0 offset 0',)]
    assert roles("low", "SELECT \"offset\" FROM cq.late") == [(1,)]
    # Who may select all sees all of his own.
    log_db.execute("GRANT SELECT ON s TO low")
    assert SECRET in str(roles("low", TEXTS[4])) and SECRET in str(roles("low", TEXTS[0]))
    log_db.execute("REVOKE SELECT ON s FROM low")
    roles("low", "DELETE FROM cq.errors; DELETE FROM cq.late")
    assert log_db.value("SELECT count(*) FROM cq.errors") == 0


def test_a_monitor_sees_figures(log_db, roles):
    log_db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    log_db.execute("CREATE CONTINUOUS VIEW v AS SELECT 100 / k AS k FROM s")
    log_db.execute("INSERT INTO s SELECT i % 4 FROM generate_series(1, 40) i")
    log_db.wait("v")
    assert roles("watcher", "SELECT view::text, status, lag_messages, rows, bad_rows, definition, "
                            "last_error FROM cq.views") == [("v", "running", 0, 40, 10, None, None)]
    assert roles("watcher", "SELECT rows FROM cq.stat_views") == [(40,)]
    assert roles("watcher", "SELECT next_offset FROM cq.positions") == [(40,)]
    assert roles("watcher", "SELECT stream::text, state, views FROM cq.streams") == [("s", "reading", 1)]
    assert roles("watcher", "SELECT count(*) FROM cq.errors") == [(0,)]
    assert roles("watcher", "SELECT count(*) FROM cq.gaps") == [(0,)]
    for name in ("views", "positions", "streams", "errors", "stat_views"):
        assert roles("low", f"SELECT count(*) FROM cq.{name}") == [(0,)], name


def test_nothing_says_running_that_does_not_run(server, log_db):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE SERVER away FOREIGN DATA WRAPPER cq_kafka "
               "OPTIONS (bootstrap_servers '127.0.0.1:1')")
    db.execute("CREATE FOREIGN TABLE gone (k int) SERVER away OPTIONS (topic 'gone')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT 1 / k AS k FROM s")
    db.execute("CREATE CONTINUOUS VIEW unheard AS SELECT k FROM gone")

    def of(view):
        return db.execute("SELECT status, status_detail, lag_messages, lag FROM cq.views "
                          "WHERE view = %s::regclass", view)[0]
    db.execute("INSERT INTO s VALUES (1)")
    db.wait("v")
    assert of("v")[:3] == ("running", None, 0)
    why = "waiting for broker: no Kafka broker of stream public.gone can be reached: "
    wait_until(lambda: (of("unheard")[1] or "").startswith(why),
               lambda: str(of("unheard")))
    assert of("unheard")[0] == "waiting" and of("unheard")[2:] == (None, None)
    assert of("unheard")[1].endswith("Connection refused")
    db.execute("INSERT INTO s SELECT 0 FROM generate_series(1, 100)")
    db.wait("v")
    wait_until(lambda: of("v")[:2] == ("failing", "nearly all rows fail: see cq.errors"), "not told")
    db.execute("INSERT INTO s SELECT 1 FROM generate_series(1, 1000)")
    db.wait("v")
    wait_until(lambda: of("v")[:2] == ("running", None), "told for too long")
    db.execute("SELECT cq.pause('v')")
    db.execute("INSERT INTO s VALUES (1)")
    wait_until(lambda: of("v")[:3] == ("paused", None, 1), lambda: str(of("v")))
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    server.set(cq__enabled=False)
    try:
        wait_until(lambda: of("v") == ("waiting", "cq.enabled is off", None, None), lambda: str(of("v")))
        assert db.execute("SELECT lag_messages FROM cq.positions WHERE view = 'v'::regclass") == [(None,)]
        assert db.execute("SELECT state, held_up FROM cq.streams WHERE stream = 's'::regclass") == [("unserved", "cq.enabled is off")]
    finally:
        server.set(cq__enabled=None)
    wait_until(lambda: of("v")[:3] == ("running", None, 0), lambda: str(of("v")))


def test_monitoring_neither_locks_nor_fails(server, log_db):
    """While whatever a view reads is locked, or has just gone."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int, x int) SERVER cq_log")
    query = "SELECT k,\n       count(*)   AS n  -- as it was written\n  FROM s\n GROUP BY k"
    db.execute(f"CREATE CONTINUOUS VIEW v WITH (on_error = 'pause') AS\n{query} ;")
    db.execute("DO $$ BEGIN EXECUTE 'CREATE VIEW w (a, \"as\") WITH (continuous) AS "
               "SELECT k, 1 FROM s'; END $$")
    assert db.value("SELECT definition FROM cq.views WHERE view = 'v'::regclass") == query
    assert db.value("SELECT definition FROM cq.views WHERE view = 'w'::regclass") == "SELECT k, 1 FROM s"
    assert db.value("SELECT options FROM cq.views WHERE view = 'v'::regclass") \
        == "start = 'earliest', on_error = 'pause', emit = 'change'"
    db.execute("ALTER CONTINUOUS VIEW v SET (on_error = 'skip')")
    db.execute("ALTER FOREIGN TABLE s RENAME TO t")
    assert db.value("SELECT definition FROM cq.views WHERE view = 'v'::regclass") == query
    assert "on_error = 'skip'" in db.value("SELECT options FROM cq.views WHERE view = 'v'::regclass")
    db.execute("INSERT INTO t VALUES (1, 1)")
    db.wait("v")
    with server.connect(db.name) as other, other.transaction(force_rollback=True):
        other.execute("SET lock_timeout = '10 s'")
        other.execute("LOCK TABLE _cq.v_state, _cq.s_log")
        other.execute("ALTER FOREIGN TABLE t ADD COLUMN y int")
        other.execute("DROP VIEW v, w")
        db.execute("SET statement_timeout = '5 s'")
        for name in ("views", "positions", "streams", "errors", "late", "gaps", "sinks", "stat_views"):
            db.execute(f"TABLE cq.{name}")
        db.execute("RESET statement_timeout")


# ---- state and work in figures ----

def test_what_views_keep(log_db, roles):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int, v int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v WITH (changes = 'v_changes') AS "
               "SELECT k, count(*) AS n FROM s GROUP BY k")
    db.execute("INSERT INTO s SELECT i % 50, i FROM generate_series(1, 500) i")
    db.wait("v")
    parts = "SELECT role, rows FROM cq.view_parts WHERE view = 'v'::regclass ORDER BY role"
    wait_until(lambda: db.execute(parts) == [("changes", 50), ("state", 50)],
               lambda: str(db.execute(parts)))
    sizes = """SELECT relation::text, bytes, table_bytes, index_bytes FROM cq.view_parts
        WHERE view = 'v'::regclass AND role = 'state'"""
    real = """SELECT relation::text, pg_total_relation_size(relation), pg_table_size(relation),
        pg_indexes_size(relation) FROM _cq.part WHERE view = 'v'::regclass AND role = 'state'"""
    assert db.execute(sizes) == db.execute(real) and db.execute(sizes)[0][1] > 0
    assert roles("watcher", parts) == [("changes", 50), ("state", 50)]
    assert roles("low", parts) == []
    # Rows that were changed leave dead ones, until they are vacuumed.
    state = db.part("v")
    db.execute(f"ALTER TABLE {state} SET (autovacuum_enabled = off)")
    db.execute("INSERT INTO s SELECT i % 50, i FROM generate_series(1, 50) i")
    db.wait("v")
    dead = """SELECT dead_rows > 0
            AND dead_share = round(dead_rows / (rows + dead_rows)::numeric, 3)
        FROM cq.view_parts WHERE view = 'v'::regclass AND role = 'state'"""
    wait_until(lambda: db.value(dead), lambda: str(db.execute("TABLE cq.view_parts")))
    # What a worker tells of later is not lost on it.

    def is_clean():
        db.execute(f"VACUUM {state}")
        return db.value(dead.replace("> 0", "= 0"))
    wait_until(is_clean, lambda: str(db.execute("TABLE cq.view_parts")))
    # A lock is not waited for.
    with db.server.connect(db.name) as other:
        other.execute("SET lock_timeout = '30 s'")
        other.execute("BEGIN")
        other.execute(f"LOCK TABLE {state}")
        db.execute("SET statement_timeout = '30 s'")
        assert db.execute("SELECT bytes, table_bytes FROM cq.view_parts "
                          "WHERE view = 'v'::regclass AND role = 'state'") == [(None, None)]
        db.execute("RESET statement_timeout")
        other.execute("ROLLBACK")


def test_what_maintaining_takes(log_db, roles):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int, at timestamptz OPTIONS (metadata 'timestamp')) "
               "SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW a AS SELECT k, count(*) AS n FROM s GROUP BY k")
    db.execute("CREATE CONTINUOUS VIEW b AS SELECT sum(k) AS n FROM s")
    db.execute("CREATE CONTINUOUS VIEW over AS SELECT count(*) AS groups FROM a")
    for view in ("a", "b", "over"):
        db.wait(view)
    # An hour ago: in the step from 2^21 to 2^22 ms.
    db.execute("INSERT INTO s SELECT i, now() - interval '1 hour' FROM generate_series(1, 3000) i")
    db.execute("INSERT INTO s SELECT i, now() FROM generate_series(1, 10) i")
    for view in ("a", "b", "over"):
        db.wait(view)
    wait_until(lambda: db.execute("SELECT view::text, count FROM cq.stat_times "
                                  "WHERE what = 'visible' AND up_to = 'infinity' ORDER BY 1")
               == [("a", 3010), ("b", 3010), ("over", 3010)],
               lambda: str(db.execute("TABLE cq.stat_times")))
    for view in ("a", "b", "over"):
        of = f"FROM cq.stat_times WHERE view = '{view}'::regclass AND what"
        assert db.execute(f"SELECT up_to {of} = 'batch' ORDER BY up_to") == \
            [(float(2 ** i),) for i in range(23)] + [(float("inf"),)]
        assert db.execute(f"SELECT count {of} = 'visible' AND up_to IN (2 ^ 21, 2 ^ 22) "
                          "ORDER BY up_to") == [(10,), (3010,)]
        assert db.value(f"""SELECT bool_and(count >= before) FROM (
            SELECT count, lag(count, 1, 0::bigint) OVER (ORDER BY up_to) AS before
            {of} = 'visible') x""")
        assert db.value(f"SELECT max(count) = (SELECT batches FROM cq.stat_views "
                        f"WHERE view = '{view}'::regclass) {of} = 'batch'")
        assert db.value("SELECT cpu_time > 0 AND wal_bytes > 0 AND commits BETWEEN 1 AND batches "
                        "FROM cq.stat_views WHERE view = %s::regclass", view)
    # What views took is part of what processes took.
    wait_until(lambda: db.value("""
        SELECT sum(cpu_time) <= (SELECT sum(cpu_time) FROM cq.stat_workers WHERE kind = 'worker')
           AND sum(wal_bytes) <= (SELECT sum(wal_bytes) FROM cq.stat_workers WHERE kind = 'worker')
        FROM cq.stat_views"""), lambda: str(db.execute("TABLE cq.stat_workers")))
    assert db.execute("SELECT kind, worker FROM cq.stat_workers") == \
        [("worker", n + 1) for n in range(int(db.value("SHOW cq.workers")))] + [("keeper", None)]
    # What a process takes is told by it at the end of a round.
    wait_until(lambda: db.value("SELECT bool_and(cpu_time > 0) FROM cq.stat_workers"),
               lambda: str(db.execute("TABLE cq.stat_workers")))
    # One that stands elsewhere is read by itself.
    lanes = "SELECT stream::text, views::text[], partitions FROM cq.lanes ORDER BY views::text"
    wait_until(lambda: db.execute(lanes) == [("s", ["a", "b"], 1)], lambda: str(db.execute(lanes)))
    db.execute("SELECT cq.pause('b')")
    db.execute("INSERT INTO s VALUES (1)")
    db.wait("a")
    wait_until(lambda: db.execute(lanes) == [("s", ["a"], 1), ("s", ["b"], 1)],
               lambda: str(db.execute(lanes)))
    for query in ("SELECT count(*) > 0 FROM cq.lanes", "SELECT count(*) > 0 FROM cq.stat_times",
                  "SELECT sum(cpu_time) > 0 FROM cq.stat_views"):
        assert roles("watcher", query) == [(True,)], query
        assert roles("low", query) in ([(False,)], [(None,)]), query
    db.execute("SELECT cq.stat_reset('a')")
    assert db.execute("SELECT cpu_time, commits, wal_bytes FROM cq.stat_views "
                      "WHERE view = 'a'::regclass") == [(0, 0, 0)]
    assert db.value("SELECT max(count) FROM cq.stat_times WHERE view = 'a'::regclass") == 0
