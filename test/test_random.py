"""Random queries over random rows in random batches, with rows that fail and whatever else may happen to a view: it equals its definition.

The definition is run as a batch over all rows but those that are the view's dead letters. PG_CQ_SEED is where it begins, PG_CQ_STEPS how long it lasts.
"""
import os
import random
import re

from conftest import kill, wait_until

SEED = int(os.environ.get("PG_CQ_SEED", 1))
STEPS = int(os.environ.get("PG_CQ_STEPS", 60))
VIEWS = 6

KEYS = ["k", "g", "k % 3", "upper(g)", "n", "NULLIF(k, 2)", "tags", "v / 1000", "at", "date_trunc('hour', at)", "k > 4", "j", "bits", "lower(g)::varchar(3)"]
AGGREGATES = ["count(*)", "count(g)", "sum(v)", "sum(n)", "avg(k)", "avg(v)", "min(g)", "max(n)", "bool_or(k > 8)", "variance(k)", "stddev(n)",
              "max(at) - min(at)", "count(*) FILTER (WHERE k > 5)", "sum(v) FILTER (WHERE g IS NULL)", "max(tags)", "bit_xor(k)",
              "regr_count(k, v)", "min(repeat(g, 3000))", "sum(length(dim.name))", "sum(v) / count(*)", "max(g COLLATE \"C\")"]
FAILING = ["sum(100 / b)", "max(repeat('x', 100 / b))", "count(g::int)", "sum(must_be_positive(b))"]
ROWS = ["id", "g || 'x'", "k + v", "n * 2", "tags", "j -> 'a'", "at", "dim.name", "upper(g)"]
FAILING_ROWS = ["100 / b", "must_be_positive(b)"]
CONDITIONS = ["k > 2", "g IS NOT NULL", "k IN (SELECT k FROM dim WHERE name < 'n5')", "v % 2 = 0", "n > 1",
              "NOT EXISTS (SELECT FROM dim WHERE dim.k = s.k + 7)"]

SETUP = """
    CREATE FOREIGN TABLE s (id int, k int, g text, v bigint, n numeric, b int, at timestamptz, tags text[], j jsonb, bits bit(3),
                            o bigint OPTIONS (metadata 'offset')) SERVER cq_log;
    CREATE TABLE dim AS SELECT k, 'n' || k AS name FROM generate_series(0, 9) AS k;
    CREATE FUNCTION must_be_positive(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN IF i <= 0 THEN RAISE ''not positive''; END IF; RETURN i; END';
    CREATE FUNCTION feed(first int, last int, seed float8, bad float8) RETURNS void LANGUAGE sql AS $$
        SELECT setseed(seed);
        INSERT INTO s SELECT i, floor(random() * 10), (ARRAY['a', 'B', 'b ', 'cc', NULL])[ceil(random() * 5)], random() * 100000,
            (ARRAY[1.0, 1.00, 2.5, NULL, 'NaN', -3])[ceil(random() * 6)], (random() >= bad)::int, timestamptz '2025-03-30 00:00Z' + random() * interval '5 h',
            (ARRAY['{}', '{a}', '{a,NULL}', NULL])[ceil(random() * 4)]::text[], jsonb_build_object('a', floor(random() * 3)),
            floor(random() * 4)::int::bit(3)
        FROM generate_series(first, last) AS i
    $$;
"""


