"""Sinks made by hand: a view, its outbox, its rows in the catalog, and rows put into the outbox as batches do it."""
import json

from confluent_kafka import Consumer, TopicPartition
from psycopg import sql

from conftest import wait_until

OUTBOX = ('id bigint PRIMARY KEY, topic text, partition integer, "timestamp" timestamptz, key bytea, value bytea, headers jsonb')


class Sink:
    """A continuous view with a sink: its outbox is filled by the test."""

    def __init__(self, db, topic, name="v", server="kafka", start=True):
        self.db = db
        self.topic = topic
        self.name = name
        db.execute("CREATE FOREIGN TABLE IF NOT EXISTS s (i int) SERVER cq_log")
        db.execute(sql.SQL("CREATE FOREIGN TABLE {} (value text) SERVER {} OPTIONS (topic {})").format(
            sql.Identifier(f"{name}_sink"), sql.Identifier(server), sql.Literal(topic)).as_string(None))
        db.execute(f"CREATE CONTINUOUS VIEW {name} AS SELECT i FROM s")
        db.execute(f"CREATE TABLE _cq.{name}_outbox ({OUTBOX})")
        if start:
            self.start()

    def start(self, epoch=None):
        self.db.execute(f"INSERT INTO _cq.part (relation, view, node, role, number) "
                        f"VALUES ('_cq.{self.name}_outbox', '{self.name}', 0, 'outbox', 1) ON CONFLICT DO NOTHING")
        self.db.execute(f"INSERT INTO _cq.outbox_end (view) VALUES ('{self.name}'::regclass)")
        self.db.execute(f"INSERT INTO _cq.sink (view, sink, outbox, epoch) VALUES ('{self.name}'::regclass, '{self.name}_sink'::regclass,"
                        f" '_cq.{self.name}_outbox'::regclass, coalesce(%s::bigint, (random() * 9e18)::bigint))", epoch)
        # As CREATE does it: the emitter hears of it.
        self.db.execute(f"ALTER VIEW {self.name} SET (on_error = 'skip')")
        self.db.execute("SELECT _cq.wake_emitter()")

    def put(self, query, db=None):
        """A batch: numbers the rows of a query (key text, value text, and what else is given) and wakes the emitter."""
        db = db or self.db
        db.execute(f"""
            WITH r AS MATERIALIZED (SELECT row_number() OVER () AS n, x.* FROM ({query}) x),
                 e AS (UPDATE _cq.outbox_end SET next_id = next_id + (SELECT count(*) FROM r)
                       WHERE view = '{self.name}'::regclass RETURNING next_id - (SELECT count(*) FROM r) AS first)
            INSERT INTO _cq.{self.name}_outbox
            SELECT e.first + r.n - 1, j->>'topic', (j->>'partition')::int, (j->>'timestamp')::timestamptz,
                   convert_to(j->>'key', 'UTF8'), convert_to(j->>'value', 'UTF8'), nullif(j->'headers', 'null')
            FROM r, e, LATERAL to_jsonb(r) j""")
        db.execute("SELECT _cq.wake_emitter()")

    def state(self):
        """For messages of failed tests, as well."""
        return self.db.execute("SELECT state, detail, pending_rows, sent_rows, last_error FROM cq.sinks WHERE view = %s::regclass", self.name)

    def await_state(self, state, deadline=60):
        wait_until(lambda: self.state()[0][0] == state, self.state, deadline)

    def await_sent(self, deadline=60):
        wait_until(lambda: self.state()[0][2] == 0, self.state, deadline)

    def transactional_id(self):
        return self.db.value("SELECT transactional_id FROM cq.sinks WHERE view = %s::regclass", self.name)

    def emitter_pid(self):
        rows = self.db.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq emitter' AND datname = current_database()")
        return rows[0][0] if rows else None


class Reader:
    """Reads a topic's partitions from the beginning, committed messages only."""

    def __init__(self, broker, topic, partitions=1):
        self.consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "reader", "isolation.level": "read_committed",
                                  "auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 0,
                                  "reconnect.backoff.max.ms": 200, "fetch.wait.max.ms": 20})
        self.consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        self.messages = []

    def poll(self):
        for message in self.consumer.consume(10000, 0.05):
            if message.error() is None:
                self.messages.append(message)
        return self.messages

    def read(self, count, deadline=60):
        """Waits for so many messages in all."""
        wait_until(lambda: len(self.poll()) >= count, lambda: f"{len(self.messages)} messages instead of {count}", deadline)
        return self.messages

    def values(self):
        return [json.loads(message.value()) for message in self.messages]

    def close(self):
        self.consumer.close()
