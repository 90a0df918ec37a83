"""How the cost of an event changes with what there is more of. Each experiment prints a line for each step."""

from dataclasses import asdict

from .report import thousands

WORKERS = [1, 2]
PARTITIONS = [1, 2, 4, 8]
EVENTS = [1_000_000, 10_000_000, 100_000_000]
KEYS = [10, 1000, 100_000, 1_000_000, 10_000_000]
VIEWS = [1, 10, 100]


class Table:
    """Prints steps as they are measured, the first one being what the others are compared with."""

    def __init__(self, ground, name):
        self.ground = ground
        self.name = name
        self.steps = []
        print(f"{ground.results.note}\n\n{name:>12}{'events/s':>12}{'per core-s':>12}{'workers':>12}{'memory MB':>11}"
              f"{'WAL B/event':>13}{'rows':>12}{'cost':>8}", flush=True)

    def add(self, step, measurement):
        self.steps.append((step, measurement))
        cost = self.steps[0][1].rate_per_core / measurement.rate_per_core
        print(f"{step:>12,}{thousands(measurement.rate):>12}{thousands(measurement.rate_per_core):>12}"
              f"{thousands(measurement.rate_per_worker_core):>12}{measurement.memory_mb:>11,.0f}"
              f"{measurement.wal_bytes / measurement.events:>13.1f}{measurement.rows:>12,}{cost:>6.1f} x", flush=True)

    def end(self):
        self.ground.results.write_rows(self.name, [{self.name: step, **asdict(measurement)} for step, measurement in self.steps])
        return 0


def _queries(ground):
    return ground.settings.query or ["w1"]


def _set_workers(server, number):
    server.session.rows(f"ALTER SYSTEM SET cq.workers = {number}")
    server.session.rows("SELECT pg_reload_conf()")


def workers(ground):
    data_set = ground.generator.data_set(max(ground.settings.partitions, max(WORKERS)), ground.settings.events)
    table = Table(ground, "workers")
    for number in WORKERS:
        _set_workers(ground.server, number)
        for query in _queries(ground):
            table.add(number, ground.pg_cq.measure(query, data_set, 1))
    return table.end()


def partitions(ground):
    table = Table(ground, "partitions")
    for number in PARTITIONS:
        data_set = ground.generator.data_set(number, ground.settings.events, kinds="bid")
        for query in _queries(ground):
            table.add(number, ground.pg_cq.measure(query, data_set, 1))
    return table.end()


def events(ground):
    table = Table(ground, "events")
    for number in EVENTS:
        data_set = ground.generator.data_set(ground.settings.partitions, number, kinds="bid")
        for query in _queries(ground):
            table.add(number, ground.pg_cq.measure(query, data_set, 1))
    return table.end()


def groups(ground):
    """Totals of each auction, bids going evenly to that many: with millions, most are touched rarely."""
    table = Table(ground, "groups")
    for number in ground.settings.keys or KEYS:
        data_set = ground.generator.data_set(ground.settings.partitions, max(ground.settings.events, 2 * number),
                                             kinds="bid", keys=number)
        table.add(number, ground.pg_cq.measure("u1", data_set, 1))
    return table.end()


def views(ground):
    """Many views on one stream, made in one transaction, no two alike."""
    data_set = ground.generator.data_set(ground.settings.partitions, ground.settings.events, kinds="bid")
    ground.pg_cq.prepare("views", data_set)
    table = Table(ground, "views")
    for number in ground.settings.views or VIEWS:
        names = [f"answer{i}" for i in range(number)]
        make = "\n".join(
            f"""CREATE CONTINUOUS VIEW {name} AS SELECT w.window_start, count(*)
                FROM bid, cq.tumble("dateTime", '{10 + i} s') w GROUP BY w.window_start;"""
            for i, name in enumerate(names))
        table.add(number, ground.pg_cq.fill(f"BEGIN;\n{make}\nCOMMIT", names, "views", 1, data_set.count["bid"]))
        ground.server.session.rows(f"DROP VIEW {', '.join(names)}")
    return table.end()