class Views:
    """What there is, and the random choices."""

    def __init__(self, server, db, seed):
        self.server = server
        self.db = db
        self.random = random.Random(seed)
        self.rows = 0
        self.made = 0
        self.names = []
        self.queries = {}
        self.history = []

    def execute(self, statement):
        self.history.append(statement)
        return self.db.execute(statement)

    def some(self, choices, least=0, most=3):
        return self.random.sample(choices, min(len(choices), self.random.randint(least, most)))

    def query(self):
        fails = self.random.random() < 0.4
        where = " AND ".join(["true", *self.some(CONDITIONS, 0, 2)])
        if self.random.random() < 0.25:
            columns = self.some(ROWS, 1, 4) + (self.some(FAILING_ROWS, 1, 1) if fails else [])
            return "SELECT " + ", ".join(f"{c} AS c{i}" for i, c in enumerate(columns)) + self.source(columns) + f" WHERE {where}"
        keys = self.some(KEYS, 0, 3)
        columns = self.some(AGGREGATES, 1, 6) + (self.some(FAILING, 1, 1) if fails else [])
        if self.random.random() < 0.15 and keys:
            columns = [c for c in columns if c in FAILING] or keys[:1]
        targets = [f"{k} AS k{i}" for i, k in enumerate(keys)] + [f"{c} AS c{i}" for i, c in enumerate(columns)]
        group = self.random.choice(["", "", "", "ROLLUP", "CUBE"]) if keys else ""
        if group:
            targets.append(f"GROUPING({', '.join(keys)}) AS which")
        if keys:
            group = f" GROUP BY {group} ({', '.join(keys)})"
        having = self.random.choice(["", "", " HAVING count(*) > 3", " HAVING sum(v) % 2 = 0"]) if keys else ""
        return "SELECT " + ", ".join(targets) + self.source(columns) + f" WHERE {where}" + group + having

    def source(self, columns):
        if "dim.name" in " ".join(columns):
            return self.random.choice([" FROM s LEFT JOIN dim USING (k)", " FROM s JOIN dim USING (k)"])
        return self.random.choice([" FROM s", " FROM s", " FROM (SELECT * FROM s) s"])

    def create(self):
        name = f"v{self.made}"
        self.made += 1
        self.names.append(name)
        self.queries[name] = self.query()
        options = self.random.choice(["", "", ", on_error = pause"])
        self.execute(f"CREATE VIEW {name} WITH (continuous{options}) AS {self.queries[name]}")

    # ---- what may happen ----

    def append(self):
        count = self.random.choice([1, 10, 500, 3000])
        bad = self.random.choice([0, 0, 0.001, 0.05, 1])
        self.execute(f"SELECT feed({self.rows}, {self.rows + count - 1}, {self.random.uniform(-1, 1)}, {bad})")
        self.rows += count

    def append_and_roll_back(self):
        self.execute("BEGIN")
        self.execute(f"SELECT feed({self.rows}, {self.rows + 99}, 0.5, 0.5)")
        self.execute("ROLLBACK")

    def change_batch(self):
        self.history.append("batch_rows")
        self.server.set(cq__batch_rows=self.random.choice([1, 7, 100, 1000, 250000]) if self.rows < 5000 else 1000)

    def drop(self):
        if len(self.names) > 2:
            self.execute(f"DROP VIEW {self.names.pop(self.random.randrange(len(self.names)))}")

    def make(self):
        if len(self.names) < VIEWS:
            self.create()

    def replace(self):
        """Its columns must stay."""
        name = self.random.choice(self.names)
        self.queries[name] = re.sub(" WHERE (true|id % [0-9] > 0)", f" WHERE id % {self.random.randint(2, 9)} > 0", self.queries[name], 1)
        self.execute(f"CREATE OR REPLACE VIEW {name} WITH (continuous) AS {self.queries[name]}")

    def on_one(self, *statements):
        name = self.random.choice(self.names)
        for statement in statements:
            self.execute(statement.format(name=name, state=self.db.part(name)))

    def pause(self):
        self.on_one("SELECT cq.pause('{name}')")

    def reset(self):
        self.on_one("SELECT cq.reset('{name}')")

    def vacuum(self):
        self.on_one(self.random.choice(["VACUUM {state}", "VACUUM FULL {state}", "VACUUM FREEZE {state}"]))

    def index(self):
        name = self.random.choice(self.names)
        columns = [c for (c,) in self.db.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attname ~ '^k[0-9]'", name)]
        if columns:
            self.execute(f"CREATE INDEX ON {name} ({self.random.choice(columns)})")

    def replan(self):
        self.execute("ANALYZE dim")

    def terminate(self):
        self.history.append("SIGTERM")
        for pid in self.db.worker_pids():
            kill(pid, 15)

    def cancel(self):
        self.history.append("SIGINT")
        for pid in self.db.worker_pids():
            kill(pid, 2)

    def step(self):
        happens = self.random.choices(
            [self.append, self.append_and_roll_back, self.change_batch, self.drop, self.make, self.replace, self.pause, self.reset,
             self.vacuum, self.index, self.replan, self.terminate, self.cancel],
            [12, 1, 2, 1, 3, 2, 3, 2, 3, 2, 1, 0.3, 1])[0]
        happens()

    # ---- the oracle ----

    def settle(self, name):
        """Views that were paused, or stopped at a row that failed, go on, from then on past such rows."""
        def is_there():
            status, detail = self.db.execute("SELECT status, status_detail FROM cq.views WHERE view = %s::regclass", name)[0]
            if status == "failed":
                assert "offset" in detail or detail.startswith("each of the first"), detail
                self.db.execute(f"ALTER VIEW {name} SET (on_error = skip)")
            if status != "running":
                self.db.execute("SELECT cq.resume(%s::regclass)", name)
            try:
                return self.db.value("SELECT cq.wait(%s::regclass, '10 s')", name)
            except Exception as error:
                assert "has failed" in str(error), error
                return False
        wait_until(is_there, lambda: (name, self.db.state(name), self.history[-20:]))

    def check_point_reads(self, name):
        """With the index, where there is one."""
        if " AS k0" not in self.queries[name]:
            return
        self.db.execute("SET enable_seqscan = off")
        self.db.assert_equal(f"SELECT p.* FROM (SELECT DISTINCT k0 FROM {name}) d, LATERAL (SELECT * FROM {name} v WHERE v.k0 = d.k0 OFFSET 0) p",
                             f"SELECT * FROM {name} WHERE k0 IS NOT NULL", f"seed {SEED}, {name}: {self.queries[name]}\n{self.history}")
        self.db.execute("RESET enable_seqscan")

    def check(self):
        for name in self.names:
            self.settle(name)
            self.db.execute(f"""
                DROP SCHEMA IF EXISTS oracle CASCADE;
                CREATE SCHEMA oracle;
                CREATE TABLE oracle.s AS SELECT * FROM s WHERE o NOT IN (SELECT "offset" FROM cq.errors WHERE view = '{name}'::regclass);
                SET search_path = oracle, public""")
            self.db.assert_equal(f"TABLE {name}", self.queries[name], f"seed {SEED}, {name}: {self.queries[name]}\n{self.history}")
            self.check_point_reads(name)
            self.db.execute("RESET search_path")
            letters = self.db.value("SELECT count(*) - count(DISTINCT \"offset\") FROM cq.errors WHERE view = %s::regclass", name)
            assert letters == 0, f"{name} has {letters} dead letters more than once; {self.history}"


def test_random(server, log_db):
    log_db.execute(SETUP)
    views = Views(server, log_db, SEED)
    try:
        for _ in range(4):
            views.create()
        views.append()
        for step in range(STEPS):
            views.step()
            if step % 10 == 9:
                views.check()
        views.check()
    finally:
        server.set(cq__batch_rows=None)
