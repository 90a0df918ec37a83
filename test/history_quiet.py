"""Quiet points of a history: nobody sends, all views get to the end, and everything is compared."""

import contextlib
import datetime
import re
import time

import psycopg

from conftest import DEADLINE
from history_flow import TICK
from history_model import INSERTED, KEYS, Failed, row

# What no step does, though all come back.
CRASH = re.compile(rb"[^\n]*(PANIC|TRAP:|terminated by signal (?!(2|9|15)\b))[^\n]*")
SLOW = 10  # seconds: what takes longer is told of


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Quiet:
    """Of a World."""

    def do_compare(self):
        self.do_close(True)
        self.require_no_crash()
        for flow in self.flows:
            flow.begin_pause()
        for flow in self.flows:
            flow.await_pause()
        for flow in self.flows:
            self.pulse(flow)
        ends = {stream.name: self.note_sent(stream) for stream in self.streams.values()}
        positions = self.await_ends(ends)
        # What follows others has seen all only once these have.
        if self.settle_random.random() < 0.5:
            self.expire()
        for view in sorted(self.views.values(), key=lambda view: view.follows is not None):
            self.compare(view, positions[view.path])
        for flow in self.flows:
            flow.is_running.set()

    def require_no_crash(self):
        with open(self.server.directory / "log", "rb") as log:
            log.seek(self.log_read)
            crash = CRASH.search(log.read())
            self.log_read = log.tell()
        if crash:
            raise Failed("crash", crash[0].decode(errors="replace"))

    def expire(self):
        """What the keeper does every ten seconds."""
        with contextlib.suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            self.execute("SELECT _cq.expire_rows(100000, false)")

    def pulse(self, flow):
        """A message to each partition: each has an event time, and each view a batch."""
        if flow.stream.topic is None:
            first, last = flow.ids(1)
            self.execute(
                f"INSERT INTO {flow.stream.name} ({INSERTED}) "
                f"SELECT {row(first, flow.stream.disordered)}"
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
        since, stream.noted_at = stream.noted_at, now()
        if stream.topic is None:
            self.note_log(stream, since)
        elif stream.arrived:
            arrived, stream.arrived = stream.arrived, []
            columns = [list(column) for column in zip(*arrived)]
            self.execute(
                f"INSERT INTO {stream.truth()} "
                f"({INSERTED}, key, gone, part, off, ts, since, noted) "
                f"SELECT {row('i', stream.disordered).replace('%', '%%')}, "
                f"i * 7919 %% {KEYS}, i %% 9 = 4, part, off, "
                "to_timestamp(ms / 1000) + ms %% 1000 * interval '1 ms', %s, %s "
                "FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::bigint[]) "
                "AS sent (i, part, off, ms)",
                since,
                stream.noted_at,
                *columns,
            )
        return self.ends(stream)

    def note_log(self, stream, since):
        self.execute(
            f"INSERT INTO {stream.truth()} ({INSERTED}, part, off, ts, since, noted) "
            f"SELECT id, k, v, at, (c).a, (c).b, d, 0, off, ts, %s, %s FROM {stream.name} "
            f"WHERE off > (SELECT coalesce(max(off), -1) FROM {stream.truth()})",
            since,
            stream.noted_at,
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

    def ends(self, stream):
        """Of its partitions, as far as is known."""
        return dict(self.execute(f"SELECT part, max(off) + 1 FROM {stream.truth()} GROUP BY part"))

    def places(self):
        """Of all views by their paths: status, its detail, and offsets by stream and partition."""
        places = {}
        for path, status, detail, stream, partition, offset in self.execute("""
                SELECT n.nspname || '.' || r.relname, v.status, v.status_detail,
                       (SELECT relname FROM pg_class WHERE oid = f.stream),
                       f.partition, c.next_offset
                FROM _cq.view v JOIN pg_class r ON r.oid = v.view
                JOIN pg_namespace n ON n.oid = r.relnamespace
                LEFT JOIN (_cq.follow f JOIN _cq.cursor c USING (cursor_id)) ON f.view = v.view"""):
            offsets = places.setdefault(path, (status, detail, {}))[2]
            if partition is not None:
                offsets.setdefault(stream, {})[partition] = offset
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
        if status in ("waiting", "catching up"):
            return False
        if status != "running" and not (detail or "").startswith("its sink is down"):
            self.mend(view, status, detail)
            return False
        if view.follows:
            return True
        return all(
            offsets.get(stream, {}).get(partition, -1) >= end
            for stream in view.streams()
            for partition, end in ends[stream].items()
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

    def require_equal(self, view, queries, what, deadline=0):
        """As multisets, both ways: all of the least is in what is shown, and that in the most.

        queries: what is shown, the least and the most, after what they begin with.
        """
        self.comparisons += 1
        begin, shown, least, most = queries
        query = f"""
            {begin} shown AS MATERIALIZED ({shown}), least AS MATERIALIZED ({least}),
                most AS MATERIALIZED ({"TABLE least" if least == most else most})
            SELECT (SELECT json_agg(x) FROM (TABLE least EXCEPT ALL TABLE shown LIMIT 5) AS x),
                   (SELECT json_agg(x) FROM (TABLE shown EXCEPT ALL TABLE most LIMIT 5) AS x),
                   (SELECT count(*) FROM most) - (SELECT count(*) FROM shown)"""
        end = time.monotonic() + deadline
        while True:
            missing, extra, expired = self.execute(query)[0]
            if not missing and not extra:
                self.forgetful += expired > 0
                return
            if time.monotonic() > end:
                raise Failed(
                    what,
                    f"{what} of {view.name}: missing {missing}, too many {extra}\n"
                    f"{self.describe(view)}\n{query}",
                )
            time.sleep(2 * TICK)

    def compare(self, view, positions):
        forgets = view.retention and view.retention.least is not None
        is_timed = view.closes or forgets and view.retention.by == "event_time"
        # What comes from a new partition before its views know of it may be late.
        if is_timed and self.streams[view.source].has_grown:
            return
        # Windows are closed by and by; the row of the empty set comes with the first batch.
        if view.is_paused and (is_timed or view.follows or view.shape == "rollup"):
            return
        # What is made of windows that the keeper closes comes after the batch.
        deadline = DEADLINE if is_timed or view.follows else 0
        seen = view.seen(self.streams.get(view.source), positions.get(view.source, {}))
        begin = f"WITH seen AS ({seen}),"
        if view.other:
            other = view.read(self.streams[view.other], positions.get(view.other, {}))
            begin += f" other AS ({other}),"
        self.require_equal(view, (begin, *view.shows()), "rows", deadline)
        if view.was_reset or view.is_paused or view.output is None:
            return
        if view.topic is not None:
            self.compare_topic(view)
        elif not forgets or view.retention.by == "event_time":
            told, shown = view.told()
            self.require_equal(view, (begin, told, shown, shown), "what was told", deadline)

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
        told = f"SELECT value FROM truth.told WHERE topic = '{view.topic}'"
        newest = (
            "SELECT DISTINCT ON (key) value FROM truth.told "
            f"WHERE topic = '{view.topic}' ORDER BY key, n DESC"
        )
        read = (
            told
            if view.output == "append"
            else f"SELECT value FROM ({newest}) AS newest WHERE value IS NOT NULL"
        )
        query = f"""
            WITH found AS MATERIALIZED ({read}),
                shown AS MATERIALIZED (SELECT to_jsonb(shown) FROM {view.path} AS shown)
            SELECT (SELECT json_agg(x) FROM (TABLE shown EXCEPT ALL TABLE found LIMIT 5) AS x),
                   (SELECT json_agg(x) FROM (TABLE found EXCEPT ALL TABLE shown LIMIT 5) AS x)"""
        end = time.monotonic() + DEADLINE
        timeout = 0
        while True:
            self.read_topics(timeout)
            missing, extra = self.execute(query)[0]
            if not missing and not extra:
                return
            if time.monotonic() > end:
                raise Failed(
                    "topic",
                    f"the topic of {view.name}: missing {missing}, too many {extra}\n"
                    f"{self.describe(view)}",
                )
            timeout = TICK

    def read_topics(self, timeout):
        rows = self.reader.poll(timeout)
        if rows:
            self.execute(
                "INSERT INTO truth.told "
                "SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::jsonb[]) "
                "ON CONFLICT DO NOTHING",
                *(list(column) for column in zip(*rows)),
            )
