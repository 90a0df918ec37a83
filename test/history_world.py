"""The world of a random history: a database with streams and views, what is known of them, and the
steps that change it.

What a command does to the model is noted where it is known that it was committed: each one leaves a
mark in its transaction.
"""

import contextlib
import json
import random
import signal
import time

import psycopg
from confluent_kafka import KafkaException

from conftest import DEADLINE, kill
from history_flow import TICK, KafkaFlow, LogFlow
from history_model import ROW, Failed, Stream, View
from sinks import Reader

OWNERS = ["postgres", "history_one", "history_two"]
SCHEMAS = ["public", "other"]
# What a command may fail with where something else is going on: then it did nothing.
TOLERATED = {"40P01", "55P03", "57014", "40001"}
SLOW = 10  # seconds: what takes longer is told of
LOCK_TIMEOUT = 30  # seconds; where no transaction of ours is open, nobody holds a lock so long


class World:
    """A database with streams and views, and what is known of them."""

    def __init__(self, server, broker, name, seed, partitions=(3, 1)):
        self.server = server
        self.broker = broker
        self.name = name
        self.views = {}
        self.readers = {}
        self.topics = []
        self.comparisons = 0
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
            self.add_stream(Stream(f"kafka{number}", f"{name}_{number}", count))
        self.add_stream(Stream("log"))
        self.add_stream(Stream("overlapping", overlaps=True))

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
            "CREATE EXTENSION pg_cq; CREATE SCHEMA truth; CREATE SCHEMA other; "
            "GRANT ALL ON SCHEMA public, other TO PUBLIC; "
            "CREATE TABLE truth.mark (number int PRIMARY KEY); "
            "CREATE SERVER kafka FOREIGN DATA WRAPPER cq_kafka "
            f"OPTIONS (bootstrap_servers '{self.broker.address}', "
            "\"reconnect.backoff.max.ms\" '200', \"topic.metadata.refresh.interval.ms\" '1000'); "
            "GRANT ALL ON FOREIGN SERVER kafka, cq_log TO PUBLIC; "
            "CREATE TABLE dim AS SELECT k, 'n' || k % 4 AS name FROM generate_series(0, 5) AS k; "
            "GRANT ALL ON dim TO PUBLIC"
        )
        for stream in self.streams.values():
            if stream.topic is not None:
                self.create_topic(stream.topic, stream.partitions)
            self.execute(stream.create())
            if stream.topic is not None:
                self.flows.append(KafkaFlow(self.broker, stream, f"{self.seed} {stream.name}"))
            else:
                for number in range(2 if stream.overlaps else 1):
                    self.flows.append(
                        LogFlow(self.connect, stream, f"{self.seed} {stream.name} {number}")
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
        for reader in self.readers.values():
            reader.close()
        if self.connection is not None:
            self.connection.close()
        with self.server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        for topic in self.topics:
            self.broker.admin.delete_topics([topic])[topic].exception(30)

    def create_topic(self, name, partitions):
        """A broker that has just started, or is slow, cannot at once."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.broker.create_topic(name, partitions)
                break
            except KafkaException as error:
                if time.monotonic() > end or "fenced" not in str(error):
                    raise
                time.sleep(10 * TICK)
        self.topics.append(name)

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

    def command(self, statement, effect, role="postgres"):
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
                if error.sqlstate not in TOLERATED or (error.sqlstate == "55P03" and not self.open):
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
        view = View(**what)
        targets = {other.target for other in self.views.values()}
        if view.follows and view.follows not in targets or view.name in self.views:
            return
        statement, effect = self.create_view(view)
        self.command(statement, effect, view.owner)

    def create_view(self, view):
        target = view.create_target()
        if view.output in ("append", "upsert"):
            self.create_topic(f"{self.name}_{view.target}", 2)
            target = target.format(topic=self.name)

        def effect():
            self.views[view.name] = view
            if view.output in ("append", "upsert"):
                self.readers[view.target] = Reader(self.broker, f"{self.name}_{view.target}", 2)

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

    def on_view(self, name):
        """None where it has gone, or another session is about to change it."""
        if self.open and name in self.open.names:
            return None
        return self.views.get(name)

    def change(self, name, make):
        """make(view) gives the statement and what it does to the view."""
        view = self.on_view(name)
        if view is not None:
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
        self.change(name, lambda view: self.reset(view, begin))

    def reset(self, view, begin):
        start = json.dumps(begin) if begin else "earliest"

        def effect():
            view.begin = {int(partition): offset for partition, offset in begin.items()}
            view.start = start
            view.was_reset = True

        return f"SELECT cq.reset('{view.path}', '{start}')", effect

    def do_replace(self, name, where):
        self.change(name, lambda view: self.replace(view, where))

    def replace(self, view, where):
        """The same columns. It begins again, with what the options say now."""
        new = View(**{**view.__dict__, "where": where})

        def effect():
            view.where = where
            view.was_reset = True
            view.is_paused = False

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
                "SELECT state::text FROM _cq.view WHERE view = %s::regclass", view.path
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

    # ---- the quiet point ----

    def do_compare(self):
        self.do_close(True)
        for flow in self.flows:
            flow.pause()
        for flow in self.flows:
            self.pulse(flow)
        ends = {stream.name: self.note_sent(stream) for stream in self.streams.values()}
        positions = self.await_ends(ends)
        # What follows others has seen all only once these have.
        for view in sorted(self.views.values(), key=lambda view: view.follows is not None):
            self.compare(view, positions[view.path])
        for flow in self.flows:
            flow.is_running.set()

    def pulse(self, flow):
        """A message to each partition: each has an event time, and each view a batch."""
        if flow.stream.topic is None:
            first, last = flow.ids(1)
            self.execute(
                f"INSERT INTO {flow.stream.name} (id, k, v, at) SELECT {ROW.format(id=first)}"
            )
            flow.stream.committed.add(last)
        else:
            for partition in range(flow.stream.partitions):
                flow.put(flow.stream.next_id, partition)
                flow.stream.next_id += 1
            flow.settle()
            if flow.error:
                raise flow.error

    def note_sent(self, stream):
        """Rows that have arrived since the last time. Where each partition ends."""
        if stream.topic is None:
            self.execute(
                f"INSERT INTO {stream.truth()} SELECT id, k, v, at, 0, off FROM {stream.name} "
                f"WHERE off > (SELECT coalesce(max(off), -1) FROM {stream.truth()})"
            )
            there = [number for (number,) in self.execute(f"SELECT id FROM {stream.truth()}")]
            found = set(there)
            if (
                len(found) < len(there)
                or not stream.committed <= found <= stream.committed | stream.unknown
            ):
                raise Failed(
                    "stream",
                    f"stream {stream.name} has not what was inserted: missing "
                    f"{sorted(stream.committed - found)[:10]}, too many "
                    f"{sorted(found - stream.committed - stream.unknown)[:10]}, "
                    f"{len(there) - len(found)} twice",
                )
            self.comparisons += 1
        elif stream.arrived:
            arrived, stream.arrived = stream.arrived, []
            ids, partitions, offsets = (list(column) for column in zip(*arrived))
            self.execute(
                f"INSERT INTO {stream.truth()} "
                f"SELECT {ROW.format(id='i').replace('%', '%%')}, part, off "
                "FROM unnest(%s::bigint[], %s::int[], %s::bigint[]) AS sent (i, part, off)",
                ids,
                partitions,
                offsets,
            )
        return self.ends(stream)

    def ends(self, stream):
        """Of its partitions, as far as is known."""
        return dict(self.execute(f"SELECT part, max(off) + 1 FROM {stream.truth()} GROUP BY part"))

    def places(self):
        """Of all views by their paths: status, its detail, and offsets by partition."""
        places = {}
        for path, status, detail, partition, offset in self.execute("""
                SELECT n.nspname || '.' || r.relname, v.status, v.status_detail,
                       f.partition, c.next_offset
                FROM _cq.view v JOIN pg_class r ON r.oid = v.view
                JOIN pg_namespace n ON n.oid = r.relnamespace
                LEFT JOIN (_cq.follow f JOIN _cq.cursor c USING (cursor_id)) ON f.view = v.view"""):
            offsets = places.setdefault(path, (status, detail, {}))[2]
            if partition is not None:
                offsets[partition] = offset
        return places

    def await_ends(self, ends):
        """Until all views that run have seen all. Where they are then.

        The deadline is for something to move: how fast that goes is the machine's.
        """
        began = moved = time.monotonic()
        before = None
        is_told = False
        asked = self.settle_random.choice(
            [view for view in self.views.values() if not view.follows] or [None]
        )
        while True:
            places = self.places()
            if set(places) != {view.path for view in self.views.values()}:
                raise Failed(
                    "views",
                    f"there are views {sorted(places)}, and not "
                    f"{sorted(view.path for view in self.views.values())}",
                )
            behind = [
                view
                for view in self.views.values()
                if not view.is_paused and not self.is_at_end(view, places, ends)
            ]
            if not behind:
                break
            if places != before:
                before, moved = places, time.monotonic()
            if time.monotonic() - moved > DEADLINE or time.monotonic() - began > 5 * DEADLINE:
                raise Failed(
                    "standstill",
                    f"{len(behind)} views do not get there: "
                    f"{', '.join(view.name for view in behind)}\n{self.describe(behind[0])}",
                )
            if time.monotonic() - began > SLOW and not is_told:
                is_told = True
                print(f"{self.name}: {len(behind)} views are slow: {self.describe(behind[0])}")
            time.sleep(2 * TICK)
        self.slowest = round(time.monotonic() - began, 1)
        if (
            asked
            and not asked.is_paused
            and self.execute("SELECT cq.wait(%s::regclass, '60 s')", asked.path) != [(True,)]
        ):
            raise Failed(
                "wait",
                f"{asked.name} is there, and cq.wait says that it is not: {self.describe(asked)}",
            )
        return {path: offsets for path, (_, _, offsets) in places.items()}

    def is_at_end(self, view, places, ends):
        status, detail, offsets = places[view.path]
        if status != "running":
            self.mend(view, status, detail)
            return False
        if view.follows:
            return True
        return all(
            offsets.get(partition, -1) >= end for partition, end in ends[view.source].items()
        )

    def mend(self, view, status, detail):
        """One that stopped at a row goes on past it; anything else is a failure."""
        if status == "failed" and view.on_error == "pause" and "offset" in detail:
            self.command(
                f"ALTER VIEW {view.path} SET (on_error = 'skip'); SELECT cq.resume('{view.path}')",
                lambda: setattr(view, "on_error", "skip"),
            )
        else:
            raise Failed("status", f"{view.name} is {status}, {detail}: {self.describe(view)}")

    def describe(self, view):
        return (
            f"{view}\n"
            f"{self.execute('SELECT * FROM cq.views WHERE view = %s::regclass', view.path)}\n"
            f"{self.execute('SELECT * FROM cq.positions WHERE view = %s::regclass', view.path)}\n"
            f"{self.execute('SELECT * FROM cq.workers')}\n"
            f"{self.execute('SELECT * FROM cq.streams')}"
        )

    def differences(self, one, other):
        """Counted with their multiplicity, both ways: what the second has more, and the first."""
        return self.execute(f"""
            WITH one AS MATERIALIZED ({one}), other AS MATERIALIZED ({other})
            SELECT (SELECT json_agg(x) FROM (TABLE other EXCEPT ALL TABLE one LIMIT 5) x),
                   (SELECT json_agg(x) FROM (TABLE one EXCEPT ALL TABLE other LIMIT 5) x)""")[0]

    def require_equal(self, view, one, other, what, deadline=0):
        self.comparisons += 1
        end = time.monotonic() + deadline
        while True:
            missing, extra = self.differences(one, other)
            if not missing and not extra:
                return
            if time.monotonic() > end:
                raise Failed(
                    what,
                    f"{what} of {view.name}: missing {missing}, too many {extra}\n"
                    f"{self.describe(view)}\n{one}\n{other}",
                )
            time.sleep(2 * TICK)

    def compare(self, view, positions):
        # What comes from a new partition before its views know of it may be late.
        if view.closes and self.streams[view.source].has_grown:
            return
        # Windows are closed by and by; the row of the empty set comes with the first batch.
        if view.is_paused and (view.closes or view.follows or view.shape == "rollup"):
            return
        # What is made of windows that the supervisor closes comes after the batch.
        deadline = DEADLINE if view.closes or view.follows else 0
        self.require_equal(
            view,
            f"TABLE {view.path}",
            view.batch(self.streams.get(view.source), positions),
            "rows",
            deadline,
        )
        if view.was_reset or view.is_paused:
            return
        told = view.told()
        if told is not None:
            self.require_equal(view, *told, "what was told", deadline)
        elif view.output is not None:
            self.compare_topic(view)

    def compare_topic(self, view):
        """As a consumer sees it that reads what is committed."""
        self.comparisons += 1
        if self.execute(
            "SELECT cq.flush(%s::regclass, make_interval(secs => %s))", view.path, DEADLINE
        ) != [(True,)]:
            raise Failed(
                "standstill",
                f"the sink of {view.name} does not get there: {self.execute('TABLE cq.sinks')}",
            )
        rows = self.execute(f"SELECT to_jsonb(shown) FROM {view.path} AS shown")
        expected = sorted(json.dumps(row, sort_keys=True) for (row,) in rows)
        reader = self.readers[view.target]
        end = time.monotonic() + DEADLINE
        while True:
            messages = reader.poll()
            if view.output == "append":
                values = [message.value() for message in messages]
            else:
                values = [
                    value
                    for value in {message.key(): message.value() for message in messages}.values()
                    if value is not None
                ]
            found = sorted(json.dumps(json.loads(value), sort_keys=True) for value in values)
            if found == expected:
                return
            if time.monotonic() > end:
                raise Failed(
                    "topic",
                    f"the topic of {view.name} has {len(found)} rows, the view {len(expected)}: "
                    f"{sorted(set(found) - set(expected))[:5]} "
                    f"{sorted(set(expected) - set(found))[:5]}\n{self.describe(view)}",
                )


class Open:
    """A transaction of another session that stays open for some steps; it counts once committed."""

    def __init__(self, world):
        self.world = world
        self.connection = world.connect()
        self.names = set()
        self.effects = []
        self.savepoint = None
        self.connection.execute("SET lock_timeout = '2s'; BEGIN")

    def do(self, kind, name, **arguments):
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
        self.names.add(name)
        statement, effect = getattr(world, kind)(view, **arguments)
        self.connection.execute(f"SET LOCAL ROLE {view.owner}; {statement}; RESET ROLE")
        self.effects.append(effect)

    def close(self, commits):
        self.world.marks += 1
        mark = self.world.marks
        try:
            if commits:
                self.connection.execute(f"INSERT INTO truth.mark VALUES ({mark}); COMMIT")
        except psycopg.OperationalError:
            pass
        self.connection.close()
        if commits and self.world.has_mark(mark):
            for effect in self.effects:
                effect()
