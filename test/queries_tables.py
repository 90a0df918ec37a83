"""Tables whose changes count: in some histories all views have tables = 'maintained', tables stand
wherever a stream may, and their rows come, change and go.
"""

import random

from queries_tangle import TangleQueries
from queries_wide import WideSchema

FORMS = ["plain", "plain", "keyed", "partitioned", "inherited"]


def generator(seed, **sizes):
    """A schema and what draws queries over it."""
    rng = random.Random(seed)
    schema = TableSchema(rng, **sizes)
    return schema, TangleQueries(schema, rng)


class TableSchema(WideSchema):
    def __init__(self, rng, **sizes):
        self.tables_change = rng.random() < 0.4
        self.options = ", tables = maintained" if self.tables_change else ""
        super().__init__(rng, **sizes)
        self.forms = {table.name: rng.choice(FORMS) for table in self.of("table")}

    def of(self, kind):
        found = super().of(kind)
        return found + super().of("table") if self.tables_change and kind == "stream" else found

    def table_ddl(self, table, columns):
        form = self.forms[table.name]
        if form == "keyed":
            return [f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY (id))"]
        if form == "partitioned":
            return [
                f"CREATE TABLE {table.name} ({columns}) PARTITION BY LIST (k)",
                f"CREATE TABLE {table.name}_part PARTITION OF {table.name} FOR VALUES IN (0, 1)",
                f"CREATE TABLE {table.name}_rest PARTITION OF {table.name} DEFAULT",
            ]
        if form == "inherited":
            return [
                f"CREATE TABLE {table.name} ({columns})",
                f"CREATE TABLE {table.name}_part () INHERITS ({table.name})",
            ]
        return super().table_ddl(table, columns)

    def rows(self, most=20):
        if self.tables_change and self.random.random() < 0.5:
            return [self.table_change(self.random.choice(self.of("table")), min(most, 4))]
        return super().rows(most)

    def table_change(self, table, most):
        form = self.forms[table.name]
        # Some statements name a partition, or a child.
        has_parts = form in ("partitioned", "inherited")
        name = f"{table.name}_part" if has_parts and self.random.random() < 0.3 else table.name
        kinds = {"insert": 4, "update": 4, "delete": 2, "truncate": 0.3, "merge": 1}
        if form == "keyed":
            kinds["upsert"] = 3
        (kind,) = self.random.choices(list(kinds), list(kinds.values()))
        return getattr(self, f"make_{kind}")(table, name, most)

    def some_rows(self):
        """A condition."""
        number = self.random.randrange(4)
        return self.random.choice(
            [f"k = {number}", f"k = {number}", f"id % 4 = {number}", "k IS NULL", "id < 5", "true"]
        )

    def some_value(self, table):
        """Of a column, as SET takes it. Numbers stay those of one row."""
        column = self.random.choice([name for name in table.columns if name != "id"])
        type = table.columns[column]
        if column == "k":
            # At no moment two rows of one number.
            key = f"id + {table.next_id * 100000}" if self.forms[table.name] == "keyed" else "-id"
            return self.random.choice(["k = (k + 1) % 4", "k = NULL", "k = 1", f"id = {key}"])
        return f"{column} = {self.value(type)}::{type}"

    def make_insert(self, table, name, most):
        if name != table.name and self.forms[table.name] == "partitioned":
            name = table.name  # which finds the partition
        return f"INSERT INTO {name} {self.values(table, self.random.randint(1, most))}"

    def make_upsert(self, table, name, _):
        last = table.next_id
        table.next_id = self.random.randint(1, last)
        values = self.values(table, 1)
        table.next_id = max(last, table.next_id)
        return (
            f"INSERT INTO {name} {values} ON CONFLICT (id) DO UPDATE "
            f"SET k = excluded.k, g = excluded.g"
        )

    def make_update(self, table, name, _):
        value = self.some_value(table)
        if value.startswith("k "):
            name = table.name  # rows of a partition may go to another one
        return f"UPDATE {name} SET {value} WHERE {self.some_rows()}"

    def make_delete(self, _, name, __):
        return f"DELETE FROM {name} WHERE {self.some_rows()}"

    def make_truncate(self, _, name, __):
        return f"TRUNCATE {name}"

    def make_merge(self, table, _, __):
        number = table.next_id
        table.next_id += 1
        return (
            f"MERGE INTO {table.name} AS old USING (VALUES ({number % 4}), (7)) AS new (k) "
            f"ON old.k = new.k WHEN MATCHED AND old.id % 2 = 0 THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET g = 'merged' "
            f"WHEN NOT MATCHED THEN INSERT (id, k) VALUES ({number} + new.k * 10000, new.k)"
        )
