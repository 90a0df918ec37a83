"""Forecasts and anomalies beside the implementations that people know, on public series."""
import csv
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

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
