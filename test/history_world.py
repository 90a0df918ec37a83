"""The world of a random history: a database with streams and views, what is known of them, and the
steps that change it.

What a command does to the model is noted where it is known that it was committed: each one leaves a
mark in its transaction.
"""

import contextlib
import datetime
import json
import random
import signal
import time

import psycopg
from confluent_kafka import KafkaException

from conftest import DEADLINE, kill
from history_flow import TICK, KafkaFlow, LogFlow, Told
from history_model import SLIDING_BEFORE, TYPES, Failed, Retention, Stream, View
from history_quiet import Quiet, now

OWNERS = ["postgres", "history_one", "history_two"]
SCHEMAS = ["public", "other"]
# What a command may fail with where something else is going on: then it did nothing.
TOLERATED = {"40P01", "55P03", "57014", "40001"}
SINKS = 12  # topics for sinks that are made at once
LOCK_TIMEOUT = 30  # seconds; where no transaction of ours is open, nobody holds a lock so long


class World(Quiet):
    """A database with streams and views, and what is known of them."""

    def __init__(self, server, broker, name, seed, partitions=(3, 1), disordered=(False, False)):
        self.server = server
        self.broker = broker
        self.name = name
        self.views = {}
        self.topics = []
        self.reader = None  # of all topics that sinks write to
        self.sink_topics = []  # that are there, and no sink's yet
        self.comparisons = 0
        self.forgetful = 0  # comparisons of views that had forgotten something
        self.zero = None
        self.log_read = (server.directory / "log").stat().st_size
        self.tolerated = 0
        self.marks = 0
        self.made = 0
        self.connection = None
        self.open = None  # another session's transaction: Open
        self.slowest = 0  # seconds until all views were there, at the last quiet point
        self.settle_random = random.Random(f"{seed} ask")
        self.seed = seed
        self.streams = {}
        self.flows = []
        for number, count in enumerate(partitions):
            self.add_stream(Stream(f"kafka{number}", f"{name}_{number}", count, number == 0))
        self.streams["kafka1"].disordered = disordered[0]
        self.add_stream(Stream("log", disordered=disordered[1]))
        self.add_stream(Stream("overlapping", overlaps=True))
        self.add_stream(Stream("changing", f"{name}_changing", partitions[1], changes=True))

    def add_stream(self, stream):
        self.streams[stream.name] = stream

    # ---- beginning and end ----

    def begin(self):
        with self.server.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{self.name}"')
            for owner in OWNERS[1:]:
                with contextlib.suppress(psycopg.errors.DuplicateObject):
                    connection.execute(f"CREATE ROLE {owner}")
        self.execute(
            f"CREATE EXTENSION pg_cq; CREATE SCHEMA truth; CREATE SCHEMA other; {TYPES}; "
            "GRANT ALL ON SCHEMA public, other TO PUBLIC; "
            "CREATE TABLE truth.mark (number int PRIMARY KEY); "
            "CREATE TABLE truth.told "
            "(topic text, n bigint, key text, value jsonb, PRIMARY KEY (topic, n)); "
            "CREATE SERVER kafka FOREIGN DATA WRAPPER cq_kafka "
            f"OPTIONS (bootstrap_servers '{self.broker.address}', "
            "\"reconnect.backoff.max.ms\" '200', \"topic.metadata.refresh.interval.ms\" '1000'); "
            "GRANT ALL ON FOREIGN SERVER kafka, cq_log TO PUBLIC; "
            "CREATE TABLE dim AS SELECT k, 'n' || k % 4 AS name FROM generate_series(0, 5) AS k; "
            "GRANT ALL ON dim TO PUBLIC"
        )
        ((self.zero,),) = self.execute(f"SELECT (now() - interval '{SLIDING_BEFORE}')::text")
        self.reader = Told(self.broker)
        self.add_sink_topics([f"{self.name}_sink{number}" for number in range(SINKS)])
        for stream in self.streams.values():
            if stream.topic is not None:
                time_type = "LogAppendTime" if stream.stamped else "CreateTime"
                self.create_topics(
                    [stream.topic], stream.partitions, message_timestamp_type=time_type
                )
                self.broker.await_partitions(stream.topic, stream.partitions)
            self.execute(stream.create())
            stream.noted_at = now()
            if stream.topic is not None:
                self.flows.append(KafkaFlow(self.broker, stream, f"{self.seed} {stream.name}"))
            else:
                for number in range(2 if stream.overlaps else 1):
                    self.flows.append(
                        LogFlow(
                            self.connect,
                            stream,
                            f"{self.name} {stream.name} {number}",
                            f"{self.seed} {stream.name} {number}",
                        )
                    )
        for flow in self.flows:
            flow.is_running.set()
            flow.start()

    def end(self):
        for flow in self.flows:
            flow.has_ended = True
        for flow in self.flows:
            flow.end()
        if self.open:
            self.open.connection.close()
        if self.reader is not None:
            self.reader.close()
        if self.connection is not None:
            self.connection.close()
        self.end_prepared()
        with self.server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        for deleted in self.broker.admin.delete_topics(self.topics).values():
            with contextlib.suppress(TimeoutError):
                deleted.exception(30)

    def add_sink_topics(self, names):
        self.create_topics(names, 2)
        self.reader.add(names, 2)
        self.sink_topics += names

    def end_prepared(self):
        with contextlib.suppress(psycopg.OperationalError):
            with self.server.connect(self.name) as connection:
                for (name,) in connection.execute(
                    "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
                ).fetchall():
                    connection.execute(f"ROLLBACK PREPARED '{name}'")

    def create_topics(self, names, partitions, **config):
        """A broker that has just started, or is slow, cannot at once."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.broker.create_topics(names, partitions, **config)
                break
            except KafkaException as error:
                if time.monotonic() > end or "fenced" not in str(error):
                    raise
                time.sleep(10 * TICK)
        self.topics += names

    # ---- statements ----

    def connect(self):
        return self.server.connect(self.name, options=f"-c lock_timeout={LOCK_TIMEOUT}s")

    def get_connection(self):
        """Waits for a server that recovers."""
        end = time.monotonic() + DEADLINE
        while self.connection is None or self.connection.closed:
            try:
                self.connection = self.connect()
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(TICK)
        return self.connection

    def execute(self, query, *parameters):
        """Something that may be done again where the server went away."""
        while True:
            connection = self.get_connection()
            try:
                cursor = connection.execute(query, parameters or None)
                while cursor.nextset():
                    pass
                return cursor.fetchall() if cursor.description else None
            except psycopg.OperationalError:
                if not connection.closed:
                    raise

    def has_mark(self, number):
        return bool(self.execute("SELECT 1 FROM truth.mark WHERE number = %s", number))

    def command(self, statement, effect, role="postgres", tolerated=frozenset()):
        """One transaction. Its effect on the model where it was committed."""
        self.marks += 1
        mark = self.marks
        text = (
            f"BEGIN; SET LOCAL ROLE {role}; {statement}; RESET ROLE; "
            f"INSERT INTO truth.mark VALUES ({mark}); COMMIT"
        )
        connection = self.get_connection()
        if self.open:
            connection.execute("SET lock_timeout = '500ms'")
        try:
            connection.execute(text)
        except psycopg.Error as error:
            if connection.closed:
                if not self.has_mark(mark):
                    return False
            else:
                connection.execute("ROLLBACK")
                passes = error.sqlstate in TOLERATED | tolerated
                if not passes or (error.sqlstate == "55P03" and not self.open):
                    raise Failed("command", f"{statement}: {error}") from error
                self.tolerated += 1
                return False
        finally:
            if self.open and not connection.closed:
                connection.execute("RESET lock_timeout")
        effect()
        return True

    # ---- steps: views ----

    def do_create(self, **what):
        what["begin"] = {
            int(partition): offset for partition, offset in what.get("begin", {}).items()
        }
        retention = what.pop("retention", None)
        ago = what.pop("ago", None)
        if ago is not None:
            what["start"] = str(now() - datetime.timedelta(seconds=ago))
        view = View(**what, zero=self.zero)
        if not view.follows:
            view.stream_delay = self.streams[view.source].delay_ms()
        if retention is not None:
            view.retention = Retention(retention["by"])
            view.retention.change(retention["seconds"])
        targets = {other.target for other in self.views.values()}
        if view.follows and view.follows not in targets or view.name in self.views:
            return
        if view.begin:
            self.clamp(view.source, view.begin)
            view.start = json.dumps(view.begin) if view.begin else "earliest"
        with self.still(view):
            statement, effect = self.create_view(view)
            self.command(statement, effect, view.owner)

    def clamp(self, source, begin):
        """Where steps were left out there may be less than there was."""
        ends = self.ends(self.streams[source])
        for partition in list(begin):
            if partition in ends:
                begin[partition] = min(begin[partition], ends[partition])
            else:
                del begin[partition]

    @contextlib.contextmanager
    def still(self, view, starts_latest=None):
        """Nobody sends while a view is to begin at the end of the stream: what is its end then?

        That is known of messages alone that have the broker's time.
        """
        if starts_latest is None:
            starts_latest = view.start == "latest"
        flows = [
            flow
            for flow in self.flows
            if flow.stream.name in view.streams() and not flow.stream.stamped and starts_latest
        ]
        for flow in flows:
            flow.pause()
        yield
        for flow in flows:
            flow.is_running.set()

    def create_view(self, view):
        if view.output in ("append", "upsert"):
            if not self.sink_topics:
                self.add_sink_topics([f"{self.name}_{view.target}"])
            view.topic = self.sink_topics.pop()
        target = view.create_target()

        def effect():
            self.views[view.name] = view
            self.note_start(view, "created_at")

        grant = (
            f"; GRANT ALL ON {view.target} TO PUBLIC"
            if view.target and view.output != "changes"
            else ""
        )
        grant_changes = (
            f"; GRANT ALL ON {view.schema}.{view.target} TO PUBLIC"
            if view.output == "changes"
            else ""
        )
        return (
            f"SET LOCAL search_path = public; {target + grant + ';' if target else ''} "
            f"{view.create()}{grant_changes}",
            effect,
        )

    def note_start(self, view, column):
        """With start = 'latest', or a time: since when."""
        is_time = view.start[0].isdigit()
        view.after = view.start if is_time else None
        if view.start == "latest":
            ((view.after,),) = self.execute(
                f"SELECT {column}::text FROM _cq.view WHERE view = %s::regclass", view.path
            )

    def on_view(self, name):
        """None where it has gone, or another session is about to change it."""
        if self.open and name in self.open.names:
            return None
        return self.views.get(name)

    def change(self, name, make, starts_latest=False):
        """make(view) gives the statement and what it does to the view."""
        view = self.on_view(name)
        if view is not None:
            with self.still(view, starts_latest):
                statement, effect = make(view)
                self.command(statement, effect, view.owner)

    def do_pause(self, name):
        self.change(name, self.pause)

    def pause(self, view):
        return f"SELECT cq.pause('{view.path}')", lambda: setattr(view, "is_paused", True)

    def do_resume(self, name):
        self.change(name, self.resume)

    def resume(self, view):
        return f"SELECT cq.resume('{view.path}')", lambda: setattr(view, "is_paused", False)

    def do_reset(self, name, begin):
        self.change(name, lambda view: self.reset(view, begin), begin == "latest")

    def reset(self, view, begin):
        """begin: offsets by partition, or latest."""
        if begin == "latest":
            start, begin = begin, {}
        else:
            begin = {int(partition): offset for partition, offset in begin.items()}
            self.clamp(view.source, begin)
            start = json.dumps(begin) if begin else "earliest"

        def effect():
            view.begin = begin
            view.start = start
            view.was_reset = True
            if view.retention:
                view.retention.begin_again()
            self.note_start(view, "start")

        return f"SELECT cq.reset('{view.path}', '{start}')", effect

    def do_replace(self, name, where):
        self.change(
            name,
            lambda view: self.replace(view, where),
            name in self.views and self.views[name].start == "latest",
        )

    def replace(self, view, where):
        """The same columns. It begins again, with what the options say now."""
        new = View(**{**view.__dict__, "where": where})

        def effect():
            view.where = where
            view.was_reset = True
            view.is_paused = False
            if view.retention:
                view.retention.begin_again()
            self.note_start(view, "created_at")

        return new.create(or_replace=True), effect

    def do_rename(self, name, new):
        self.change(name, lambda view: self.rename(view, new))

    def rename(self, view, new):
        def effect():
            del self.views[view.name]
            view.name = new
            self.views[new] = view

        return f"ALTER VIEW {view.path} RENAME TO {new}", effect

    def do_set_schema(self, name, schema):
        self.change(
            name,
            lambda view: (
                f"ALTER VIEW {view.path} SET SCHEMA {schema}",
                lambda: setattr(view, "schema", schema),
            ),
        )

    def do_set_owner(self, name, owner):
        view = self.on_view(name)
        if view is not None:
            self.command(
                f"ALTER VIEW {view.path} OWNER TO {owner}", lambda: setattr(view, "owner", owner)
            )

    def do_set_on_error(self, name, on_error):
        self.change(
            name,
            lambda view: (
                f"ALTER VIEW {view.path} SET (on_error = '{on_error}')",
                lambda: setattr(view, "on_error", on_error),
            ),
        )

    def do_set_retention(self, name, seconds):
        """None: without one from now on."""

        def make(view):
            if view.retention is None:
                view.retention = Retention("change")
            how = "RESET (retention)" if seconds is None else f"SET (retention = '{seconds} s')"
            return f"ALTER VIEW {view.path} {how}", lambda: view.retention.change(seconds)

        self.change(name, make)

    def do_drop(self, name):
        self.change(name, self.drop)

    def drop(self, view):
        target = view.drop_target()

        def effect():
            for other in [
                other
                for other in self.views.values()
                if other is view or other.follows == view.target and view.target
            ]:
                del self.views[other.name]

        return f"DROP VIEW {view.path} CASCADE" + (f"; {target}" if target else ""), effect

    # ---- steps: streams and types ----

    def do_alter(self, statement):
        """Something that changes no answer. It may find that a view needs what is to go."""
        self.command(statement, lambda: None, tolerated={"2BP01"})

    def do_set_option(self, stream, option, value):
        """Of a stream; None: it goes."""

        def has_option():
            return self.execute(
                "SELECT 1 FROM pg_foreign_table, pg_options_to_table(ftoptions) "
                "WHERE ftrelid = %s::regclass AND option_name = %s",
                stream,
                option.strip('"'),
            )

        if has_option():
            how = f"DROP {option}" if value is None else f"SET {option} '{value}'"
        elif value is None:
            return
        else:
            how = f"ADD {option} '{value}'"
        self.command(f"ALTER FOREIGN TABLE {stream} OPTIONS ({how})", lambda: None)

    # ---- steps: another session's transaction ----

    def do_open(self):
        if self.open is None:
            self.get_connection()
            with contextlib.suppress(psycopg.OperationalError):
                self.open = Open(self)

    def do_within(self, kind, name=None, **arguments):
        """A command in the open transaction, on a view that nobody else is about to change."""
        if self.open:
            self.open.do(kind, name, **arguments)

    def do_prepare(self):
        if self.open:
            self.open.prepare()

    def do_close(self, commits):
        if self.open:
            opened, self.open = self.open, None
            opened.close(commits)

    # ---- steps: messages and disturbances ----

    def do_flow(self, rates):
        for flow in self.flows:
            flow.rate = rates.get(flow.stream.name, 0)

    def do_wait(self, seconds):
        time.sleep(seconds)

    def do_set(self, **settings):
        self.execute("SELECT 1")
        self.server.set(**settings)

    def worker_pids(self):
        return [pid for (pid,) in self.execute("SELECT pid FROM cq.workers WHERE pid IS NOT NULL")]

    def helper_pids(self):
        return [
            pid
            for (pid,) in self.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type ~ '^pg_cq' AND pid NOT IN "
                "(SELECT pid FROM cq.workers WHERE pid IS NOT NULL)"
            )
        ]

    def do_cancel(self):
        for pid in self.worker_pids():
            kill(pid, signal.SIGINT)

    def do_terminate(self):
        for pid in self.worker_pids():
            kill(pid, signal.SIGTERM)

    def do_terminate_helpers(self):
        for pid in self.helper_pids():
            kill(pid, signal.SIGTERM)

    def do_freeze(self, seconds):
        pids = self.worker_pids()
        for pid in pids:
            kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in pids:
            kill(pid, signal.SIGCONT)

    def await_crash(self):
        """Until our own session is gone."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                self.connection.execute("SELECT 1")
                time.sleep(TICK)
            except psycopg.OperationalError:
                return
        raise Failed("server", "the server does not notice that a process was killed")

    def do_kill(self):
        pids = self.worker_pids()
        if pids and kill(pids[0]):
            self.await_crash()

    def do_kill_helper(self):
        pids = self.helper_pids()
        if pids and kill(pids[-1]):
            self.await_crash()

    def do_maintain(self, name, how):
        """What an administrator does to the table behind a view."""
        view = self.on_view(name)
        if view is not None:
            ((state,),) = self.execute(
                "SELECT relation::text FROM _cq.part WHERE view = %s::regclass "
                "AND role IN ('state', 'input', 'output') ORDER BY random() LIMIT 1",
                view.path,
            )
            with contextlib.suppress(
                psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected
            ):
                self.execute("SET lock_timeout = '2s'")
                self.execute(f"{how} {state}")
            self.execute("RESET lock_timeout")

    def do_stop_server(self):
        self.get_connection()
        self.server.stop("immediate")
        self.server.start()
        self.await_crash()

    def do_kill_broker(self):
        self.broker.kill()
        self.broker.start()

    def do_add_partition(self, stream):
        stream = self.streams[stream]
        self.broker.add_partitions(stream.topic, stream.partitions + 1)
        stream.partitions += 1
        stream.has_grown = True


