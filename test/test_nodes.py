"""Views over several streams, with workers that come, go and are killed."""
import random
import re
import threading

import psycopg
import pytest

from conftest import kill, wait_until
from test_exec import await_status, status

ACCOUNTS = 10

# Each transfer takes from one account and gives to another: the sum of all balances is 0.
BALANCE = ("SELECT account, sum(amount)::bigint AS balance FROM "
           "(SELECT giver AS account, -amount AS amount FROM {transfer} "
           "UNION ALL SELECT taker, amount FROM {transfer}) AS moved GROUP BY account")
VIEWS = {
    "balance": BALANCE,
    "total": f"SELECT sum(balance)::bigint AS total, count(*) AS accounts FROM ({BALANCE}) AS b",
    "owned": f"SELECT owner, sum(balance)::bigint AS balance FROM ({BALANCE}) AS b "
             "LEFT JOIN {owner} USING (account) GROUP BY owner",
    "largest": "SELECT giver, id, amount FROM (SELECT *, row_number() OVER (PARTITION BY giver "
               "ORDER BY amount DESC, id) AS n FROM {transfer}) AS t WHERE n <= 2",
    "named": "SELECT t.id, g.owner AS giver, r.owner AS taker FROM {transfer} t "
             "JOIN {owner} g ON g.account = t.giver JOIN {owner} r ON r.account = t.taker",
}


@pytest.fixture
def workers(server):
    yield lambda count: server.set(cq__workers=count)
    server.set(cq__workers=None)


def transfers(rng, first, count):
    """Up to ten seconds out of order, at a thousand a second."""
    order = sorted(range(first, first + count), key=lambda number: number + rng.randrange(10000))
    return [{"id": number, "giver": rng.randrange(ACCOUNTS), "taker": rng.randrange(ACCOUNTS),
             "amount": rng.randrange(1, 100)} for number in order]


def read_until(server, database, done, wrong):
    """What somebody sees meanwhile: never some of a transfer. Reads on where the server was killed."""
    while not done.is_set():
        try:
            with server.connect(database) as reader:
                while not done.is_set():
                    for query in ("SELECT coalesce(sum(balance), 0) FROM balance",
                                  "SELECT coalesce(sum(total), 0) FROM total",
                                  "SELECT coalesce(sum(balance), 0) FROM owned"):
                        total = reader.execute(query).fetchone()[0]
                        if total != 0:
                            wrong.append((query, total))
        except psycopg.OperationalError:
            pass


def run_transfers(server, broker, db, topic, views, steps, count, kills_server=False):
    """Two streams of three partitions and one, workers of which one ends now and then."""
    rng = random.Random(7)
    transfer, owner = topic("transfer", partitions=3), topic("owner")
    db.execute("CREATE FOREIGN TABLE transfer (id bigint, giver int, taker int, amount int) "
               f"SERVER kafka OPTIONS (topic '{transfer}', format 'json')")
    db.execute("CREATE FOREIGN TABLE owner (account int, owner text) "
               f"SERVER kafka OPTIONS (topic '{owner}', format 'json')")
    texts = {view: VIEWS[view].format(transfer="transfer", owner="owner") for view in views}
    for view, text in texts.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {text}")
    done, wrong = threading.Event(), []
    reader = threading.Thread(target=read_until, args=(server, db.name, done, wrong))
    reader.start()
    try:
        for step in range(steps):
            broker.produce(transfer, transfers(rng, step * count, count),
                           partition=lambda value: value["id"] % 3)
            broker.produce(owner, [{"account": step % ACCOUNTS, "owner": "ab"[step % 2]}])
            if step % 2 == 1:
                wait_until(db.worker_pids, "no worker")
                kill(rng.choice(db.worker_pids()), 15)
            if kills_server and step % 4 == 3:
                db.close()
                server.kill()
                server.start()
        for view in views:
            db.wait(view, deadline=60 + steps * count / 1000)
    finally:
        done.set()
        reader.join()
    assert wrong == []
    for view, text in texts.items():
        db.assert_equal(f"TABLE {view}", text, view)
    assert db.value("SELECT count(*) FROM cq.views WHERE status NOT IN ('running', 'waiting') OR bad_rows > 0") == 0


def test_transfers(server, broker, db, topic, workers):
    workers(2)
    run_transfers(server, broker, db, topic, VIEWS, steps=6, count=200)


