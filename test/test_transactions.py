"""What transactional producers aborted is never seen, whatever lies between."""
import json

from confluent_kafka import Producer

from conftest import wait_until


def create(db, topic):
    db.execute(f"CREATE FOREIGN TABLE s (id bigint) SERVER kafka OPTIONS (topic '{topic}', format 'json')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) AS messages, sum(id) AS sum, min(id) AS first, max(id) AS last FROM s")


def transactional(broker, name):
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": name, "log_level": 0})
    producer.init_transactions(30)
    return producer


def send(producer, topic, first, end):
    for number in range(first, end):
        producer.produce(topic, json.dumps({"id": number}))
    producer.flush()


def test_aborted_is_not_seen(broker, db, topic):
    name = topic()
    create(db, name)
    producer = transactional(broker, name)
    committed = []
    for step in range(10):
        producer.begin_transaction()
        send(producer, name, step * 100, step * 100 + 100)
        if step % 3 == 1:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            committed += range(step * 100, step * 100 + 100)
    db.wait("v")
    expected = [(len(committed), sum(committed), min(committed), max(committed))]
    assert db.execute("TABLE v") == expected
    # A bounded read sees the same.
    assert db.execute("SELECT count(*), sum(id), min(id), max(id) FROM s") == expected


def test_open_transaction_holds_back(broker, db, topic):
    """What follows an open transaction waits for its end, then comes in order."""
    name = topic()
    create(db, name)
    first = transactional(broker, name + "_first")
    second = transactional(broker, name + "_second")
    second.begin_transaction()
    send(second, name, 0, 10)
    second.commit_transaction(30)
    db.wait("v")
    assert db.execute("TABLE v") == [(10, 45, 0, 9)]
    first.begin_transaction()
    send(first, name, 100, 110)
    second.begin_transaction()
    send(second, name, 10, 20)
    second.commit_transaction(30)
    db.wait("v")
    assert db.execute("TABLE v") == [(10, 45, 0, 9)]
    first.commit_transaction(30)
    wait_until(lambda: db.execute("TABLE v") == [(30, sum(range(20)) + sum(range(100, 110)), 0, 109)],
               lambda: f"never committed: {db.execute('TABLE v')}")


def test_ends_in_aborted(broker, db, topic):
    """cq.wait ends although the last messages are never delivered."""
    name = topic()
    create(db, name)
    producer = transactional(broker, name)
    producer.begin_transaction()
    send(producer, name, 0, 10)
    producer.commit_transaction(30)
    producer.begin_transaction()
    send(producer, name, 10, 20)
    producer.abort_transaction(30)
    db.wait("v")
    assert db.execute("TABLE v") == [(10, 45, 0, 9)]
