"""Still more kinds of random queries: conditions on window functions, sub-selects in sub-selects
and within aggregates, aggregates of one's own, windows of time, records, JSON, and types that compare
in odd ways; schemas with few values or many nulls.
"""

from queries import AGGREGATES, KINDS, ORDERED, TIES, VALUES, Query, Schema, Source
from queries_more import KEYS, OUTER, TYPES, WITHOUT_EQUALITY, MoreQueries

VALUES |= {
    "numeric[]": ["'{1.0}'", "'{1.00}'", "'{}'", "'{NULL}'"],
    "numrange": ["'[1.0,2.0)'", "'[1.00,2)'", "'empty'", "'(,)'"],
    "timetz": ["'12:00+00'", "'13:00+01'", "'12:00:00.5+00'"],
    "bytea": [r"'\x'", r"'\x00'", r"'\xff00'"],
    "inet": ["'10.0.0.1'", "'10.0.0.1/8'", "'::1'"],
    "money": ["1", "2.5", "'-1'"],
    "name": ["'a'", "'b'"],
    '"char"': ["'a'", "'b'", "''"],
    "float4": ["0", "'-0'", "'Infinity'", "0.1"],
    "amount": ["1.0", "1.00", "-2"],
    "nested": ["'(\"(1,1.0)\",A)'", "'(\"(1,1.00)\",a)'", "'(,)'", "'(\"(,)\",)'"],
    "mood[]": ["'{sad}'", "'{ok,sad}'", "'{}'"],
    "point": ["'(1,2)'", "'(1,3)'"],
    "xml": ["'<a/>'", "'<b/>'"],
    "tsvector": ["'a b'", "'b:1'", "''"],
    "nummultirange": ["'{[1,2)}'", "'{[1.0,2.0)}'", "'{}'"],
    "time": ["'12:00'", "'24:00'", "'00:00'"],
}
TIES |= {"numeric[]", "numrange", "float4", "amount", "nested", "nummultirange"}
WITHOUT_EQUALITY += ("point", "xml")
KEYS[:] = [type for type in VALUES if type not in WITHOUT_EQUALITY]
TYPES += [
    "CREATE DOMAIN amount AS numeric",
    "CREATE TYPE nested AS (p pair, t text COLLATE nd)",
    # Aggregates of one's own: that combines, that does not, that has an order, and a strict one.
    "CREATE FUNCTION times(numeric, int) RETURNS numeric LANGUAGE sql IMMUTABLE "
    "RETURN $1 * coalesce($2 % 5, 3) % 1009",
    "CREATE FUNCTION joint(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE "
    "RETURN $1 * $2 % 1009",
    "CREATE FUNCTION latter(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT RETURN $2",
    "CREATE AGGREGATE product (int) (sfunc = times, stype = numeric, initcond = '1', "
    "combinefunc = joint, parallel = safe)",
    "CREATE AGGREGATE product_alone (int) (sfunc = times, stype = numeric, initcond = '1')",
    "CREATE AGGREGATE last_text (text) (sfunc = latter, stype = text)",
]
AGGREGATES += [
    ("product({x})", ("int",), "numeric"),
    ("product_alone({x})", ("int",), "numeric"),
    ("product_alone(DISTINCT {x})", ("int",), "numeric"),
    ("last_text({x} ORDER BY {x})", ("text",), "text"),
    ("array_agg(DISTINCT {x} ORDER BY {x} DESC NULLS LAST)", ("int", "date"), None),
    ("string_agg(DISTINCT {x}, '/' ORDER BY {x})", ("text",), "text"),
    (
        "percentile_disc('{{0.1,0.9}}'::float8[]) WITHIN GROUP (ORDER BY {x} DESC)",
        ("int",),
        "int[]",
    ),
    ("rank(1) WITHIN GROUP (ORDER BY {x})", ("int",), "bigint"),
    ("count(({x}, 1))", None, "bigint"),
    ("jsonb_object_agg(coalesce({x}, '-'), 1)", ("text",), "jsonb"),
    ("jsonb_agg({x} ORDER BY {x})", ("int", "date"), "jsonb"),
    ("range_agg({x})", ("int4range",), "int4multirange"),
    ("bit_xor(DISTINCT {x})", ("int",), "int"),
    ("regr_count({x}, {x})", ("int",), "bigint"),
    ("min({x})::text || max({x})", ("int", "date"), "text"),
]
KINDS |= {
    "over_where": 3,
    "over_twice": 1,
    "in_aggregate": 1.5,
    "by_sub_select": 1,
    "deep": 3,
    "anti_join": 2,
    "lateral_chain": 1.5,
    "json": 1,
    "windows": 1.5,
    "natural": 1,
    "columns_alias": 1,
    "record": 2,
    "distinct_pairs": 1,
    "grouped_top": 1.5,
    "full": 2,
    "sets_of_groups": 1.5,
    "quantified": 1,
    "array_of": 1,
    "exists_pairs": 1,
    "constant_side": 0.7,
    "functions": 1,
    "cte_chain": 1.5,
}
NUMBERED = ("int", "text", "boolean", "date")


