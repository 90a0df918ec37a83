"""Random queries about what belongs together: relations, LATERAL and sub-selects within one another,
tied by equalities of numbers at any depth, and by some conditions that are none.
"""

import random

from queries import KINDS, Source
from queries_wide import WideQueries, WideSchema

KINDS["tangle"] = 20


def generator(seed, **sizes):
    """A schema and what draws queries over it."""
    rng = random.Random(seed)
    schema = WideSchema(rng, **sizes)
    return schema, TangleQueries(schema, rng)


class TangleQueries(WideQueries):
    def tie(self, own, around):
        """An equality of numbers: of two relations, wherever they are."""
        a = self.random.choice(own)
        b = self.random.choice(self.random.choice([own, around or own, around or own]))
        if self.chance(0.1):
            b = f"coalesce({b}, 1)"
        return f"{a} = {b}" if self.chance(0.9) else f"{a} >= {b}"

    def numbers(self, alias):
        return [f"{alias}.id", f"{alias}.k"]

    def knot_item(self, depth, own, around):
        """One of FROM: its text, and the numbers it has."""
        alias = self.alias()
        if depth > 0 and self.chance(0.25):
            text, inner, where = self.knot(depth - 1, own + around)
            a, b = self.random.choice(inner), self.random.choice(inner)
            made = self.random.choice(
                [
                    f"SELECT {a} AS id, {b} AS k FROM {text}{where}",
                    f"SELECT DISTINCT {a} AS id, {b} AS k FROM {text}{where}",
                    f"SELECT {a} AS id, count(*)::int AS k FROM {text}{where} GROUP BY {a}",
                    f"SELECT max({a}) AS id, count(*)::int AS k FROM {text}{where}",
                    f"SELECT {a} AS id, {a} AS k FROM {text}{where} ORDER BY {a} LIMIT 1",
                    f"SELECT {a} AS id, (count(*) OVER (PARTITION BY {b}))::int AS k "
                    f"FROM {text}{where}",
                    f"SELECT {a} AS id, {b} AS k FROM {text}{where} UNION SELECT s0.id, 1 FROM s0 "
                    f"WHERE s0.k = {self.random.choice(around or ['1'])}",
                ]
            )
            return f"LATERAL ({made}) AS {alias}", self.numbers(alias)
        relation = self.random.choice(self.schema.of("stream" if self.chance(0.85) else "table"))
        return f"{relation.name} AS {alias}", self.numbers(alias)

    def knot(self, depth, around):
        """FROM, its numbers, and WHERE, with sub-selects that name what is around them."""
        text, own = self.knot_item(0, [], around)
        for _ in range(self.random.choice([0, 0, 1, 1, 2]) if depth > 0 else self.chance(0.3)):
            more, numbers = self.knot_item(depth, own, around)
            kind = self.random.choice([",", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
            if "LATERAL" in more and kind in ("RIGHT JOIN", "FULL JOIN"):
                kind = "LEFT JOIN"
            if kind == ",":
                kind, on = ("CROSS JOIN", "") if self.chance(0.5) else (",", "")
            else:
                around_it = around if kind != "FULL JOIN" and self.chance(0.2) else own
                on = f" ON {self.tie(numbers, around_it)}"
                if self.chance(0.3):
                    on += f" AND {self.tie(numbers, own)}"
            text, own = f"{text}{'' if kind == ',' else ' '}{kind} {more}{on}", own + numbers
        ties = [self.tie(own, around) for _ in range(self.random.choice([0, 1, 1, 2]))]
        if depth > 0:
            ties += [self.knot_test(depth, own, around) for _ in range(self.random.choice([0, 1]))]
        self.random.shuffle(ties)
        return text, own, f" WHERE {' AND '.join(ties)}" if ties else ""

    def knot_test(self, depth, own, around):
        """A condition with a sub-select."""
        text, inner, where = self.knot(depth - 1, own + around)
        a, b = self.random.choice(own), self.random.choice(inner)
        test = self.random.choice(
            [
                f"EXISTS (SELECT FROM {text}{where})",
                f"NOT EXISTS (SELECT FROM {text}{where})",
                f"{a} IN (SELECT {b} FROM {text}{where})",
                f"{a} NOT IN (SELECT {b} FROM {text}{where})",
                f"{a} > (SELECT count(*) FROM {text}{where})",
                f"(SELECT max({b}) FROM {text}{where}) IS NULL",
                f"EXISTS (SELECT {b} FROM {text}{where} GROUP BY {b} HAVING count(*) > 1)",
                f"{a} IN (SELECT {b} FROM {text}{where} ORDER BY {b} LIMIT 2)",
            ]
        )
        if self.chance(0.15):
            return f"({test} OR {self.tie(own, around)})"
        return test

    def make_tangle(self, depth):
        """What belongs together is said by equalities at any depth, and by some that do not."""
        text, own, where = self.knot(2, [])
        a, b = self.random.choice(own), self.random.choice(own)
        how = self.random.random()
        source = Source(text, {name: "int" for name in own}, set())
        if how < 0.15:
            shown = [(a, "int"), ("count(*)", "bigint")]
            return self.select(source, shown, f"{where} GROUP BY {a}")
        if how < 0.25:
            return self.select(source, [(a, "int"), (b, "int")], where, distinct="DISTINCT ")
        if how < 0.35:
            value = (f"count({a}) OVER (PARTITION BY {b})", "bigint")
            return self.select(source, [(a, "int"), value], where)
        shown = [(a, "int"), (b, "int")]
        if how < 0.6:
            inner, numbers, rest = self.knot(1, own)
            c = self.random.choice(numbers)
            shown.append((f"(SELECT count({c}) FROM {inner}{rest})", "bigint"))
        return self.select(source, shown, where)
