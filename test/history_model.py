"""Streams of numbered messages, views over them, and what each of these has to show.

Message number id says all of its row: k, v and its event time follow from it. So what was sent is
known by the numbers that arrived, with their partition and offset, and a view's batch is its query
over those between where it began and where it stands, but those that are late: which these are
follows from the event times before them in their partition, whatever the batches were.
"""

from dataclasses import dataclass, field

# Types that are altered meanwhile: the attributes x and y of pair come and go.
TYPES = (
    "CREATE TYPE pair AS (a int, b text); CREATE DOMAIN small AS int CHECK (VALUE > -1000); "
    "GRANT ALL ON TYPE pair, small TO PUBLIC"
)
COLUMNS = "id bigint, k int, v int, at timestamptz, c pair, d small"
INSERTED = "id, k, v, at, c.a, c.b, d"
# Of the stream whose rows change: message number is about one of so many keys, and each ninth has
# no value.
KEYS = 60
BASE = "timestamptz '2025-01-01 00:00Z'"
STEP_MS = 10
# Of streams whose event times do not grow: how many milliseconds some are back, and what their
# option watermark allows. The remainder by the first number says which.
BACK_MS = {13: 3000, 3: 170}
DELAY_MS = 100
# Times of the clock, for cq.sliding: they begin a while before the history does.
SLIDING_MS = 10
SLIDING_BEFORE = "5 s"


def row(number, disordered):
    """What is inserted for message number, in SQL; message() says the same in Python."""
    back = "0"
    for divisor, milliseconds in reversed(BACK_MS.items()):
        back = f"CASE WHEN {number} % {divisor} = 0 THEN {milliseconds} ELSE {back} END"
    at = f"{BASE} + {number} * interval '{STEP_MS} ms'"
    if disordered:
        at += f" - {back} * interval '1 ms'"
    return (
        f"{number}::bigint AS id, ({number} % 7)::int AS k, "
        f"({number} * 7919 % 101 - 50)::int AS v, {at} AS at, "
        f"({number} % 5)::int AS a, 'b' || {number} % 3 AS b, ({number} % 11)::int AS d"
    )


def message(number, disordered):
    at = 1735689600000 + number * STEP_MS  # BASE, since 1970
    if disordered:
        at -= next((back for divisor, back in BACK_MS.items() if number % divisor == 0), 0)
    return (
        f'{{"id": {number}, "k": {number % 7}, "v": {number * 7919 % 101 - 50}, "at": {at}, '
        f'"c": {{"a": {number % 5}, "b": "b{number % 3}", "x": {number}, "y": "y"}}, '
        f'"d": {number % 11}}}'
    )


def key_of(number):
    return f"key {number * 7919 % KEYS}"


def is_tombstone(number):
    return number % 9 == 4


