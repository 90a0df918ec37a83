"""Random queries in plain SQL over random streams and tables, and what each gives as a batch.

A query names its streams without a schema. Under the search_path public it is a continuous view's;
under truth, public the same text finds tables of the same columns that hold the same rows, and
views of the same names over these: that is the batch. So nothing here knows how a view is
maintained, nor which queries can be: accepted() asks, and refusals are counted by their reason.

A kind of query is a method make_KIND of Queries with a weight in KINDS. It gives a Query, which
others take as a sub-select or as a view. What it is made of is told by its tags, so that it is seen
how much of each kind was compared.
"""

import random
import re
import time
from dataclasses import dataclass, field

import psycopg

# Values by type, as literals: few, so that they meet; nulls are put among them.
VALUES = {
    "int": ["-2", "-1", "0", "1", "2", "3", "2147483647"],
    "bigint": ["-5", "0", "1", "2", "9000000000"],
    "numeric": ["-3", "0", "1.0", "1.00", "2.5", "'NaN'"],
    "text": ["''", "'a'", "'b'", "'b '", "'B'", "'long ' || repeat('x', 20)"],
    "date": ["'2025-01-01'", "'2025-02-28'", "'2025-03-30'"],
    "timestamptz": ["'2025-03-30 00:59:59.5Z'", "'2025-03-30 01:00Z'", "'2024-02-29 12:00Z'"],
    "boolean": ["true", "false"],
    "uuid": ["'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"],
    "text[]": ["'{}'", "'{a}'", "'{a,NULL}'"],
    "jsonb": ["""'{"a": 1}'""", """'{"a": 1.0}'""", "'[]'"],
}
NUMBERS = ("int", "bigint", "numeric")
ORDERED = (*NUMBERS, "text", "date", "timestamptz")
# Of an argument of a type: what is made of it. All are exact, and depend on no order.
AGGREGATES = [
    ("count({x})", None, "bigint"),
    ("count(DISTINCT {x})", None, "bigint"),
    ("min({x})", ORDERED, None),
    ("max({x})", ORDERED, None),
    ("sum({x})", ("int",), "bigint"),
    ("sum({x})", ("bigint", "numeric"), "numeric"),
    ("sum(DISTINCT {x})", ("int",), "bigint"),
    ("avg({x})", ("int", "bigint"), "numeric"),
    ("bool_and({x})", ("boolean",), "boolean"),
    ("bool_or({x})", ("boolean",), "boolean"),
    ("array_agg({x} ORDER BY {x})", ("int", "date"), None),
    ("string_agg({x}, ',' ORDER BY {x})", ("text",), "text"),
    ("percentile_disc(0.5) WITHIN GROUP (ORDER BY {x})", ("int", "date"), None),
    ("mode() WITHIN GROUP (ORDER BY {x})", ("int", "text"), None),
]
JOINS = ["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]
KINDS = {
    "rows": 2,
    "join": 5,
    "self_join": 1,
    "three": 1.5,
    "semi": 2,
    "anti": 2,
    "group": 5,
    "distinct": 1.5,
    "distinct_on": 1,
    "top": 2,
    "ranks": 1,
    "union": 2,
    "set": 1,
    "scalar": 1,
    "nested": 1.5,
    "limit": 0.5,
}
RELATIONS = {"stream": 5, "view": 2, "table": 2}
# An aggregate that takes the values it has, in an order, tells these apart where = does not.
TIES = {"numeric", "text[]", "jsonb"}
LOOKS_ONLY = ("json", "point", "xml")  # have no equality
SLOW = 0.3  # seconds that a query may take


@dataclass
class Relation:
    """A stream, a table, or a view that others may read."""

    name: str
    columns: dict  # type by name
    kind: str  # stream, table, view
    next_id: int = 1
    upserts: bool = False  # a stream whose rows change and go, by the column key


@dataclass
class Query:
    text: str
    columns: dict
    tags: set = field(default_factory=set)


@dataclass
class Source:
    """What stands in FROM, and the columns that can be had of it: types by expressions."""

    text: str
    columns: dict
    tags: set = field(default_factory=set)


class Schema:
    """Streams and tables, each with a number of its own for each row, a key, and more columns."""

    def __init__(self, rng, streams=3, tables=2):
        self.random = rng
        self.relations = [self.relation(f"s{number}", "stream") for number in range(streams)]
        self.relations += [self.relation(f"t{number}", "table") for number in range(tables)]

    def relation(self, name, kind):
        columns = {"id": "int", "k": "int", "g": "text"}
        for number in range(self.random.randint(1, 4)):
            columns[f"c{number}"] = self.random.choice(list(VALUES))
        upserts = kind == "stream" and name != "s0" and self.random.random() < 0.4
        if upserts:
            columns["key"] = "text"
        return Relation(name, columns, kind, upserts=upserts)

    def of(self, kind):
        return [relation for relation in self.relations if relation.kind == kind]

    def ddl(self, place=lambda stream: ("cq_log", {})):
        """Streams, and beside each the table of its rows. place(stream): server and options."""
        statements = ["CREATE SCHEMA truth"]
        for relation in self.relations:
            columns = ", ".join(f"{name} {type}" for name, type in relation.columns.items())
            if relation.kind == "table":
                statements += self.table_ddl(relation, columns)
                continue
            statements.append(f"CREATE TABLE truth.{relation.name} ({columns})")
            server, options = place(relation)
            if relation.upserts:
                options = {**options, "mode": "upsert"}
                columns = columns.replace("key text", "key text OPTIONS (metadata 'key')")
            options = ", ".join(f"{name} '{value}'" for name, value in options.items())
            statements.append(
                f"CREATE FOREIGN TABLE {relation.name} ({columns}) SERVER {server}"
                + (f" OPTIONS ({options})" if options else "")
            )
        return statements

    def table_ddl(self, table, columns):
        return [f"CREATE TABLE {table.name} ({columns})"]

    def fill_tables(self):
        """Where tables do not change, what was computed with them stays."""
        return [
            f"INSERT INTO {table.name} {self.values(table, self.random.randint(0, 8))}"
            for table in self.of("table")
        ]

    def rows(self, most=20):
        """Statements that put some rows into a stream and into its table."""
        streams = [relation for relation in self.relations if relation.kind == "stream"]
        stream = self.random.choice(streams)
        count = self.random.randint(1, most)
        if not stream.upserts:
            values = self.values(stream, count)
            return [
                f"INSERT INTO {name} {values}" for name in (stream.name, f"truth.{stream.name}")
            ]
        keys = [f"'{self.random.randrange(12)}'" for _ in range(count)]
        listed = ", ".join(keys)
        gone = f"DELETE FROM truth.{stream.name} WHERE key IN ({listed})"
        if self.random.random() < 0.3:
            ends = ", ".join(f"({key})" for key in keys)
            return [f"INSERT INTO {stream.name} (key) VALUES {ends}", gone]
        # Of rows with the same key the last one is left.
        rows = [(key, self.row(stream, key)) for key in keys]
        last = dict(rows).values()
        return [
            f"INSERT INTO {stream.name} {self.listed(stream, [row for _, row in rows])}",
            gone,
            f"INSERT INTO truth.{stream.name} {self.listed(stream, last)}",
        ]

    def row(self, relation, key=None):
        values = {name: self.value(type) for name, type in relation.columns.items()}
        values["id"] = str(relation.next_id)
        values["k"] = self.random.choice(["0", "1", "1", "2", "3", "NULL"])
        if key is not None:
            values["key"] = key
        relation.next_id += 1
        return "(" + ", ".join(f"{values[n]}::{t}" for n, t in relation.columns.items()) + ")"

    @staticmethod
    def listed(relation, rows):
        return f"({', '.join(relation.columns)}) VALUES {', '.join(rows)}"

    def values(self, relation, count):
        if count == 0:
            columns = ", ".join(relation.columns)
            return f"({columns}) SELECT {columns} FROM {relation.name} WHERE false"
        return self.listed(relation, [self.row(relation) for _ in range(count)])

    def value(self, type):
        return "NULL" if self.random.random() < 0.15 else self.random.choice(VALUES[type])


class Queries:
    """Draws queries over the relations of a schema, and over views that were accepted."""

    def __init__(self, schema, rng):
        self.schema = schema
        self.random = rng
        self.aliases = 0

    def chance(self, probability):
        return self.random.random() < probability

    def query(self, depth=2):
        """depth: of sub-selects that it may have."""
        (kind,) = self.random.choices(list(KINDS), list(KINDS.values()))
        query = getattr(self, f"make_{kind}")(depth)
        query.tags.add(kind)
        return query

    # ---- expressions ----

    def column(self, columns, types=None):
        """One of these types, or None."""
        fitting = [name for name, type in columns.items() if types is None or type in types]
        return self.random.choice(fitting) if fitting else None

    def expression(self, columns, types=None):
        """Its text and type."""
        name = self.column(columns, types)
        if name is None:
            return "1", "int"
        type = columns[name]
        if self.chance(0.25) and type == "int":
            return self.random.choice([f"{name} % 3", f"coalesce({name}, 7)", f"abs({name})"]), type
        if self.chance(0.25) and type == "text":
            return self.random.choice([f"upper({name})", f"coalesce({name}, '-')"]), type
        return name, type

    def condition(self, columns):
        name = self.column(columns)
        if name is None:
            return "true"
        type = columns[name]
        value = f"{self.random.choice(VALUES[type])}::{type}" if type in VALUES else None
        choices = [f"{name} IS NOT NULL", f"{name} IS NULL"]
        if value:
            choices += [f"{name} {word} {value}" for word in ("=", "<>", "IS DISTINCT FROM")]
        if type in ORDERED and value:
            choices += [f"{name} < {value}", f"{name} >= {value}", f"{name} IN ({value}, NULL)"]
        condition = self.random.choice(choices)
        if self.chance(0.2):
            return f"({condition} OR {self.condition(columns)})"
        return f"NOT ({condition})" if self.chance(0.1) else condition

    def where(self, columns, probability=0.5):
        return f" WHERE {self.condition(columns)}" if self.chance(probability) else ""

    def equality(self, left, right):
        """Of columns of one type on both sides; mostly there are k and g."""
        pairs = [
            (a, b) for a, t in left.items() for b, u in right.items() if t == u and t != "jsonb"
        ]
        keys = [pair for pair in pairs if all(name.endswith((".k", ".g", ".id")) for name in pair)]
        if not pairs:
            return "true"
        a, b = self.random.choice(keys if keys and self.chance(0.8) else pairs)
        return f"{a} = {b}"

    def join_condition(self, left, right):
        conditions = [self.equality(left, right)]
        if self.chance(0.2):
            conditions.append(self.equality(left, right))
        if self.chance(0.25):
            conditions.append(self.condition({**left, **right}))
        if self.chance(0.1):
            a, b = self.column(left, ("int",)), self.column(right, ("int",))
            conditions.append(f"{a} < {b}" if a and b else "true")
        return " AND ".join(conditions)

    # ---- FROM ----

    def alias(self):
        self.aliases += 1
        return f"x{self.aliases}"

    def source(self, depth, kinds=None):
        """A relation or, while depth allows, a sub-select."""
        if depth > 0 and kinds is None and self.chance(0.2):
            return self.sub_select(self.query(depth - 1))
        there = {
            kind: weight
            for kind, weight in RELATIONS.items()
            if (kinds is None or kind in kinds) and self.schema.of(kind)
        }
        (kind,) = self.random.choices(list(there), list(there.values()))
        return self.take(self.random.choice(self.schema.of(kind)))

    def take(self, relation):
        alias = self.alias()
        return Source(
            f"{relation.name} AS {alias}",
            {f"{alias}.{name}": type for name, type in relation.columns.items()},
            {"view over view"} if relation.kind == "view" else set(),
        )

    def sub_select(self, query):
        alias = self.alias()
        return Source(
            f"({query.text}) AS {alias}",
            {f"{alias}.{name}": type for name, type in query.columns.items()},
            {f"sub-select {tag}" for tag in query.tags} | query.tags,
        )

    def joined(self, left, right):
        kind = self.random.choice(JOINS)
        text = f"{left.text} {kind} {right.text}"
        if kind != "CROSS JOIN":
            text += f" ON {self.join_condition(left.columns, right.columns)}"
        return Source(
            text, {**left.columns, **right.columns}, left.tags | right.tags | {kind.lower()}
        )

    def any_source(self, depth):
        """Mostly one that is a join."""
        left = self.source(depth, ("stream", "view") if self.chance(0.7) else None)
        return left if self.chance(0.4) else self.joined(left, self.source(depth))

    # ---- SELECT ----

    def select(self, source, expressions, rest="", tags=(), distinct=""):
        """expressions: texts and types; the columns are named by their number."""
        columns = {f"c{number}": type for number, (_, type) in enumerate(expressions)}
        targets = ", ".join(f"{text} AS c{number}" for number, (text, _) in enumerate(expressions))
        return Query(
            f"SELECT {distinct}{targets} FROM {source.text}{rest}", columns, source.tags | set(tags)
        )

    def some(self, source, least=1, most=4, types=None):
        return [
            self.expression(source.columns, types)
            for _ in range(self.random.randint(least, most))
        ]

    def rows_of(self, source):
        return self.select(source, self.some(source), self.where(source.columns))

    def make_rows(self, depth):
        return self.rows_of(self.source(depth))

    def make_join(self, depth):
        return self.rows_of(self.joined(self.source(depth, ("stream",)), self.source(depth)))

    def make_self_join(self, _):
        stream = self.random.choice(self.schema.of("stream"))
        return self.rows_of(self.joined(self.take(stream), self.take(stream)))

    def make_three(self, _):
        source = self.joined(self.source(0, ("stream",)), self.source(0, ("stream",)))
        return self.rows_of(self.joined(source, self.source(0)))

    def membership(self, depth, positive):
        """A row that has, or has not, its like among others."""
        source = self.source(depth)
        other = self.source(depth)
        word = "" if positive else "NOT "
        if self.chance(0.4):
            a = self.column(source.columns, ("int",))
            b = self.column(other.columns, ("int",))
            if a and b:
                inner = f"SELECT {b} FROM {other.text}{self.where(other.columns)}"
                return source, other, f"{a} {word}IN ({inner})"
        on = self.join_condition(source.columns, other.columns)
        return source, other, f"{word}EXISTS (SELECT FROM {other.text} WHERE {on})"

    def make_semi(self, depth):
        source, other, condition = self.membership(depth, True)
        return self.select(source, self.some(source), f" WHERE {condition}", other.tags)

    def make_anti(self, depth):
        source, other, condition = self.membership(depth, False)
        return self.select(source, self.some(source), f" WHERE {condition}", other.tags)

    def aggregate(self, source):
        """Its text, type and tags."""
        if self.chance(0.2):
            return "count(*)", "bigint", set()
        text, types, made = self.random.choice(AGGREGATES)
        argument, type = self.expression(source.columns, types)
        if types is not None and type not in types:
            return "count(*)", "bigint", set()
        tags = {"distinct aggregate"} if "DISTINCT" in text else set()
        if "ORDER BY" in text:
            tags.add("ordered aggregate")
        text = text.format(x=argument)
        if "WITHIN" not in text and self.chance(0.2):
            text += f" FILTER (WHERE {self.condition(source.columns)})"
            tags.add("filter")
        if made is None:
            made = f"{type}[]" if "array_agg" in text else type
        return text, made, tags

    def grouped(self, source):
        keys = self.some(source, 0, 2, [t for t in VALUES if t not in TIES])
        aggregates = [self.aggregate(source) for _ in range(self.random.randint(1, 3))]
        tags = set().union(*(tags for _, _, tags in aggregates))
        rest = self.where(source.columns, 0.3)
        if keys:
            how = "GROUP BY {}"
            if self.chance(0.1):
                how, tags = "GROUP BY ROLLUP ({})", tags | {"grouping sets"}
            # A number would be taken for a column's.
            rest += " " + how.format(", ".join(f"({text})" for text, _ in keys if text != "1"))
            if all(text == "1" for text, _ in keys):
                keys, rest = [], self.where(source.columns, 0.3)
        if keys and self.chance(0.25):
            rest += f" HAVING count(*) {self.random.choice(['> 1', '% 2 = 0', '< 4'])}"
            tags.add("having")
        keys = [(text, type) for text, type in keys if text != "1"]
        return self.select(source, keys + [(t, m) for t, m, _ in aggregates], rest, tags)

    def make_group(self, depth):
        return self.grouped(self.any_source(depth))

    def make_nested(self, depth):
        """An aggregation of an aggregation."""
        return self.grouped(self.sub_select(self.grouped(self.any_source(depth - 1))))

    def make_distinct(self, depth):
        source = self.any_source(depth)
        columns = self.some(source, 1, 3, [t for t in VALUES if t not in TIES])
        return self.select(source, columns, self.where(source.columns), distinct="DISTINCT ")

    def order(self, source):
        """Total, where all rows have numbers; else of all that is shown, so that ties are equal."""
        numbers = [name for name in source.columns if name.endswith(".id")]
        if "sub-select" in " ".join(source.tags) or not numbers:
            return None
        name = self.column(source.columns, ORDERED)
        direction = self.random.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
        return ", ".join([f"{name}{direction}", *numbers])

    def numbered_source(self, depth):
        """One whose rows have a total order."""
        while True:
            source = self.source(0, ("stream",))
            if depth > 0 and self.chance(0.4):
                source = self.joined(source, self.source(0, ("stream", "table")))
            order = self.order(source)
            if order is not None:
                return source, order

    def make_distinct_on(self, depth):
        source, order = self.numbered_source(depth)
        key, _ = self.expression(source.columns, ("int", "text", "boolean", "date"))
        rest = f"{self.where(source.columns)} ORDER BY ({key}), {order}"
        return self.select(source, self.some(source), rest, distinct=f"DISTINCT ON (({key})) ")

    def make_top(self, depth):
        """The first rows of each group."""
        source, order = self.numbered_source(depth)
        function = self.random.choice(["row_number()", "row_number()", "rank()", "dense_rank()"])
        key, _ = self.expression(source.columns, ("int", "text", "boolean", "date"))
        number = f"{function} OVER (PARTITION BY ({key}) ORDER BY {order})"
        columns = [*self.some(source), (number, "bigint")]
        inner = self.select(source, columns, self.where(source.columns))
        last = list(inner.columns)[-1]
        outer = self.sub_select(inner)
        (name,) = [column for column in outer.columns if column.endswith(f".{last}")]
        shown = [(text, type) for text, type in outer.columns.items() if text != name]
        if self.chance(0.3):
            shown.append((name, "bigint"))
        return self.select(outer, shown, f" WHERE {name} <= {self.random.randint(1, 3)}")

    def make_ranks(self, depth):
        """Window functions over rows."""
        source, order = self.numbered_source(depth)
        argument, type = self.expression(source.columns, ("int", "text"))
        function, made = self.random.choice(
            [
                (f"lag({argument})", type),
                (f"first_value({argument})", type),
                (f"count({argument})", "bigint"),
                ("row_number()", "bigint"),
            ]
        )
        key, _ = self.expression(source.columns, ("int", "text", "boolean", "date"))
        over = f"{function} OVER (PARTITION BY ({key}) ORDER BY {order})"
        return self.select(source, [*self.some(source), (over, made)], self.where(source.columns))

    def alike(self, depth):
        """Two queries of the same types."""
        types = [self.random.choice(["int", "text", "date"]) for _ in range(2)]
        queries = []
        for _ in range(2):
            source = self.any_source(depth - 1)
            columns = []
            for type in types:
                text, found = self.expression(source.columns, (type,))
                columns.append((text if found == type else f"NULL::{type}", type))
            queries.append(self.select(source, columns, self.where(source.columns)))
        return queries

    def make_union(self, depth):
        one, other = self.alike(depth)
        return Query(f"{one.text} UNION ALL {other.text}", one.columns, one.tags | other.tags)

    def make_set(self, depth):
        one, other = self.alike(depth)
        word = self.random.choice(["UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL"])
        return Query(f"{one.text} {word} {other.text}", one.columns, one.tags | other.tags)

    def make_scalar(self, depth):
        """A value from another relation, by the row or the same for all."""
        source = self.source(depth)
        other = self.source(0)
        on = self.join_condition(source.columns, other.columns)
        where = f" WHERE {on}" if self.chance(0.6) else ""
        value = (f"(SELECT count(*) FROM {other.text}{where})", "bigint")
        return self.select(source, [*self.some(source), value], self.where(source.columns))

    def make_limit(self, depth):
        source, order = self.numbered_source(depth)
        rest = f"{self.where(source.columns)} ORDER BY {order} LIMIT {self.random.randint(1, 5)}"
        return self.select(source, self.some(source), rest)


# ---- over a database ----


def accepted(connection, name, query, options=""):
    """None where it became a continuous view; else why not, without what differs by query."""
    try:
        connection.execute(f"CREATE VIEW {name} WITH (continuous{options}) AS {query.text}")
        return None
    except psycopg.errors.FeatureNotSupported as error:
        return re.sub(r'"[^"]*"|\d+', "…", error.diag.message_primary)


def create_batch(connection, name, query):
    """The view that shows the same over the tables; false where no server would run it, or soon."""
    connection.execute("SET search_path = truth, public")
    began = time.monotonic()
    try:
        with connection.transaction():
            connection.execute(f"CREATE VIEW truth.{name} AS {query.text}")
            connection.execute(f"SET LOCAL statement_timeout = '{SLOW} s'")
            connection.execute(f"SELECT count(x::text) FROM truth.{name} AS x")
            connection.execute("SET LOCAL statement_timeout = 0")
            if time.monotonic() - began > SLOW:
                raise psycopg.errors.QueryCanceled
        return True
    except psycopg.Error:
        connection.rollback()
        return False
    finally:
        connection.execute("RESET search_path")


def differences(connection, name, is_strict=False):
    """As multisets, both ways: rows that the view lacks, and rows that it has too many.

    is_strict: values that are equal have to look the same as well.
    """
    columns = ", ".join(
        f"{column}::text" if type in LOOKS_ONLY or is_strict else column
        for column, type in connection.execute(
            "SELECT quote_ident(attname), atttypid::regtype::text FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            (name,),
        )
    )
    missing, extra = [], []
    for *row, more in connection.execute(f"""
        SELECT {columns or "NULL"}, sum(one) FROM
            (SELECT *, 1 AS one FROM {name} UNION ALL SELECT *, -1 FROM truth.{name}) AS x
        GROUP BY {columns or "()"} HAVING sum(one) <> 0 LIMIT 10
        """):
        (missing if more < 0 else extra).append((more, row))
    return missing, extra


def reads_a_stream(schema, text):
    """Otherwise it is no query for a continuous view."""
    names = [relation.name for kind in ("stream", "view") for relation in schema.of(kind)]
    return any(re.search(rf"\b{name}\b", text) for name in names)


def generator(seed, **sizes):
    """A schema and what draws queries over it."""
    rng = random.Random(seed)
    schema = Schema(rng, **sizes)
    return schema, Queries(schema, rng)
