"""Continuous = batch, for each shape of query, with random data and random batch cuts.

All views are fed from one topic by several workers while the size of batches keeps changing; a plain table holds the same rows. Each
view then gives the rows that the same text gives over the table. SHAPES_SEED repeats a run.
"""
import os
import random
from datetime import datetime, timedelta, timezone

import pytest
from psycopg.types.json import Jsonb

from conftest import Database

ROWS = 20000
PARTITIONS = 3
CUTS = [1, 2, 7, 50, 333, 1000, 250000]

COLUMNS = "id bigint, k int, name text, amount bigint, price numeric(12,2), ratio float8, at timestamptz, day date, " \
          "ok boolean, tags text[], details jsonb"

SHAPES = {
    "projection": "SELECT id, upper(name) AS name, amount * 2 AS double FROM event",
    "filter": "SELECT id, name, price FROM event WHERE amount > 500 AND ok",
    "filter_null": "SELECT id FROM event WHERE name IS NULL OR ok IS NOT TRUE",
    "count": "SELECT count(*) FROM event",
    "no_rows": "SELECT count(*), sum(amount), max(name) FROM event WHERE id < 0",
    "no_groups": "SELECT k, count(*) FROM event WHERE id < 0 GROUP BY k",
    "sums": "SELECT k, count(*) AS a, count(name) AS b, sum(amount) AS c, avg(amount) AS d, sum(price) AS e, avg(price) AS f "
            "FROM event GROUP BY k",
    "extremes": "SELECT k, min(amount) AS a, max(amount) AS b, min(name) AS c, max(name) AS d, min(at) AS e, max(day) AS f, "
                "min(price) AS g FROM event GROUP BY k",
    "booleans": "SELECT name, bool_and(ok), bool_or(ok), every(amount > 10) FROM event GROUP BY name",
    "bits": "SELECT k, bit_and(amount), bit_or(amount), bit_xor(amount) FROM event GROUP BY k",
    "spread": "SELECT k, var_pop(price), stddev_samp(price), variance(amount) FROM event GROUP BY k",
    "null_key": "SELECT name, ok, count(*) FROM event GROUP BY name, ok",
    "expression_key": "SELECT amount % 13 AS rest, lower(name) AS name, count(*) FROM event GROUP BY 1, 2",
    "many_groups": "SELECT id, k, count(*), sum(amount) FROM event GROUP BY id, k",
    "filtered_aggregate": "SELECT k, count(*) FILTER (WHERE ok), sum(amount) FILTER (WHERE name = 'b') FROM event GROUP BY k",
    "over_aggregates": "SELECT k, sum(amount) * 1.0 / count(*) AS mean, max(amount) - min(amount) AS range, count(*) + k AS odd "
                       "FROM event GROUP BY k",
    "having": "SELECT k, name, count(*) FROM event GROUP BY k, name HAVING count(*) > 100 AND sum(amount) % 2 = 0",
    "group_without_aggregate": "SELECT k, name FROM event GROUP BY k, name",
    "grouping_sets": "SELECT k, name, grouping(k, name), count(*), sum(amount) FROM event GROUP BY GROUPING SETS ((k, name), (k), ())",
    "rollup": "SELECT k, ok, count(*) FROM event GROUP BY ROLLUP (k, ok)",
    "tumble": "SELECT w.window_start, w.window_end, k, count(*), sum(amount) FROM event, cq.tumble(at, '10 minutes') w "
              "GROUP BY w.window_start, w.window_end, k",
    "hop": "SELECT w.window_start, w.window_end, count(*), sum(amount), max(price) "
           "FROM event, cq.hop(at, '5 minutes', '20 minutes') w GROUP BY w.window_start, w.window_end",
    "cumulate": "SELECT w.window_start, w.window_end, count(*), sum(amount) "
                "FROM event, cq.cumulate(at, '10 minutes', '1 hour') w GROUP BY w.window_start, w.window_end",
    "date_bin": "SELECT date_bin('15 minutes', at, '2026-01-01Z') AS bin, count(*) FROM event GROUP BY bin",
    "date_trunc": "SELECT date_trunc('hour', at AT TIME ZONE 'UTC') AS hour, count(*) FROM event GROUP BY hour",
    "join": "SELECT g.label, count(*), sum(e.amount) FROM event e JOIN grp g ON g.k = e.k GROUP BY g.label",
    "left_join": "SELECT g.label, count(*), count(g.k) AS found FROM event e LEFT JOIN grp g ON g.k = e.k GROUP BY g.label",
    "join_kept": "SELECT e.id, g.label FROM event e JOIN grp g USING (k) WHERE e.amount < 50",
    "join_window": "SELECT w.window_start, g.label, count(*) FROM event e JOIN grp g USING (k), cq.tumble(e.at, '1 hour') w "
                   "GROUP BY w.window_start, g.label",
    "unnest": "SELECT t AS tag, count(*) FROM event, unnest(tags) AS t GROUP BY t",
    "jsonb": "SELECT details->>'colour' AS colour, count(*), sum((details->>'n')::int) FROM event GROUP BY colour",
    "jsonb_elements": "SELECT e->>'x' AS x, count(*) FROM event, jsonb_array_elements(details->'list') AS e GROUP BY x",
    "cte": "WITH big AS (SELECT k, amount FROM event WHERE amount > 300) SELECT k, count(*), avg(amount) FROM big GROUP BY k",
    "sub_select": "SELECT k, max(half) FROM (SELECT k, amount / 2 AS half FROM event WHERE ok) AS s GROUP BY k",
    "user_defined": "SELECT k, test_product(1 + amount % 2) FROM event GROUP BY k",
    "sketch": "SELECT k, hll_cardinality(hll_add_agg(hll_hash_bigint(amount))) FROM event GROUP BY k",
}

