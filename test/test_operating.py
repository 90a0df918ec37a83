"""What whoever runs continuous views meets: bad rows and how to get past them, and what the views in cq say of it."""
import socket
import time

import pytest

from conftest import fresh_database, wait_until

BAD = [{"id": 1, "v": 1}, {"id": 2, "v": 0}, {"id": 3, "v": 3}, b'{"id": 4', {"id": 5, "v": 5}]


def create(db, topic, name="v", **options):
    """A view that fails on a value of zero, as well as on what is no JSON."""
    topic = topic()
    if not db.value("SELECT to_regclass('s') IS NOT NULL"):
        db.execute(f"CREATE FOREIGN TABLE s (id int, v int) SERVER kafka OPTIONS (topic '{topic}')")
    given = "".join(f", {key} = '{value}'" for key, value in options.items())
    db.execute(f"CREATE VIEW {name} WITH (continuous{given}) AS SELECT id, 100 / v AS q FROM s")
    return topic


def await_failure(db, message, view="v"):
    """The error of cq.wait says why the view stands."""
    with pytest.raises(Exception, match=message):
        db.wait(view)


def test_paused_before_each_bad_row(db, broker, topic):
    """Whatever is bad about rows of one batch, and in whatever order it is found: the view stops just before the first of them."""
    s = create(db, topic, on_error="pause")
    db.execute("SELECT cq.pause('v')")
    broker.produce(s, BAD)
    db.execute("SELECT cq.resume('v')")
    await_failure(db, "has failed")
    assert db.execute("TABLE v") == [(1, 100)]
    assert db.value("SELECT next_offset FROM cq.positions") == 1
    assert db.value("SELECT status_detail FROM cq.views") == f'topic "{s}" partition 0 offset 1: division by zero'


def test_resumed_with_another_option(db, broker, topic):
    s = create(db, topic, on_error="pause")
    broker.produce(s, BAD)
    await_failure(db, "has failed")
    db.execute("ALTER CONTINUOUS VIEW v SET (on_error = skip)")
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    assert db.execute("SELECT * FROM v ORDER BY id") == [(1, 100), (3, 33), (5, 20)]
    assert db.execute('SELECT "offset", message FROM cq.errors ORDER BY 1') == [
        (1, "division by zero"), (3, "invalid JSON message: the message does not end with its object at byte 7")]


def test_errors_of_a_view_that_fails_are_kept_once(db, broker, topic):
    """What a stopped view did not get to is not among its errors, until it has got there."""
    s = create(db, topic)
    db.execute("CREATE TABLE factor (f int)")
    db.execute("INSERT INTO factor VALUES (1)")
    db.execute("CREATE ROLE watcher")
    try:
        db.execute("CREATE CONTINUOUS VIEW other AS SELECT s.id, s.v * f AS q FROM s, factor")
        db.execute("GRANT SELECT ON s TO watcher")
        db.execute("ALTER VIEW other OWNER TO watcher")
        broker.produce(s, BAD)
        await_failure(db, "permission denied for table factor", "other")
        assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'other'::regclass") == 0
        db.execute("GRANT SELECT ON factor TO watcher")
        db.execute("SELECT cq.resume('other')")
        db.wait("other")
        assert db.value("SELECT count(*) FROM other") == 4
        assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'other'::regclass") == 1
    finally:
        db.execute("DROP VIEW IF EXISTS other")
        db.execute("DROP OWNED BY watcher")
        db.execute("DROP ROLE watcher")


def test_owner_deletes_errors(db, broker, topic):
    s = create(db, topic)
    broker.produce(s, BAD)
    db.wait("v")
    assert db.value("SELECT count(*) FROM cq.errors") == 2
    db.execute("CREATE ROLE stranger")
    try:
        db.execute("SET ROLE stranger")
        db.execute("DELETE FROM cq.errors")
        db.execute("RESET ROLE")
        assert db.value("SELECT count(*) FROM cq.errors") == 2
    finally:
        db.execute("RESET ROLE")
        db.execute("DROP ROLE stranger")
    db.execute("DELETE FROM cq.errors WHERE view = 'v'::regclass AND message = 'division by zero'")
    assert db.execute('SELECT "offset" FROM cq.errors') == [(3,)]


# ---- where views begin ----

def test_start_past_the_end(db, broker, topic):
    """A start that cannot be is no start somewhere else; once it can be, cq.resume is enough."""
    s = create(db, topic, start='{"0": 3}')
    await_failure(db, f'option start names offset 3 of topic "{s}" partition 0, which ends at 0')
    broker.produce(s, [{"id": i, "v": 10} for i in range(5)])
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    assert db.execute("SELECT id FROM v ORDER BY id") == [(3,), (4,)]


