"""From topic to topic: what a view makes of its stream arrives in the topic of its sink, once and in order."""
import json
from datetime import datetime, timedelta, timezone

from conftest import wait_until

START = datetime(2025, 1, 1, tzinfo=timezone.utc)


def create_stream(db, topic):
    db.execute(f"CREATE FOREIGN TABLE s (id bigint, k int, v int, at timestamptz) SERVER kafka "
               f"OPTIONS (topic '{topic}', event_time 'at', watermark '1 s')")


def row(number):
    return {"id": number, "k": number % 10, "v": number * 7 % 101, "at": (START + timedelta(milliseconds=10 * number)).isoformat()}


def key(message):
    return None if message.key() is None else json.loads(message.key())


def value(message):
    return None if message.value() is None else json.loads(message.value())


def sent(db, view):
    return db.execute("SELECT pending_rows, sent_rows FROM cq.sinks WHERE view = %s::regclass", view)[0]


def await_sent(db, view):
    db.wait(view)
    wait_until(lambda: sent(db, view)[0] == 0, lambda: db.execute("TABLE cq.sinks"))
    return sent(db, view)[1]


def test_upsert_and_images(db, broker, topic, reader):
    source, upserts, images = topic(partitions=2), topic("_upserts", partitions=3), topic("_images")
    create_stream(db, source)
    for name, mode in ((upserts, "upsert"), (images, "debezium")):
        db.execute(f"CREATE FOREIGN TABLE {mode} (k int, n bigint, total bigint) SERVER kafka OPTIONS (topic '{name}', mode '{mode}')")
        db.execute(f"CREATE CONTINUOUS VIEW v_{mode} WITH (sink = '{mode}') AS "
                   "SELECT k, count(*) AS n, sum(v) AS total FROM s GROUP BY k HAVING sum(v) % 5 <> 0")
    for first in range(0, 3000, 300):
        broker.produce(source, map(row, range(first, first + 300)), partition=lambda value: value["id"] % 2)
    count = await_sent(db, "v_upsert")
    messages = reader(upserts, 3).read(count)
    assert len(messages) == count
    last, seen, order = {}, {}, {}
    for message in messages:
        group = key(message)["k"]
        last[group] = value(message)
        # Of one key in one partition, and in order: counts only grow.
        assert seen.setdefault(group, message.partition()) == message.partition()
        if value(message) is not None:
            assert value(message)["n"] > order.get(group, 0)
            order[group] = value(message)["n"]
    assert sorted(map(tuple, (row.values() for row in last.values() if row))) == db.execute("SELECT * FROM v_upsert ORDER BY 1")
    assert None in [value(message) for message in messages]
    # Images: each begins where the one before of its key ended.
    count = await_sent(db, "v_debezium")
    now = {}
    for message in reader(images).read(count):
        change = value(message)
        before, after = change["before"], change["after"]
        assert before == now.get(key(message)["k"])
        assert change["op"] == ("c" if before is None else "d" if after is None else "u")
        assert before is None or after is None or before != after
        now[key(message)["k"]] = after
    assert sorted(tuple(row.values()) for row in now.values() if row) == db.execute("SELECT * FROM v_debezium ORDER BY 1")


def test_closed_windows_are_added_once(db, broker, topic, reader):
    source, out = topic(), topic("_out")
    create_stream(db, source)
    db.execute(f"CREATE FOREIGN TABLE out (minute text OPTIONS (metadata 'key'), window_end timestamptz, k int, n bigint) "
               f"SERVER kafka OPTIONS (topic '{out}')")
    db.execute("CREATE CONTINUOUS VIEW c WITH (emit = 'close', sink = 'out') AS SELECT to_char(window_end, 'HH24:MI') AS minute, window_end, k, count(*) AS n "
               "FROM s, cq.tumble(at, '2 s') GROUP BY window_end, k")
    for first in range(0, 5000, 500):
        broker.produce(source, map(row, range(first, first + 500)), partition=0)
    wait_until(lambda: db.value("SELECT count(*) FROM c") == 240, lambda: db.state("c"))
    assert await_sent(db, "c") == 240
    messages = reader(out).read(240)
    assert len(messages) == 240
    found = sorted((datetime.fromisoformat(value(message)["window_end"]), value(message)["k"], value(message)["n"]) for message in messages)
    assert found == db.execute("SELECT window_end, k, n FROM c ORDER BY 1, 2")
    assert {message.key() for message in messages} == {b"00:00"}