class Open:
    """A transaction of another session that stays open for some steps; it counts once committed.

    When it is prepared it outlives its session, and the server.
    """

    def __init__(self, world):
        self.world = world
        self.connection = world.connect()
        self.names = set()
        self.effects = []
        self.savepoint = None
        self.is_prepared = False
        world.marks += 1
        self.mark = world.marks
        self.connection.execute("SET lock_timeout = '2s'; BEGIN")

    def do(self, kind, name, **arguments):
        if self.is_prepared:
            return
        try:
            if kind == "savepoint":
                self.connection.execute("SAVEPOINT here")
                self.savepoint = len(self.effects)
            elif kind == "rollback_to":
                if self.savepoint is not None:
                    self.connection.execute("ROLLBACK TO here")
                    del self.effects[self.savepoint :]
            else:
                self.change(kind, name, **arguments)
        except psycopg.OperationalError:
            self.world.open = None
            self.connection.close()

    def change(self, kind, name, **arguments):
        world = self.world
        view = world.views.get(name)
        # One command on each: what the next one is about depends on whether this one is committed.
        if view is None or name in self.names:
            return
        if "latest" in (view.start, arguments.get("begin")) and kind in ("reset", "replace"):
            return
        self.names.add(name)
        statement, effect = getattr(world, kind)(view, **arguments)
        self.connection.execute(f"SET LOCAL ROLE {view.owner}; {statement}; RESET ROLE")
        self.effects.append(effect)

    def prepare(self):
        self.is_prepared = True
        try:
            self.connection.execute(
                f"INSERT INTO truth.mark VALUES ({self.mark}); PREPARE TRANSACTION '{self.gid()}'"
            )
        except psycopg.OperationalError:
            pass
        self.connection.close()

    def gid(self):
        return f"{self.world.name} {self.mark}"

    def close(self, commits):
        if self.is_prepared:
            while self.world.execute("SELECT 1 FROM pg_prepared_xacts WHERE gid = %s", self.gid()):
                with contextlib.suppress(psycopg.errors.UndefinedObject):
                    self.world.execute(
                        f"{'COMMIT' if commits else 'ROLLBACK'} PREPARED '{self.gid()}'"
                    )
        else:
            try:
                if commits:
                    self.connection.execute(
                        f"INSERT INTO truth.mark VALUES ({self.mark}); COMMIT"
                    )
            except psycopg.OperationalError:
                pass
            self.connection.close()
        if commits and self.world.has_mark(self.mark):
            for effect in self.effects:
                effect()
