"""Threads that send numbered messages, to topics and to streams kept in the database.

And what reads the topics that views write to.
"""

import contextlib
import random
import threading
import time

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from conftest import DEADLINE
from history_model import INSERTED, Failed, is_tombstone, key_of, message, row

TICK = 0.02
# Of transactions that insert.
KINDS = ["plain", "plain", "block", "savepoint", "rollback", "many", "prepare"]


class Flow(threading.Thread):
    """Sends in the background until paused: then it is known of each message if it is there."""

    def __init__(self):
        super().__init__(daemon=True)
        self.rate = 0  # messages a second
        self.is_running = threading.Event()
        self.is_idle = threading.Event()
        self.has_ended = False
        self.error = None

    def run(self):
        try:
            while not self.has_ended:
                if self.is_running.is_set() and self.rate > 0:
                    began = time.monotonic()
                    self.send(max(1, int(self.rate * TICK)))
                    time.sleep(max(0, TICK - (time.monotonic() - began)))
                else:
                    self.settle()
                    self.is_idle.set()
                    if self.is_running.wait(0.05):
                        time.sleep(TICK)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
            self.is_idle.set()
        self.close()

    def begin_pause(self):
        self.is_running.clear()
        self.is_idle.clear()

    def pause(self):
        self.begin_pause()
        self.await_pause()

    def await_pause(self):
        if not self.is_idle.wait(DEADLINE * 2):
            raise Failed("standstill", "a sender does not come to rest")
        if self.error:
            raise self.error

    def end(self):
        self.has_ended = True
        self.is_running.set()
        self.join(DEADLINE)

    def settle(self):
        pass

    def close(self):
        pass


class KafkaFlow(Flow):
    def __init__(self, broker, stream, seed):
        super().__init__()
        self.producer = broker.producer(linger_ms=10)
        self.stream = stream
        self.random = random.Random(seed)

    def send(self, count):
        """Some go to all partitions in turn, others to one alone."""
        alone = (
            self.random.randrange(self.stream.partitions) if self.random.random() < 0.3 else None
        )
        for _ in range(count):
            number = self.stream.next_id
            self.stream.next_id += 1
            partition = number % self.stream.partitions if alone is None else alone
            self.put(number, partition)
        self.producer.poll(0)

    def put(self, number, partition):
        value = message(number, self.stream.disordered)
        where = {"partition": partition}
        if self.stream.changes:
            where["key"] = key_of(number)
            value = None if is_tombstone(number) else value
        while True:
            try:
                self.producer.produce(
                    self.stream.topic,
                    value,
                    **where,
                    on_delivery=self.delivered(number),
                )
                return
            except BufferError:
                self.producer.poll(0.1)
            except KafkaException as error:
                if (
                    error.args[0].code() != KafkaError._UNKNOWN_PARTITION
                ):  # pylint: disable=protected-access
                    raise
                self.producer.list_topics(self.stream.topic, timeout=DEADLINE)  # it is new
                self.producer.poll(0.1)

    def delivered(self, number):
        def note(error, sent):
            if error:
                self.error = Failed("message", f"message {number}: {error}")
            else:
                self.stream.arrived.append(
                    (number, sent.partition(), sent.offset(), sent.timestamp()[1])
                )

        return note

    def settle(self):
        self.producer.flush()

    def close(self):
        self.producer.flush(DEADLINE)


