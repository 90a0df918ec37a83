"""Streams whose rows change: the newest message of a key is its row, and one without a value ends it."""
import json
import random
import signal

from conftest import kill

VIEWS = {
    "latest": "SELECT id, city, n FROM s",
    "cities": "SELECT city, count(*) AS rows, sum(n) AS total, min(n) AS least, max(n) AS most FROM s GROUP BY city",
    "pairs": "SELECT l.id, l.n, r.id AS other FROM s l LEFT JOIN s r ON r.n = l.n AND r.id <> l.id",
    "best": "SELECT * FROM (SELECT city, id, n, row_number() OVER (PARTITION BY city ORDER BY n DESC, id) AS place "
            "FROM s) ranked WHERE place <= 2",
}


def create(db, topic):
    db.execute(f"CREATE FOREIGN TABLE s (key text OPTIONS (metadata 'key'), id int, city text, n int) "
               f"SERVER kafka OPTIONS (topic '{topic}', mode 'upsert', on_error 'skip')")
    for view, query in VIEWS.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")


def send(broker, topic, messages):
    """Messages are (partition, key, value); in order."""
    producer = broker.producer()
    for partition, key, value in messages:
        producer.produce(topic, key=key, value=value, partition=partition)
    assert producer.flush(60) == 0


def history(rng, rows, count):
    """Changes of rows, which it keeps, and messages that change nothing."""
    for number in range(count):
        key = rng.randrange(60)
        place = (key % 3, str(key))
        if rng.random() < 0.25:
            rows.pop(key, None)
            yield (*place, None)
        elif rng.random() < 0.05:
            yield (*place, b'{"id": "no number"}')
        else:
            rows[key] = (key, rng.choice(["Graz", "Linz", "Wels", None]), rng.randrange(20))
            yield (*place, json.dumps(dict(zip(("id", "city", "n"), rows[key]))).encode())
    yield (0, None, b'{"id": 1, "city": "nobody\'s", "n": 1}')


def assert_right(db, rows):
    found = db.execute("SELECT id, city, n FROM s")
    assert sorted(found, key=lambda row: row[0]) == sorted(rows.values(), key=lambda row: row[0])
    for view, query in VIEWS.items():
        db.wait(view)
        db.assert_equal(f"TABLE {view}", query, view)


def test_newest_of_each_key(broker, server, db, topic):
    """Three partitions; workers that end, and a server that is killed, while they read."""
    name, rng, rows = topic(partitions=3), random.Random(16), {}
    create(db, name)
    for batch in range(6):
        send(broker, name, history(rng, rows, 400))
        if batch in (1, 4):
            for pid in db.worker_pids():
                kill(pid, signal.SIGTERM)
        if batch == 2:
            db.close()
            server.kill()
            server.start()
    assert_right(db, rows)
    assert db.value("SELECT count(*) > 0 FROM cq.errors WHERE message = 'the message has no key'")
    send(broker, name, [(key % 3, str(key), None) for key in rows])
    assert_right(db, {})
    assert db.value("SELECT count(*) FROM latest") == 0
