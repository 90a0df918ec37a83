"""Faults that somebody has planted: their cause is in cq.views, cq.events and the log alone."""
import contextlib
import json
import signal
import socket
import struct
import threading

import pytest

from conftest import Database, kill, wait_until

REFUSAL = "wrong password, or no such user"


def view(db, name="v"):
    return db.execute("SELECT status, status_detail FROM cq.views WHERE view = %s::regclass",
                      name)[0]


def events(db, name="v"):
    """What has happened to it, in order, but for states that a slow machine may have it in."""
    return [what for (what,) in db.execute(
        "SELECT what FROM cq.events WHERE name = %s AND what NOT IN ('waiting', 'running') "
        "ORDER BY event_id", f"public.{name}")]


def await_view(db, status, detail, name="v"):
    wait_until(lambda: view(db, name)[0] == status and detail in (view(db, name)[1] or ""),
               lambda: (view(db, name), db.execute("TABLE cq.workers")))


def await_event(db, what, detail="", name="v"):
    wait_until(lambda: db.value(
        "SELECT count(*) FROM cq.events WHERE name IS NOT DISTINCT FROM %s AND what = %s "
        "AND strpos(coalesce(detail, ''), %s) > 0", name and f"public.{name}", what, detail) > 0,
        lambda: db.execute("SELECT * FROM cq.events ORDER BY event_id"))


def create(db, select="k, count(*) AS n FROM s GROUP BY k", **options):
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    given = "".join(f", {key} = '{value}'" for key, value in options.items())
    db.execute(f"CREATE VIEW v WITH (continuous{given}) AS SELECT {select}")
    db.execute("INSERT INTO s VALUES (1)")
    db.wait("v")


def answer(connection):
    """As a broker that lets nobody in."""
    def take(count):
        data = b""
        while len(data) < count:
            part = connection.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def text(value):
        return struct.pack(">h", len(value)) + value.encode()
    with contextlib.suppress(OSError), connection:
        while True:
            request = take(struct.unpack(">i", take(4))[0])
            key, version, correlation = struct.unpack(">hhi", request[:8])
            body = {
                18: lambda: struct.pack(">hi", 35 if version else 0, 4) + struct.pack(
                    ">12h", 3, 0, 2, 17, 0, 1, 18, 0, 0, 36, 0, 0),
                17: lambda: struct.pack(">hi", 0, 1) + text("PLAIN"),
                36: lambda: struct.pack(">h", 58) + text(REFUSAL) + struct.pack(">i", -1),
            }[key]()
            connection.sendall(struct.pack(">ii", 4 + len(body), correlation) + body)