class WideSchema(Schema):
    """Some have many nulls, some few values, so that all is ties."""

    def __init__(self, rng, **sizes):
        self.nulls = rng.choice([0.05, 0.15, 0.15, 0.5])
        self.few = rng.random() < 0.3
        super().__init__(rng, **sizes)

    def value(self, type):
        if self.random.random() < self.nulls:
            return "NULL"
        values = VALUES[type]
        return self.random.choice(values[:2] if self.few else values)


class WideQueries(MoreQueries):
    def condition(self, columns):
        if self.chance(0.8):
            return super().condition(columns)
        a, b = self.column(columns, ("int",)), self.column(columns, ("text",))
        c, d = self.column(columns, ("int",)), self.column(columns, ("text",))
        if not a or not b:
            return super().condition(columns)
        return self.random.choice(
            [
                f"({a}, {b}) < ({c}, {d})",
                f"({a}, {b}) IS DISTINCT FROM (1, 'a')",
                f"ROW({a}, {b}) IS NOT NULL",
                f"ROW({a}, {b}) IS NULL",
                f"{a} BETWEEN SYMMETRIC {c} AND 1",
                f"{b} LIKE 'b%'",
                f"coalesce({a}, {c}) > 0",
                f"{a} = ANY (ARRAY[1, 2, NULL])",
                f"{a} <> ALL (ARRAY[1, {c}])",
                f"({a} > 0) IS NOT TRUE",
                f"nullif({b}, 'a') IS NULL",
                f"CASE {a} WHEN 1 THEN {b} = 'a' WHEN {c} THEN true END",
                f"{a} IS NOT DISTINCT FROM {c}",
                f"num_nulls({a}, {b}) = 1",
            ]
        )

    def stream(self):
        return self.take(self.random.choice(self.schema.of("stream")))

    def any(self, columns, *types, otherwise="1"):
        return self.column(columns, types) or otherwise

    # ---- window functions ----

    def over(self, source, order):
        """A window function's text and type."""
        a = self.any(source.columns, "int")
        keys = [self.expression(source.columns, NUMBERED)[0] for _ in range(2)]
        part = self.random.choice(["", f"PARTITION BY ({keys[0]}) "] + [
            f"PARTITION BY ({keys[0]}), ({keys[1]}) ", f"PARTITION BY ({keys[0]}) "
        ])
        tied = self.column(source.columns, ORDERED) or "1"
        return self.random.choice(
            [
                (f"row_number() OVER ({part}ORDER BY {order})", "bigint"),
                (f"rank() OVER ({part}ORDER BY ({tied}) DESC)", "bigint"),
                (f"dense_rank() OVER ({part}ORDER BY ({tied}) NULLS FIRST)", "bigint"),
                (f"lag({a}, 1, -1) OVER ({part}ORDER BY {order})", "int"),
                (f"lead({a}) OVER ({part}ORDER BY {order})", "int"),
                (f"sum({a}) OVER ({part}ORDER BY {order})", "bigint"),
                (f"sum({a}) OVER ({part}ORDER BY ({tied}))", "bigint"),
                (f"count(*) OVER ({part})", "bigint"),
                (f"max({a}) OVER ({part})", "int"),
                (f"min({a}) FILTER (WHERE {self.condition(source.columns)}) OVER ({part})", "int"),
                (f"nth_value({a}, 2) OVER ({part}ORDER BY {order})", "int"),
                (f"product_alone({a}) OVER ({part}ORDER BY {order})", "numeric"),
                (
                    f"count({a}) OVER ({part}ORDER BY {order} "
                    "ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING)",
                    "bigint",
                ),
            ]
        )

    def with_over(self, depth):
        """Rows with two window functions, w0 and w1, as a source."""
        source, order = self.numbered_source(depth)
        values = [self.over(source, order) for _ in range(2)]
        shown = self.some(source, 2, 4, KEYS)
        query = self.select(source, shown + values, self.where(source.columns, 0.3))
        outer = self.sub_select(query)
        *_, first, second = outer.columns
        return outer, first, second

    def of_windows(self, first, second):
        return self.random.choice(
            [
                f"{first} <= 2",
                f"{first} = 1",
                f"{first} > {second}",
                f"{first} BETWEEN 2 AND 3",
                f"{first} IS NULL",
                f"{first} % 2 = 0 OR {second} < 3",
                f"{first} IS DISTINCT FROM {second}",
                f"{first} <= 3 AND {second} <= 2",
            ]
        )

    def make_over_where(self, depth):
        """Not only the first rows: any condition on what a window function gives."""
        outer, first, second = self.with_over(depth)
        where = f" WHERE {self.of_windows(first, second)}"
        if self.chance(0.3):
            where += f" AND {self.condition(outer.columns)}"
        if self.chance(0.3):
            key, type = self.expression(outer.columns, NUMBERED)
            if key != "1":
                text, made, tags = self.aggregate(outer)
                return self.select(
                    outer, [(key, type), (text, made)], f"{where} GROUP BY ({key})", tags
                )
        query = self.select(outer, list(outer.columns.items()), where)
        if self.chance(0.3):
            return self.finished(self.joined(self.sub_select(query), self.leaf(0)))
        return query

    def make_over_twice(self, depth):
        outer, first, second = self.with_over(depth)
        key = self.random.choice(list(outer.columns))
        value = f"count(*) OVER (PARTITION BY ({first}), ({key}))"
        if outer.columns[key] in WITHOUT_EQUALITY:
            value = f"sum({second}) OVER (PARTITION BY ({first}))"
        inner = self.select(outer, [(first, "bigint"), (value, "bigint")])
        return self.select(self.sub_select(inner), [("*", "bigint")]) if self.chance(0.2) else inner

    def make_grouped_top(self, depth):
        """The best groups of each group."""
        source = self.any_source(depth - 1)
        key, type = self.expression(source.columns, NUMBERED)
        other, type2 = self.expression(source.columns, NUMBERED)
        if "1" in (key, other):
            return self.grouped(source)
        groups = self.sub_select(
            self.select(
                source,
                [(key, type), (other, type2), ("count(*)", "bigint")],
                f"{self.where(source.columns, 0.3)} GROUP BY ({key}), ({other})",
            )
        )
        a, b, n = groups.columns
        function = self.random.choice(["rank()", "dense_rank()", "row_number()"])
        inner = self.sub_select(
            self.select(
                groups,
                [
                    (a, type),
                    (b, type2),
                    (n, "bigint"),
                    (f"{function} OVER (PARTITION BY ({a}) ORDER BY {n} DESC, ({b}))", "bigint"),
                ],
            )
        )
        *_, place = inner.columns
        return self.select(inner, list(inner.columns.items()), f" WHERE {place} <= 2")

    # ---- sub-selects ----

    def make_in_aggregate(self, depth):
        """Sub-selects in arguments, filters and orders of aggregates, and in what is grouped by."""
        source, other = self.leaf(depth - 1), self.leaf(0)
        on = self.inner_condition(source.columns, other.columns)
        a = self.any(source.columns, "int")
        b = self.any(other.columns, "int")
        frm = f"FROM {other.text} WHERE {on}"
        key, type = self.expression(source.columns, NUMBERED)
        value = self.random.choice(
            [
                (f"sum((SELECT count(*) {frm}))", "numeric"),
                (f"count(*) FILTER (WHERE EXISTS (SELECT {frm}))", "bigint"),
                (f"count({a}) FILTER (WHERE {a} NOT IN (SELECT {b} {frm}))", "bigint"),
                (f"array_agg({a} ORDER BY (SELECT count(*) {frm}), {a})", "int[]"),
                (f"max((SELECT min({b}) {frm})) + count(*)", "bigint"),
                (f"count(DISTINCT (SELECT max({b}) {frm}))", "bigint"),
                (f"bool_or({a} > ANY (SELECT {b} {frm}))", "boolean"),
            ]
        )
        if key == "1" or self.chance(0.3):
            return self.select(source, [value], self.where(source.columns, 0.3))
        return self.select(
            source, [(key, type), value], f"{self.where(source.columns, 0.3)} GROUP BY ({key})"
        )

    def make_by_sub_select(self, depth):
        source, other = self.leaf(depth - 1), self.leaf(0)
        on = self.inner_condition(source.columns, other.columns)
        b = self.any(other.columns, "int")
        key = self.random.choice(
            [
                f"(SELECT max({b}) FROM {other.text} WHERE {on})",
                f"EXISTS (SELECT FROM {other.text} WHERE {on})",
            ]
        )
        text, made, tags = self.aggregate(source)
        if self.chance(0.3):
            return self.select(source, [(key, "int")], distinct="DISTINCT ")
        return self.select(source, [(key, "int"), (text, made)], " GROUP BY 1", tags)

    def make_deep(self, depth):
        """Two levels, the inner one about the outermost."""
        outer, middle, inner = self.leaf(0), self.leaf(0), self.leaf(0)
        first = self.equality(outer.columns, middle.columns)
        second = self.equality(middle.columns, inner.columns)
        third = self.equality(outer.columns, inner.columns)
        a = self.any(outer.columns, "int")
        b, c = self.any(middle.columns, "int"), self.any(inner.columns, "int")
        conditions = self.random.choice(
            [(first, second), (first, third), (first, f"{second} AND {third}"), ("true", third)]
        )
        innermost = self.random.choice(
            [
                f"EXISTS (SELECT FROM {inner.text} WHERE {conditions[1]})",
                f"NOT EXISTS (SELECT FROM {inner.text} WHERE {conditions[1]})",
                f"{b} IN (SELECT {c} FROM {inner.text} WHERE {conditions[1]})",
                f"{b} NOT IN (SELECT {c} FROM {inner.text} WHERE {conditions[1]})",
                f"{b} <= (SELECT max({c}) FROM {inner.text} WHERE {conditions[1]})",
                f"(SELECT count(*) FROM {inner.text} WHERE {conditions[1]}) < 3",
            ]
        )
        frm = f"FROM {middle.text} WHERE {conditions[0]} AND {innermost}"
        if self.chance(0.4):
            value = self.random.choice(
                [
                    (f"(SELECT count(*) {frm})", "bigint"),
                    (f"(SELECT max({b}) {frm})", "int"),
                    (f"EXISTS (SELECT {frm})", "boolean"),
                    (
                        f"(SELECT sum((SELECT count(*) FROM {inner.text} WHERE {conditions[1]})) "
                        f"FROM {middle.text} WHERE {conditions[0]})",
                        "numeric",
                    ),
                ]
            )
            return self.select(outer, self.some(outer) + [value], self.where(outer.columns, 0.3))
        where = self.random.choice(
            [f"EXISTS (SELECT {frm})", f"NOT EXISTS (SELECT {frm})", f"{a} IN (SELECT {b} {frm})"]
            + [f"{a} NOT IN (SELECT {b} {frm})", f"{a} > ALL (SELECT {b} {frm})"]
        )
        return self.select(outer, self.some(outer), f" WHERE {where}")

    def make_quantified(self, depth):
        source, other = self.leaf(depth - 1), self.leaf(0)
        type = self.random.choice(["int", "text", "date", "numeric"])
        a, b = self.column(source.columns, (type,)), self.column(other.columns, (type,))
        if not a or not b:
            return self.make_deep(depth)
        word = self.random.choice(["= ANY", "<> ANY", "= ALL", "<> ALL", "< ALL", ">= ANY"])
        inner = f"SELECT {b} FROM {other.text}{self.where(other.columns)}"
        if self.chance(0.3):
            inner = f"SELECT {b} FROM {other.text} GROUP BY {b} HAVING count(*) > 1"
        text = f"{a} {word} ({inner})"
        if self.chance(0.4):
            return self.select(source, self.some(source) + [(text, "boolean")])
        return self.select(source, self.some(source), f" WHERE {text}")

    def make_exists_pairs(self, depth):
        """Rows as values, compared with those of a sub-select."""
        source, other = self.leaf(0), self.leaf(depth - 1)
        a, g = self.any(source.columns, "int"), self.any(source.columns, "text", otherwise="'a'::text")
        b, h = self.any(other.columns, "int"), self.any(other.columns, "text", otherwise="'a'")
        text = self.random.choice(
            [
                f"({a}, {g}) IN (SELECT {b}, {h} FROM {other.text})",
                f"({a}, {g}) NOT IN (SELECT {b}, {h} FROM {other.text} WHERE {b} IS NOT NULL)",
                f"({a}, {g}) = (SELECT {b}, {h} FROM {other.text} ORDER BY {b}, {h} LIMIT 1)",
                f"({a}, {g}) < ANY (SELECT {b}, {h} FROM {other.text})",
                f"({a}, count(*)) IN (SELECT {b}, count(*) FROM {other.text} GROUP BY {b})",
            ]
        )
        if "count(*))" in text[:40]:
            return self.select(source, [(a, "int"), (text, "boolean")], f" GROUP BY {a}")
        return self.select(source, self.some(source), f" WHERE {text}")

    def make_array_of(self, depth):
        source, other = self.leaf(depth - 1), self.leaf(0)
        on = self.inner_condition(source.columns, other.columns)
        a, b = self.any(source.columns, "int"), self.any(other.columns, "int")
        array = f"ARRAY(SELECT {b} FROM {other.text} WHERE {on} ORDER BY {b})"
        if self.chance(0.5):
            return self.select(
                source, self.some(source) + [(f"cardinality({array})", "int"), (array, "int[]")]
            )
        return self.select(source, self.some(source), f" WHERE {a} = ANY ({array})")

    # ---- joins ----

    def make_anti_join(self, depth):
        """Conditions above a join on the side that may be missing."""
        left, right = self.leaf(0), self.leaf(depth - 1)
        kind = self.random.choice(OUTER[1:])
        on = self.equality(left.columns, right.columns)
        if kind != "FULL JOIN":
            on = self.join_condition(left.columns, right.columns)
        name = self.random.choice(list(right.columns))
        where = self.random.choice([f"{name} IS NULL", f"{name} IS NOT NULL"])
        both = {**left.columns, **right.columns}
        if self.chance(0.3):
            where = f"({where} OR {self.condition(left.columns)})"
        source = Source(
            f"{left.text} {kind} {right.text} ON {on}", both, left.tags | right.tags | {"outer"}
        )
        shown = self.some(source) + [(f"({name} IS NULL)", "boolean")]
        if self.chance(0.4):
            text, made, tags = self.aggregate(source)
            key, type = self.expression(left.columns, NUMBERED)
            if key != "1":
                rest = f" WHERE {where} GROUP BY ({key})"
                return self.select(source, [(key, type), (text, made)], rest, tags)
        return self.select(source, shown, f" WHERE {where}")

    def make_full(self, depth):
        """Full joins with several equalities, of three relations, and coalesced keys."""
        one, two, three = self.leaf(0), self.leaf(depth - 1), self.leaf(0)
        on = self.equality(one.columns, two.columns)
        if self.chance(0.6):
            on += f" AND {self.equality(one.columns, two.columns)}"
        a, b, c = (self.any(source.columns, "int") for source in (one, two, three))
        text = f"{one.text} FULL JOIN {two.text} ON {on}"
        columns = {**one.columns, **two.columns}
        if self.chance(0.6):
            kind = self.random.choice(["FULL JOIN", "FULL JOIN", "LEFT JOIN", "RIGHT JOIN"])
            text += f" {kind} {three.text} ON coalesce({a}, {b}) = {c}"
            columns |= three.columns
        return self.finished(Source(text, columns, one.tags | two.tags | {"full join"}))

    def make_natural(self, depth):
        one, two = self.random.sample(self.schema.of("stream"), 2)
        kind = self.random.choice(["NATURAL JOIN", "NATURAL LEFT JOIN", "NATURAL FULL JOIN"])
        a, b = self.alias(), self.alias()
        text = (
            f"(SELECT k, g, id AS ida FROM {one.name}) AS {a} {kind} "
            f"(SELECT k, g, id AS idb FROM {two.name}) AS {b}"
        )
        columns = {"k": "int", "g": "text", "ida": "int", "idb": "int"}
        return self.finished(Source(text, columns, {"natural"}))

    def make_columns_alias(self, depth):
        """Names given to columns, and to joins."""
        one = self.random.choice(self.schema.of("stream"))
        a, j = self.alias(), self.alias()
        other = self.stream()
        names = [f"n{number}" for number in range(len(one.columns))]
        columns = {f"{a}.n{n}": type for n, type in enumerate(one.columns.values())}
        source = Source(f"{one.name} AS {a} ({', '.join(names)})", columns, {"alias"})
        if self.chance(0.5):
            kind = self.random.choice(OUTER)
            second = self.random.choice(self.schema.of("stream"))
            joined = f"({other.text} {kind} {second.name} AS {a}b USING (k)) AS {j}"
            columns = {f"{j}.k": "int"}
            source = Source(joined, columns, {"alias"})
        return self.finished(source)

    def make_lateral_chain(self, depth):
        one, two, three = self.stream(), self.leaf(0), self.leaf(0)
        x, y = self.alias(), self.alias()
        b, c = self.any(two.columns, "int"), self.any(three.columns, "int")
        on = self.equality(one.columns, two.columns)
        first = self.random.choice(
            [
                f"SELECT {b} AS v FROM {two.text} WHERE {on} ORDER BY {b} LIMIT 2",
                f"SELECT max({b}) AS v FROM {two.text} WHERE {on}",
                f"SELECT DISTINCT {b} AS v FROM {two.text} WHERE {on}",
                f"SELECT count(*)::int AS v FROM {two.text} WHERE {on} HAVING count(*) > 1",
            ]
        )
        second = self.random.choice(
            [
                f"SELECT count(*)::int AS w FROM {three.text} WHERE {c} = {x}.v",
                f"SELECT {c} AS w FROM {three.text} WHERE {c} >= {x}.v ORDER BY {c} LIMIT 1",
                f"SELECT {x}.v + 1 AS w",
                f"SELECT n AS w FROM generate_series(1, least({x}.v, 2)) AS n",
            ]
        )
        left = self.random.choice(["CROSS JOIN LATERAL", "LEFT JOIN LATERAL"])
        right = self.random.choice(["CROSS JOIN LATERAL", "LEFT JOIN LATERAL"])
        text = f"{one.text} {left} ({first}) AS {x}{' ON true' if left[0] == 'L' else ''}"
        text += f" {right} ({second}) AS {y}{' ON true' if right[0] == 'L' else ''}"
        columns = {**one.columns, f"{x}.v": "int", f"{y}.w": "int"}
        return self.finished(Source(text, columns, {"lateral"}))

    def make_constant_side(self, depth):
        one = self.stream()
        a = self.any(one.columns, "int")
        x = self.alias()
        text = self.random.choice(
            [
                f"(SELECT 1 AS v) AS {x} LEFT JOIN {one.text} ON {a} = {x}.v",
                f"{one.text} JOIN (SELECT 1 AS v UNION ALL SELECT 2) AS {x} ON {a} = {x}.v",
                f"{one.text} FULL JOIN (VALUES (1), (1), (NULL)) AS {x}(v) ON {a} = {x}.v",
                f"{one.text} CROSS JOIN generate_series(1, 2) AS {x}(v)",
                f"generate_series(0, 3) AS {x}(v) LEFT JOIN {one.text} ON {a} = {x}.v",
            ]
        )
        columns = {**one.columns, f"{x}.v": "int"}
        return self.finished(Source(text, columns, {"constant side"}))

    # ---- values ----

    def make_json(self, depth):
        source = self.leaf(depth - 1)
        x = self.alias()
        alias = self.random.choice(list(source.columns)).split(".")[0]
        function, columns = self.random.choice(
            [
                (f"jsonb_each_text(to_jsonb({alias}) - 'key')", {"key": "text", "value": "text"}),
                (f"jsonb_array_elements('[1, 2]') AS e(v)", None),
                (f"unnest(ARRAY[1, NULL, {self.any(source.columns, 'int')}])", None),
            ]
        )
        if "sub-select" in " ".join(source.tags) or columns is None:
            a = self.any(source.columns, "int")
            text = f"{source.text} CROSS JOIN LATERAL unnest(ARRAY[1, NULL, {a}]) AS {x}(v)"
            columns = {f"{x}.v": "int"}
        else:
            text = f"{source.text} CROSS JOIN LATERAL {function} AS {x}"
            columns = {f"{x}.{name}": type for name, type in columns.items()}
        return self.finished(Source(text, {**source.columns, **columns}, source.tags | {"json"}))

    def make_functions(self, depth):
        source = self.leaf(depth - 1)
        a, x = self.any(source.columns, "int"), self.alias()
        text = self.random.choice(
            [
                f"ROWS FROM (generate_series(1, least({a}, 2)), unnest(ARRAY[{a}])) AS {x}(v, w)",
                f"unnest(ARRAY[1, {a}], ARRAY[{a}]) AS {x}(v, w)",
                f"unnest(ARRAY[{a}, 2]) WITH ORDINALITY AS {x}(v, w)",
            ]
        )
        columns = {**source.columns, f"{x}.v": "int", f"{x}.w": "bigint"}
        return self.finished(
            Source(f"{source.text} CROSS JOIN LATERAL {text}", columns, source.tags | {"functions"})
        )

    def make_record(self, depth):
        """Rows as keys, as arguments, and fields of composite values."""
        source = self.leaf(0) if self.chance(0.5) else self.joined(self.leaf(0), self.leaf(0))
        a, b = self.any(source.columns, "int"), self.any(source.columns, "text", otherwise="'a'::text")
        pair = self.column(source.columns, ("pair",))
        how = self.random.random()
        if pair and how < 0.4:
            value = self.random.choice(
                [(f"({pair}).a", "int"), (f"({pair}).a + 1", "int"), (f"{pair} IS NULL", "boolean")]
            )
            if self.chance(0.5):
                return self.select(source, [value, ("count(*)", "bigint")], " GROUP BY 1")
            return self.select(source, self.some(source) + [value])
        if how < 0.6:
            return self.select(
                source, [("count(*)", "bigint"), (f"(ROW({a}, {b}))::text", "text")],
                f" GROUP BY ROW({a}, {b})",
            )
        if how < 0.8:
            value = f"count(DISTINCT ROW({a}, {b}))"
            return self.select(source, [(a, "int"), (value, "bigint")], f" GROUP BY {a}")
        return self.select(source, [(f"ROW({a}, {b})::text", "text")], distinct="DISTINCT ")

    def make_distinct_pairs(self, depth):
        """Distinct aggregates of several expressions, with filters, beside others."""
        source = self.any_source(depth - 1)
        a, b = self.any(source.columns, "int"), self.any(source.columns, "text", otherwise="'a'::text")
        condition = self.condition(source.columns)
        values = self.random.sample(
            [
                (f"count(DISTINCT ({a}, {b}))", "bigint"),
                (f"count(DISTINCT {a}) FILTER (WHERE {condition})", "bigint"),
                (f"sum(DISTINCT {a}) FILTER (WHERE {condition})", "bigint"),
                (f"string_agg(DISTINCT {b}, ',' ORDER BY {b} DESC) FILTER (WHERE {condition})",
                 "text"),
                (f"count(*) - count(DISTINCT {a})", "bigint"),
                ("count(*)", "bigint"),
                (f"max({a})", "int"),
            ],
            3,
        )
        key, type = self.expression(source.columns, NUMBERED)
        rest = self.where(source.columns, 0.3)
        if key == "1" or self.chance(0.2):
            return self.select(source, values, rest)
        having = " HAVING count(DISTINCT 1) > 0" if self.chance(0.2) else ""
        return self.select(source, [(key, type)] + values, f"{rest} GROUP BY ({key}){having}")

    def make_windows(self, depth):
        """Windows of time, over a stream or over a join."""
        fitting = [
            (relation, name)
            for relation in self.schema.of("stream")
            for name, type in relation.columns.items()
            if type == "timestamptz"
        ]
        if not fitting:
            return self.make_over_where(depth)
        relation, name = self.random.choice(fitting)
        source = self.take(relation)
        ts = f"{source.text.split(' AS ')[1]}.{name}"
        if self.chance(0.5):
            source = self.joined(source, self.leaf(0))
        function = self.random.choice(
            [
                f"cq.tumble({ts}, '1 hour')",
                f"cq.hop({ts}, '1 hour', '2 hours')",
                f"cq.cumulate({ts}, '1 hour', '3 hours')",
                f"cq.tumble({ts}, '1 mon')",
            ]
        )
        text, made, tags = self.aggregate(source)
        shown = [("window_start", "timestamptz"), (text, made)]
        if self.chance(0.5):
            key, type = self.expression(source.columns, NUMBERED)
            if key != "1":
                shown.insert(0, (key, type))
        groups = ", ".join(f"({text})" for text, _ in shown[:-1])
        source = Source(f"{source.text}, {function}", source.columns, source.tags | {"windows"})
        return self.select(source, shown, f" GROUP BY {groups}", tags)

    # ---- queries of queries ----

    def make_sets_of_groups(self, depth):
        """Set operations of groups, of distinct rows, and of the first rows."""
        parts = []
        for _ in range(self.random.choice([2, 2, 3])):
            source = self.leaf(depth - 1)
            a = self.any(source.columns, "int")
            where = self.where(source.columns, 0.4)
            parts.append(
                self.random.choice(
                    [
                        f"SELECT {a}, count(*) FROM {source.text}{where} GROUP BY {a}",
                        f"SELECT DISTINCT {a}, 1::bigint FROM {source.text}{where}",
                        f"(SELECT {a}, {a}::bigint FROM {source.text}{where} ORDER BY {a} LIMIT 3)",
                        f"SELECT {a}, count(*) OVER (PARTITION BY {a}) FROM {source.text}{where}",
                        f"SELECT max({a}), count(*) FROM {source.text}{where}",
                    ]
                )
            )
        words = ["UNION ALL", "UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL"]
        text = parts[0]
        for part in parts[1:]:
            text = f"{text} {self.random.choice(words)} {part}"
        if self.chance(0.4):
            text = f"{text} ORDER BY 1, 2 LIMIT {self.random.randint(1, 4)}"
        x = self.alias()
        return Query(
            f"SELECT * FROM ({text}) AS {x}(c0, c1)",
            {"c0": "int", "c1": "bigint"},
            {"sets of groups"},
        )

    def make_cte_chain(self, depth):
        """One that reads another, both used more than once."""
        first = self.grouped(self.any_source(0)) if self.chance(0.5) else self.query(0)
        if not first.columns or "*" in first.columns:
            return first
        one, two = self.alias(), self.alias()

        def use(name, query):
            alias = self.alias()
            columns = {f"{alias}.{c}": t for c, t in query.columns.items()}
            return Source(f"{name} AS {alias}", columns, set(query.tags))

        source = use(one, first)
        second = self.random.choice([self.rows_of, self.grouped])(source)
        left, right = use(one, first), use(two, second)
        kind = self.random.choice(["FULL JOIN", "LEFT JOIN", "JOIN"])
        on = self.equality(left.columns, right.columns)
        query = self.finished(
            Source(
                f"{left.text} {kind} {right.text} ON {on}",
                {**left.columns, **right.columns},
                left.tags,
            )
        )
        query.text = f"WITH {one} AS ({first.text}), {two} AS ({second.text}) {query.text}"
        return query