def test_a_sink_that_is_down_blocks_its_view_alone(server, db, broker, topic, reader):
    source, out = topic(), topic("_out")
    create_stream(db, source)
    db.create_server("down", bootstrap_servers="127.0.0.1:1")
    db.execute(f"CREATE FOREIGN TABLE out (id bigint, v int) SERVER down OPTIONS (topic '{out}')")
    db.execute("CREATE CONTINUOUS VIEW passed WITH (sink = 'out') AS SELECT id, v FROM s")
    db.execute("CREATE CONTINUOUS VIEW other AS SELECT count(*) FROM s")
    server.set(cq__max_outbox_rows=1000, cq__batch_rows=200)
    try:
        broker.produce(source, map(row, range(5000)), partition=0)
        db.wait("other")
        assert db.value("TABLE other") == 5000
        wait_until(lambda: db.value("SELECT status FROM cq.views WHERE view = 'passed'::regclass") == "blocked", lambda: db.state("passed"))
        pending = db.value("SELECT pending_rows FROM cq.sinks")
        assert 1000 < pending <= 1200
        assert "cq.max_outbox_rows" in db.value("SELECT status_detail FROM cq.views WHERE view = 'passed'::regclass")
        assert db.value("SELECT count(*) FROM passed") == pending
        wait_until(lambda: db.value("SELECT state FROM cq.sinks") == "down", lambda: db.execute("TABLE cq.sinks"))
        db.execute(f"ALTER SERVER down OPTIONS (SET bootstrap_servers '{broker.address}')")
        wait_until(lambda: db.value("SELECT count(*) FROM passed") == 5000, lambda: (db.state("passed"), db.execute("TABLE cq.sinks")))
        assert await_sent(db, "passed") == 5000
    finally:
        server.set(cq__max_outbox_rows=None, cq__batch_rows=None)
    assert sorted(value(message)["id"] for message in reader(out).read(5000)) == list(range(5000))


def test_a_full_queue_of_notify_blocks(server, log_db):
    """Views that notify wait for who listens; others go on, and all is told in the end."""
    db = log_db
    server.set(cq__max_notify_queue=0)
    db.execute("CREATE FOREIGN TABLE s (id int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v WITH (notify = 'rows_of_v') AS SELECT id, repeat('x', 100) AS x FROM s")
    db.execute("CREATE CONTINUOUS VIEW beside AS SELECT count(*) FROM s")
    try:
        with server.connect(db.name) as listener:
            listener.execute("LISTEN rows_of_v")
            listener.execute("BEGIN")
            db.execute("INSERT INTO s SELECT generate_series(1, 1000)")
            wait_until(lambda: db.value("SELECT pg_notification_queue_usage()") > 0, "nothing is told")
            db.execute("INSERT INTO s SELECT generate_series(1001, 2000)")
            wait_until(lambda: db.value("SELECT status FROM cq.views WHERE view = 'v'::regclass") == "blocked", "it is not blocked")
            assert "queue of NOTIFY" in db.value("SELECT status_detail FROM cq.views WHERE view = 'v'::regclass")
            db.wait("beside")
            assert db.value("TABLE beside") == 2000
            assert 0 < db.value("SELECT count(*) FROM v") < 2000
            listener.execute("COMMIT")
            wait_until(lambda: db.value("SELECT status FROM cq.views WHERE view = 'v'::regclass") == "running", "it stays blocked")
            db.wait("v")
        db.assert_equal("SELECT id FROM v", "SELECT id FROM s")
    finally:
        server.set(cq__max_notify_queue=None)


def test_creating_a_view_holds_up_nobody(server, log_db):
    """A CREATE that is not committed, of a view with a sink, is not in the way of what becomes of others."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (id int) SERVER cq_log")
    db.execute("CREATE TABLE copied (id int)")
    db.execute("CREATE CONTINUOUS VIEW v WITH (on_error = 'pause') AS SELECT 1 / id AS x FROM s")
    db.wait("v")
    with server.connect(db.name) as other:
        other.execute("BEGIN")
        other.execute("CREATE VIEW w WITH (continuous, sink = 'copied') AS SELECT id FROM s")
        db.execute("INSERT INTO s VALUES (0)")
        wait_until(lambda: db.value("SELECT status FROM cq.views WHERE view = 'v'::regclass") == "failed", "its status is not written")
        other.execute("COMMIT")
    db.wait("w")
    assert db.execute("TABLE copied") == [(0,)]
