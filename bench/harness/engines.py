"""Those that are measured: pg_cq, Flink, and the plain consumers that are the floor. Each reads a topic to its end."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import process
from .services import BENCH, run


@dataclass
class Measurement:
    """One run. Rates are over `seconds`; the CPU time is that of all the engine's processes."""

    query: str
    engine: str
    run: int
    events: int
    seconds: float
    cpu_seconds: float
    memory_mb: float = None
    worker_cpu_seconds: float = None    # pg_cq: the workers alone, without the server's other processes
    broker_cpu_seconds: float = None
    wal_bytes: int = None
    rows: int = None                    # of the answer

    @property
    def rate(self):
        return self.events / self.seconds

    @property
    def rate_per_core(self):
        return self.events / self.cpu_seconds

    @property
    def rate_per_worker_core(self):
        return self.worker_cpu_seconds and self.events / self.worker_cpu_seconds

    @property
    def wal_per_event(self):
        return self.wal_bytes and self.wal_bytes / self.events


class Floor:
    """A plain consumer: `floor` only counts, `floor+json` also takes three fields out of each message."""

    def __init__(self, programs, broker, with_json):
        self.name = "floor+json" if with_json else "floor"
        self.program = programs / "floor"
        self.flags = ["-j"] if with_json else []
        self.broker = broker

    def follow(self, topic):
        """Started: takes what comes until it is terminated, then prints, as JSON, how long messages took to it."""
        return subprocess.Popen([self.program, "-l", self.broker.address, topic], stdout=subprocess.PIPE)

    def measure(self, query, data_set, number):
        # Only bids have these fields; the queries read little else.
        broker_before = self.broker.cpu_seconds()
        done = json.loads(run(self.program, *self.flags, self.broker.address, data_set.prefix + "bid"))
        return Measurement(query, self.name, number, done["messages"], done["seconds"], done["cpu_seconds"],
                           broker_cpu_seconds=self.broker.cpu_seconds() - broker_before)


class PgCq:
    """pg_cq: from the statement that makes the view until it has seen, and committed, all that is in the topic."""

    name = "pg_cq"
    WAIT = "1 hour"

    def __init__(self, server, broker):
        self.server = server
        self.broker = broker
        self._prepared = None

    def prepare(self, name, data_set):
        """A database for this name and these topics: it has a worker of its own, which has seen nothing else yet."""
        if self._prepared != (name, data_set.prefix):
            self.server.renew_database()
            self.server.session.rows(data_set.statements(self.broker.address, "streams.pg.sql"))
            self._prepared = (name, data_set.prefix)

    def fill(self, make, views, query, number, events):
        """Runs `make`, waits until the views are full, and says what that cost."""
        session = self.server.session
        wal_before = session.ask("SELECT pg_current_wal_insert_lsn()")
        workers_before = self.server.worker_cpu_seconds()
        broker_before = self.broker.cpu_seconds()
        cpu_before = self.server.cpu_seconds(session.pid)
        started = time.monotonic()
        with process.MemoryPeak(self.server.worker_pids) as memory:
            session.rows(make)
            for view in views:
                session.rows(f"SELECT cq.wait('{view}', '{self.WAIT}')")
            seconds = time.monotonic() - started
        return Measurement(
            query, self.name, number, events, seconds,
            cpu_seconds=self.server.cpu_seconds(session.pid) - cpu_before,
            memory_mb=memory.mb,
            worker_cpu_seconds=self.server.worker_cpu_seconds() - workers_before,
            broker_cpu_seconds=self.broker.cpu_seconds() - broker_before,
            wal_bytes=int(session.ask(f"SELECT pg_current_wal_insert_lsn() - '{wal_before}'")),
            rows=int(session.ask(f"SELECT count(*) FROM {views[0]}")))

    def measure(self, query, data_set, number):
        self.prepare(query, data_set)
        make = data_set.statements(self.broker.address, f"queries/{query}.pg.sql")
        measurement = self.fill(make, ["answer"], query, number, data_set.events_of(query))
        self.server.session.rows("DROP VIEW answer")
        return measurement


class Flink:
    """Flink SQL in one process, kept for a query's runs; the first of them, in which its code is compiled, does not count.

    Of the others the steady state counts: starting the job, and the first and last part of it, are left out.
    """

    name = "flink"
    OPEN_PACKAGES = ("lang", "util", "util.concurrent", "util.concurrent.atomic", "net", "io", "nio", "lang.reflect", "text", "time")

    def __init__(self, directory, broker, settings):
        self.directory = directory
        self.broker = broker
        self.settings = settings
        directory.mkdir(parents=True, exist_ok=True)
        self.jars = self._fetch()
        self._compile()
        self._query = None
        self._process = None

    def _fetch(self):
        """The jars, once for all; where they are."""
        pom = BENCH / "flink/pom.xml"
        cache = Path(os.environ.get("PG_CQ_CACHE", Path.home() / ".cache/pg_cq"))
        jars = cache / ("flink-" + run("cksum", pom).split()[0])
        if not (jars / "complete").exists():
            print("fetching Flink's jars", flush=True)
            jars.mkdir(parents=True, exist_ok=True)
            repository = self.directory / "m2"
            run("mvn", "-q", "-B", "-f", pom, f"-Dmaven.repo.local={repository}", "dependency:copy-dependencies",
                f"-DoutputDirectory={jars}", "-DincludeScope=runtime")
            (jars / "complete").touch()
        return jars

    def _compile(self):
        classes = self.directory / "classes"
        run("javac", "-cp", f"{self.jars}/*", "-d", classes, BENCH / "flink/FlinkPeer.java")
        self.class_path = f"{classes}:{BENCH / 'flink'}:{self.jars}/*"

    def _start(self, query, data_set):
        self.stop()
        self._query = query
        self._process = subprocess.Popen(
            ["java", f"-Djava.io.tmpdir={self.directory}", f"-Xmx{self.settings.flink_memory}",
             "-XX:MaxDirectMemorySize=2g", "-XX:+UseG1GC",
             *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in self.OPEN_PACKAGES),
             "-cp", self.class_path, "FlinkPeer", str(data_set.partitions), str(self.directory / "checkpoints")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(self.directory / "log", "a"), text=True, bufsize=1)
        self._ask(query, data_set)

    def _ask(self, query, data_set):
        script = self.directory / f"{query}.sql"
        script.write_text(data_set.statements(self.broker.address, "streams.flink.sql", f"queries/{query}.flink.sql"))
        self._process.stdin.write(f"{script}\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"Flink has ended\n{(self.directory / 'log').read_text()[-4000:]}")
        return json.loads(answer)

    def measure(self, query, data_set, number):
        if query != self._query:
            self._start(query, data_set)
        broker_before = self.broker.cpu_seconds()
        done = self._ask(query, data_set)
        steady_share = done["steady_records"] / done["records"]
        return Measurement(
            query, self.name, number, done["steady_records"], done["steady_seconds"], done["steady_cpu_seconds"],
            memory_mb=process.memory_kb(self._process.pid, "VmHWM") / 1024,
            broker_cpu_seconds=(self.broker.cpu_seconds() - broker_before) * steady_share,
            rows=done["emitted"])

    def stop(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(60)
            self._process.stdout.close()
            self._process = None
            self._query = None
