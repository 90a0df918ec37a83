"""More kinds of random queries: nested joins, sub-selects wherever they may stand, LATERAL, frames,
grouping sets, set operations of set operations, CTEs, whole rows, functions that return sets.
"""

import random

from queries import (
    AGGREGATES,
    KINDS,
    NUMBERS,
    ORDERED,
    TIES,
    VALUES,
    Queries,
    Query,
    Schema,
    Source,
)

# Types whose equal values may look different, that have no order, or no equality at all.
VALUES |= {
    "text COLLATE nd": ["'a'", "'A'", "'b'", "'B '"],
    "json": ["""'{"a": 1}'""", "'[ ]'", "'1'"],
    "int[]": ["'{}'", "'{1,2}'", "'{1,NULL}'"],
    "pair": ["'(1,1.0)'", "'(1,1.00)'", "'(,)'", "'(2,)'"],
    "float8": ["0", "'-0'", "1.5", "'NaN'"],
    "interval": ["'1 day'", "'24 hours'", "'1 mon'", "'0'"],
    "char(3)": ["'a'", "'b  '", "''"],
    "varchar(5)": ["'a'", "'b'", "'b '"],
    "mood": ["'sad'", "'ok'", "'glad'"],
    "small": ["1", "2", "7"],
    "int4range": ["'[1,3)'", "'empty'", "'[,2)'"],
    "bit(3)": ["'101'", "'000'"],
}
TYPES = [
    "CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    "CREATE TYPE pair AS (a int, b numeric)",
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad')",
    "CREATE DOMAIN small AS int CHECK (VALUE < 10)",
]
WITHOUT_EQUALITY = ("json",)
TIES |= {"text COLLATE nd", "pair", "float8", "interval", "char(3)"}
KEYS = [type for type in VALUES if type not in WITHOUT_EQUALITY]
AGGREGATES += [
    ("every({x} IS NOT NULL)", None, "boolean"),
    ("array_agg(DISTINCT {x})", ("int", "date"), None),
    ("stddev_pop({x})", ("int", "bigint"), "numeric"),
    ("bit_or({x})", ("int",), "int"),
    ("2 * count(*) + count({x})", None, "bigint"),
    ("min({x}) + 1 - max({x})", ("small",), "int"),
    ("sum(CASE WHEN {x} IS NULL THEN 1 ELSE 2 END)", None, "bigint"),
]
KINDS |= {
    "tree": 4,
    "using": 3,
    "where": 5,
    "select_list": 4,
    "having": 2,
    "outer_aggregate": 1.5,
    "lateral": 3,
    "grouping_sets": 1.5,
    "frames": 2,
    "over_groups": 1.5,
    "sets": 3,
    "cte": 3,
    "series": 1.5,
    "whole_row": 2,
    "values": 1,
    "offset": 1,
    "joined_groups": 3,
    "in_on": 1,
    "distinct_rows": 1,
    "nothing": 0.3,
}
OUTER = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]


def generator(seed, **sizes):
    """A schema and what draws queries over it."""
    rng = random.Random(seed)
    schema = Schema(rng, **sizes)
    return schema, MoreQueries(schema, rng)


