"""Several workers, and partitions that come, go and begin again."""
import json
import threading

import pytest

from conftest import wait_until

QUERY = "SELECT k, count(*) AS messages, sum(id) AS sum FROM {source} GROUP BY k"


def values(first, end):
    return [{"id": number, "k": number % 17} for number in range(first, end)]


def sent(*ranges):
    """The rows of these ranges of ids, as a relation."""
    series = " UNION ALL ".join(f"SELECT id, id % 17 AS k FROM generate_series({first}, {end - 1}::bigint) AS id"
                                for first, end in ranges)
    return f"({series}) AS sent"


def create(db, topic, **options):
    options = "".join(f", {name} '{value}'" for name, value in options.items())
    db.execute(f"CREATE FOREIGN TABLE s (id bigint, k bigint) SERVER kafka OPTIONS (topic '{topic}', format 'json'{options})")
    db.execute(f"CREATE CONTINUOUS VIEW v AS {QUERY.format(source='s')}")


def assert_seen(db, *ranges):
    db.wait("v")
    db.assert_equal("TABLE v", QUERY.format(source=sent(*ranges)))


@pytest.fixture
def workers(server):
    yield lambda count: server.set(cq__workers=count)
    server.set(cq__workers=None)


def test_workers_come_and_go(broker, db, topic, workers):
    name = topic(partitions=5)
    create(db, name)
    for step, count in enumerate([1, 3, 2, 8, 1]):
        workers(count)
        wait_until(lambda: len(db.worker_pids()) == count, lambda: f"{len(db.worker_pids())} workers, not {count}")
        broker.produce(name, values(step * 1000, step * 1000 + 1000), partition=lambda value: value["id"] % 5)
        assert_seen(db, (0, step * 1000 + 1000))


def test_partitions_are_added(broker, db, topic):
    name = topic(partitions=1)
    create(db, name)
    broker.produce(name, values(0, 1000), partition=0)
    assert_seen(db, (0, 1000))
    broker.add_partitions(name, 3)
    broker.produce(name, values(1000, 4000), partition=lambda value: value["id"] % 3)
    # The oracle is what was sent; cq.wait learns of partitions from the broker.
    assert_seen(db, (0, 4000))
    assert db.execute("SELECT partition, next_offset FROM cq.positions WHERE view = 'v'::regclass ORDER BY partition") == [
        (0, 2000), (1, 1000), (2, 1000)]


def test_topic_recreated_pauses(broker, db, topic):
    """Messages that are no longer there are a gap, never skipped silently."""
    name = topic()
    create(db, name)
    broker.produce(name, values(0, 1000))
    assert_seen(db, (0, 1000))
    broker.delete_topic(name)
    broker.create_topic(name)
    broker.produce(name, values(1000, 1500))
    wait_until(lambda: db.value("SELECT status FROM cq.views WHERE view = 'v'::regclass") != "running",
               "the view does not stop at the gap")
    db.assert_equal("TABLE v", QUERY.format(source=sent((0, 1000))))
    db.execute("SELECT cq.reset('v', 'earliest')")
    db.execute("SELECT cq.resume('v')")
    assert_seen(db, (1000, 1500))


def test_gap_is_skipped_where_told(broker, db, topic):
    """Messages fallen out of retention before they were read, with on_gap = skip: the rest is counted, the gap is shown."""
    name = topic(retention_ms=-1, segment_bytes=1048576)
    create(db, name, on_gap="skip")
    broker.produce(name, values(0, 500))
    assert_seen(db, (0, 500))
    db.execute("SELECT cq.pause('v')")
    db.end_workers()
    broker.produce(name, values(500, 1000))
    broker.delete_records(name, 0, 800)
    db.execute("SELECT cq.resume('v')")
    assert_seen(db, (0, 500), (800, 1000))


