"""The private broker and server, and the sessions that talk to it."""

import os
import subprocess
from pathlib import Path

from . import process

TOP = Path(__file__).resolve().parents[2]
BENCH = TOP / "bench"


def run(*command, **options):
    """Runs a command to its end and returns what it printed; its failure is ours."""
    return subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE, **options).stdout


class Broker:
    """A Kafka broker of our own."""

    def __init__(self, directory):
        self.directory = directory
        self.address = run(TOP / "tools/kafka", "start", directory).strip()
        self.pid = int((directory / "pid").read_text())

    def cpu_seconds(self):
        return process.cpu_seconds(self.pid)

    def stop(self):
        run(TOP / "tools/kafka", "stop", self.directory)


class Session:
    """A psql that stays, so that a statement costs no new process and no new connection."""

    END = "end-of-answer"

    def __init__(self, server, database):
        self.server = server
        self._psql = subprocess.Popen(
            [server.bin / "psql", "-XqAt", "-d", database],
            env={**server.environment, "PGOPTIONS": "-c client_min_messages=error"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            bufsize=1)
        self.pid = int(self.ask("SELECT pg_backend_pid()"))

    def rows(self, sql):
        """The answer's rows, each a list of texts. Several statements may be given; their answers follow each other."""
        self._psql.stdin.write(f"{sql}\n;\\echo {self.END}\n")
        self._psql.stdin.flush()
        lines = []
        for line in self._psql.stdout:
            line = line.rstrip("\n")
            if line == self.END:
                break
            lines.append(line)
        else:
            raise RuntimeError("the session was lost\n" + self.server.log_tail())
        if any(line.startswith(("ERROR:", "FATAL:")) for line in lines):
            raise RuntimeError("\n".join(lines) + f"\nin: {sql}")
        return [line.split("|") for line in lines]

    def ask(self, sql):
        """The first value of the answer's first row."""
        return self.rows(sql)[0][0]

    def close(self):
        self._psql.stdin.close()
        self._psql.wait(60)
        self._psql.stdout.close()


class Server:
    """A PostgreSQL server of our own, with pg_cq in it."""

    DATABASE = "bench"

    def __init__(self, directory, pg_config, settings):
        self.directory = directory
        self.pg_config = pg_config
        self.bin = Path(run(pg_config, "--bindir").strip())
        environment = {**os.environ, "PG_CONFIG": str(pg_config), "SERVER_CONFIG": str(self._configuration(settings))}
        printed = run(TOP / "tools/postgres", "start", directory, env=environment)
        self.environment = {**environment, **dict(line.split("=", 1) for line in printed.splitlines())}
        self.pid = int((directory / "data/postmaster.pid").read_text().splitlines()[0])
        self.session = None
        self.renew_database()

    def renew_database(self):
        """An empty database in place of the one that was there, and a session in it."""
        if self.session is not None:
            self.session.close()
        ruler = Session(self, "postgres")
        ruler.rows(f"DROP DATABASE IF EXISTS {self.DATABASE}")
        ruler.rows(f"CREATE DATABASE {self.DATABASE}")
        ruler.close()
        self.session = Session(self, self.DATABASE)

    def _configuration(self, settings):
        path = self.directory.with_suffix(".conf")
        path.write_text(f"include '{BENCH / 'postgresql.conf'}'\ncq.workers = {settings.workers}\n")
        return path

    def worker_pids(self):
        """pg_cq's processes, by their titles."""
        return [pid for pid in process.children(self.pid) if "pg_cq" in process.title(pid)]

    def worker_cpu_seconds(self):
        return sum(process.cpu_seconds(pid) for pid in self.worker_pids())

    def cpu_seconds(self, *besides):
        """All processes of the server but the sessions that only ask."""
        return process.tree_cpu_seconds(self.pid) - sum(process.cpu_seconds(pid) for pid in besides)

    def log_tail(self):
        return "\n".join((self.directory / "log").read_text(errors="replace").splitlines()[-20:])

    def stop(self):
        self.session.close()
        run(TOP / "tools/postgres", "stop", self.directory, env=self.environment)
