"""From produce to visible: events carry the time at which they were handed to the producer, and a session that does
nothing else asks a view how far it is, again and again.

The view counts the events of each partition and knows the latest stamp. Between two looks that differ, n events became
visible, whose stamps lie evenly between the old latest and the new one, since they are produced at an even pace; each
took from its stamp to the moment at which the second look's answer was there. So the latency includes the producer's
linger, the broker, and up to one look too much.

The floor is a plain consumer of the same topic at the same time: how long messages took to it from their stamps, in whole
milliseconds. What it sees too is the producer's, the broker's or the machine's.
"""

import json
import subprocess
import time
from dataclasses import asdict, dataclass

from . import picture

RATES = [1, 10, 100, 1000, 10_000, 20_000, 50_000, 100_000, 200_000, 400_000]
LINGER_MS = 5           # the default of Kafka's producer and of librdkafka
LOOK_SECONDS = 0.001
WARM_UP_SECONDS = 2
LAST_LOOKS_SECONDS = 0.3
BROKER_WARM_UP_RATE = 100_000   # before all: the broker's code is still to be compiled, on the same cores
POINTS = 20         # of each look that are kept


@dataclass
class Latency:
    rate: int
    produced_rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    floor_p50_ms: float
    floor_p99_ms: float
    floor_max_ms: float
    events: int
    looks: int
    catch_up_seconds: float     # after the last event was produced, the last looks included
    worker_cores: float


class Observer:
    """Collects latencies, each with the number of events that it stands for."""

    def __init__(self, session, view):
        self.session = session
        self.view = view
        self.seen = {}          # partition → (count, latest)
        self.points = []
        self.looks = 0

    def look(self, is_counted):
        rows = self.session.rows(f"SELECT part, n, extract(epoch FROM latest) * 1000 FROM {self.view}")
        now = time.time() * 1000
        self.looks += 1
        for part, count, latest in rows:
            count, latest = int(count), float(latest)
            old_count, old_latest = self.seen.get(part, (count, latest))
            if count > old_count and is_counted:
                self._add(now, old_latest, latest, count - old_count)
            self.seen[part] = (count, latest)

    def _add(self, now, first, last, events):
        points = min(events, POINTS)
        for i in range(1, points + 1):
            self.points.append((now - first - (last - first) * i / points, events / points))

    @property
    def events(self):
        return sum(weight for _, weight in self.points)

    def percentile(self, share):
        """The latency that this share of the events did not exceed."""
        remaining = share * self.events
        for latency, weight in sorted(self.points):
            remaining -= weight
            if remaining <= 0:
                return latency
        return max(latency for latency, _ in self.points)


def measure(ground, rate, name):
    """One rate; the view stands before the first event is produced. The topic has this name in it."""
    settings, session = ground.settings, ground.server.session
    prefix = f"latency-{name}-"
    options = {"partitions": settings.partitions, "kinds": "bid", "wall_clock": True, "linger": LINGER_MS}
    subprocess.run(ground.generator.command(prefix, events=0, **options), check=True, stderr=subprocess.DEVNULL)
    session.rows(f"""
        CREATE FOREIGN TABLE now (auction bigint, price bigint, "dateTime" timestamp, part int OPTIONS (metadata 'partition'))
            SERVER kafka OPTIONS (topic '{prefix}bid', format 'json');
        CREATE CONTINUOUS VIEW seen AS
            SELECT part, count(*) AS n, max("dateTime") AS latest FROM now GROUP BY part;
        SELECT cq.wait('seen', '1 min')""")
    observer = Observer(session, "seen")
    numbers = int(rate * settings.seconds / 46 * 50)
    started = time.monotonic()
    with ground.floors[0].follow(f"{prefix}bid") as floor, \
            subprocess.Popen(ground.generator.command(prefix, events=numbers, rate=rate, **options),
                             stderr=subprocess.DEVNULL) as producer:
        try:
            cpu_before = ground.server.worker_cpu_seconds()
            ended = None
            while ended is None or time.monotonic() < ended + LAST_LOOKS_SECONDS:
                observer.look(time.monotonic() - started > WARM_UP_SECONDS)
                time.sleep(LOOK_SECONDS)
                if ended is None and producer.poll() is not None:
                    ended = time.monotonic()
            session.rows("SELECT cq.wait('seen', '10 min')")
            caught_up = time.monotonic()
        finally:
            floor.terminate()
        least = json.loads(floor.stdout.read())
    observer.look(True)
    cpu = ground.server.worker_cpu_seconds() - cpu_before
    produced = sum(count for count, _ in observer.seen.values())
    session.rows("DROP VIEW seen; DROP FOREIGN TABLE now")
    return Latency(rate, produced / (ended - started), observer.percentile(0.5), observer.percentile(0.99),
                   observer.percentile(1), least["p50_ms"], least["p99_ms"], least["max_ms"],
                   round(observer.events), observer.looks, caught_up - ended, cpu / (caught_up - started))


def run(ground):
    ground.pg_cq.prepare("latency", ground.generator.data_set(ground.settings.partitions, 0))
    print(f"{ground.results.note}\n\n{'events/s':>10}{'produced':>12}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}"
          f"{'floor: p50':>12}{'p99':>7}{'max':>7}{'cores':>8}", flush=True)
    measure(ground, BROKER_WARM_UP_RATE, "warm-up")
    measured = []
    for i, rate in enumerate(ground.settings.rates or RATES):
        latency = measure(ground, rate, i)
        measured.append(latency)
        print(f"{rate:>10,}{latency.produced_rate:>12,.0f}{latency.p50_ms:>10.1f}{latency.p99_ms:>10.1f}"
              f"{latency.max_ms:>10.1f}{latency.floor_p50_ms:>12.0f}{latency.floor_p99_ms:>7.0f}{latency.floor_max_ms:>7.0f}"
              f"{latency.worker_cores:>8.2f}", flush=True)
    ground.results.write_rows("latency", [asdict(latency) for latency in measured])
    ground.results.write_picture("latency", picture.curves(
        "From produce to visible", ground.results.note, "events a second", "milliseconds",
        [("p50", [(latency.rate, latency.p50_ms) for latency in measured]),
         ("p99", [(latency.rate, latency.p99_ms) for latency in measured]),
         ("p99, plain consumer", [(latency.rate, max(latency.floor_p99_ms, 1)) for latency in measured])]))
    return 0