def test_broker_away(broker, db, topic):
    """While the broker is down the state says so, and afterwards nothing is missing."""
    name = topic(partitions=2)
    create(db, name)
    broker.produce(name, values(0, 500), partition=lambda value: value["id"] % 2)
    assert_seen(db, (0, 500))
    broker.kill()
    try:
        wait_until(lambda: db.value("SELECT status_detail FROM cq.views WHERE view = 'v'::regclass"), "the outage is not shown")
        db.assert_equal("TABLE v", QUERY.format(source=sent((0, 500))))
    finally:
        broker.start()
    broker.produce(name, values(500, 900), partition=lambda value: value["id"] % 2)
    assert_seen(db, (0, 900))


def test_pause_and_resume_lose_nothing(broker, db, topic):
    name = topic(partitions=2)
    create(db, name)
    for step in range(5):
        db.execute("SELECT cq.pause('v')")
        broker.produce(name, values(step * 100, step * 100 + 100), partition=lambda value: value["id"] % 2)
        db.execute("SELECT cq.resume('v')")
        assert_seen(db, (0, step * 100 + 100))


def test_views_meet_among_partitions(broker, db, topic):
    """The view behind finds, in one batch, messages of several partitions from beyond where the other one stands."""
    name = topic(partitions=3)
    create(db, name)
    db.execute(f"CREATE CONTINUOUS VIEW late AS {QUERY.format(source='s')}")
    db.wait("late")
    (worker,) = db.worker_pids()
    end = 0
    for _ in range(3):
        db.execute("SELECT cq.pause('late')")
        broker.produce(name, values(end, end + 1500), partition=lambda value: value["id"] % 3)
        db.wait("v")
        db.execute("SELECT cq.pause('v')")
        broker.produce(name, values(end + 1500, end + 21000), partition=lambda value: value["id"] % 3)
        db.execute("SELECT cq.resume('late'), cq.resume('v')")
        end += 21000
        assert_seen(db, (0, end))
        db.wait("late")
        db.assert_equal("TABLE late", "TABLE v")
    wait_until(lambda: db.value("SELECT count(*) FROM _cq.cursor") == 3, "views do not meet")
    assert db.worker_pids() == [worker]


class Sender(threading.Thread):
    """Sends values(0, …) to a topic, some thousand a second, to each partition in turn, until it is told to stop."""

    def __init__(self, broker, topic, partitions):
        super().__init__()
        self.producer = broker.producer()
        self.topic = topic
        self.partitions = partitions
        self.sent = 0
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(0.005):
            for value in values(self.sent, self.sent + 30):
                self.producer.produce(self.topic, json.dumps(value), partition=value["id"] % self.partitions)
            self.sent += 30
            self.producer.poll(0)
        self.producer.flush()

    def stop(self):
        self.stopped.set()
        self.join()


def test_views_meet_while_messages_flow(server, broker, db, topic):
    """Whoever stood where: nothing of a partition is left out, of either view, and they do meet."""
    name = topic(partitions=4)
    server.set(cq__batch_rows=20)
    create(db, name)
    db.execute(f"CREATE CONTINUOUS VIEW late AS {QUERY.format(source='s')}")
    db.wait("late")
    sender = Sender(broker, name, 4)
    sender.start()
    try:
        for step in range(12):
            db.execute("SELECT cq.pause('late')")
            sender.stopped.wait(0.02 * (step % 5))
            db.execute("SELECT cq.resume('late')")
            sender.stopped.wait(0.3)
    finally:
        sender.stop()
        server.set(cq__batch_rows=None)
    assert_seen(db, (0, sender.sent))
    db.wait("late")
    db.assert_equal("TABLE late", "TABLE v")
    wait_until(lambda: db.value("SELECT count(*) FROM _cq.cursor") == 4, "views do not meet")


def test_many_views_begin_at_once(server, broker, db, topic, workers):
    """Each begins somewhere else in a stream that flows, and is read in small batches."""
    name = topic(partitions=4)
    workers(2)
    server.set(cq__batch_rows=2)
    create(db, name)
    db.wait("v")
    try:
        for number in range(8):
            broker.produce(name, values(4 * number, 4 * number + 4), partition=lambda value: value["id"] * 7 % 4)
            db.execute(f"CREATE CONTINUOUS VIEW v{number} AS {QUERY.format(source='s')}")
        for number in range(8):
            db.wait(f"v{number}")
            db.assert_equal(f"TABLE v{number}", QUERY.format(source=sent((0, 32))))
        assert_seen(db, (0, 32))
    finally:
        server.set(cq__batch_rows=None)