class LogFlow(Flow):
    """Transactions of all kinds. Those of several such threads overlap."""

    lock = threading.Lock()

    def __init__(self, connect, stream, name, seed):
        super().__init__()
        self.connect = connect
        self.stream = stream
        self.name = name
        self.random = random.Random(seed)
        self.connection = None
        self.made = 0
        self.prepared = None  # a transaction: its name, its numbers, whether it is to be committed

    def ids(self, count):
        with self.lock:
            first = self.stream.next_id
            self.stream.next_id += count
        return first, first + count - 1

    def insert(self, first, last):
        columns = row("i", self.stream.disordered)
        self.connection.execute(
            f"INSERT INTO {self.stream.name} ({INSERTED}) "
            f"SELECT {columns} FROM generate_series({first}, {last}) AS i"
        )

    def is_connected(self):
        if self.connection is None or self.connection.closed:
            with contextlib.suppress(psycopg.OperationalError):
                self.connection = self.connect()
        return self.connection is not None and not self.connection.closed

    def send(self, count):
        if not self.is_connected():
            return
        sent = []
        try:
            self.finish_prepared()
            kind = self.random.choice(KINDS)
            if kind == "prepare":
                self.prepare(count)
            else:
                self.transact(kind, count, sent)
        except psycopg.OperationalError:
            self.stream.unknown.update(sent)
            self.connection.close()

    def prepare(self, count):
        first, last = self.ids(count)
        self.made += 1
        name = f"{self.name} {self.made}"
        self.prepared = (name, range(first, last + 1), self.random.random() < 0.8)
        self.connection.execute("BEGIN")
        self.insert(first, last)
        self.connection.execute(f"PREPARE TRANSACTION '{name}'")
        if self.stream.overlaps:
            time.sleep(self.random.uniform(0, 0.03))
        self.finish_prepared()

    def finish_prepared(self):
        """Where the server went away meanwhile it is there still, or has ended, or never was."""
        if self.prepared is None:
            return
        name, numbers, commits = self.prepared
        if commits:
            self.stream.unknown.update(numbers)
        if self.connection.execute(
            "SELECT 1 FROM pg_prepared_xacts WHERE gid = %s", [name]
        ).fetchall():
            self.connection.execute(f"{'COMMIT' if commits else 'ROLLBACK'} PREPARED '{name}'")
            if commits:
                self.stream.committed.update(numbers)
        self.prepared = None

    def settle(self):
        end = time.monotonic() + DEADLINE
        while self.prepared and time.monotonic() < end:
            if self.is_connected():
                with contextlib.suppress(psycopg.OperationalError):
                    self.finish_prepared()
            time.sleep(TICK)

    def transact(self, kind, count, sent):
        """sent: the numbers that are there if the transaction is committed."""

        def insert():
            first, last = self.ids(count)
            sent.extend(range(first, last + 1))
            self.insert(first, last)

        if kind == "plain":
            insert()
            self.stream.committed.update(sent)
            return
        self.connection.execute("BEGIN")
        for _ in range(3 if kind == "many" else 1):
            insert()
        if kind == "savepoint":
            self.connection.execute("SAVEPOINT s")
            self.insert(*self.ids(count))
            self.connection.execute("ROLLBACK TO s")
            insert()
        if self.stream.overlaps:
            time.sleep(self.random.uniform(0, 0.03))
        if kind == "rollback":
            sent.clear()
            self.connection.execute("ROLLBACK")
            return
        self.connection.execute("COMMIT")
        self.stream.committed.update(sent)

    def close(self):
        if self.connection is not None:
            self.connection.close()


class Told:
    """Reads topics as a consumer sees them that reads what is committed. One for all is cheap."""

    def __init__(self, broker):
        self.counts = {}  # messages by topic
        self.consumer = Consumer(
            {
                "bootstrap.servers": broker.address,
                "group.id": "told",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
                "reconnect.backoff.max.ms": 200,
                "fetch.wait.max.ms": 200,
            }
        )

    def add(self, topics, partitions):
        self.counts.update(dict.fromkeys(topics, 0))
        self.consumer.incremental_assign(
            [TopicPartition(topic, n, 0) for topic in topics for n in range(partitions)]
        )

    def poll(self, timeout):
        """What is new: topic, number, key, value."""
        rows = []
        for message in self.consumer.consume(10000, timeout):
            if message.error() is None:
                topic = message.topic()
                rows.append((topic, self.counts[topic], text(message.key()), text(message.value())))
                self.counts[topic] += 1
        return rows

    def close(self):
        self.consumer.close()


def text(value):
    return None if value is None else value.decode()