class Failed(Exception):
    """A view is not what it has to be, or does not get there; kind: a word that says which."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


@dataclass
class Shape:
    """A kind of query: over {s}, of the rows with {w}; some with a second stream {o}."""

    query: str
    columns: str  # of a table or topic that takes its rows
    key: str = None  # that a row is found by, where rows change
    end: str = None  # the column of a window's end: may be emitted when closed
    fails: str = None  # rows of which this is true are dead letters
    tells: bool = False  # may have a sink, or tell its changes
    keeps: str = None  # what retention is about: rows, groups or windows
    shown: str = "*"  # what is compared of it
    only_adds: bool = False  # cannot be over a stream whose rows change


SHAPES = {
    "kept": Shape(
        "SELECT id, k, v FROM {s} WHERE {w}", "id bigint, k int, v int", tells=True, keeps="rows"
    ),
    "flat": Shape("SELECT id, x FROM {s}, unnest(ARRAY[k, v]) AS x WHERE {w}", "id bigint, x int"),
    "total": Shape(
        "SELECT count(*) AS n, sum(id) AS ids, min(v) AS low FROM {s} WHERE {w}",
        "n bigint, ids numeric, low int",
    ),
    "group": Shape(
        "SELECT k, count(*) AS n, sum(id) AS ids, max(v) AS top FROM {s} WHERE {w} GROUP BY k",
        "k int, n bigint, ids numeric, top int",
        key="k",
        tells=True,
    ),
    "many": Shape(
        "SELECT id % 200 AS g, count(*) AS n, sum(v) AS total FROM {s} WHERE {w} GROUP BY id % 200",
        "g bigint, n bigint, total bigint",
        key="g",
        tells=True,
    ),
    # Groups that are over at some time, and do not come again.
    "era": Shape(
        "SELECT id / 100 AS era, count(*) AS n, sum(v) AS total FROM {s} WHERE {w} "
        "GROUP BY id / 100",
        "era bigint, n bigint, total bigint",
        key="era",
        tells=True,
        keeps="groups",
    ),
    "composite": Shape(
        "SELECT (c).a, d, count(*) AS n, max((c).b) AS top FROM {s} WHERE {w} GROUP BY (c).a, d",
        "a int, d small, n bigint, top text",
        key="a, d",
        tells=True,
    ),
    "composite_rows": Shape(
        "SELECT id, c, d FROM {s} WHERE {w}", "", shown="id, (c).a, (c).b, d"
    ),
    "sliding": Shape(
        "SELECT k, count(*) AS n, sum(id) AS ids FROM {s} WHERE {w} AND {sliding} GROUP BY k",
        "",
        only_adds=True,
    ),
    "sliding_total": Shape(
        "SELECT count(*) AS n, max(id) AS last FROM {s} WHERE {w} AND {sliding}",
        "",
        only_adds=True,
    ),
    "sliding_rows": Shape("SELECT id, v FROM {s} WHERE {w} AND {sliding}", "", only_adds=True),
    "having": Shape(
        "SELECT k, count(*) AS n, sum(id) AS ids FROM {s} WHERE {w} "
        "GROUP BY k HAVING sum(id) % 2 = 0",
        "k int, n bigint, ids numeric",
        key="k",
        tells=True,
    ),
    "rollup": Shape(
        "SELECT k, v % 3 AS v3, count(*) AS n FROM {s} WHERE {w} GROUP BY ROLLUP (k, v % 3)",
        "k int, v3 int, n bigint",
    ),
    "joined": Shape(
        "SELECT name, count(*) AS n, avg(v) AS mean FROM {s} "
        "JOIN dim USING (k) WHERE {w} GROUP BY name",
        "name text, n bigint, mean numeric",
    ),
    "failing": Shape(
        "SELECT k, count(*) AS n, sum(100 / v) AS share FROM {s} WHERE {w} GROUP BY k",
        "k int, n bigint, share bigint",
        fails="v = 0",
    ),
    "failing_rows": Shape(
        "SELECT id, 100 / v AS share FROM {s} WHERE {w}", "id bigint, share int", fails="v = 0"
    ),
    "tumble": Shape(
        "SELECT window_end, k % 3 AS k3, count(*) AS n, sum(id) AS ids "
        "FROM {s}, cq.tumble(at, '1 s') WHERE {w} GROUP BY window_end, k % 3",
        "window_end timestamptz, k3 int, n bigint, ids numeric",
        key="window_end, k3",
        end="window_end",
        tells=True,
        keeps="windows",
    ),
    "hop": Shape(
        "SELECT window_start, window_end, count(*) AS n, max(id) AS last "
        "FROM {s}, cq.hop(at, '500 ms', '2 s') WHERE {w} GROUP BY 1, 2",
        "window_start timestamptz, window_end timestamptz, n bigint, last bigint",
        end="window_end",
        keeps="windows",
    ),
    "cumulate": Shape(
        "SELECT window_end, count(*) AS n, avg(v) AS mean "
        "FROM {s}, cq.cumulate(at, '1 s', '5 s') WHERE {w} GROUP BY window_end",
        "window_end timestamptz, n bigint, mean numeric",
        end="window_end",
        keeps="windows",
    ),
    # What is kept up to date by nodes.
    "distinct": Shape("SELECT DISTINCT k, v % 5 AS v5 FROM {s} WHERE {w}", ""),
    "arrays": Shape(
        "SELECT id / 50 AS g, array_agg(v ORDER BY v, id) AS vs, count(DISTINCT k) AS ks "
        "FROM {s} WHERE {w} GROUP BY id / 50",
        "",
    ),
    "ranked": Shape(
        "SELECT * FROM (SELECT id / 50 AS g, id, row_number() OVER (PARTITION BY id / 50 "
        "ORDER BY v, id) AS place FROM {s} WHERE {w}) x WHERE place <= 3",
        "",
    ),
    "first": Shape("SELECT id, v FROM {s} WHERE {w} ORDER BY v DESC, id LIMIT 10", ""),
    "twice": Shape(
        "SELECT n, count(*) AS groups FROM (SELECT id / 20 AS g, count(*) AS n "
        "FROM {s} WHERE {w} GROUP BY 1) x GROUP BY n",
        "",
    ),
    "pairs": Shape(
        "SELECT a.id, b.id AS other, b.v FROM (SELECT * FROM {s} WHERE {w}) a "
        "JOIN (SELECT * FROM {s}) b ON a.id / 5 = b.id / 5 AND a.id < b.id",
        "",
    ),
    "halves": Shape(
        "SELECT a.k, count(*) AS n, count(b.id) AS found, sum(b.v) AS total "
        "FROM (SELECT * FROM {s} WHERE {w}) a LEFT JOIN (SELECT * FROM {s} WHERE v > 10) b "
        "ON b.id = a.id / 2 GROUP BY a.k",
        "",
    ),
    "alone": Shape(
        "SELECT id FROM (SELECT * FROM {s}) a WHERE ({w}) AND NOT EXISTS "
        "(SELECT FROM (SELECT * FROM {s}) b WHERE b.id = a.id + 7)",
        "",
    ),
    "except": Shape(
        "SELECT k, v FROM {s} WHERE {w} EXCEPT SELECT k, v FROM {s} WHERE id % 3 = 0", ""
    ),
    "both": Shape(
        "SELECT a.id, a.v, b.k FROM (SELECT * FROM {s} WHERE {w}) a JOIN {o} b ON b.id = a.id", ""
    ),
    "left": Shape(
        "SELECT a.k, count(*) AS n, count(b.id) AS found, sum(b.v) AS total "
        "FROM (SELECT * FROM {s} WHERE {w}) a LEFT JOIN {o} b ON b.id = a.id GROUP BY a.k",
        "",
    ),
    "full": Shape(
        "SELECT a.id AS one, b.id AS two FROM (SELECT * FROM {s} WHERE {w}) a "
        "FULL JOIN {o} b ON b.id = a.id",
        "",
    ),
    "all": Shape("SELECT id, v FROM {s} WHERE {w} UNION ALL SELECT id, v FROM {o}", ""),
    "all_groups": Shape(
        "SELECT k, count(*) AS n, sum(v) AS total FROM (SELECT k, v FROM {s} WHERE {w} "
        "UNION ALL SELECT k, v FROM {o}) x GROUP BY k",
        "",
    ),
    "without": Shape(
        "SELECT id FROM (SELECT * FROM {s}) a WHERE ({w}) AND NOT EXISTS "
        "(SELECT FROM {o} b WHERE b.id = a.id)",
        "",
    ),
    "failing_left": Shape(
        "SELECT a.id, a.share, b.k FROM (SELECT id, 100 / v AS share FROM {s} WHERE {w}) a "
        "LEFT JOIN {o} b ON b.id = a.id",
        "",
        fails="v = 0",
    ),
    "session": Shape(
        "SELECT k, upper(session) AS window_end, count(*) AS n, sum(id) AS ids "
        "FROM (SELECT *, cq.session(at, '150 ms') "
        "OVER (PARTITION BY k ORDER BY at) AS session FROM {s} WHERE {w}) x GROUP BY k, session",
        "k int, window_end timestamptz, n bigint, ids numeric",
        end="window_end",
    ),
}
# Of views that read what other views tell.
FOLLOWING = {
    "changes": Shape(
        "SELECT count(*) AS changes, sum(coalesce((new).n, 0) - coalesce((old).n, 0)) AS n "
        "FROM {s} WHERE {w}",
        "",
    ),
    "rows": Shape(
        "SELECT k, count(*) AS n, sum(id) AS ids, max(v) AS top FROM {s} WHERE {w} GROUP BY k", ""
    ),
}


@dataclass
class Stream:
    """name is that of the foreign table.

    Rows that are known to be there, and not yet in the table of what was sent, wait in arrived.
    """

    name: str
    topic: str = None  # None: kept in the database
    partitions: int = 1
    stamped: bool = False  # the broker says when a message came, not who sent it
    disordered: bool = False  # its event times do not grow
    overlaps: bool = False  # its writers' transactions do: event times do not grow
    changes: bool = False  # a message takes the place of the one before with its key
    has_grown: bool = False  # partitions were added
    next_id: int = 0
    noted_at: object = None  # until when it is known what arrived
    arrived: list = field(default_factory=list)  # (id, partition, offset, timestamp in ms)
    committed: set = field(default_factory=set)  # of a log: numbers
    unknown: set = field(default_factory=set)  # the server went away at COMMIT

    def truth(self):
        return f"truth.{self.name}"

    def is_timed(self):
        return not self.overlaps and not self.changes

    def delay_ms(self):
        return DELAY_MS if self.disordered else 0

    def create(self):
        event_time = "" if self.overlaps else f"event_time 'at', watermark '{self.delay_ms()} ms'"
        if self.topic is None:
            columns = (
                f"{COLUMNS}, off bigint OPTIONS (metadata 'offset'), "
                "ts timestamptz OPTIONS (metadata 'timestamp')"
            )
            options = f" OPTIONS ({event_time})" if event_time else ""
            table = f"CREATE FOREIGN TABLE {self.name} ({columns}) SERVER cq_log{options}"
        else:
            key = ", key text OPTIONS (metadata 'key')" if self.changes else ""
            how = "mode 'upsert'" if self.changes else event_time
            table = (
                f"CREATE FOREIGN TABLE {self.name} ({COLUMNS}{key}) SERVER kafka "
                f"OPTIONS (topic '{self.topic}', {how})"
            )
        return (
            f"{table}; CREATE TABLE {self.truth()} "
            f"({COLUMNS}, key text, gone bool, part int, off bigint, ts timestamptz, "
            "since timestamptz, noted timestamptz); "
            f"GRANT ALL ON {self.name} TO PUBLIC"
        )


@dataclass
class Retention:
    """What may have gone of a view, and what has to be there still."""

    by: str  # event_time, change
    seconds: int = None  # None: nothing goes any more
    least: int = None  # as short as it has been since the view began: that has gone for good

    def change(self, seconds):
        self.seconds = seconds
        if seconds is not None:
            self.least = seconds if self.least is None else min(self.least, seconds)

    def begin_again(self):
        self.least = self.seconds

    def options(self):
        return [f"retention_by = '{self.by}'"] + (
            [] if self.seconds is None else [f"retention = '{self.seconds} s'"]
        )


def before(time, seconds):
    """In SQL: so long before; null where nothing is too old."""
    return "NULL::timestamptz" if seconds is None else f"{time} - interval '{seconds} s'"


def by_partition(offsets, default):
    """In SQL: the offset of the row's partition."""
    cases = "".join(
        f" WHEN {partition} THEN {offset}" for partition, offset in sorted(offsets.items())
    )
    return f"CASE part{cases} ELSE {default} END" if cases else str(default)


