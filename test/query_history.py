"""Histories of random queries: views of what is accepted, rows in commits of many sizes, and after
each of some commits every view equals the same text run as a batch.
"""

import random
import re
import time
from collections import Counter

import psycopg
from conftest import fresh_database, kill, wait_until
from history_model import Failed
from queries import SLOW, Relation, accepted, create_batch, differences, reads_a_stream
from queries_more import TYPES
from queries_tables import generator

OPTIONS = ["", "", ", on_error = pause"]
# Where nothing but workers chooses rows and columns, values look the same as well.
MERGES = re.compile(
    r"GROUP BY|DISTINCT|UNION|EXCEPT|INTERSECT|USING|m(in|ax)\(|mode\(|sum\(|avg\(", re.IGNORECASE
)


class QueryHistory:
    """Draws queries, and in between and afterwards what happens to their streams.

    A history of several partitions has streams in topics, and a restart; of others a few have one.
    With keeps_on what fails is put into failures, and its view looked at no more.
    """

    def __init__(self, server, broker, name, seed, queries=40, looks=8, keeps_on=False):
        self.server = server
        self.broker = broker
        self.name = name
        self.seed = seed
        self.random = random.Random(f"{seed} history")
        self.nqueries = queries
        self.looks = looks
        self.keeps_on = keeps_on
        self.schema, self.queries = generator(seed)
        self.views = {}  # queries by name: those that were right so far
        self.failures = []  # of Failed
        self.refusals = Counter()  # by reason
        self.tags = Counter()  # of what was accepted
        self.compared = set()  # names of views that were compared, and never wrong
        self.comparisons = 0
        self.steps = []  # what made it, in order, without what disturbs: SQL, or a view's name
        self.topics = []
        self.has_partitions = self.random.random() < 0.25
        self.restarts = self.has_partitions or self.random.random() < 0.1

    def run(self):
        """All of it, in a fresh database. Raises Failed."""
        restart = self.random.randrange(self.looks) if self.restarts else None
        try:
            with fresh_database(self.server, self.name, self.broker) as db:
                self.create(db)
                for look in range(self.looks):
                    self.change(db)
                    self.disturb(db)
                    if look == restart:
                        db.close()
                        self.server.stop("immediate")
                        self.server.start()
                    self.compare(db)
                # What comes out is text for people; that it does is the point.
                db.execute("SELECT count(*) FROM unnest(%s::text[]) AS name, "
                           "cq.explain(name::regclass)", list(self.views))
        finally:
            self.server.set(cq__batch_rows=None, cq__workers=None)
            if self.topics:
                self.broker.admin.delete_topics(self.topics)
        return self

    def execute(self, db, statement):
        db.execute(statement)
        self.steps.append(statement)

    def create(self, db):
        if self.broker is not None:
            db.create_server()
        for statement in [*TYPES, *self.schema.ddl(self.place), *self.schema.fill_tables()]:
            self.execute(db, statement)
        for number in range(self.nqueries):
            # Some begin when there is something already.
            if self.random.random() < 4 / self.nqueries:
                self.change(db)
            query = self.queries.query()
            if reads_a_stream(self.schema, query.text):
                self.create_view(db, f"v{number}", query)

    def place(self, stream):
        """Its server and options. Of several partitions the first one has."""
        if not self.has_partitions or stream.name != "s0" and self.random.random() < 0.3:
            return "cq_log", {}
        topic = f"{self.name}_{stream.name}"
        least = 2 if stream.name == "s0" else 1
        self.broker.create_topic(topic, self.random.randint(least, 4))
        self.topics.append(topic)
        return "kafka", {"topic": topic}

    def create_view(self, db, name, query):
        if not create_batch(db.connection, name, query):
            return
        if query.columns and self.random.random() < 0.1:
            self.execute(db, f"CREATE VIEW {name} AS {query.text}")
            self.steps.append(f"CREATE VIEW truth.{name} AS {query.text}")
            self.schema.relations.append(Relation(name, query.columns, "view"))
            return
        options = self.random.choice(OPTIONS) + self.schema.options
        try:
            reason = accepted(db.connection, name, query, options)
        except psycopg.Error as error:
            self.fail("create", name, query, str(error))
            return
        if reason is not None:
            self.refusals[reason] += 1
            db.execute(f"DROP VIEW truth.{name}")
            return
        self.steps.append((name, query.text, self.schema.options))
        self.views[name] = query
        self.tags.update(query.tags)
        if query.columns and self.random.random() < 0.1:
            self.schema.relations.append(Relation(name, query.columns, "view"))

    def fail(self, kind, name, query, detail):
        failure = Failed(kind, f"seed {self.seed}, {name}: {kind}: {detail}\n{query.text}")
        if not self.keeps_on:
            raise failure
        self.views.pop(name, None)
        self.compared.discard(name)
        self.failures.append((name, failure))

    # ---- what happens ----

    def change(self, db):
        """A commit; some are of several streams, or rolled back."""
        # The smaller the batches, the fewer rows: it is batches that take time.
        batch, rows = self.random.choice([(1, 2), (3, 5), (5, 12), (100, 12), (None, 12)])
        self.server.set(cq__batch_rows=batch)
        commits = self.random.random() < 0.9
        db.execute("BEGIN")
        statements = []
        for _ in range(self.random.randint(1, 4)):
            statements += self.schema.rows(self.random.choice([1, rows, rows]))
        if self.random.random() < 0.2:
            # They are told, and taken back, before the rest.
            db.execute("SAVEPOINT undone")
            for statement in self.schema.rows(rows):
                db.execute(statement)
            db.execute("ROLLBACK TO undone")
        for statement in statements:
            db.execute(statement)
        db.execute("COMMIT" if commits else "ROLLBACK")
        if commits:
            self.steps += [*statements, "WAIT"]

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

    # ---- the oracle ----

    def compare(self, db):
        self.await_views(db)
        for name, query in list(self.views.items()):
            began = time.monotonic()
            try:
                missing, extra = differences(
                    db.connection, name, is_strict=not MERGES.search(query.text)
                )
            except psycopg.Error as error:
                if self.batch_fails(db, name):
                    del self.views[name]  # there is nothing to compare with, ever after
                else:
                    self.fail("read", name, query, str(error))
                continue
            self.comparisons += 1
            self.compared.add(name)
            # The row of the empty set is there from the first row on.
            if "grouping sets" in query.tags and not db.execute(f"SELECT FROM {name} LIMIT 1"):
                continue
            if missing or extra:
                state = "" if self.keeps_on else db.state(name)
                self.fail("rows", name, query, f"missing {missing}, too many {extra}\n{state}")
            elif time.monotonic() - began > SLOW:
                self.leave(db, name)

    def leave(self, db, name):
        """Products of products only take time, the longer the more rows there are."""
        try:
            db.execute(f"DROP VIEW {name}")
            del self.views[name]
        except psycopg.errors.DependentObjectsStillExist:
            pass

    def batch_fails(self, db, name):
        try:
            db.execute(f"SELECT count(x::text) FROM truth.{name} AS x")
            return False
        except psycopg.Error:
            return True

    def await_views(self, db):
        """Until all of them are at the end: one wait for all, and its reason where it is none."""

        def wait():
            self.leave_bad(db)
            try:
                return db.value(
                    "SELECT coalesce(bool_and(cq.wait(name::regclass, '10 s')), true) "
                    "FROM unnest(%s::text[]) AS name",
                    list(self.views),
                )
            except psycopg.errors.ObjectNotInPrerequisiteState:
                return False  # one has stopped since

        wait_until(wait, lambda: (self.seed, db.execute("TABLE cq.positions")))
        self.leave_bad(db)

    def leave_bad(self, db):
        """What has stopped, or left out a row, has to be a query that fails as a batch as well, or
        one that reads more rows for each batch than it may: products of products."""
        bad = db.execute(
            "SELECT view::text, status, bad_rows, to_jsonb(views)::text FROM cq.views "
            "WHERE (status NOT IN ('running', 'waiting', 'catching up') OR bad_rows > 0) "
            "AND view::text = ANY (%s)",
            list(self.views),
        )
        for name, status, bad_rows, state in bad:
            query = self.views[name]
            if self.batch_fails(db, name) or "cq.max_global_rows" in state:
                del self.views[name]
                continue
            errors = db.execute(
                "SELECT sqlstate, message FROM cq.errors WHERE view = %s::regclass LIMIT 2", name
            )
            self.fail("status", name, query, f"{status}, {bad_rows} bad rows: {errors}\n{state}")