PREPARE = f"""
    CREATE EXTENSION hll;
    CREATE TABLE event_table ({COLUMNS});
    CREATE TABLE grp (k int PRIMARY KEY, label text);
    INSERT INTO grp SELECT k, chr(97 + k % 5) FROM generate_series(0, 14) AS k;
    CREATE FUNCTION test_multiply(numeric, bigint) RETURNS numeric IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN $1 * $2;
    CREATE AGGREGATE test_product(bigint) (sfunc = test_multiply, stype = numeric, combinefunc = numeric_mul, initcond = '1',
                                           parallel = safe);
"""


def random_row(rng, number):
    def maybe(value):
        return None if rng.random() < 0.05 else value
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=rng.randrange(6 * 3600), microseconds=rng.randrange(10 ** 6))
    return {"id": number, "k": maybe(rng.randrange(20)), "name": maybe(rng.choice(["a", "b", "B", "ü", "", "long" * 20])),
            "amount": maybe(rng.randrange(1000)), "price": maybe(rng.randrange(10 ** 6) / 100),
            "ratio": maybe(rng.random()), "at": moment.isoformat(), "day": maybe(moment.date().isoformat()),
            "ok": maybe(rng.random() < 0.7), "tags": maybe(rng.sample(["x", "y", "z"], rng.randrange(4))),
            "details": maybe({"colour": rng.choice(["red", "blue"]), "n": rng.randrange(9),
                              "list": [{"x": rng.randrange(3)} for _ in range(rng.randrange(3))]})}


@pytest.fixture(scope="module")
def shapes(broker, server):
    """The database, with all rows sent; and for shapes refused at CREATE, why."""
    seed = int(os.environ.get("SHAPES_SEED", 1))
    rng = random.Random(seed)
    print(f"SHAPES_SEED={seed}")
    rows = [random_row(rng, number) for number in range(ROWS)]
    broker.create_topic("shapes", PARTITIONS)
    with server.connect("postgres") as connection:
        connection.execute("CREATE DATABASE shapes")
    db = Database(server, "shapes", broker)
    try:
        server.set(cq__workers=2)
        db.execute("CREATE EXTENSION pg_cq")
        db.create_server()
        db.execute(PREPARE)
        with db.connection.cursor().copy("COPY event_table FROM STDIN") as copy:
            for row in rows:
                copy.write_row([Jsonb(value) if isinstance(value, dict) else value for value in row.values()])
        db.execute(f"CREATE SCHEMA live; CREATE SCHEMA plain; CREATE VIEW plain.event AS TABLE event_table; "
                   f"CREATE FOREIGN TABLE live.event ({COLUMNS}) SERVER kafka OPTIONS (topic 'shapes', format 'json')")
        db.execute("SET search_path = live, public")
        refused = {}
        for shape, query in SHAPES.items():
            try:
                db.execute(f"CREATE CONTINUOUS VIEW public.v_{shape} AS {query}")
            except Exception as error:
                refused[shape] = error
        for first in range(0, ROWS, ROWS // 20):
            server.set(cq__batch_rows=rng.choice(CUTS if first < ROWS // 2 else CUTS[3:]))
            broker.produce("shapes", rows[first:first + ROWS // 20], partition=lambda row: row["id"] % PARTITIONS)
        yield db, refused
    finally:
        db.close()
        server.set(cq__workers=None, cq__batch_rows=None)
        with server.connect("postgres") as connection:
            connection.execute("DROP DATABASE shapes WITH (FORCE)")


@pytest.mark.parametrize("shape", SHAPES)
def test_continuous_is_batch(shapes, shape):
    db, refused = shapes
    if shape in refused:
        raise refused[shape]
    db.wait(f"v_{shape}")
    db.execute("SET search_path = plain, public")
    db.assert_equal(f"TABLE v_{shape}", SHAPES[shape])
    # The definition reads the topic itself, as a batch.
    db.execute("SET search_path = live, public")
    db.assert_equal(f"TABLE v_{shape}", SHAPES[shape])
