"""What comes out: from topic to topic, exactly once; and how long ingest is held up while a large window is emitted."""

import json
import subprocess
import time
from dataclasses import asdict, dataclass

RATES = [1000, 10_000, 20_000, 50_000]
LINGER_MS = 5
GROUPS = 1_000_000
ORDINARY_ROUNDS = 200


@dataclass
class Passage:
    rate: int
    produced_rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    floor_p50_ms: float
    floor_p99_ms: float
    cores: float        # of all of the server


def pass_on(ground, rate, name):
    """One rate. Messages keep their timestamp, which is that of the producer: a plain consumer of the second topic, which sees what is committed
    alone, says how old they are; one of the first says the same of that."""
    settings, session = ground.settings, ground.server.session
    source, target = f"topics-{name}-", f"topics-{name}-out-"
    options = {"partitions": settings.partitions, "kinds": "bid", "wall_clock": True, "linger": LINGER_MS}
    for prefix in (source, target):
        subprocess.run(ground.generator.command(prefix, events=0, **options), check=True, stderr=subprocess.DEVNULL)
    columns = "(auction bigint, bidder bigint, price bigint, made timestamptz OPTIONS (metadata 'timestamp'))"
    session.rows(f"""
        CREATE FOREIGN TABLE arriving {columns} SERVER kafka OPTIONS (topic '{source}bid');
        CREATE FOREIGN TABLE leaving {columns} SERVER kafka OPTIONS (topic '{target}bid');
        CREATE CONTINUOUS VIEW passing WITH (sink = 'leaving') AS SELECT auction, bidder, price, made FROM arriving;
        SELECT cq.wait('passing', '1 min'), cq.flush('passing', '1 min')""")
    numbers = int(rate * settings.seconds / 46 * 50)
    cpu_before = ground.server.cpu_seconds(session.pid)
    started = time.monotonic()
    with ground.floors[0].follow(f"{source}bid") as floor, ground.floors[0].follow(f"{target}bid") as passed:
        try:
            subprocess.run(ground.generator.command(prefix=source, events=numbers, rate=rate, **options), check=True,
                           stderr=subprocess.DEVNULL)
            seconds = time.monotonic() - started
            session.rows("SELECT cq.wait('passing', '10 min'), cq.flush('passing', '10 min')")
            time.sleep(1)
        finally:
            floor.terminate()
            passed.terminate()
        least, found = json.loads(floor.stdout.read()), json.loads(passed.stdout.read())
    cpu = ground.server.cpu_seconds(session.pid) - cpu_before
    sent = int(session.ask("SELECT sent_rows FROM cq.sinks"))
    session.rows("DROP VIEW passing; DROP FOREIGN TABLE arriving, leaving")
    return Passage(rate, sent / seconds, found["p50_ms"], found["p99_ms"], found["max_ms"], least["p50_ms"], least["p99_ms"], cpu / seconds)


def topics(ground):
    ground.pg_cq.prepare("topics", ground.generator.data_set(ground.settings.partitions, 0))
    print(f"{ground.results.note}\n\n{'events/s':>10}{'passed':>12}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}"
          f"{'floor: p50':>12}{'p99':>7}{'cores':>8}", flush=True)
    pass_on(ground, max(RATES), "warm-up")
    measured = []
    for i, rate in enumerate(ground.settings.rates or RATES):
        passage = pass_on(ground, rate, i)
        measured.append(passage)
        print(f"{rate:>10,}{passage.produced_rate:>12,.0f}{passage.p50_ms:>10.0f}{passage.p99_ms:>10.0f}{passage.max_ms:>10.0f}"
              f"{passage.floor_p50_ms:>12.0f}{passage.floor_p99_ms:>7.0f}{passage.cores:>8.2f}", flush=True)
    ground.results.write_rows("topics", [asdict(passage) for passage in measured])
    return 0


def look_until(session, query, value):
    while session.ask(query) != value:
        pass


def closing(ground):
    """A row is committed, and looked for in a view, again and again, while a window of a million groups is closed and emitted."""
    ground.pg_cq.prepare("closing", ground.generator.data_set(ground.settings.partitions, 0))
    session = ground.server.session
    session.rows("""
        CREATE FOREIGN TABLE happening (k int, at timestamptz) SERVER cq_log OPTIONS (event_time 'at');
        CREATE CONTINUOUS VIEW closed WITH (emit = 'close') AS
            SELECT window_end, k, count(*) FROM happening, cq.tumble(at, '1 hour') GROUP BY window_end, k;
        CREATE CONTINUOUS VIEW counted AS SELECT count(*) AS n FROM happening""")
    session.rows(f"INSERT INTO happening SELECT i, '2025-01-01 00:30Z' FROM generate_series(1, {GROUPS}) i; SELECT cq.wait('counted')")
    held_up = {"before": [], "during": []}
    count, closed_at, emission = GROUPS, None, None
    while emission is None:
        when = "before" if count < GROUPS + ORDINARY_ROUNDS else "during"
        if when == "during" and closed_at is None:
            closed_at = time.monotonic()
        session.rows(f"INSERT INTO happening VALUES (0, '2025-01-01 {'00:59' if when == 'before' else '01:30'}Z')")
        began = time.monotonic()
        count += 1
        look_until(session, "SELECT n FROM counted", str(count))
        held_up[when].append((time.monotonic() - began) * 1000)
        if closed_at is not None and session.ask("SELECT EXISTS (SELECT FROM closed)") == "t":
            emission = time.monotonic() - closed_at
    rows = int(session.ask("SELECT count(*) FROM closed"))
    worst = {when: max(times) for when, times in held_up.items()}
    print(f"{ground.results.note}\n\n{rows:,} rows of one window emitted in {emission:.1f} s; a row committed meanwhile was seen after at most "
          f"{worst['during']:.0f} ms ({len(held_up['during'])} rows; before: {worst['before']:.0f} ms)", flush=True)
    ground.results.write_rows("closing", [{"rows": rows, "emission_seconds": emission, "held_up_ms": worst["during"], "held_up_before_ms": worst["before"]}])
    return 0