@dataclass
class View:
    name: str
    shape: str
    where: str
    source: str  # the stream it reads
    schema: str = "public"
    owner: str = "postgres"
    other: str = None  # the second stream that it reads
    follows: str = None  # the name of the view that feeds its source
    begin: dict = field(
        default_factory=dict
    )  # offsets by partition; of those that are not in it: 0
    start: str = "earliest"
    after: str = None  # with start = 'latest': what is as new as that
    stream_delay: int = 0  # milliseconds: what the stream's option watermark says
    delay: int = None  # what the view's does, in its place
    lateness: int = 0  # its allowed_lateness
    zero: str = None  # the time of message 0, for cq.sliding
    retention: Retention = None
    topic: str = None  # that output goes to
    closes: bool = False
    amends: bool = False  # with closes: nothing is late, so that it shows the same
    on_error: str = "skip"
    output: str = None  # changes, table, log, append, upsert
    target: str = None  # the relation that output goes to
    is_paused: bool = False
    was_reset: bool = False  # what was told before stands

    @property
    def path(self):
        return f"{self.schema}.{self.name}"

    def about(self):
        return FOLLOWING[self.shape] if self.follows else SHAPES[self.shape]

    def feeds(self):
        """May others read what it tells?"""
        return not self.closes and (
            self.output == "changes"
            and self.shape != "kept"
            and self.shape != "tumble"
            or self.output in ("log", "append")
        )

    def streams(self):
        """The names of those that it reads."""
        return [self.source] + ([self.other] if self.other else [])

    def query(self, source):
        """As it is written."""
        sliding = f"cq.sliding({self.sliding_time()}, '10 s', '1 s')"
        return self.about().query.format(s=source, o=self.other, w=self.where, sliding=sliding)

    def plain_query(self, source):
        """The same in plain SQL."""
        step = f"date_bin('1 s', {self.sliding_time()}, '2001-01-01 00:00Z')"
        sliding = f"({step} + interval '1 s' > now() - interval '10 s' AND {step} <= now())"
        return self.about().query.format(s=source, o="other", w=self.where, sliding=sliding)

    def sliding_time(self):
        return f"timestamptz '{self.zero}' + id * interval '{SLIDING_MS} ms'"

    def options(self):
        options = ["continuous"]
        if self.start != "earliest":
            options.append(f"start = '{self.start}'")
        if self.retention:
            options += self.retention.options()
        if self.closes:
            options.append(f"emit = 'close', allowed_lateness = '{self.lateness} ms'")
        if self.amends:
            options.append("late = 'amend'")
        if self.delay is not None:
            options.append(f"watermark = '{self.delay} ms'")
        if self.on_error != "skip":
            options.append(f"on_error = '{self.on_error}'")
        if self.output is not None:
            options.append(
                f"changes = '{self.target}'"
                if self.output == "changes"
                else f"sink = '{self.target}'"
            )
        return ", ".join(options)

    def create(self, or_replace=False):
        return (
            f"CREATE{' OR REPLACE' if or_replace else ''} VIEW {self.path} "
            f"WITH ({self.options()}) AS {self.query(self.source)}"
        )

    def create_target(self):
        """What has to be there before the view."""
        about = self.about()
        if self.output == "table":
            return f"CREATE TABLE {self.target} ({about.columns}, PRIMARY KEY ({about.key}))"
        if self.output == "log":
            return f"CREATE FOREIGN TABLE {self.target} ({about.columns}) SERVER cq_log"
        if self.output in ("append", "upsert"):
            return (
                f"CREATE FOREIGN TABLE {self.target} ({about.columns}) SERVER kafka "
                f"OPTIONS (topic '{self.topic}', mode '{self.output}')"
            )
        return None

    def drop_target(self):
        if self.output in (None, "changes"):
            return None
        kind = "TABLE" if self.output == "table" else "FOREIGN TABLE"
        return f"DROP {kind} IF EXISTS {self.target} CASCADE"

    def seen(self, stream, positions):
        """The rows that it has seen, as a query, by its positions."""
        if self.follows:
            return f"SELECT * FROM {self.source}"
        read = self.read(stream, positions)
        if stream.changes:
            return read
        late = self.late() if stream.disordered else None
        if late is None:
            return read
        return (
            "SELECT * FROM (SELECT *, max(at) OVER (PARTITION BY part ORDER BY off "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
            f"FROM ({read}) AS read) AS judged WHERE ({late}) IS NOT TRUE"
        )

    def read(self, stream, positions):
        """What is to be seen of a stream up to positions."""
        read = (
            f"SELECT * FROM {stream.truth()} WHERE off >= {by_partition(self.begin, 0)} "
            f"AND off < {by_partition(positions, 0)}"
            + (f" AND ts >= '{self.after}'" if self.after else "")
        )
        if not stream.changes:
            return read
        return (
            "SELECT * FROM (SELECT DISTINCT ON (part, key) * "
            f"FROM ({read}) AS read ORDER BY part, key, off DESC) AS newest WHERE NOT gone"
        )

    def watermark(self):
        """The least of the highest event times of the partitions, of the rows that were seen."""
        delay = self.stream_delay if self.delay is None else self.delay
        return (
            "(SELECT min(highest) FROM "
            "(SELECT max(at) AS highest FROM seen GROUP BY part) AS partition) "
            f"- interval '{delay} ms'"
        )

    def late(self):
        """Whether a row is, by the highest event time before it; None where none is."""
        delay = self.stream_delay if self.delay is None else self.delay
        limit = f"before - interval '{delay + self.lateness} ms'"
        if self.retention and (self.amends or self.about().keeps == "windows" and not self.closes):
            limit += f" - interval '{self.retention.seconds} s'"
        elif not self.closes or self.amends:
            return None
        if self.shape == "session":
            return f"at < {limit}"
        return f"date_bin('1 s', at, '2001-01-01 00:00Z') + interval '1 s' <= {limit}"

    def over(self, rows):
        """The query over some of the rows that were seen, which are named by a condition."""
        about = self.about()
        conditions = [f"NOT ({about.fails})"] if about.fails else []
        conditions += [rows] if rows else []
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return self.plain_query(f"(SELECT * FROM seen {where}) AS s")

    def batch(self):
        """Its query over all rows that were seen."""
        return self.rows_of(self.over(None))

    def rows_of(self, query):
        """Of windows that close, those that are closed."""
        about = self.about()
        closed = (
            f" WHERE {about.end} <= {self.watermark()} - interval '{self.lateness} ms'"
            if self.closes
            else ""
        )
        return f"SELECT {about.shown} FROM ({query}) AS batch{closed}"

    def shows(self):
        """What it shows, what it has to show at least, and at most, as queries over seen.

        That is the same, but where it forgets what is too old: then rows may have gone already.
        """
        shown = f"SELECT {self.about().shown} FROM {self.path} AS shown"
        batch = self.batch()
        if self.retention is None or self.retention.least is None:
            return shown, batch, batch
        keeps = "windows" if self.closes else self.about().keeps
        return getattr(self, f"shows_{keeps}")(shown, batch)

    def shows_windows(self, shown, batch):
        """Windows go from sight at once, and those that were emitted by and by."""
        queries = []
        for seconds in (self.retention.least, None if self.closes else self.retention.seconds):
            horizon = before(self.watermark(), seconds)
            queries.append(
                f"SELECT * FROM ({batch}) AS batch "
                f"WHERE ({self.about().end} <= {horizon}) IS NOT TRUE"
            )
        return shown, *queries

    def shows_rows(self, shown, batch):
        time, horizon = self.horizon()
        return shown, self.rows_of(self.over(f"({time} < {horizon}) IS NOT TRUE")), batch

    def shows_groups(self, shown, batch):
        """A group that was silent for longer may have begun anew: nothing is known of it."""
        time, horizon = self.horizon()
        groups = f"SELECT id / 100 FROM seen WHERE {self.where} GROUP BY id / 100 HAVING"
        fresh = f"id / 100 IN ({groups} (max({time}) < {horizon}) IS NOT TRUE)"
        queries = [shown, self.rows_of(self.over(fresh)), batch]
        if self.retention.by == "change":
            silent = f"max(noted) - min(since) > interval '{self.retention.least} s'"
            queries = [
                f"SELECT * FROM ({query}) AS rows WHERE era NOT IN ({groups} {silent})"
                for query in queries
            ]
        return tuple(queries)

    def horizon(self):
        """When a row was there, and what is too old.

        Rows came after since: when they did is not known.
        """
        by_time = self.retention.by == "event_time"
        return (
            "at" if by_time else "since",
            before(self.watermark() if by_time else "now()", self.retention.least),
        )

    def told(self):
        """Two queries that give the same, where what it told since it was made is what it shows.

        None where that is in topics. What it forgets it does not tell.
        """
        shown = self.batch() if self.retention else f"TABLE {self.path}"
        if self.output == "changes" and self.closes:
            return f"SELECT (new).* FROM {self.target}", shown
        if self.output == "changes":
            return (
                f"SELECT (new).* FROM {self.target} WHERE NOT (new IS NULL)",
                f"SELECT (old).* FROM {self.target} WHERE NOT (old IS NULL) UNION ALL ({shown})",
            )
        if self.output in ("table", "log"):
            return f"TABLE {self.target}", shown
        return None
