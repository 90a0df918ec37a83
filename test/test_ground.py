"""What the other tests stand on: the broker and the server come back as they were."""
from confluent_kafka import Consumer


def consume(broker, topic, count):
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values = []
    while len(values) < count:
        values += [message.value() for message in consumer.consume(count - len(values), 30)]
    consumer.close()
    return values


def test_broker_keeps_what_was_acknowledged(broker, topic):
    name = topic()
    broker.produce(name, [b"one", b"two"])
    address = broker.address
    broker.kill()
    broker.start()
    assert broker.address == address
    broker.produce(name, [b"three", None])
    assert consume(broker, name, 4) == [b"one", b"two", b"three", None]


def test_server_comes_back(server):
    with server.connect("postgres") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    server.kill()
    server.start()
    with server.connect("postgres") as connection:
        assert connection.execute("TABLE kept").fetchall() == [(1,)]
        connection.execute("DROP TABLE kept")