class MoreQueries(Queries):
    # ---- expressions ----

    def equality(self, left, right):
        """Of columns that can be compared, also of types that differ."""
        numbers = set(NUMBERS) | {"float8", "small"}
        pairs = [
            (a, b)
            for a, t in left.items()
            for b, u in right.items()
            if (t == u and t not in WITHOUT_EQUALITY)
            or (self.chance(0.3) and t in numbers and u in numbers)
            or (self.chance(0.3) and {t, u} in ({"text", "varchar(5)"}, {"date", "timestamptz"}))
        ]
        keys = [pair for pair in pairs if all(name.endswith((".k", ".g", ".id")) for name in pair)]
        if not pairs:
            return "true"
        a, b = self.random.choice(keys if keys and self.chance(0.6) else pairs)
        if self.chance(0.1) and left[a] == right[b] == "int":
            a, b = f"{a} % 3", f"abs({b}) % 3"
        if self.chance(0.1):
            a, b = b, a
        return f"{a} IS NOT DISTINCT FROM {b}" if self.chance(0.05) else f"{a} = {b}"

    def condition(self, columns):
        fitting = {n: t for n, t in columns.items() if t not in WITHOUT_EQUALITY}
        return super().condition(fitting or columns) if fitting else "true"

    # ---- FROM ----

    def leaf(self, depth):
        """A relation or a sub-select, that may be one over a stream or not."""
        return self.source(depth, None if self.chance(0.3) else ("stream", "view"))

    def tree(self, depth, relations):
        """A tree of joins, nested in any way."""
        if relations <= 1:
            return self.leaf(depth)
        split = self.random.randint(1, relations - 1)
        left, right = self.tree(depth, split), self.tree(depth, relations - split)
        if self.chance(0.15):
            return self.joined(left, self.parenthesized(right))
        kind = self.random.choice(OUTER)
        on = self.join_condition(left.columns, right.columns)
        if kind == "FULL JOIN" and self.chance(0.7):
            on = self.equality(left.columns, right.columns)
        text = f"{left.text} {kind} {self.parenthesized(right).text} ON {on}"
        return Source(
            text, {**left.columns, **right.columns}, left.tags | right.tags | {kind.lower()}
        )

    @staticmethod
    def parenthesized(source):
        return (
            Source(f"({source.text})", source.columns, source.tags)
            if " JOIN " in source.text and not source.text.startswith("(")
            else source
        )

    def make_tree(self, depth):
        return self.finished(self.tree(depth - 1, self.random.choice([2, 3, 3, 4, 5])))

    def finished(self, source):
        """Rows, groups or distinct rows of it."""
        how = self.random.random()
        if how < 0.5:
            return self.rows_of(source)
        if how < 0.85:
            return self.grouped(source)
        columns = self.some(source, 1, 3, KEYS)
        return self.select(source, columns, self.where(source.columns), distinct="DISTINCT ")

    def make_using(self, depth):
        """Columns that USING makes one."""
        one, other = (self.take(self.random.choice(self.schema.of("stream"))) for _ in range(2))
        name = self.random.choice(["k", "g", "id", "k, g"])
        kind = self.random.choice(OUTER)
        merged = {n: "int" if n in ("k", "id") else "text" for n in name.split(", ")}
        text = f"{one.text} {kind} {other.text} USING ({name})"
        columns = {**one.columns, **other.columns, **merged}
        if self.chance(0.4):
            third = self.take(self.random.choice(self.schema.of("stream")))
            text += f" {self.random.choice(OUTER)} {third.text} USING ({name})"
            columns |= third.columns
        source = Source(text, columns, {kind.lower()})
        shown = [(n, t) for n, t in merged.items()]
        if self.chance(0.4):
            keys = ", ".join(merged)
            text, made, tags = self.aggregate(source)
            return self.select(source, shown + [(text, made)], f" GROUP BY {keys}", tags)
        return self.select(source, shown + self.some(source), self.where(columns, 0.3))

    # ---- sub-selects ----

    def inner_condition(self, outer, inner):
        """Of a sub-select: correlated or not, by equalities or by something else."""
        how = self.random.random()
        if how < 0.25:
            return self.condition(inner)
        if how < 0.85:
            return self.join_condition(outer, inner)
        a, b = self.column(outer, ("int",)), self.column(inner, ("int",))
        return f"{a} {self.random.choice(['<', '>=', '<>'])} {b}" if a and b else "true"

    def truth(self, columns, depth):
        """A condition with a sub-select."""
        other = self.leaf(depth - 1) if self.chance(0.7) else self.tree(0, 2)
        where = f" WHERE {self.inner_condition(columns, other.columns)}"
        if depth > 0 and self.chance(0.25):
            where += f" AND {self.truth({**columns, **other.columns}, depth - 1)}"
        a = self.column(columns, ("int",)) or "1"
        b = self.column(other.columns, ("int",)) or "1"
        frm = f"FROM {other.text}{where}"
        g, h = self.column(columns, ("text",)), self.column(other.columns, ("text",))
        choices = [
            f"EXISTS (SELECT {frm})",
            f"NOT EXISTS (SELECT 1 {frm})",
            f"{a} IN (SELECT {b} {frm})",
            f"{a} NOT IN (SELECT {b} {frm})",
            f"{a} > ALL (SELECT {b} {frm})",
            f"{a} <= ANY (SELECT {b} {frm})",
            f"{a} = ANY (SELECT DISTINCT {b} {frm})",
            f"{a} < (SELECT max({b}) {frm})",
            f"{a} = (SELECT count(*) {frm})",
            f"{a} = ANY (ARRAY(SELECT {b} {frm}))",
            f"EXISTS (SELECT {frm} GROUP BY {b} HAVING count(*) > 1)",
            f"{a} IN (SELECT count(*) {frm} GROUP BY {b})",
            f"{a} IN (SELECT {b} {frm} UNION ALL SELECT 3)",
        ]
        if g and h:
            choices += [f"({a}, {g}) {w} (SELECT {b}, {h} {frm})" for w in ("IN", "NOT IN")]
        made = self.random.choice(choices)
        how = self.random.random()
        if how < 0.1:
            return f"({made} OR {self.condition(columns)})"
        if how < 0.17:
            return f"CASE WHEN {self.condition(columns)} THEN {made} ELSE {a} > 0 END"
        if how < 0.22:
            return f"({made}) IS NOT TRUE"
        return made

    def make_where(self, depth):
        source = self.leaf(depth - 1) if self.chance(0.6) else self.tree(0, 2)
        where = f" WHERE {self.truth(source.columns, depth)}"
        if self.chance(0.2):
            where += f" AND {self.truth(source.columns, 0)}"
        if self.chance(0.25):
            text, made, tags = self.aggregate(source)
            key, type = self.expression(source.columns, ("int", "text"))
            return (
                self.select(source, [(key, type), (text, made)], f"{where} GROUP BY ({key})", tags)
                if key != "1"
                else self.select(source, [(text, made)], where, tags)
            )
        return self.select(source, self.some(source), where)

    def scalar(self, columns, depth):
        """A value of a sub-select, and its type."""
        other = self.leaf(depth - 1) if self.chance(0.8) else self.tree(0, 2)
        where = f" WHERE {self.inner_condition(columns, other.columns)}"
        b = self.column(other.columns, ("int",)) or "1"
        a = self.column(columns, ("int",)) or "1"
        frm = f"FROM {other.text}{where}"
        return self.random.choice(
            [
                (f"(SELECT max({b}) {frm})", "int"),
                (f"(SELECT count(*) {frm})", "bigint"),
                (f"coalesce((SELECT sum({b}) {frm}), {a})", "bigint"),
                (f"EXISTS (SELECT {frm})", "boolean"),
                (f"{a} NOT IN (SELECT {b} {frm})", "boolean"),
                (f"(SELECT array_agg({b} ORDER BY {b}) {frm})", "int[]"),
                (f"ARRAY(SELECT {b} {frm} ORDER BY {b})", "int[]"),
                (f"(SELECT {b} {frm} ORDER BY {b} LIMIT 1)", "int"),
                (
                    f"(SELECT {b}::bigint + {a} {frm} ORDER BY 1 DESC NULLS LAST OFFSET 1 LIMIT 1)",
                    "bigint",
                ),
                (f"CASE WHEN {self.condition(columns)} THEN (SELECT min({b}) {frm}) END", "int"),
                (f"(SELECT count(DISTINCT {b}) + count({a}) {frm})", "bigint"),
            ]
        )

    def make_select_list(self, depth):
        source = self.leaf(depth - 1) if self.chance(0.6) else self.tree(0, 2)
        values = [self.scalar(source.columns, depth) for _ in range(self.random.choice([1, 1, 2]))]
        if self.chance(0.2):
            return self.select(
                source,
                [(f"count({text})", "bigint") for text, _ in values],
                "",
                {"aggregate of sub-select"},
            )
        return self.select(source, self.some(source) + values, self.where(source.columns, 0.3))

    def make_having(self, depth):
        source = self.leaf(depth - 1)
        other = self.leaf(0)
        key, type = self.expression(source.columns, ("int", "text"))
        b = self.column(other.columns, ("int",)) or "1"
        where = (
            f" WHERE {self.inner_condition({key: type}, other.columns)}"
            if key in source.columns
            else ""
        )
        text, made, tags = self.aggregate(source)
        having = self.random.choice(
            [
                f"count(*) > (SELECT count(*) FROM {other.text}{where})",
                f"count(*) IN (SELECT {b} FROM {other.text}{where})",
                f"EXISTS (SELECT FROM {other.text}{where})",
                f"max({key}) IS NOT NULL AND NOT EXISTS (SELECT FROM {other.text}{where})",
            ]
        )
        group = f" GROUP BY ({key})" if key != "1" else ""
        shown = [(key, type)] if key != "1" else []
        return self.select(source, shown + [(text, made)], f"{group} HAVING {having}", tags)

    def make_outer_aggregate(self, depth):
        """A sub-select that names an aggregate, or a key, of the query around it."""
        source, other = self.leaf(depth - 1), self.leaf(0)
        key, type = self.expression(source.columns, ("int",))
        a = self.column(source.columns, ("int",)) or "1"
        b = self.column(other.columns, ("int",)) or "1"
        value = self.random.choice(
            [
                f"(SELECT count(*) FROM {other.text} WHERE {b} = min({a}))",
                f"(SELECT max({b}) FROM {other.text} WHERE {b} = ({key}))",
                f"(SELECT sum({b}) FROM {other.text} WHERE {b} < max({a}))",
            ]
        )
        if key == "1":
            return self.select(source, [(value, "bigint")], "")
        return self.select(source, [(key, type), (value, "bigint")], f" GROUP BY ({key})")

    def make_in_on(self, depth):
        """A sub-select in the condition of a join."""
        left, right = self.leaf(0), self.leaf(0)
        kind = self.random.choice(OUTER[:3])
        on = self.equality(left.columns, right.columns)
        both = {**left.columns, **right.columns}
        truth = self.truth(self.random.choice([both, left.columns, right.columns]), 0)
        return self.rows_of(
            Source(
                f"{left.text} {kind} {right.text} ON {on} AND {truth}", both, left.tags | right.tags
            )
        )

    def make_lateral(self, depth):
        source = self.leaf(0) if self.chance(0.7) else self.tree(0, 2)
        other = self.leaf(depth - 1)
        alias = self.alias()
        where = f" WHERE {self.inner_condition(source.columns, other.columns)}"
        b = self.column(other.columns, ("int",)) or "1"
        a = self.column(source.columns, ("int",)) or "1"
        inner = self.random.choice(
            [
                f"SELECT {b} AS c0, {a} AS c1 FROM {other.text}{where}",
                f"SELECT {b} AS c0, count(*)::int AS c1 FROM {other.text}{where} GROUP BY {b}",
                f"SELECT max({b}) AS c0, count(*)::int AS c1 FROM {other.text}{where}",
                f"SELECT {b} AS c0, {b} AS c1 FROM {other.text}{where} ORDER BY {b} LIMIT 2",
                f"SELECT DISTINCT {b} AS c0, {a} AS c1 FROM {other.text}{where}",
                f"SELECT {b} AS c0, (count({b}) OVER ())::int AS c1 FROM {other.text}{where}",
                f"SELECT {a} AS c0, {b} AS c1 FROM {other.text}{where} UNION SELECT {a}, 0",
            ]
        )
        kind, on = self.random.choice(
            [
                ("CROSS JOIN", ""),
                ("LEFT JOIN", " ON true"),
                ("JOIN", f" ON {alias}.c0 = {a}"),
                ("LEFT JOIN", f" ON {alias}.c1 > {a}"),
            ]
        )
        text = f"{source.text} {kind} LATERAL ({inner}) AS {alias}{on}"
        columns = {**source.columns, f"{alias}.c0": "int", f"{alias}.c1": "int"}
        return self.finished(Source(text, columns, source.tags | other.tags))

    # ---- above FROM ----

    def make_grouping_sets(self, depth):
        source = self.any_source(depth - 1)
        keys = [text for text, _ in self.some(source, 2, 2, ("int", "text", "date")) if text != "1"]
        if len(set(keys)) < 2:
            return self.grouped(source)
        a, b = keys
        how = self.random.choice(
            [
                f"ROLLUP ({a}, {b})",
                f"CUBE ({a}, {b})",
                f"GROUPING SETS (({a}), ({b}), ())",
                f"{a}, ROLLUP ({b})",
                f"DISTINCT ROLLUP ({a}), ROLLUP ({b})",
            ]
        )
        aggregates = [self.aggregate(source) for _ in range(2)]
        shown = [(a, "json"), (b, "json"), (f"grouping({a}, {b})", "int")]
        shown = [(f"to_json({t})", "json") if m == "json" else (t, m) for t, m in shown]
        return self.select(
            source,
            shown + [(t, m) for t, m, _ in aggregates],
            f"{self.where(source.columns, 0.3)} GROUP BY {how}",
            {"grouping sets"},
        )

    def make_frames(self, depth):
        source, order = self.numbered_source(depth)
        key, _ = self.expression(source.columns, ("int", "text", "boolean", "date"))
        argument, _ = self.expression(source.columns, ("int",))
        other, _ = self.expression(source.columns, ("int", "text", "boolean", "date"))
        part = f"PARTITION BY ({key}) " if self.chance(0.85) else ""
        part2 = self.random.choice(
            [part, f"PARTITION BY ({key}), ({other}) ", f"PARTITION BY ({other}) "]
        )
        frame = self.random.choice(
            [
                "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                "ROWS UNBOUNDED PRECEDING",
                "GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES",
                "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW",
            ]
        )
        numeric = self.column(source.columns, ("int",)) or "1"
        values = self.random.sample(
            [
                (f"sum({argument}) OVER ({part}ORDER BY {order} {frame})", "bigint"),
                (
                    f"count(*) OVER ({part}ORDER BY {numeric} "
                    "RANGE BETWEEN 1 PRECEDING AND 2 FOLLOWING)",
                    "bigint",
                ),
                (
                    f"count({argument}) FILTER (WHERE {self.condition(source.columns)}) "
                    f"OVER ({part2})",
                    "bigint",
                ),
                (f"last_value({argument}) OVER ({part2}ORDER BY {order} {frame})", "int"),
                (f"lead({argument}, 2, 0) OVER ({part}ORDER BY {order})", "int"),
                (f"ntile(2) OVER ({part2}ORDER BY {order})", "int"),
                (f"rank() OVER ({part}ORDER BY {numeric})", "bigint"),
            ],
            self.random.choice([1, 1, 2]),
        )
        query = self.select(source, self.some(source) + values, self.where(source.columns, 0.3))
        if self.chance(0.15):
            query.text = query.text.replace("SELECT ", "SELECT DISTINCT ", 1)
            if "json" in query.columns.values():
                return self.make_frames(depth)
        return query

    def make_over_groups(self, depth):
        source = self.any_source(depth - 1)
        key, type = self.expression(source.columns, ("int", "text", "date"))
        other, type2 = self.expression(source.columns, ("int", "text"))
        if "1" in (key, other):
            return self.grouped(source)
        value = self.random.choice(
            [
                f"rank() OVER (PARTITION BY ({key}) ORDER BY count(*) DESC)",
                f"sum(count(*)) OVER (PARTITION BY ({key}))",
                f"count(*) * 100 / sum(count(*)) OVER ()",
                f"max(count(*)) OVER (ORDER BY ({key}), ({other}))",
            ]
        )
        query = self.select(
            source,
            [(key, type), (other, type2), (value, "numeric")],
            f"{self.where(source.columns, 0.3)} GROUP BY ({key}), ({other})",
        )
        if self.chance(0.3):
            query.text += f" HAVING count(*) > 1"
        if self.chance(0.3):
            query.text += f" ORDER BY 3, 1, 2 LIMIT 3"
        return query

    def part(self, types, depth):
        source = self.leaf(depth - 1) if self.chance(0.7) else self.tree(0, 2)
        columns = []
        for type in types:
            text, found = self.expression(source.columns, (type,))
            columns.append((text if found == type else f"NULL::{type}", type))
        if self.chance(0.1):
            return Query(
                f"VALUES ({', '.join(self.random.choice(VALUES[t]) + '::' + t for t in types)})",
                {},
                set(),
            )
        if self.chance(0.2) and len(columns) == 2:
            return self.select(source, columns, self.where(source.columns), distinct="DISTINCT ")
        if self.chance(0.15):
            shown = [(f"max({text})", type) for text, type in columns]
            if all(type in ORDERED for type in types):
                return self.select(source, shown, self.where(source.columns))
        return self.select(source, columns, self.where(source.columns))

    def make_sets(self, depth):
        """Set operations of set operations, of types that differ."""
        families = [
            ["int", "bigint", "numeric"],
            ["text", "text", "varchar(5)"],
            ["date", "timestamptz"],
            ["text COLLATE nd"],
            ["int[]"],
            ["pair"],
            ["interval"],
            ["float8", "int"],
            ["char(3)"],
        ]
        chosen = [self.random.choice(families) for _ in range(self.random.choice([1, 2]))]

        def operand(level):
            if level > 0 and self.chance(0.6):
                word = self.random.choice(
                    [
                        "UNION ALL",
                        "UNION ALL",
                        "UNION",
                        "EXCEPT",
                        "INTERSECT",
                        "EXCEPT ALL",
                        "INTERSECT ALL",
                    ]
                )
                return f"({operand(level - 1)} {word} {operand(level - 1)})"
            return "(" + self.part([self.random.choice(f) for f in chosen], 0).text + ")"

        word = self.random.choice(
            ["UNION ALL", "UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL"]
        )
        text = f"{operand(2)} {word} {operand(1)}"
        alias = self.alias()
        names = [f"c{n}" for n in range(len(chosen))]
        if self.chance(0.3):
            whole = f"({text}) AS {alias}({', '.join(names)})"
            text = f"SELECT c0, count(*) AS c1 FROM {whole} GROUP BY c0"
            return Query(text, {"c0": chosen[0][-1], "c1": "bigint"}, {"set operations"})
        text = (
            f"SELECT * FROM ({text}) AS {alias}({', '.join(names)})" if self.chance(0.7) else text
        )
        return Query(
            text,
            dict(zip(names, (f[-1] for f in chosen))) if text.startswith("SELECT *") else {},
            {"set operations"},
        )

    def make_cte(self, depth):
        inner = self.query(depth - 1)
        if not inner.columns:
            return inner
        name = self.alias()
        word = self.random.choice(["", "", "MATERIALIZED ", "NOT MATERIALIZED "])

        def use():
            alias = self.alias()
            return Source(
                f"{name} AS {alias}",
                {f"{alias}.{c}": t for c, t in inner.columns.items()},
                set(inner.tags),
            )

        source = use()
        if self.chance(0.6):
            kind = self.random.choice(OUTER)
            other = use() if self.chance(0.6) else self.leaf(0)
            on = (
                self.equality(source.columns, other.columns)
                if kind == "FULL JOIN"
                else self.join_condition(source.columns, other.columns)
            )
            source = Source(
                f"{source.text} {kind} {other.text} ON {on}",
                {**source.columns, **other.columns},
                source.tags,
            )
        query = self.finished(source)
        if self.chance(0.3):
            a = self.column(source.columns, ("int", "bigint")) or "1"
            other = use()
            b = self.column(other.columns, ("int", "bigint")) or "1"
            query = self.select(
                source, self.some(source), f" WHERE {a} IN (SELECT {b} FROM {other.text})"
            )
        query.text = f"WITH {name} AS {word}({inner.text}) {query.text}"
        return query

    def make_series(self, depth):
        source = self.leaf(depth - 1)
        a = self.column(source.columns, ("int",)) or "1"
        alias = self.alias()
        array = self.column(source.columns, ("int[]",))
        function = f"generate_series(1, least({a}, 3))"
        if array and self.chance(0.6):
            function = f"unnest({array})"
        if self.chance(0.3):
            return self.select(
                source, self.some(source) + [(function, "int")], self.where(source.columns)
            )
        kind, on = self.random.choice(
            [("CROSS JOIN LATERAL", ""), ("LEFT JOIN LATERAL", " ON true")]
        )
        text = f"{source.text} {kind} {function} AS {alias}(n)"
        if self.chance(0.2):
            text = f"{source.text} {kind} {function} WITH ORDINALITY AS {alias}(n, o)"
        source = Source(text + on, {**source.columns, f"{alias}.n": "int"}, source.tags)
        if self.chance(0.4):
            other = self.leaf(0)
            source = Source(
                f"{source.text} {self.random.choice(OUTER[:2])} {other.text} "
                f"ON {self.equality(source.columns, other.columns)}",
                {**source.columns, **other.columns},
                source.tags,
            )
        return self.finished(source)

    def make_whole_row(self, depth):
        one = self.leaf(depth - 1)
        source = one
        if self.chance(0.7):
            other = self.leaf(0)
            kind = self.random.choice(OUTER)
            on = self.equality(one.columns, other.columns)
            source = Source(
                f"{one.text} {kind} {other.text} ON {on}",
                {**one.columns, **other.columns},
                one.tags,
            )
        alias = self.random.choice(list(source.columns)).split(".")[0]
        value = self.random.choice(
            [
                (f"to_jsonb({alias})", "jsonb"),
                (f"{alias} IS NULL", "boolean"),
                (f"{alias} IS NOT NULL", "boolean"),
                (f"({alias} IS DISTINCT FROM NULL)", "boolean"),
            ]
        )
        if self.chance(0.4):
            key, type = self.expression(source.columns, ("int", "text"))
            text = self.random.choice(
                [f"count({alias})", f"count(*) FILTER (WHERE {alias} IS NOT NULL)"]
            )
            if key != "1":
                return self.select(source, [(key, type), (text, "bigint")], f" GROUP BY ({key})")
            return self.select(source, [(text, "bigint")])
        return self.select(source, self.some(source) + [value], self.where(source.columns, 0.3))

    def make_values(self, depth):
        source = self.leaf(depth - 1)
        alias = self.alias()
        values = f"(VALUES (1, 'a'), (2, NULL), (1, 'b'), (NULL, 'a')) AS {alias}(v, w)"
        columns = {f"{alias}.v": "int", f"{alias}.w": "text"}
        on = self.join_condition(source.columns, columns)
        kind = self.random.choice(OUTER[:2])
        source = Source(
            f"{source.text} {kind} {values} ON {on}", {**source.columns, **columns}, source.tags
        )
        if self.chance(0.4):
            other = self.leaf(0)
            source = Source(
                f"{source.text} {self.random.choice(OUTER)} {other.text} "
                f"ON {self.equality(source.columns, other.columns)}",
                {**source.columns, **other.columns},
                source.tags,
            )
        return self.finished(source)

    def make_offset(self, depth):
        source, order = self.numbered_source(depth)
        rest = self.random.choice(
            [
                f"LIMIT 2 OFFSET {self.random.randint(0, 3)}",
                "OFFSET 2",
                "FETCH FIRST 2 ROWS WITH TIES",
                "LIMIT (SELECT 2)",
                "LIMIT NULL",
                "LIMIT 0",
            ]
        )
        query = self.select(
            source, self.some(source), f"{self.where(source.columns)} ORDER BY {order} {rest}"
        )
        if self.chance(0.5):
            return self.finished(self.joined(self.sub_select(query), self.leaf(0)))
        return query

    def make_joined_groups(self, depth):
        """Groups joined with rows, or with groups."""
        one = self.sub_select(self.grouped(self.any_source(depth - 1)))
        other = self.leaf(0) if self.chance(0.5) else self.sub_select(self.query(0))
        kind = self.random.choice(OUTER)
        if self.chance(0.5):
            one, other = other, one
        on = self.equality(one.columns, other.columns)
        if kind != "FULL JOIN" and self.chance(0.3):
            on = self.join_condition(one.columns, other.columns)
        return self.finished(
            Source(
                f"{one.text} {kind} {other.text} ON {on}",
                {**one.columns, **other.columns},
                one.tags | other.tags,
            )
        )

    def make_distinct_rows(self, depth):
        source = self.leaf(depth - 1)
        query = self.finished(
            self.sub_select(
                self.select(
                    source,
                    self.some(source, 1, 2, KEYS),
                    self.where(source.columns),
                    distinct="DISTINCT ",
                )
            )
        )
        return query

    def make_nothing(self, depth):
        """Odd ones."""
        one, other = self.leaf(0), self.leaf(0)
        query = Query(
            self.random.choice(
                [
                    f"SELECT count(*) AS c0 FROM {one.text}, {other.text}",
                    f"SELECT 1 AS c0 FROM {one.text} HAVING count(*) > 3",
                    f"SELECT 1 AS c0 WHERE EXISTS (SELECT FROM {one.text})",
                    f"SELECT (SELECT count(*) FROM {one.text}) - "
                    f"(SELECT count(*) FROM {other.text}) AS c0",
                    f"SELECT count(*) AS c0 FROM {one.text} GROUP BY ()",
                    f"SELECT DISTINCT 1 AS c0 FROM {one.text}, {other.text}",
                    f"SELECT 2 AS c0 FROM {one.text} WHERE false",
                    f"SELECT true AS c0 FROM {one.text} LEFT JOIN {other.text} ON false",
                ]
            ),
            {"c0": "int"},
            {"odd"},
        )
        if query.text.endswith("GROUP BY ()"):
            query.tags.add("grouping sets")
        return query
