"""Readers and writers together: clients that ask the view, which has an index for them, while it fills, and a snapshot that is kept
all the while."""

import re
import subprocess
from contextlib import contextmanager
from statistics import mean

from .report import thousands
from .services import Session

POINT = "\\set auction random(1000, 300000)\nSELECT * FROM answer WHERE auction = :auction;\n"
TOP = "SELECT * FROM answer ORDER BY count DESC LIMIT 100;\n"
POINT_WEIGHT = 99       # of a hundred questions


@contextmanager
def clients(ground, figures):
    """Clients of pgbench while the block runs; says in `figures` how many questions were answered, and how fast."""
    (ground.work / "point.sql").write_text(POINT)
    (ground.work / "top.sql").write_text(TOP)
    command = [ground.server.bin / "pgbench", "-n", "-c", str(ground.settings.clients), "-j", "2", "-T", "86400", "-P", "1",
               "-f", f"{ground.work}/point.sql@{POINT_WEIGHT}", "-f", f"{ground.work}/top.sql@{100 - POINT_WEIGHT}", ground.server.DATABASE]
    with subprocess.Popen(command, env=ground.server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True) as reading:
        try:
            yield
        finally:
            reading.terminate()
            progress = re.findall(r"([\d.]+) tps, lat ([\d.]+) ms", reading.stderr.read())
            if progress:
                figures["questions_per_second"] = mean(float(tps) for tps, _ in progress)
                figures["answered_in_ms"] = mean(float(ms) for _, ms in progress)


@contextmanager
def long_reader(ground):
    """A transaction that keeps its snapshot while the block runs."""
    session = Session(ground.server, ground.server.DATABASE)
    session.rows("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
    try:
        yield
    finally:
        session.rows("COMMIT")
        session.close()


def state_bytes(session):
    """The size of all that views keep."""
    return int(session.ask("""SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
        WHERE relnamespace = '_cq'::regnamespace AND relkind = 'r'"""))


@contextmanager
def nobody():
    yield


def measure(ground, data_set, query, name, company, figures):
    """Fills the view in the company of readers. These need it, so it is there, empty, before they come."""
    session = ground.server.session
    make = data_set.statements(ground.broker.address, f"queries/{query}.pg.sql")
    session.rows(make)
    session.rows("CREATE INDEX ON answer (auction)")
    session.rows("SELECT cq.pause('answer')")
    session.rows("SELECT cq.reset('answer', 'earliest')")
    with company:
        measurement = ground.pg_cq.fill("SELECT cq.resume('answer')", ["answer"], query, 1, data_set.events_of(query))
        size = state_bytes(session)
    session.rows("VACUUM")
    vacuumed = state_bytes(session)
    session.rows("DROP VIEW answer")
    row = {"company": name, "events_per_second": measurement.rate, "events_per_worker_core": measurement.rate_per_worker_core,
           "state_mb": size / 2**20, "vacuumed_mb": vacuumed / 2**20,
           "questions_per_second": figures.get("questions_per_second", 0), "answered_in_ms": figures.get("answered_in_ms", 0)}
    print(f"{name:14}{thousands(measurement.rate):>12}{thousands(measurement.rate_per_worker_core):>14}"
          f"{row['questions_per_second']:>13,.0f}{row['answered_in_ms']:>10.1f}"
          f"{row['state_mb']:>11.0f}{row['vacuumed_mb']:>11.0f}", flush=True)
    return row


def run(ground):
    settings = ground.settings
    query = (settings.query or ["w2"])[0]
    data_set = ground.generator.data_set(settings.partitions, settings.events, kinds="bid")
    ground.pg_cq.prepare("readers", data_set)
    print(f"{ground.results.note}\n{query}, {settings.clients} clients, {POINT_WEIGHT} % point questions, the others the top 100\n\n"
          f"{'company':14}{'events/s':>12}{'worker core-s':>14}{'questions/s':>13}{'ms':>10}{'state MB':>11}{'vacuumed':>11}", flush=True)
    figures = {}
    ground.results.write_rows("readers", [
        measure(ground, data_set, query, "nobody", nobody(), {}),
        measure(ground, data_set, query, "clients", clients(ground, figures), figures),
        measure(ground, data_set, query, "long reader", long_reader(ground), {}),
    ])
    return 0
