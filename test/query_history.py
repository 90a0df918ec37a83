"""Histories of random queries: views of what is accepted, rows in commits of many sizes, and after
each of some commits every view equals the same text run as a batch.
"""

import random
from collections import Counter

from conftest import fresh_database, kill, wait_until
from history_model import Failed
from queries import Relation, accepted, create_batch, differences, reads_a_stream
from queries_more import TYPES, generator

OPTIONS = ["", "", ", on_error = pause"]


class QueryHistory:
    """Each view is compared so often; a history of several partitions has streams in topics."""

    def __init__(self, server, broker, name, seed, queries=40, commits=8):
        self.server = server
        self.broker = broker
        self.name = name
        self.seed = seed
        self.random = random.Random(f"{seed} history")
        self.nqueries = queries
        self.commits = commits
        self.schema, self.queries = generator(seed)
        self.views = {}  # queries by name
        self.refusals = Counter()  # by reason
        self.tags = Counter()  # of what was accepted
        self.comparisons = 0
        self.topics = []
        self.has_partitions = self.random.random() < 0.3

    def run(self):
        """All of it, in a fresh database. Raises Failed."""
        try:
            with fresh_database(self.server, self.name, self.broker) as db:
                self.create(db)
                for _ in range(self.commits):
                    self.change(db)
                    self.disturb(db)
                    self.compare(db)
        finally:
            self.server.set(cq__batch_rows=None, cq__workers=None)
            if self.topics:
                self.broker.admin.delete_topics(self.topics)
        return self

    def create(self, db):
        db.create_server()
        for statement in [*TYPES, *self.schema.ddl(self.place)]:
            db.execute(statement)
        for statement in self.schema.fill_tables():
            db.execute(statement)
        for number in range(self.nqueries):
            # Some begin when there is something already.
            if self.random.random() < 0.2:
                self.change(db)
            query = self.queries.query()
            if reads_a_stream(self.schema, query.text):
                self.create_view(db, f"v{number}", query)

    def place(self, stream):
        if not self.has_partitions or self.random.random() < 0.3:
            return "SERVER cq_log"
        topic = f"{self.name}_{stream.name}"
        self.broker.create_topic(topic, self.random.randint(1, 4))
        self.topics.append(topic)
        return f"SERVER kafka OPTIONS (topic '{topic}')"

    def create_view(self, db, name, query):
        if not create_batch(db.connection, name, query):
            return
        if query.columns and self.random.random() < 0.1:
            db.execute(f"CREATE VIEW {name} AS {query.text}")
            self.schema.relations.append(Relation(name, query.columns, "view"))
            return
        reason = accepted(db.connection, name, query, self.random.choice(OPTIONS))
        if reason is not None:
            self.refusals[reason] += 1
            db.execute(f"DROP VIEW truth.{name}")
            return
        self.views[name] = query
        self.tags.update(query.tags)
        if query.columns and self.random.random() < 0.1:
            self.schema.relations.append(Relation(name, query.columns, "view"))

    # ---- what happens ----

    def change(self, db):
        """A commit; some are of several streams, or rolled back."""
        self.server.set(cq__batch_rows=self.random.choice([1, 3, 100, None]))
        commits = self.random.random() < 0.9
        db.execute("BEGIN")
        for _ in range(self.random.randint(1, 4)):
            for statement in self.schema.rows(self.random.choice([1, 5, 50])):
                db.execute(statement)
        db.execute("COMMIT" if commits else "ROLLBACK")

    def disturb(self, db):
        if self.views and self.random.random() < 0.4:
            db.execute("SELECT cq.reset(%s::regclass)", self.random.choice(list(self.views)))
        if self.views and self.random.random() < 0.4:
            name = self.random.choice(list(self.views))
            db.execute("SELECT cq.pause(%s::regclass)", name)
            self.change(db)
            db.execute("SELECT cq.resume(%s::regclass)", name)
        if self.random.random() < 0.3:
            self.server.set(cq__workers=self.random.choice([1, 2, 3, None]))
        if self.random.random() < 0.3:
            for pid in db.worker_pids():
                kill(pid, self.random.choice([2, 15]))
        if self.random.random() < 0.1:
            db.close()
            self.server.stop("immediate")
            self.server.start()

    # ---- the oracle ----

    def compare(self, db):
        for name in self.views:
            self.await_view(db, name)
        for name, query in self.views.items():
            self.comparisons += 1
            missing, extra = differences(db.connection, name)
            # The row of the empty set is there from the first row on.
            if "grouping sets" in query.tags and not db.execute(f"TABLE {name}"):
                continue
            if missing or extra:
                raise Failed(
                    "rows",
                    f"seed {self.seed}, {name}: missing {missing}, too many {extra}\n"
                    f"{query.text}\n{db.state(name)}",
                )

    def await_view(self, db, name):
        def is_there():
            status = db.value("SELECT status FROM cq.views WHERE view = %s::regclass", name)
            if status not in ("running", "waiting"):
                raise Failed(
                    "status",
                    f"seed {self.seed}, {name} is {status}: {self.views[name].text}\n"
                    f"{db.state(name)}",
                )
            return db.value("SELECT cq.wait(%s::regclass, '10 s')", name)

        wait_until(is_there, lambda: (self.seed, name, db.state(name)))
