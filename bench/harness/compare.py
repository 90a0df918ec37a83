"""Every query in pg_cq, and the same in Flink, in turns, beside plain consumers of the same topic."""

import sys
from dataclasses import asdict
from statistics import median

from . import picture
from .report import middle, thousands
from .services import BENCH

HEADER = f"{'':6}{'pg_cq':>11}{'per core':>11}{'workers':>11}{'memory':>9}{'WAL':>9}" \
         f"{'Flink':>11}{'per core':>11}{'memory':>9}{'floor':>8}{'spread':>13}{'ratio':>9}\n" \
         f"{'':6}{'events/s':>11}{'second':>11}{'alone':>11}{'MB':>9}{'B/event':>9}" \
         f"{'events/s':>11}{'second':>11}{'MB':>9}{'%':>8}"


def query_names():
    """All there are: w…, u…, then q0, q1, q2, q12 …"""
    names = [path.name.removesuffix(".pg.sql") for path in (BENCH / "queries").glob("*.pg.sql")]
    return sorted(names, key=lambda name: (name[0] == "q", name[0] == "u", int(name[1:])))


def _number(value, places=0):
    return "-" if value is None else f"{value:,.{places}f}"


def _divide(a, b):
    return None if a is None or b is None else a / b


def line(query, measured):
    """What is printed of a query: medians, and the ratio of the rates per core-second with its spread over the turns."""
    pg_cq, flink, floor = (measured.get(name, []) for name in ("pg_cq", "flink", "floor+json"))
    rate = middle(pg_cq, "rate_per_core")
    share = _divide(rate, middle(floor, "rate_per_core"))
    ratio = _divide(rate, middle(flink, "rate_per_core"))
    ratios = [mine.rate_per_core / theirs.rate_per_core for mine, theirs in zip(pg_cq, flink)]
    spread = f"{min(ratios):.1f}–{max(ratios):.1f}" if ratios else "-"
    return (f"{query:6}{thousands(middle(pg_cq, 'rate')):>11}{thousands(rate):>11}"
            f"{thousands(middle(pg_cq, 'rate_per_worker_core')):>11}{_number(middle(pg_cq, 'memory_mb')):>9}"
            f"{_number(middle(pg_cq, 'wal_per_event'), 1):>9}{thousands(middle(flink, 'rate')):>11}"
            f"{thousands(middle(flink, 'rate_per_core')):>11}{_number(middle(flink, 'memory_mb')):>9}"
            f"{_number(share and share * 100):>8}{spread:>13}{_number(ratio, 1) + ' x':>9}")


def disagreements(query, measured):
    """Flink and pg_cq must have as many rows, unless Flink's are updates."""
    if "NOT ENFORCED" in (BENCH / f"queries/{query}.flink.sql").read_text():
        return []
    rows = {run.rows for name in ("pg_cq", "flink") for run in measured.get(name, [])}
    return [] if len(rows) <= 1 else [f"{query}: the answers have different numbers of rows: {sorted(rows)}"]


def take_turns(query, data_set, engines, runs):
    """Each engine runs the query once in each turn, until it fails: engine → its runs, and what failed."""
    measured, failures = {}, {}
    for number in range(1, runs + 1):
        for engine in engines:
            if engine.name not in failures:
                try:
                    measured.setdefault(engine.name, []).append(engine.measure(query, data_set, number))
                except RuntimeError as error:
                    failures[engine.name] = f"{query}: {engine.name}: {error}"
    return measured, list(failures.values())


def _draw(ground, measured):
    levels = []
    for floor in ground.floors:
        rate = middle([run for runs in measured.values() for run in runs[floor.name]], "rate_per_core")
        levels.append((f"{floor.name} {thousands(rate)}", rate))
    rows = []
    for query, runs in measured.items():
        mine, theirs = (middle(runs.get(name, []), "rate_per_core") for name in ("pg_cq", "flink"))
        rows.append((query, "" if _divide(mine, theirs) is None else f"{mine / theirs:.1f} x", [mine, theirs]))
    names = ["pg_cq", "Flink"]
    if not ground.settings.flink:
        names, rows = names[:1], [(query, remark, values[:1]) for query, remark, values in rows]
    ground.results.write_picture("compare", picture.bars(
        "Events per core-second of the engine's processes", ground.results.note, "medians", names, rows, levels))


def run(ground):
    settings = ground.settings
    data_set = ground.generator.data_set(settings.partitions, settings.events)
    engines = [*ground.floors, ground.pg_cq] + ([ground.flink()] if settings.flink else [])
    measured, problems = {}, []
    print(f"{ground.results.note}\n{settings.events:,} events in topics of {settings.partitions} partitions, "
          f"{settings.workers} worker, medians of {settings.runs} runs\n\n{HEADER}", flush=True)
    for query in settings.query or query_names():
        measured[query], failures = take_turns(query, data_set, engines, settings.runs)
        print(line(query, measured[query]), flush=True)
        problems += failures + disagreements(query, measured[query])
    _print_means(measured)
    ground.results.write_rows("compare", [
        asdict(run) for runs in measured.values() for engine in runs.values() for run in engine])
    _draw(ground, measured)
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


def _print_means(measured):
    """The floor, and what each engine costs the broker, over all queries."""
    print()
    for name in ("floor", "floor+json", "pg_cq", "flink"):
        runs = [run for by_engine in measured.values() for run in by_engine.get(name, [])]
        if runs:
            cost = median(run.broker_cpu_seconds / run.events * 1e6 for run in runs)
            print(f"{name:11}{thousands(middle(runs, 'rate'))} events/s, {thousands(middle(runs, 'rate_per_core'))} "
                  f"per core-second; {cost:.2f} µs of the broker's for each")
