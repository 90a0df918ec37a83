"""Forecasts and anomalies beside the implementations that people know, on public series; and what hostile people give them."""
import csv
import random
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import psycopg
import pytest
from psycopg import pq

from conftest import tool

HERE = Path(__file__).resolve().parent / "series"

# Of R's datasets and the package forecast: years, quarters, months; with and without trend and seasons.
SERIES = ["AirPassengers", "UKgas", "JohnsonJohnson", "USAccDeaths", "WWWusage", "Nile", "austres", "BJsales", "uspop",
          "airmiles", "nhtemp", "lh", "woolyrnq", "LakeHuron"]


def rscript(name, *arguments, **options):
    done = subprocess.run(["Rscript", "--vanilla", HERE / name, *arguments], stdout=subprocess.PIPE, text=True, check=True, **options)
    return list(csv.reader(done.stdout.splitlines()))


def smape(actual, expected):
    return 200 * sum(abs(a - e) / (abs(a) + abs(e)) for a, e in zip(actual, expected)) / len(actual)


def f1(flags, labels):
    hits = sum(flag and label for flag, label in zip(flags, labels))
    return 2 * hits / (sum(flags) + sum(labels))


def errors_beside(db, model, names):
    """Mean sMAPE over the series, of cq.forecast and of the reference."""
    rows = defaultdict(list)
    for name, season, _, value, expected in rscript("reference.R", model, *names):
        rows[name].append((int(season), float(value), float(expected) if expected else None))
    ours, theirs = [], []
    for name in names:
        training = [value for _, value, expected in rows[name] if expected is None]
        held_back = [(value, expected) for _, value, expected in rows[name] if expected is not None]
        actual, expected = zip(*held_back)
        points = db.execute("SELECT value FROM cq.forecast(%s::float8[], %s, %s, %s) ORDER BY step",
                            training, len(held_back), model, rows[name][0][0])
        ours.append(smape(actual, [value for (value,) in points]))
        theirs.append(smape(actual, expected))
    return sum(ours) / len(ours), sum(theirs) / len(theirs)


def test_ets(log_db):
    """No more than 10 % worse than ets(), which AutoETS of other packages is made after."""
    ours, theirs = errors_beside(log_db, "ets", SERIES)
    assert ours <= 1.1 * theirs


def test_arima(log_db):
    ours, theirs = errors_beside(log_db, "arima", ["UKgas", "WWWusage", "Nile", "austres", "BJsales", "airmiles", "LakeHuron", "lh"])
    assert ours <= 1.25 * theirs


def test_decompose(log_db):
    """To the digit what stl() says."""
    rows = [tuple(map(float, row)) for row in rscript("stl.R")]
    parts = log_db.execute("SELECT (d).trend, (d).seasonal FROM (SELECT i, cq.decompose(v, to_timestamp(i), 12, robust => true) "
                           "OVER (ORDER BY i) AS d FROM unnest(%s::float8[]) WITH ORDINALITY AS t (v, i)) s ORDER BY i",
                           [value for value, _, _ in rows])
    for (_, *expected), found in zip(rows, parts, strict=True):
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name, column", [("uniDS", "value"), ("yahoo", "data")])
def test_anomalies(log_db, name, column):
    """Flags are at least as right as those of ARIMA's residuals beyond the same bound."""
    with open(Path(tool("labelled-series").strip()) / f"{name}.csv") as file:
        rows = [(float(row[column]), row["label"] not in ("0", "0.0")) for row in csv.DictReader(file)]
    values, labels = zip(*rows)
    residuals = rscript("residuals.R", input="\n".join(map(str, values)))
    theirs = f1([abs(float(residual)) > 3.89 for (residual,) in residuals], labels)
    for model in ("ets", "arima"):
        flags = log_db.execute("SELECT coalesce((cq.anomaly(v, to_timestamp(3600 * i), %s) OVER (ORDER BY i)).is_anomaly, false) "
                               "FROM unnest(%s::float8[]) WITH ORDINALITY AS t (v, i) ORDER BY i", model, list(values))
        assert f1([flag for (flag,) in flags], labels) >= theirs, model


def test_points(log_db):
    """The one labelled point of three numbers is found, and few others are."""
    with open(Path(tool("labelled-series").strip()) / "multiDS.csv") as file:
        rows = list(csv.DictReader(file))
    points = [[float(row[column]) for column in ("v1", "v2", "v3")] for row in rows]
    (label,) = [i for i, row in enumerate(rows) if row["label"] == "1"]
    for model, most in (("robust", 70), ("half_space_trees", 10)):
        flags = log_db.execute("SELECT i - 1 FROM (SELECT i, cq.anomaly(ARRAY[x, y, z], to_timestamp(i), %s) OVER (ORDER BY i) AS a "
                               "FROM unnest(%s::float8[], %s::float8[], %s::float8[]) WITH ORDINALITY AS t (x, y, z, i)) s "
                               "WHERE (a).is_anomaly", model, *map(list, zip(*points)))
        found = [i for (i,) in flags]
        assert label in found and len(found) <= most, model


