"""What tests with a real broker stand on: a broker, a server, a database for each test, and waits with a deadline.

Everything is private and on the loopback interface. Tests may kill broker and server; each test that did leaves them running.
"""
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from psycopg import sql

TOP = Path(__file__).resolve().parent.parent
POLL = 0.02
DEADLINE = 60


def tool(name, *arguments, **environment):
    """Runs one of tools/; what it printed."""
    done = subprocess.run([TOP / "tools" / name, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, env={**os.environ, **environment})
    assert done.returncode == 0, f"tools/{name} {shlex.join(map(str, arguments))} failed"
    return done.stdout


def wait_until(condition, what, deadline=DEADLINE):
    """Polls until condition() is true, and returns what it gave; fails, saying what was waited for, at the deadline."""
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            pytest.fail(f"after {deadline} s: {what() if callable(what) else what}")
        time.sleep(POLL)


def while_workers_end(db, rng, pauses, work):
    """Calls work() in a thread, and meanwhile has workers of the database end, one after another, at random moments."""
    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        pids = db.worker_pids()
        if pids:
            kill(rng.choice(pids), signal.SIGTERM)
        worker.join(rng.uniform(*pauses))


class Broker:
    """A Kafka broker that can be killed and started again at the same address."""

    def __init__(self, directory):
        self.directory = directory
        self.address = None
        self.admin = None

    def start(self):
        self.address = tool("kafka", "start", self.directory).strip()
        self.admin = AdminClient({"bootstrap.servers": self.address, "reconnect.backoff.max.ms": 200, "log_level": 0})

    def stop(self):
        tool("kafka", "stop", self.directory)

    def kill(self):
        tool("kafka", "kill", self.directory)

    def create_topic(self, name, partitions=1, **config):
        self.create_topics([name], partitions, **config)
        self.await_partitions(name, partitions)

    def create_topics(self, names, partitions=1, **config):
        """All at once. They may take a moment until they answer."""
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        topics = [NewTopic(name, partitions, 1, config=config) for name in names]
        for done in self.admin.create_topics(topics).values():
            done.result(30)

    def add_partitions(self, name, total):
        self.admin.create_partitions([NewPartitions(name, total)])[name].result(30)
        self.await_partitions(name, total)

    def delete_topic(self, name):
        self.admin.delete_topics([name])[name].result(30)
        wait_until(lambda: name not in self.admin.list_topics(timeout=30).topics, f"topic {name} is still there")

    def delete_records(self, name, partition, before):
        """As retention does it: what lies before the offset is gone."""
        place = TopicPartition(name, partition, before)
        self.admin.delete_records([place])[place].result(30)

    def await_partitions(self, name, total):
        """Until all partitions answer: a broker tells of a leader a moment before it is one."""
        def ready():
            topic = self.admin.list_topics(timeout=30).topics.get(name)
            return topic and len(topic.partitions) == total and all(p.leader >= 0 for p in topic.partitions.values())

        def answers():
            try:
                for partition in range(total):
                    consumer.get_watermark_offsets(TopicPartition(name, partition), 30)
                return True
            except KafkaException:
                return False
        wait_until(ready, f"topic {name} has not {total} partitions")
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "await_partitions", "log_level": 0})
        try:
            wait_until(answers, f"topic {name} does not answer for {total} partitions")
        finally:
            consumer.close()

    def producer(self, **config):
        """An idempotent producer: each message once, in order, whatever happens to the broker meanwhile."""
        return Producer({"bootstrap.servers": self.address, "enable.idempotence": True, "linger.ms": 5, "log_level": 0,
                         "message.timeout.ms": 0, "reconnect.backoff.max.ms": 200, "message.max.bytes": 20000000,
                         **{key.replace("_", "."): value for key, value in config.items()}})

    def produce(self, topic, values, partition=None, key=None):
        """Sends all values (dicts as JSON; bytes and None as they are), acknowledged. partition and key: of a value, or fixed."""
        producer = self.producer()
        failed = []

        def delivered(error, _):
            if error:
                failed.append(error)
        for value in values:
            where = {}
            if partition is not None:
                where["partition"] = partition(value) if callable(partition) else partition
            if key is not None:
                where["key"] = key(value) if callable(key) else key
            payload = value if value is None or isinstance(value, bytes) else json.dumps(value)
            while True:
                try:
                    producer.produce(topic, payload, on_delivery=delivered, **where)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()
        assert not failed, failed