@pytest.fixture
def guarded():
    """The address of a broker that knows no password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()
        threading.Thread(target=serve, daemon=True).start()
        yield "127.0.0.1:%d" % listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_wrong_password(log_db, guarded):
    db = log_db
    db.execute("CREATE SERVER guarded FOREIGN DATA WRAPPER cq_kafka "
               f"OPTIONS (bootstrap_servers '{guarded}', "
               "\"security.protocol\" 'sasl_plaintext', \"sasl.mechanisms\" 'PLAIN')")
    db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER guarded OPTIONS "
               "(\"sasl.username\" 'me', \"sasl.password\" 'guessed')")
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER guarded OPTIONS (topic 's')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k FROM s")
    await_view(db, "waiting", REFUSAL)
    await_event(db, "waiting", REFUSAL)
    assert db.execute("SELECT lag_messages, lag FROM cq.views") == [(None, None)]
    wait_until(lambda: REFUSAL in db.server.log(), "the log does not say it")
    assert "guessed" not in str(db.execute("TABLE cq.events"))


def test_the_topic_is_gone(db, name):
    db.execute(f"CREATE FOREIGN TABLE s (k int) SERVER kafka OPTIONS (topic '{name}')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k FROM s")
    await_view(db, "waiting", f'failed: Kafka topic "{name}" does not exist')
    await_event(db, "waiting", "does not exist")
    assert f'Kafka topic "{name}" does not exist' in db.server.log()


def test_retention_has_overtaken(db, broker, topic):
    name = topic()
    db.execute(f"CREATE FOREIGN TABLE s (k int) SERVER kafka OPTIONS (topic '{name}')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k FROM s")
    db.wait("v")
    db.execute("SELECT cq.pause('v')")
    db.end_workers()
    broker.produce(name, [{"k": i} for i in range(10)])
    broker.delete_records(name, 0, 5)
    db.execute("SELECT cq.resume('v')")
    await_view(db, "failed", "offset 0 is no longer there; the oldest is 5; call cq.reset")
    await_event(db, "failed", "call cq.reset")
    await_event(db, "messages missing", "offset 0 was wanted, and 5 is there", name="s")
    assert events(db) == ["created", "started", "paused", "resumed", "failed"]
    assert "offset 0 is no longer there" in db.server.log()


def test_what_is_paused_falls_behind(db, broker, topic):
    """How far, brokers are asked."""
    name = topic(partitions=2)
    db.execute(f"CREATE FOREIGN TABLE s (k int) SERVER kafka OPTIONS (topic '{name}')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k FROM s")
    broker.produce(name, [{"k": i} for i in range(5)], partition=0)
    db.wait("v")
    db.execute("SELECT cq.pause('v')")
    broker.produce(name, [{"k": i} for i in range(10)], partition=lambda row: row["k"] % 2)
    lag = "SELECT status, lag_messages, lag > '0' FROM cq.views"
    wait_until(lambda: db.execute(lag) == [("paused", 10, True)], lambda: db.execute(lag))
    assert db.execute("SELECT partition, end_offset, lag_messages FROM cq.positions "
                      "ORDER BY 1") == [(0, 10, 5), (1, 5, 5)]
    assert db.execute("SELECT state, end_offset FROM cq.streams") == [("unread", 15)]
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    wait_until(lambda: db.execute(lag) == [("running", 0, False)], lambda: db.execute(lag))


def test_poisoned_rows(log_db):
    create(log_db, "100 / k AS q FROM s")
    log_db.execute("INSERT INTO s SELECT 0 FROM generate_series(1, 200)")
    await_view(log_db, "failing", "see cq.errors")
    await_event(log_db, "failing", "nearly all rows fail")
    assert log_db.value("SELECT DISTINCT message FROM cq.errors") == "division by zero"
    log_db.execute("INSERT INTO s SELECT 1 FROM generate_series(1, 4000)")
    await_event(log_db, "running")


def test_the_sink_is_down(server, log_db):
    """And then the limit of rows that wait for it is reached."""
    db = log_db
    db.execute("CREATE SERVER away FOREIGN DATA WRAPPER cq_kafka "
               "OPTIONS (bootstrap_servers '127.0.0.1:1')")
    db.execute("CREATE FOREIGN TABLE out (k int) SERVER away OPTIONS (topic 'out')")
    create(db, "k FROM s", sink="out")
    await_view(db, "failing", "its sink is down: ")
    await_event(db, "failing", "its sink is down: ")
    assert db.execute("SELECT state, pending_rows FROM cq.sinks") == [("down", 1)]
    server.set(cq__max_outbox_rows=10)
    try:
        wait_until(lambda: db.execute("INSERT INTO s SELECT generate_series(1, 20)") or
                   view(db)[0] == "blocked", lambda: view(db))
        assert "cq.max_outbox_rows" in view(db)[1]
        await_event(db, "limit reached", "cq.max_outbox_rows")
    finally:
        server.set(cq__max_outbox_rows=None)


def test_a_lock_is_held(server, log_db):
    """On the view, and on a table that it looks up."""
    db = log_db
    db.execute("CREATE TABLE looked_up (k int)")
    create(db, "s.k FROM s JOIN looked_up USING (k)")
    for statement, relation in (("SELECT cq.pause('v')", "v"), ("LOCK looked_up", "looked_up")):
        with server.connect(db.name) as other, other.transaction(force_rollback=True):
            other.execute(statement)
            db.execute("INSERT INTO s VALUES (1)")
            pid = other.info.backend_pid
            await_view(db, "waiting", f"waits for a lock: process {pid} holds ")
            assert view(db)[1].endswith(f" on public.{relation}")
            wait_until(lambda: db.value("SELECT count(*) FROM cq.events "
                                        "WHERE what = 'waiting' AND detail LIKE %s",
                                        f"%process {pid} holds % on %{relation}") > 0,
                       lambda: db.execute("TABLE cq.events"))
        db.wait("v")
        wait_until(lambda: view(db) == ("running", None), lambda: view(db))


def test_a_slow_function(server, log_db):
    create(log_db)
    log_db.execute("CREATE FUNCTION slow(k int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
                   "'BEGIN IF k = 50 THEN PERFORM pg_sleep(1000); END IF; RETURN k; END'")
    server.set(cq__view_timeout="500ms")
    try:
        log_db.execute("CREATE CONTINUOUS VIEW w AS SELECT slow(k) AS k FROM s")
        log_db.execute("INSERT INTO s VALUES (50)")
        await_view(log_db, "failed", "cq.view_timeout", "w")
        await_event(log_db, "failed", "cq.view_timeout", "w")
    finally:
        server.set(cq__view_timeout="30s")
    log_db.wait("v")
    assert "cq.view_timeout" in log_db.server.log()


def test_a_stopped_worker(log_db):
    create(log_db)
    assert log_db.execute("SELECT status, lag_messages FROM cq.views") == [("running", 0)]
    (pid,) = log_db.worker_pids()
    kill(pid, signal.SIGSTOP)
    try:
        log_db.execute("INSERT INTO s VALUES (1)")
        await_view(log_db, "waiting", f"worker 1 of 1 (process {pid}) has ")
        assert log_db.execute("SELECT lag_messages, lag FROM cq.views") == [(None, None)]
        assert log_db.execute("SELECT state FROM cq.streams") == [("unserved",)]
        await_event(log_db, "waiting", f"(process {pid})")
    finally:
        kill(pid, signal.SIGCONT)
    log_db.wait("v")
    wait_until(lambda: view(log_db) == ("running", None), lambda: view(log_db))
    await_event(log_db, "running")


def test_the_clock_is_wrong(server, log_db):
    create(log_db)
    await_event(log_db, "workers started", name=None)
    try:
        for step, way in ((3600, "forward"), (0, "back")):
            server.set(cq__clock_step=step)
            await_event(log_db, "clock", f"the clock has gone {way} by 3", name=None)
    finally:
        server.set(cq__clock_step=None)
    assert "the clock has gone forward by" in server.log()


# ---- what is kept ----

FIGURES = """SELECT rows, batches, stats_reset, cpu_time, commits, wal_bytes,
    ARRAY(SELECT t.count FROM cq.stat_times t WHERE t.view = v.view ORDER BY what, up_to) FROM cq.stat_views v"""


def test_events_and_counts_outlive_a_restart(server, log_db):
    """Statistics of a server that was stopped are there again."""
    create(log_db)
    log_db.execute("SELECT cq.pause('v')")
    wait_until(lambda: log_db.value("SELECT rows FROM cq.stat_views") == 1, "nothing is counted")
    before = log_db.execute(FIGURES)
    await_event(log_db, "workers started", name=None)
    log_db.close()
    server.stop()
    server.start()
    assert log_db.execute(FIGURES) == before
    started = "SELECT count(*) FROM cq.events WHERE what = 'workers started'"
    wait_until(lambda: log_db.value(started) == 2,
               lambda: log_db.execute("TABLE cq.events"))
    log_db.execute("SELECT cq.resume('v')")
    log_db.execute("INSERT INTO s VALUES (2)")
    log_db.wait("v")
    wait_until(lambda: log_db.value("SELECT rows FROM cq.stat_views") == 2, "nothing is counted")
    assert events(log_db) == ["created", "started", "paused", "resumed"]


def test_events_are_bounded(server, log_db):
    create(log_db)
    server.set(cq__max_events=5)
    try:
        for _ in range(5):
            log_db.execute("SELECT cq.pause('v')")
            log_db.execute("SELECT cq.resume('v')")
        log_db.execute("SELECT _cq.trim_events()")
        wait_until(lambda: log_db.value("SELECT count(*) FROM cq.events") <= 5,
                   lambda: log_db.execute("TABLE cq.events"))
        last = ("SELECT name, what FROM cq.events WHERE name = 'public.v' "
                "AND what NOT IN ('waiting', 'running') ORDER BY event_id DESC LIMIT 1")
        assert log_db.execute(last) == [("public.v", "resumed")]
    finally:
        server.set(cq__max_events=None)
    log_db.execute("DROP VIEW v")
    assert log_db.execute(last) == [("public.v", "dropped")]


def test_a_backlog_is_told(server, log_db):
    """While it is read: how much is done, how much is left, for how long."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE FUNCTION slow(k int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
               "'BEGIN IF k % 1000 = 0 THEN PERFORM pg_sleep(0.05); END IF; RETURN k; END'")
    db.execute("INSERT INTO s SELECT generate_series(1, 200000)")
    server.set(cq__batch_rows=1000)
    try:
        db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(slow(k)) AS n FROM s")
        await_view(db, "catching up", " messages are left, for about ")
    finally:
        server.set(cq__batch_rows=None)
    db.execute("DROP VIEW v")
