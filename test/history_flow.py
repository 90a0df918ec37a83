"""Threads that send numbered messages, to topics and to streams kept in the database."""

import contextlib
import random
import threading
import time

import psycopg
from confluent_kafka import KafkaError, KafkaException

from conftest import DEADLINE
from history_model import ROW, Failed, message

TICK = 0.01


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
                    self.is_running.wait(0.05)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
            self.is_idle.set()
        self.close()

    def pause(self):
        self.is_running.clear()
        self.is_idle.clear()
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
        self.producer = broker.producer()
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
        while True:
            try:
                self.producer.produce(
                    self.stream.topic,
                    message(number),
                    partition=partition,
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
                self.stream.arrived.append((number, sent.partition(), sent.offset()))

        return note

    def settle(self):
        self.producer.flush()

    def close(self):
        self.producer.flush(DEADLINE)


class LogFlow(Flow):
    """Transactions of all kinds. Those of several such threads overlap."""

    lock = threading.Lock()

    def __init__(self, connect, stream, seed):
        super().__init__()
        self.connect = connect
        self.stream = stream
        self.random = random.Random(seed)
        self.connection = None

    def ids(self, count):
        with self.lock:
            first = self.stream.next_id
            self.stream.next_id += count
        return first, first + count - 1

    def insert(self, first, last):
        columns = ROW.format(id="i")
        self.connection.execute(
            f"INSERT INTO {self.stream.name} (id, k, v, at) "
            f"SELECT {columns} FROM generate_series({first}, {last}) AS i"
        )

    def send(self, count):
        if self.connection is None or self.connection.closed:
            with contextlib.suppress(psycopg.OperationalError):
                self.connection = self.connect()
            return
        sent = []
        try:
            self.transact(
                self.random.choice(["plain", "plain", "block", "savepoint", "rollback", "many"]),
                count,
                sent,
            )
        except psycopg.OperationalError:
            self.stream.unknown.update(sent)
            self.connection.close()

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