def test_start_in_no_partition(db, broker, topic):
    create(db, topic, start='{"1": 0}')
    await_failure(db, "option start names partition 1, which the stream does not have")
    db.execute("SELECT cq.reset('v')")
    db.wait("v")


def test_lag_is_that_of_the_moment(db, broker, topic):
    """What came while a long batch was applied is known when it is committed."""
    name = topic()
    db.execute(f"CREATE FOREIGN TABLE s (id int) SERVER kafka OPTIONS (topic '{name}')")
    db.execute("CREATE FUNCTION slow(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN i; END'")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT slow(id) AS id FROM s WHERE id < 2")
    db.execute("CREATE CONTINUOUS VIEW w AS SELECT id FROM s")
    broker.produce(name, [{"id": 0}])
    wait_until(lambda: db.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"), "nothing is done")
    broker.produce(name, [{"id": i} for i in range(1, 11)])
    wait_until(lambda: db.value("SELECT next_offset FROM cq.positions WHERE view = 'v'::regclass") > 0, "nothing is seen")
    assert db.execute("SELECT next_offset, lag_messages FROM cq.positions WHERE view = 'v'::regclass") == [(1, 10)]


# ---- topics that come, go and lose messages ----

def test_topic_comes_later(db, broker, name):
    db.execute(f"CREATE FOREIGN TABLE s (id int) SERVER kafka OPTIONS (topic '{name}')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) FROM s")
    missing = f'Kafka topic "{name}" does not exist'
    wait_until(lambda: db.execute("SELECT state, last_error FROM cq.streams") == [("failed", missing)], lambda: db.execute("TABLE cq.streams"))
    assert db.execute("SELECT status, status_detail, lag_messages, lag, rows FROM cq.views") == [("waiting", f"failed: {missing}", None, None, 0)]
    broker.create_topic(name)
    try:
        broker.produce(name, [{"id": 1}])
        db.wait("v")
        assert db.execute("TABLE v") == [(1,)]
        assert db.execute("SELECT state FROM cq.streams") == [("reading",)]
    finally:
        broker.delete_topic(name)
    assert f"stream public.s, will try again: {missing}" in db.server.log()


def test_gap(db, broker, topic):
    """Messages that went before they were read: recorded once, the view stands until somebody has decided."""
    s = create(db, topic)
    broker.produce(s, [{"id": i, "v": 10} for i in range(10)])
    db.wait("v")
    db.execute("SELECT cq.pause('v')")
    db.end_workers()
    broker.produce(s, [{"id": i, "v": 10} for i in range(10, 20)])
    broker.delete_records(s, 0, 15)
    for _ in range(2):
        db.execute("SELECT cq.resume('v')")
        await_failure(db, "offset 10 is no longer there; the oldest is 15; call cq.reset, or set option on_gap of the stream to skip")
    db.execute("ALTER FOREIGN TABLE s OPTIONS (on_gap 'skip')")
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    assert db.value("SELECT array_agg(id ORDER BY id) FROM v") == [*range(10), *range(15, 20)]
    assert db.execute("SELECT topic, partition, from_offset, to_offset FROM cq.gaps") == [(s, 0, 10, 15)]
    assert db.execute("SELECT gaps, missing_messages FROM cq.streams") == [(1, 5)]


def test_topic_is_made_anew(db, broker, topic):
    """cq.wait does not take the old topic's place for one in the new one."""
    s = create(db, topic)
    broker.produce(s, [{"id": i, "v": 10} for i in range(10)])
    db.wait("v")
    broker.delete_topic(s)
    broker.create_topic(s)
    broker.produce(s, [{"id": i, "v": 10} for i in range(100, 103)])
    await_failure(db, "offset 10 is past the end, [03]: the topic seems to have been made anew")
    assert db.execute("SELECT gaps, missing_messages FROM cq.streams") == [(1, 0)]
    db.execute("ALTER FOREIGN TABLE s OPTIONS (on_gap 'skip')")
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    assert db.value("SELECT array_agg(id ORDER BY id) FROM v") == [*range(10), *range(100, 103)]


# ---- cq.wait ----

def test_wait_for_what_cannot_come(db, broker, topic):
    """What workers do not see before COMMIT is not waited for."""
    s = create(db, topic)
    broker.produce(s, [{"id": 1, "v": 10}])
    db.wait("v")
    for change in ("SELECT cq.reset('v')", "CREATE OR REPLACE CONTINUOUS VIEW v AS SELECT id, v AS q FROM s",
                   "DROP VIEW v; CREATE CONTINUOUS VIEW v AS SELECT id FROM s"):
        db.execute("BEGIN")
        db.execute(change)
        with pytest.raises(Exception, match='continuous view "v" was created or changed by this transaction'):
            db.execute("SELECT cq.wait('v')")
        db.execute("ROLLBACK")
    db.execute("BEGIN")
    db.execute("SELECT cq.pause('v')")
    assert db.value("SELECT cq.wait('v')")
    db.execute("ROLLBACK")
    with pytest.raises(Exception, match="relation with OID 12 does not exist"):
        db.execute("SELECT cq.wait(12)")


def test_wait_has_a_deadline_without_broker(db, name):
    """A broker that neither answers nor refuses."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        db.execute(f"CREATE SERVER mute FOREIGN DATA WRAPPER cq_kafka OPTIONS (bootstrap_servers '127.0.0.1:{mute.getsockname()[1]}')")
        db.execute("CREATE FOREIGN TABLE s (id int) SERVER mute OPTIONS (topic 'x')")
        db.execute("CREATE CONTINUOUS VIEW v AS SELECT id FROM s")
        began = time.monotonic()
        with pytest.raises(Exception, match="could not|can be reached"):
            db.execute("SELECT cq.wait('v', '300 ms')")
        assert time.monotonic() - began < 10


# ---- other ----

def test_nothing_to_import(db):
    with pytest.raises(Exception, match='no topic of server "kafka" has a name that begins with "nothing_like_it"'):
        db.execute("IMPORT FOREIGN SCHEMA nothing_like_it FROM SERVER kafka INTO public")


def test_read_only(log_db):
    log_db.execute("CREATE FOREIGN TABLE s (i int) SERVER cq_log")
    log_db.execute("CREATE CONTINUOUS VIEW v AS SELECT i FROM s")
    log_db.execute("SET default_transaction_read_only = on")
    for call in ("pause('v')", "resume('v')", "reset('v')", "resume_all()"):
        with pytest.raises(Exception, match=r"cannot execute cq\.\w+\(\) in a read-only transaction"):
            log_db.execute(f"SELECT cq.{call}")


def test_no_worker_is_said(server, log_db):
    log_db.execute("CREATE FOREIGN TABLE s (i int) SERVER cq_log")
    log_db.execute("CREATE CONTINUOUS VIEW v AS SELECT i FROM s")
    log_db.wait("v")
    assert log_db.execute("SELECT status, status_detail FROM cq.views") == [("running", None)]
    server.set(cq__enabled="off")
    try:
        wait_until(lambda: log_db.execute("SELECT status_detail FROM cq.views") == [("cq.enabled is off",)],
                   "not said")
    finally:
        server.set(cq__enabled=None)
    log_db.wait("v")


def test_statistics_have_bounds(server, name):
    """There is room for ten views and streams: what is dropped gives back its own, and what finds none is maintained all the same."""
    server.set(cq__max_views=10)
    server.stop()
    server.start()
    full = "there is no room for statistics of more than 10"
    try:
        with fresh_database(server, name, None) as db:
            def use(number):
                db.execute(f"CREATE FOREIGN TABLE s{number} (id int) SERVER cq_log")
                db.execute(f"CREATE CONTINUOUS VIEW v{number} WITH (retention = '1 us') AS SELECT id, count(*) FROM s{number} GROUP BY id")
                db.execute(f"INSERT INTO s{number} VALUES (1)")
                db.wait(f"v{number}")

            def is_counted(number):
                db.execute(f"INSERT INTO s{number} VALUES (1)")
                db.wait(f"v{number}")
                return db.execute(f"SELECT view FROM cq.stat_views WHERE view = 'v{number}'::regclass")
            for number in range(12):
                use(number)
                wait_until(lambda: is_counted(number), "it is not counted")
                db.execute(f"DROP FOREIGN TABLE s{number} CASCADE")
            # They are looked for each second, so that there may have been none for a moment.
            for number in range(8):
                use(number)
            wait_until(lambda: full in server.log(), "nothing is said")
            uncounted = [number for number in range(8) if not db.execute(f"SELECT view FROM cq.stat_views WHERE view = 'v{number}'::regclass")]
            assert uncounted
            for number in uncounted:
                wait_until(lambda: db.execute("SELECT _cq.expire_rows()") and db.value(f"SELECT count(*) FROM v{number}") == 0, "it keeps all")
    finally:
        server.set(cq__max_views=None)
        server.stop()
        server.start()