class Server:
    """A PostgreSQL server with pg_cq preloaded that can be killed and started again."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = {}

    def start(self):
        self.environment = dict(line.split("=", 1) for line in tool("postgres", "start", self.directory).split())

    def stop(self, mode="fast"):
        tool("postgres", "stop", self.directory, mode)

    def pids(self):
        """The postmaster and all its children."""
        postmaster = int((self.directory / "data/postmaster.pid").read_text().split()[0])
        return [postmaster, *children(postmaster)]

    def kill(self):
        """kill -9 of all of it, as when the machine goes down; returns when it is gone."""
        pids = self.pids()
        for pid in pids:
            kill(pid)
        wait_until(lambda: not any(map(is_alive, pids)), "killed server is still there")

    def connect(self, database, **options):
        return psycopg.connect(host=self.environment["PGHOST"], port=self.environment["PGPORT"], user="postgres",
                               dbname=database, autocommit=True, **options)

    def program(self, name, *arguments, **options):
        """Runs psql, pg_dump, … of this server's installation; what it printed."""
        bindir = subprocess.run([os.environ["PG_CONFIG"], "--bindir"], stdout=subprocess.PIPE, text=True).stdout.strip()
        options.setdefault("input", "")
        done = subprocess.run([f"{bindir}/{name}", *arguments], env={**os.environ, **self.environment}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        assert done.returncode == 0, f"{name} {shlex.join(arguments)}:\n{done.stderr}"
        return done.stdout

    def set(self, **settings):
        """ALTER SYSTEM and reload; a value of None resets."""
        with self.connect("postgres") as connection:
            for name, value in settings.items():
                name = sql.SQL(".").join(map(sql.Identifier, name.split("__")))
                if value is None:
                    connection.execute(sql.SQL("ALTER SYSTEM RESET {}").format(name))
                else:
                    connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(name, sql.Literal(value)))
            connection.execute("SELECT pg_reload_conf()")

    def log(self):
        return (self.directory / "log").read_text(errors="replace")


