"""All that an experiment stands on: programs built, a broker, a server, the generator, and the engines."""

import os

from .dataset import Generator
from .engines import Flink, Floor, PgCq
from .report import Results
from .services import TOP, Broker, Server, run


class Ground:
    """Set up on entry, taken down on exit, in whatever state the experiment left it."""

    def __init__(self, work, settings):
        self.work = work
        self.settings = settings
        self._open = []

    def __enter__(self):
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self):
        print("building pg_cq, starting PostgreSQL and Kafka", flush=True)
        programs = self.work / "programs"
        pg_config = run(TOP / "tools/server-copy", self.work / "installed").strip()
        jobs = f"-j{os.cpu_count()}"
        run("make", "-s", jobs, f"PG_CONFIG={pg_config}", "install", cwd=TOP)
        run("make", "-s", jobs, "-C", TOP / "bench", f"O={programs}")
        self.broker = self._keep(Broker(self.work / "kafka"))
        self.server = self._keep(Server(self.work / "postgres", pg_config, self.settings))
        self.generator = Generator(programs, self.broker)
        self.floors = [Floor(programs, self.broker, with_json) for with_json in (False, True)]
        self.pg_cq = PgCq(self.server, self.broker)
        self.results = Results(TOP / "build/report/bench", self.server)

    def flink(self):
        """Flink, for experiments that want it."""
        return self._keep(Flink(self.work / "flink", self.broker, self.settings))

    def _keep(self, service):
        self._open.append(service)
        return service

    def __exit__(self, *_):
        while self._open:
            try:
                self._open.pop().stop()
            except Exception as error:      # the others are still to be stopped
                print(f"bench: cannot stop: {error}", flush=True)
