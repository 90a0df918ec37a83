"""What forecasts and anomalies cost: CPU time of the one process that computes them, by event, less
that of reading and ordering the rows."""

from . import process
from .report import thousands

KEYS = 20
OVER = "OVER (PARTITION BY key ORDER BY at)"
COUNT = "SELECT count(answer) FROM (SELECT {} AS answer FROM event) s"
WINDOW = COUNT.format("{} " + OVER)

# What it is beside, and what is measured.
FLOORS = {"group": "SELECT count(*) FROM (SELECT count(value) FROM event GROUP BY key) s",
          "window": WINDOW.format("row_number()")}
MEASURED = [
    ("ewma", "group", "SELECT sum(x) FROM (SELECT cq.ewma(value, at, '1 min') AS x "
                      "FROM event GROUP BY key) s"),
    ("robust z", "group", "SELECT sum(x) FROM (SELECT cq.robust_z(max(value), cq.sketch(value)) "
                          "AS x FROM event GROUP BY key) s"),
    ("moments", "group", "SELECT count(x) FROM (SELECT cq.moments(ARRAY[value, value]) AS x "
                         "FROM event GROUP BY key) s"),
    ("forecast ETS(A,Ad,N)", "window", WINDOW.format("cq.forecast(value, at, 1, 'ets(a,ad,n)')")),
    ("forecast auto", "window", WINDOW.format("cq.forecast(value, at)")),
    ("anomaly auto", "window", WINDOW.format("cq.anomaly(value, at)")),
    ("anomaly ARIMA(1,1,1)", "window", WINDOW.format("cq.anomaly(value, at, 'arima(1,1,1)')")),
    ("anomaly robust", "window", WINDOW.format("cq.anomaly(value, at, 'robust')")),
    ("points robust", "window", WINDOW.format("cq.anomaly(ARRAY[value, value * value], at)")),
    ("points trees", "window",
     WINDOW.format("cq.anomaly(ARRAY[value, value * value], at, 'half_space_trees')")),
]


def run(ground):
    events = min(ground.settings.events, 1_000_000)
    session = ground.server.session
    session.rows(f"""CREATE EXTENSION pg_cq; SET max_parallel_workers_per_gather = 0;
        CREATE UNLOGGED TABLE event AS SELECT i % {KEYS} AS key,
          timestamptz '2026-01-01' + i * interval '1 s' AS at,
          10 + sin(i / 50.0) + (i::bigint * 7919 % 10007) / 10007.0 AS value
        FROM generate_series(1, {events}) i; ANALYZE event""")

    def seconds(query):
        before = process.cpu_seconds(session.pid)
        session.rows(query)
        return process.cpu_seconds(session.pid) - before

    floors = {name: min(seconds(query) for _ in range(3)) for name, query in FLOORS.items()}
    rows = []
    for name, floor, query in MEASURED:
        whole = min(seconds(query) for _ in range(ground.settings.runs))
        # What is less than a tenth of the floor is noise of the floor: the rate is no less than that.
        cost = max(whole - floors[floor], floors[floor] / 10)
        rate = events / cost
        rows.append({"function": name, "events": events, "cpu_seconds": f"{cost:.2f}",
                     "events_per_core_second": f"{rate:.0f}"})
        print(f"{name:24}{thousands(rate):>12} events per core-second", flush=True)
    ground.results.write_rows("series", rows)