class Database:
    """A database with the extension, and a connection to it that is made again when the server went away."""

    def __init__(self, server, name, broker):
        self.server = server
        self.name = name
        self.broker = broker
        self.connection = None

    def execute(self, query, *parameters):
        """The rows, or None; outside a transaction."""
        if self.connection is None or self.connection.closed:
            self.connection = self.server.connect(self.name)
        cursor = self.connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else None

    def value(self, query, *parameters):
        (row,) = self.execute(query, *parameters)
        (value,) = row
        return value

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def wait(self, view, deadline=DEADLINE):
        """Until the view has seen all that is in its topics now; its errors are the test's."""
        assert self.value("SELECT cq.wait(%s::regclass, make_interval(secs => %s))", view, deadline), \
            f"{view} did not catch up: {self.state(view)}"

    def end_workers(self):
        """Others come. Who reads a stream may have its messages already, also of a paused view."""
        mine = "backend_type = 'pg_cq worker' AND datname = current_database()"
        pids = [pid for pid, _ in self.execute(
            f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")]
        wait_until(lambda: not self.value(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)", pids), pids)

    def part(self, view, role="state"):
        """The name of the table, or view, that has this part in the view."""
        return self.value("SELECT relation::text FROM _cq.part WHERE view = %s::regclass "
                          "AND node = 0 AND role = %s", view, role)

    def state(self, view):
        """For messages of failed tests."""
        return (self.execute("SELECT * FROM cq.views WHERE view = %s::regclass", view),
                self.execute("SELECT * FROM cq.positions WHERE view = %s::regclass", view),
                self.execute("SELECT * FROM cq.errors LIMIT 5"))

    def assert_equal(self, one, other, message=""):
        """Two queries give the same rows, counted with their multiplicity."""
        left, right = self.execute(f"""
            WITH one AS MATERIALIZED ({one}), other AS MATERIALIZED ({other})
            SELECT (SELECT json_agg(x) FROM (TABLE one EXCEPT ALL TABLE other LIMIT 10) x),
                   (SELECT json_agg(x) FROM (TABLE other EXCEPT ALL TABLE one LIMIT 10) x)""")[0]
        assert (left, right) == (None, None), f"{message}\nonly in {one}:\n{left}\nonly in {other}:\n{right}"

    def create_server(self, name="kafka", **options):
        """The foreign server of the broker. Settings that make a broken connection known soon."""
        options = {"bootstrap_servers": self.broker.address, "reconnect.backoff.max.ms": "200", **options}
        self.execute(sql.SQL("CREATE SERVER {} FOREIGN DATA WRAPPER cq_kafka OPTIONS ({})").format(
            sql.Identifier(name),
            sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(key), sql.Literal(value))
                               for key, value in options.items())).as_string(self.connection))

    def worker_pids(self):
        """Of the ingest workers of this database."""
        return [pid for (pid,) in self.execute("SELECT pid FROM cq.workers WHERE pid IS NOT NULL")]


def kill(pid, number=signal.SIGKILL):
    """False where it was gone already."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def children(parent):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            pass                    # gone meanwhile
    return found


def is_alive(pid):
    """A zombie counts: a server started meanwhile would take it for its predecessor."""
    return kill(pid, 0)


def pytest_configure(config):
    # Ended from outside: fixtures still clean up.
    def interrupt(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.session.stash[FAILED] = True


FAILED = pytest.StashKey()


def keep_log(request, name, log):
    """Where a test failed, its servers' logs go to the report."""
    if request.session.stash.get(FAILED, False) and "PG_CQ_REPORT" in os.environ:
        shutil.copy(log, Path(os.environ["PG_CQ_REPORT"]) / f"{name}.log")


@pytest.fixture(scope="session")
def broker(request, tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        keep_log(request, "kafka", broker.directory / "log")


@pytest.fixture(scope="session")
def registry(request, tmp_path_factory):
    """A schema registry, which takes a while to start: for those who need a real one."""
    from registry import Registry   # which has this module's tool
    registry = Registry(tmp_path_factory.mktemp("registry"))
    try:
        registry.start()
        yield registry
    finally:
        registry.stop()
        keep_log(request, "registry", registry.directory / "log")


@pytest.fixture(scope="session")
def server(request, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("postgres"))
    try:
        server.start()
        yield server
    finally:
        server.stop("immediate")
        keep_log(request, "postgres", server.directory / "log")


@pytest.fixture
def name(request):
    """Of this test, fit for topics and databases."""
    return re.sub(r"\W+", "_", request.node.name).strip("_").lower()[:60]


@contextlib.contextmanager
def fresh_database(server, name, broker):
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    db = Database(server, name, broker)
    try:
        db.execute("CREATE EXTENSION pg_cq")
        yield db
    finally:
        db.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def server_with(code, directory):
    """A server of its own, in all of whose processes C code takes the place of libraries'."""
    library = directory / "planted.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-", "-ldl"],
                   input=code, text=True, check=True)
    (directory / "server").mkdir()
    server = Server(directory / "server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        server.start()
    try:
        yield server
    finally:
        server.stop("immediate")


@pytest.fixture
def db(server, broker, name):
    """A fresh database with the extension and the foreign server kafka."""
    with fresh_database(server, name, broker) as db:
        db.create_server()
        yield db


@pytest.fixture
def log_db(server, name):
    """A fresh database with the extension, no broker."""
    with fresh_database(server, name, None) as db:
        yield db


@pytest.fixture
def topic(broker, name):
    """A function that creates a topic of this test, and gives its name."""
    created = []

    def create(suffix="", partitions=1, **config):
        topic = name + suffix
        broker.create_topic(topic, partitions, **config)
        created.append(topic)
        return topic
    yield create
    for topic in created:
        broker.admin.delete_topics([topic])[topic].exception(30)


@pytest.fixture
def reader(broker):
    """A function that makes readers of topics, which are closed at the end."""
    from sinks import Reader        # which has this module's wait_until
    made = []

    def make(topic, partitions=1):
        made.append(Reader(broker, topic, partitions))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def cluster():
    """Two brokers, of which one can go away alone."""
    from mock_cluster import MockCluster
    cluster = MockCluster(2)
    yield cluster
    cluster.close()