@pytest.mark.parametrize("source", ["kafka", "cq_log"])
def test_lanes_have_troubles_of_their_own(broker, db, topic, source):
    """A lane that failed is tried again, though another one of its stream goes on meanwhile."""
    name = topic(partitions=2)
    options = f"OPTIONS (topic '{name}')" if source == "kafka" else ""
    db.execute(f"CREATE FOREIGN TABLE s (id bigint, k bigint) SERVER {source} {options}")
    db.execute("CREATE TABLE trouble AS SELECT 1")
    db.execute("""
        CREATE FUNCTION in_trouble(i bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
            IF EXISTS (SELECT FROM public.trouble) THEN RAISE serialization_failure; END IF;
            RETURN i;
        END $$""")
    db.execute("CREATE CONTINUOUS VIEW troubled AS SELECT in_trouble(id) AS id FROM s")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT id FROM s")

    def send(first, end):
        if source == "kafka":
            broker.produce(name, values(first, end), partition=lambda value: value["id"] % 2)
        else:
            db.execute("INSERT INTO s SELECT i, 0 FROM generate_series(%s::bigint, %s::bigint) i", first, end - 1)
    send(0, 10)
    db.wait("v")
    # Both have been tried again since: each finds the other one in its own state.
    for first in range(10, 40, 10):
        send(first, first + 10)
        db.wait("v")
    assert db.value("SELECT count(*) FROM troubled") == 0
    db.execute("DELETE FROM trouble")
    db.wait("troubled")
    for view in ("v", "troubled"):
        db.assert_equal(f"TABLE {view}", f"SELECT id FROM {sent((0, 40))}")


# ---- those that are slow hold up nobody else ----

WINDOW = "WITH (emit = 'close') AS SELECT window_start, count(*) AS n FROM {stream}, cq.tumble(at, '1 min') GROUP BY 1"


@pytest.fixture
def gate(server, log_db):
    """A function gate(x) that waits as long as this session holds the lock."""
    db = log_db
    db.execute("CREATE FUNCTION gate(x bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS "
               "$$ BEGIN WHILE NOT pg_try_advisory_xact_lock_shared(77) LOOP PERFORM pg_sleep(0.02); END LOOP; RETURN x; END $$")
    with server.connect(db.name) as holder:
        holder.execute("SELECT pg_advisory_lock(77)")
        yield holder


def await_gate(db, kind):
    """Until a process of this kind stands before the gate, for longer than it takes to be taken for absent."""
    standing = ("SELECT pid FROM pg_stat_activity WHERE backend_type = %s AND datname = current_database() "
                "AND wait_event = 'PgSleep' AND xact_start < clock_timestamp() - interval '3 s'")
    return wait_until(lambda: db.execute(standing, kind), f"no {kind} is held up")[0][0]


def test_windows_close_beside_a_slow_view(server, log_db, gate, workers):
    """One of two workers is held up by a view; streams that the other one reads go on, windows and retention as well."""
    db = log_db
    workers(2)
    db.execute("CREATE FOREIGN TABLE slow (id bigint) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW held AS SELECT gate(id) FROM slow")
    streams = [f"s{number}" for number in range(16)]    # a hash says whose each is: not all are the slow one's
    for stream in streams:
        db.execute(f"CREATE FOREIGN TABLE {stream} (at timestamptz) SERVER cq_log OPTIONS (event_time 'at')")
        db.execute(f"CREATE CONTINUOUS VIEW {stream}_v {WINDOW.format(stream=stream)}")
        db.execute(f"CREATE CONTINUOUS VIEW {stream}_kept WITH (retention = '1 s') AS SELECT at FROM {stream}")
        db.wait(f"{stream}_v")
    db.execute("INSERT INTO slow VALUES (1)")
    await_gate(db, "pg_cq worker")
    for stream in streams:
        db.execute(f"INSERT INTO {stream} VALUES ('2025-01-01 00:00:10Z'), ('2025-01-01 00:01:00Z')")
    seen = wait_until(lambda: db.execute("SELECT stream::text FROM cq.positions WHERE view::text ~ '_v' AND next_offset = 2"),
                      "no stream is read")
    for (stream,) in seen:
        wait_until(lambda: db.execute(f"SELECT n FROM {stream}_v") == [(1,)], f"windows of {stream} stay open")
        wait_until(lambda: db.value(f"SELECT count(*) FROM {stream}_kept") == 0, f"rows of {stream} stay")
    assert db.value("SELECT count(*) FROM held") == 0
    gate.execute("SELECT pg_advisory_unlock(77)")
    for stream in streams:
        db.wait(f"{stream}_v")
        db.assert_equal(f"TABLE {stream}_v", f"SELECT window_start, count(*) FROM {stream}, cq.tumble(at, '1 min') "
                        "WHERE window_end <= '2025-01-01 00:01Z' GROUP BY 1")
    db.wait("held")
    assert db.execute("TABLE held") == [(1,)]


