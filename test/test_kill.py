"""Exactly once, whatever is killed.

While a producer sends known messages, workers, the emitter, the whole server and the broker are killed with SIGKILL at random moments. At the end
every count and every sum is exactly that of the messages sent, and what went on to other topics is there once, in order.

KILL_SEED repeats a run's choices, KILLS sets how many kills, a multiple of six.
"""
import json
import os
import random
import threading

import psycopg
import pytest

from conftest import kill, wait_until
from sinks import Reader

KILLS = int(os.environ.get("KILLS", 54))
PARTITIONS = 4
RATE = 3000                     # messages a second

VIEWS = {
    "total": "SELECT count(*) AS messages, sum(amount) AS amount FROM {source}",
    "by_account": "SELECT account, count(*) AS messages, sum(amount) AS amount, min(id) AS first, max(id) AS last, "
                  "avg(amount) AS average FROM {source} GROUP BY account",
    "by_window": "SELECT w.window_start, count(*) AS messages, sum(amount) AS amount "
                 "FROM {source}, cq.tumble(at, '10 s') w GROUP BY w.window_start",
    "kept": "SELECT id, amount FROM {source} WHERE id % 7 = 0",
}
# The same of closed windows. No message is late: they come in order in each partition.
CLOSED = {
    "closed": "SELECT w.window_end, account % 10 AS digit, count(*) AS messages, sum(amount) AS amount "
              "FROM {source}, cq.tumble(at, '1 s') w {condition} GROUP BY w.window_end, account % 10",
    "closed_hop": "SELECT w.window_end, count(*) AS messages, avg(amount) AS amount "
                  "FROM {source}, cq.hop(at, '500 ms', '2 s') w {condition} GROUP BY w.window_end",
}
# The same on its way to a topic: its columns, its mode, the query, and what reads the rows of all of them.
SENT_ON = {
    "sent_rows": ("source text OPTIONS (metadata 'key'), id bigint, amount bigint", "append", "",
                  "SELECT (id % 4)::text AS source, id, amount FROM {source} WHERE id % 7 = 0"),
    "sent_accounts": ("account bigint, messages bigint, amount numeric", "upsert", "",
                      "SELECT account, count(*) AS messages, sum(amount) AS amount FROM {source} GROUP BY account"),
    "sent_closed": ("window_end timestamptz, messages bigint, amount numeric", "append", "emit = 'close', ",
                    "SELECT w.window_end, count(*) AS messages, sum(amount) AS amount FROM {source}, cq.tumble(at, '500 ms') w GROUP BY w.window_end"),
}
# Message number id; the same in Python below.
SENT = ("(SELECT id, id % 101 AS account, id * 7919 % 10007 - 5000 AS amount, "
        "timestamptz '2026-01-01 00:00Z' + id * interval '1 ms' AS at FROM generate_series(0, {last}::bigint) AS id)")