def test_cancel(log_db):
    """What takes long answers a timeout, which is a cancel, in whatever loop it is."""
    log_db.execute("CREATE TABLE event AS SELECT i, to_timestamp(i) AS at, (10 + sin(i / 1600.0) + i * 7 % 101 / 101.0)::float8 AS v "
                   "FROM generate_series(1, 100000) i")
    array = "SELECT count(*) FROM cq.forecast(ARRAY(SELECT v FROM event ORDER BY i), 1, '{}', 10000)"
    over = "SELECT count(x) FROM (SELECT {} OVER (ORDER BY at) AS x FROM event) s"
    point = "ARRAY(SELECT (i * k % 10007)::float8 FROM generate_series(1, 32) k)"
    log_db.execute("SET statement_timeout = 300")
    for query in (array.format("ets"), array.format("arima"),
                  over.format("cq.forecast(v, at, 1, 'ets', 10000, min_training => 100000, max_training => 100000)"),
                  over.format(f"cq.anomaly({point}, at, \"window\" => 10000)"),
                  over.format("cq.decompose(v, at, 2, 7, true)")):
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            log_db.execute(query)
        assert time.monotonic() - began < 10, query


def break_bytes(rng, whole):
    """A copy with some bytes changed, taken out or put in, or nothing but chance."""
    if rng.random() < 0.2:
        return rng.randbytes(rng.randrange(40))
    copy = bytearray(whole)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(copy) + 1)
        copy[at:at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    return bytes(copy)


def test_hostile_sketches(log_db):
    """Whatever comes as a sketch, as text or in binary, is refused, or is one: it can be asked, stored, compared and put together."""
    rng = random.Random(20)
    log_db.execute("CREATE TABLE taken (s cq.sketch)")
    (oid,), = log_db.execute("SELECT 'cq.sketch'::regtype::oid")
    sketches = log_db.execute("SELECT s::text, _cq.sketch_send(s) FROM (SELECT cq.sketch(exp(i * scale) * (1 - 2 * (i % 2))) AS s "
                              "FROM generate_series(1, 900) i, unnest('{0.001,0.7}'::float8[]) scale, unnest('{3,60,900}'::int[]) n "
                              "WHERE i <= n GROUP BY scale, n) s")
    taken = [0, 0]
    for text, whole in sketches * 150:
        for is_binary in (0, 1):
            value = break_bytes(rng, whole) if is_binary else break_bytes(rng, text.encode()).replace(b"\0", b"")
            result = log_db.connection.pgconn.exec_params(b"INSERT INTO taken VALUES ($1)", [value], [oid], [is_binary])
            assert result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.FATAL_ERROR)
            assert log_db.connection.pgconn.status == pq.ConnStatus.OK, value
            taken[is_binary] += result.status == pq.ExecStatus.COMMAND_OK
    assert min(taken) > 10
    assert log_db.execute("SELECT s FROM taken WHERE s::text::cq.sketch IS DISTINCT FROM s OR cq.sketch_count(s) < 0 OR (cq.sketch_count(s) > 0 "
                          "AND NOT coalesce(cq.median(s) BETWEEN cq.quantile(s, 0) AND cq.quantile(s, 1) AND cq.mad(s) >= 0 "
                          "AND cq.quantile(s, 0) > '-infinity' AND cq.quantile(s, 1) < 'infinity', false))") == []
    assert log_db.execute("SELECT count(*) FROM taken a JOIN taken b USING (s) WHERE cq.robust_z(1, a.s) IS DISTINCT FROM cq.robust_z(1, b.s)") == [(0,)]
    for (text,) in log_db.execute("SELECT s::text FROM taken"):
        try:
            log_db.execute("SELECT cq.sketch(s) FROM (SELECT %s::cq.sketch UNION ALL SELECT s FROM taken LIMIT 50) t (s)", text)
        except psycopg.errors.NumericValueOutOfRange:
            pass                # more than can be counted
    assert log_db.connection.pgconn.status == pq.ConnStatus.OK


def test_hostile_states(log_db):
    """Arrays of any form as states, points and moments: an answer or an error, and the same server process at the end."""
    rng = random.Random(20)
    numbers = ["0", "1", "2", "3", "-1", "1e308", "-1e308", "1e-320", "NaN", "Infinity", "-Infinity", "NULL", "32", "33", "0.5", "1e150"]

    def array():
        size = rng.choice([0, 1, 2, 3, 4, 5, 5, 7, 7, 11, 562])
        text = "{" + ",".join(rng.choices(numbers, [9, 9, 9] + [1] * (len(numbers) - 3), k=size)) + "}"
        return f"{{{text},{text}}}" if size and rng.random() < 0.1 else f"[0:{size - 1}]={text}" if size and rng.random() < 0.1 else text

    pid = log_db.value("SELECT pg_backend_pid()")
    answers = 0
    for _ in range(200):
        for call in ("_cq.moments_combine(%s::float8[], %s::float8[])::text", "_cq.moments_transition(%s::float8[], %s::float8[])::text",
                     "_cq.ewma_combine(%s::float8[], %s::float8[])::text", "concat(_cq.ewma_mean(%s), _cq.ewma_stddev(%s))",
                     "concat(_cq.moments_final(%s), cq.moments(p)) FROM (VALUES (%s::float8[])) x (p)",
                     "cq.mahalanobis('{1,2}', ROW(2, %s::float8[], %s::float8[])::cq.moments)::text",
                     "cq.mahalanobis(%s::float8[], cq.moments(p))::text FROM unnest(ARRAY[1,2,3]) i, LATERAL (VALUES (%s::float8[])) x (p)",
                     "concat(cq.anomaly(%s::float8[], now(), \"window\" => 10) OVER (), cq.anomaly(%s::float8[], now(), 'half_space_trees') OVER ()) "
                     "FROM generate_series(1, 2)",
                     "(SELECT count(f)::text FROM cq.forecast(%s::float8[] || %s::float8[], 3) f)"):
            try:
                log_db.execute(f"SELECT {call}", array(), array())
                answers += 1
            except (psycopg.DataError, psycopg.errors.DataCorrupted):
                pass
    assert answers > 100 and log_db.value("SELECT pg_backend_pid()") == pid