def test_a_worker_comes_back_while_windows_are_made(log_db, gate):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (at timestamptz) SERVER cq_log OPTIONS (event_time 'at')")
    db.execute("CREATE CONTINUOUS VIEW slow WITH (emit = 'close') AS "
               "SELECT window_start, gate(count(*)) AS n FROM s, cq.tumble(at, '1 min') GROUP BY 1")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) FROM s")
    db.execute("INSERT INTO s VALUES ('2025-01-01 00:00:10Z'), ('2025-01-01 00:01:00Z')")
    keeper = await_gate(db, "pg_cq keeper")
    (pid,) = db.worker_pids()
    db.execute("SELECT pg_terminate_backend(%s)", pid)
    wait_until(lambda: db.worker_pids() not in ([pid], []), "no worker comes")
    db.execute("INSERT INTO s VALUES ('2025-01-01 00:01:00Z')")
    db.wait("v")
    assert db.execute("TABLE v") == [(3,)]
    assert await_gate(db, "pg_cq keeper") == keeper
    gate.execute("SELECT pg_advisory_unlock(77)")
    db.wait("slow")
    assert db.execute("SELECT n FROM slow") == [(1,)]


def test_slow_views_go_on_apart(broker, db, topic, workers):
    """A view that tells its changes gets cursors of its own when it is slow; a worker that is held
    up by it does not hold up the other one, which reads another partition."""
    workers(2)
    name = topic(partitions=2)
    create(db, name)
    db.execute("CREATE FUNCTION gate(x bigint) RETURNS bigint "
               "IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN "
               "IF x % 100 < 2 THEN PERFORM pg_sleep(0.002); END IF; "
               "WHILE NOT pg_try_advisory_xact_lock_shared(78) LOOP PERFORM pg_sleep(0.02); "
               "END LOOP; RETURN x; END $$")
    db.execute("CREATE CONTINUOUS VIEW told WITH (changes = 'changes') AS "
               "SELECT k, count(*) AS messages, sum(gate(id)) AS sum FROM s GROUP BY k")
    db.wait("told")
    sender = Sender(broker, name, 2)
    sender.start()
    try:
        cursors = "SELECT count(DISTINCT cursor_id) FROM _cq.follow"
        wait_until(lambda: db.value(cursors) == 4,
                   lambda: f"it does not go on apart: {db.execute('TABLE _cq.follow')}")
    finally:
        sender.stop()
    with db.server.connect(db.name) as holder:
        holder.execute("SELECT pg_advisory_lock(78)")
        for first in (sender.sent, sender.sent + 1000):
            broker.produce(name, values(first, first + 1000),
                           partition=lambda value: value["id"] % 2)
            await_gate(db, "pg_cq worker")
        seen = ("SELECT count(*) FROM cq.positions "
                "WHERE view = 'v'::regclass AND next_offset = %s")
        wait_until(lambda: db.value(seen, sender.sent // 2 + 1000) > 0,
                   lambda: f"both workers are held up: {db.execute('TABLE cq.positions')}")
        holder.execute("SELECT pg_advisory_unlock(78)")
    assert_seen(db, (0, sender.sent + 2000))
    db.wait("told")
    db.assert_equal("TABLE told", "TABLE v")