def test_it_begins_in_each_stream(broker, db, topic):
    """start = 'latest' is meant of each; what comes later is joined whichever comes first."""
    left, right = topic("left", partitions=2), topic("right")
    for name, of in (("l", left), ("r", right)):
        db.execute(f"CREATE FOREIGN TABLE {name} (id int, v int) "
                   f"SERVER kafka OPTIONS (topic '{of}', format 'json')")
    broker.produce(left, [{"id": 1, "v": 1}], partition=0)
    broker.produce(right, [{"id": 1, "v": 1}])
    db.execute("CREATE CONTINUOUS VIEW j WITH (start = 'latest') AS "
               "SELECT l.id, l.v AS lv, r.v AS rv FROM l LEFT JOIN r USING (id)")
    db.wait("j")
    broker.produce(right, [{"id": 1, "v": 2}, {"id": 2, "v": 2}])
    db.wait("j")
    broker.produce(left, [{"id": 1, "v": 3}, {"id": 3, "v": 3}], partition=1)
    db.wait("j")
    assert sorted(db.execute("TABLE j")) == [(1, 3, 2), (3, 3, None)]
    db.execute("SELECT cq.pause('j')")
    broker.produce(right, [{"id": 3, "v": 9}])
    db.execute("SELECT cq.resume('j')")
    db.wait("j")
    assert sorted(db.execute("TABLE j")) == [(1, 3, 2), (3, 3, 9)]


def test_what_is_kept_may_be_at_fault(log_db):
    """A row whose neighbours cannot be computed any more waits; one that cannot itself is left out."""
    db = log_db
    failing = ("CREATE OR REPLACE FUNCTION odd(i int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS "
               "$$ BEGIN IF i = {} THEN RAISE 'not this'; END IF; RETURN i % 2 = 1; END $$")
    query = "SELECT a.k, a.x, b.y FROM a LEFT JOIN b ON b.k = a.k AND odd(a.x + b.y)"
    db.execute(failing.format(100))
    for stream, value in ("a", "x"), ("b", "y"):
        db.execute(f"CREATE FOREIGN TABLE {stream} (k int, {value} int) SERVER cq_log")
    db.execute(f"CREATE CONTINUOUS VIEW v AS {query}")
    db.execute("INSERT INTO a VALUES (1, 1), (2, 1)")
    db.wait("v")
    db.execute("INSERT INTO b VALUES (1, 99), (1, 2), (2, 2)")
    db.wait("v")
    assert db.value("SELECT count(*) FROM cq.errors") == 1
    db.assert_equal("TABLE v", query.replace("JOIN b", "JOIN (SELECT * FROM b WHERE y <> 99) b"))
    db.execute(failing.format(3))
    db.execute("INSERT INTO b VALUES (1, 4)")
    await_status(db, "v", "failed")
    assert re.search(r"node \d cannot be computed from the rows that it keeps in \"_cq\.\w+\" "
                     r"where _cq_hash is -?\d+: not this", status(db, "v")[1])
    assert db.value("SELECT count(*) FROM cq.errors") == 1
    db.execute(failing.format(100))
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    db.assert_equal("TABLE v", query.replace("JOIN b", "JOIN (SELECT * FROM b WHERE y <> 99) b"))


def test_without_a_key_there_are_not_too_many(server, log_db):
    """A view that would have to read more and more for each batch stops, and can go on."""
    db = log_db
    views = {
        "top": ('node 1 (Limit) has no key to go by: each batch reads all rows of "a", which are',
                "SELECT id FROM a ORDER BY id DESC LIMIT 3"),
        "absent": ('node 1 (Sub-Selects) has no key to go by: each batch reads all rows of "o"',
                   "SELECT id FROM a o WHERE id NOT IN (SELECT id - 100 FROM a)"),
        "wide": ("node 1 (Full Join) has no key to go by: each batch reads all rows of its answer",
                 "SELECT x.id, y.id AS other FROM (SELECT id FROM a WHERE id < 5) x "
                 "FULL JOIN (SELECT id FROM a WHERE id < 5) y ON true"),
    }
    db.execute("CREATE FOREIGN TABLE a (id int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW keyed AS SELECT id, count(DISTINCT id) FROM a GROUP BY id")
    for view, (_, query) in views.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
    server.set(cq__max_global_rows=10)
    try:
        db.execute("INSERT INTO a SELECT generate_series(1, 11)")
        db.wait("wide")  # what it stores is read with the next batch
        db.execute("INSERT INTO a VALUES (4)")
        for view, (reason, _) in views.items():
            await_status(db, view, "failed")
            assert reason in status(db, view)[1]
            assert "more than cq.max_global_rows, 10; raise that, or" in status(db, view)[1]
        db.wait("keyed")
        assert db.value("SELECT count(*) FROM cq.errors") == 0
    finally:
        server.set(cq__max_global_rows=None)

    def goes_on(view):
        """True where the worker knows of the setting already."""
        db.execute(f"SELECT cq.resume('{view}')")
        try:
            return db.value(f"SELECT cq.wait('{view}', '60 s')")
        except psycopg.errors.ObjectNotInPrerequisiteState:
            return False

    for view, (_, query) in views.items():
        wait_until(lambda: goes_on(view), f"{view} does not go on")
        db.assert_equal(f"TABLE {view}", query)
