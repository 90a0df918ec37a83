"""What a view costs its neighbours on the same stream: from produce to visible in a plain view that
counts, alone and in the company of views that take long for a batch: one that tells changes, a
join, a Top-N.

Whatever takes CPU time slows others down, so each company is followed by another one that costs as
much and tells nothing. The topic of a phase has events in it before the views are made, so that
these have their groups and their rows. Phases take turns; ratios are between medians over the
turns, within one run.
"""

import json
import subprocess
import time
from dataclasses import asdict, dataclass
from statistics import median

from .latency import BROKER_WARM_UP_RATE, LINGER_MS, WARM_UP_SECONDS, Observer
from .latency import measure as warm_up

RATE = 10_000
SECONDS = 10
KEYS = 100_000
BEFORE = 2              # events for each key, before the views are made
BURN_ROWS = 2000

COMPANIES = {
    "changes": """CREATE CONTINUOUS VIEW company WITH (changes = 'told') AS
        SELECT auction, count(*) AS n, sum(price) AS total FROM now GROUP BY auction""",
    "join": """CREATE CONTINUOUS VIEW company AS
        SELECT n.auction, n.price, i.kind FROM now n JOIN item i ON i.id = n.auction""",
    "top": """CREATE CONTINUOUS VIEW company AS SELECT * FROM (
        SELECT auction, price, "dateTime",
          row_number() OVER (PARTITION BY auction ORDER BY price DESC, "dateTime") AS place
        FROM now) s WHERE place <= 3""",
}
BURN = "max(md5(repeat(chr(65 + (auction % 26)::int), {}::int)))"


@dataclass
class Phase:
    company: str
    run: int
    p50_ms: float
    p99_ms: float
    cores: float        # of pg_cq's processes
    floor_p50_ms: float
    floor_p99_ms: float
    behind: int         # messages that the company had still to read, at the end


def seconds_to_burn(session, length):
    """What an event of a view costs that does nothing but burn so much, in seconds."""
    began = time.monotonic()
    session.rows(f"SELECT {BURN.format(length)} FROM generate_series(1, {BURN_ROWS}) auction")
    return (time.monotonic() - began) / BURN_ROWS


def plain_company(session, cores, rate):
    """A view that costs so much, and tells nothing."""
    length = 20_000
    length = int(length * cores / rate / seconds_to_burn(session, length))
    return f"CREATE CONTINUOUS VIEW company AS SELECT count(*), {BURN.format(length)} FROM now"


def produce(ground, prefix, **options):
    command = ground.generator.command(prefix, partitions=ground.settings.partitions, kinds="bid",
                                       wall_clock=True, linger=LINGER_MS, **options)
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def make_views(session, prefix, keys, company):
    session.rows(f"""
        CREATE FOREIGN TABLE now (auction bigint, price bigint, "dateTime" timestamp,
            part int OPTIONS (metadata 'partition'))
            SERVER kafka OPTIONS (topic '{prefix}bid', format 'json');
        CREATE FOREIGN TABLE item (id bigint, kind int) SERVER cq_log;
        INSERT INTO item SELECT 1000 + i, i % 10 FROM generate_series(0, {keys}) i;
        CREATE CONTINUOUS VIEW seen AS
            SELECT part, count(*) AS n, max("dateTime") AS latest FROM now GROUP BY part;
        {company};
        SELECT cq.wait('seen', '5 min')""")
    if company:
        session.rows("SELECT cq.wait('company', '5 min')")


def observe(ground, observer, producer, prefix):
    """Until the producer has ended. What a plain consumer saw, and how many cores that took."""
    server, started = ground.server, time.monotonic()
    with ground.floors[0].follow(f"{prefix}bid") as floor:
        try:
            while time.monotonic() < started + WARM_UP_SECONDS:
                observer.look(False)
            before, began = server.worker_cpu_seconds(), time.monotonic()
            while producer.poll() is None:
                observer.look(True)
                time.sleep(0.001)
            cores = (server.worker_cpu_seconds() - before) / (time.monotonic() - began)
        finally:
            floor.terminate()
        return json.loads(floor.stdout.read()), cores