def message(number):
    seconds, milliseconds = divmod(number, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return json.dumps({"id": number, "account": number % 101, "amount": number * 7919 % 10007 - 5000,
                       "at": f"2026-01-01T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z"})


class Sender(threading.Thread):
    """Sends messages 0, 1, 2, … at a steady rate until it is told to stop; then all of them are acknowledged."""

    def __init__(self, broker, topic):
        super().__init__(daemon=True)
        self.producer = broker.producer()
        self.topic = topic
        self.sent = 0
        self.failed = []
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.is_set():
            for _ in range(RATE // 100):
                try:
                    self.producer.produce(self.topic, message(self.sent), partition=self.sent % PARTITIONS,
                                          on_delivery=self.delivered)
                    self.sent += 1
                except BufferError:
                    break
            self.producer.poll(0)
            self.stopped.wait(0.01)
        self.producer.flush()

    def delivered(self, error, _):
        if error:
            self.failed.append(error)

    def stop(self):
        self.stopped.set()
        self.join()
        assert not self.failed, self.failed[:3]


def position(db):
    """How far the views have come, or None while the server is away."""
    try:
        return db.value("SELECT sum(next_offset) FROM cq.positions")
    except psycopg.OperationalError:
        return None


def kill_worker(rng, broker, server, db):
    kill(rng.choice(wait_until(db.worker_pids, "no worker runs")))
    # The postmaster ends all others, and recovers.
    wait_until(lambda: position(db) is None, "the server does not notice")


def kill_emitter(rng, broker, server, db):
    kill(wait_until(lambda: db.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq emitter'"), "no emitter runs")[0][0])
    wait_until(lambda: position(db) is None, "the server does not notice")


def kill_server(rng, broker, server, db):
    server.kill()
    server.start()


def kill_broker(rng, broker, server, db):
    broker.kill()
    broker.start()


def read_topic(broker, name, db, view):
    """All that is to be sent, and nothing else, as (key, value)."""
    wait_until(lambda: db.execute("SELECT view FROM cq.sinks WHERE view = %s::regclass AND pending_rows = 0", view), lambda: db.execute("TABLE cq.sinks"))
    count = db.value("SELECT sent_rows FROM cq.sinks WHERE view = %s::regclass", view)
    reader = Reader(broker, name, PARTITIONS)
    try:
        messages = reader.read(count, 120)
        reader.poll()
        assert len(messages) == count
        return [(message.key(), json.loads(message.value())) for message in messages]
    finally:
        reader.close()


def check_sent(broker, db, topics, sent, seed):
    rows = read_topic(broker, topics["sent_rows"], db, "sent_rows")
    assert sorted(value["id"] for _, value in rows) == [id for (id,) in db.execute(f"SELECT id FROM {sent} WHERE id % 7 = 0 ORDER BY 1")], f"KILL_SEED={seed}"
    last = {}
    for key, value in rows:
        assert value["id"] > last.get(key, -1), f"KILL_SEED={seed}: order of {key}"
        last[key] = value["id"]
    counts, accounts = {}, {}
    for key, value in read_topic(broker, topics["sent_accounts"], db, "sent_accounts"):
        assert json.loads(key) == {"account": value["account"]}
        assert value["messages"] > counts.get(key, 0), f"KILL_SEED={seed}: order of {key}"
        counts[key] = value["messages"]
        accounts[value["account"]] = (value["account"], value["messages"], value["amount"])
    assert sorted(accounts.values()) == db.execute("SELECT account, messages, amount::bigint FROM sent_accounts ORDER BY 1"), f"KILL_SEED={seed}"
    closed = read_topic(broker, topics["sent_closed"], db, "sent_closed")
    assert sorted((value["messages"], value["amount"], value["window_end"]) for _, value in closed) == \
        db.execute("SELECT messages, amount::bigint, to_json(window_end) #>> '{}' FROM sent_closed ORDER BY 1, 2, 3"), f"KILL_SEED={seed}"


@pytest.fixture
def two_workers(server):
    server.set(cq__workers=2, cq__batch_rows=500)
    yield
    server.set(cq__workers=None, cq__batch_rows=None)


def test_killed_at_random_moments(broker, server, two_workers, db, topic):
    seed = int(os.environ.get("KILL_SEED", random.randrange(2 ** 32)))
    rng = random.Random(seed)
    print(f"KILL_SEED={seed}")
    name = topic(partitions=PARTITIONS)
    db.execute(f"CREATE FOREIGN TABLE message (id bigint, account bigint, amount bigint, at timestamptz) "
               f"SERVER kafka OPTIONS (topic '{name}', format 'json', event_time 'at', watermark '100 ms')")
    for view, query in VIEWS.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query.format(source='message')}")
    for view, query in CLOSED.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} WITH (emit = 'close', late = 'keep') AS {query.format(source='message', condition='')}")

    topics = {view: topic("_" + view, partitions=PARTITIONS) for view in SENT_ON}
    for view, (columns, mode, options, query) in SENT_ON.items():
        db.execute(f"CREATE FOREIGN TABLE to_{view} ({columns}) SERVER kafka OPTIONS (topic '{topics[view]}', mode '{mode}')")
        db.execute(f"CREATE CONTINUOUS VIEW {view} WITH ({options}sink = 'to_{view}') AS {query.format(source='message')}")

    victims = ([kill_worker, kill_worker, kill_emitter, kill_emitter, kill_server, kill_broker]) * (KILLS // 6)
    rng.shuffle(victims)
    sender = Sender(broker, name)
    sender.start()
    try:
        for number, victim in enumerate(victims):
            before = position(db)
            # In the midst of work: some time after the views have moved again.
            wait_until(lambda: (position(db) or 0) > (before or 0),
                       f"kill {number}: nothing moves since {victims[number - 1].__name__ if number else 'the start'}")
            threading.Event().wait(rng.uniform(0, 0.3))
            print(number, victim.__name__, sender.sent)
            victim(rng, broker, server, db)
            wait_until(lambda: position(db) is not None, "the server does not come back")
    finally:
        sender.stop()

    sent = SENT.format(last=sender.sent - 1) + " AS sent"
    for view, query in VIEWS.items():
        db.wait(view, 120)
        db.assert_equal(f"TABLE {view}", query.format(source=sent), f"KILL_SEED={seed}: {view}")
    for view, query in CLOSED.items():
        db.wait(view, 120)
        wait_until(lambda: db.execute("SELECT view FROM _cq.closing WHERE view = %s::regclass AND emitted_through = closed_through "
                                      "AND next_close > cq.watermark(view)", view), f"KILL_SEED={seed}: {view} is not closed")
        watermark = db.value("SELECT cq.watermark(%s::regclass)", view)
        closed = query.format(source=sent, condition=f"WHERE window_end <= '{watermark}'")
        db.assert_equal(f"TABLE {view}", closed, f"KILL_SEED={seed}: {view}")
    for view, (_, _, options, query) in SENT_ON.items():
        db.wait(view, 120)
        if not options:
            db.assert_equal(f"TABLE {view}", query.format(source=sent), f"KILL_SEED={seed}: {view}")
    check_sent(broker, db, topics, sent, seed)
    assert db.value("SELECT count(*) FROM cq.errors") == 0
    assert db.value("SELECT count(*) FROM cq.late") == 0