def measure(ground, name, company, rate, run):
    settings, session = ground.settings, ground.server.session
    prefix = f"neighbours-{name.replace(' ', '-').replace('+', 'and')}-{run}-"
    keys = (settings.keys or [KEYS])[0]
    assert produce(ground, prefix, events=BEFORE * keys, keys=keys).wait() == 0
    make_views(session, prefix, keys, company)
    observer = Observer(session, "seen")
    seconds = WARM_UP_SECONDS + SECONDS
    with produce(ground, prefix, events=rate * seconds, rate=rate, keys=keys,
                 first=BEFORE * keys) as producer:
        floor, cores = observe(ground, observer, producer, prefix)
    behind = session.ask("SELECT coalesce(max(lag_messages), 0) FROM cq.views "
                         "WHERE view::text = 'company'")
    session.rows(f"""DROP VIEW IF EXISTS company; DROP VIEW seen;
        DROP FOREIGN TABLE IF EXISTS told; DROP FOREIGN TABLE now, item""")
    return Phase(name, run, observer.percentile(0.5), observer.percentile(0.99), cores,
                 floor["p50_ms"], floor["p99_ms"], int(behind))


def show(phase):
    print(f"{phase.company:>18}{phase.p50_ms:>10.1f}{phase.p99_ms:>10.1f}{phase.cores:>8.2f}"
          f"{phase.floor_p50_ms:>12.0f}{phase.floor_p99_ms:>7.0f}{phase.behind:>10,}", flush=True)
    return phase


def take_turn(ground, rate, run, plain):
    """All phases once. plain: company → a plain view that costs as much; filled in the first."""
    phases = [show(measure(ground, "alone", "", rate, run))]
    for name in ground.settings.query or COMPANIES:
        phases.append(show(measure(ground, name, COMPANIES[name], rate, run)))
        if name not in plain:
            cores = max(phases[-1].cores - phases[0].cores, 0.01)
            plain[name] = plain_company(ground.server.session, cores, rate)
        phases.append(show(measure(ground, f"plain as {name}", plain[name], rate, run)))
    return phases


def medians(phases, company):
    of_company = [phase for phase in phases if phase.company == company]
    return (median(phase.p50_ms for phase in of_company),
            median(phase.p99_ms for phase in of_company))


def run(ground):
    rate = (ground.settings.rates or [RATE])[0]
    ground.pg_cq.prepare("neighbours", ground.generator.data_set(ground.settings.partitions, 0))
    print(f"{ground.results.note}\n{rate:,} events a second, {ground.settings.workers} worker\n\n"
          f"{'company':>18}{'p50 ms':>10}{'p99 ms':>10}{'cores':>8}{'floor: p50':>12}{'p99':>7}"
          f"{'behind':>10}", flush=True)
    warm_up(ground, BROKER_WARM_UP_RATE, "warm-up")
    phases, plain = [], {}
    for number in range(1, ground.settings.runs + 1):
        phases += take_turn(ground, rate, number, plain)
    print(f"\n{'':18}{'p50':>8}{'p99':>8}   times of alone;{'p50':>6}{'p99':>8}   of the plain one")
    alone = medians(phases, "alone")
    for name in plain:
        of_name, of_plain = medians(phases, name), medians(phases, f"plain as {name}")
        print(f"{name:>18}{of_name[0] / alone[0]:>8.2f}{of_name[1] / alone[1]:>8.2f}"
              f"{of_name[0] / of_plain[0]:>23.2f}{of_name[1] / of_plain[1]:>8.2f}", flush=True)
    ground.results.write_rows("neighbours", [asdict(phase) for phase in phases])
    return 0
