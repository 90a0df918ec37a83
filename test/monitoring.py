"""monitoring/ with Prometheus and the exporters: `make test-monitoring`, see README.md."""
import json
import os
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest
from conftest import TOP, tool, wait_until
from monitoring_files import DIRECTORY, expressions, metrics, postgres_queries


@pytest.fixture(scope="module")
def programs():
    return tool("monitoring").strip()


@pytest.fixture
def start(programs, tmp_path):
    """Starts one of them; it ends with the test."""
    running = []

    def run(name, *arguments, **environment):
        log = (tmp_path / f"{name}.log").open("w")
        running.append(subprocess.Popen([f"{programs}/{name}", *arguments], stdout=log, stderr=log,
                                        cwd=tmp_path, env={**os.environ, **environment}))
    yield run
    for process in running:
        process.terminate()
    for process in running:
        process.wait()


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def get(address, path, **parameters):
    url = f"http://{address}{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


@pytest.fixture
def busy(log_db):
    """A database with something of all that is told of, and a role that may only look."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE SERVER away FOREIGN DATA WRAPPER cq_kafka "
               "OPTIONS (bootstrap_servers '127.0.0.1:1')")
    db.execute("CREATE FOREIGN TABLE told (k int, n bigint) SERVER away "
               "OPTIONS (topic 'told', mode 'upsert')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'told') AS "
               "SELECT k, count(*) AS n FROM s GROUP BY k")
    db.execute("CREATE CONTINUOUS VIEW fails AS SELECT 1 / k AS k FROM s")
    db.execute("INSERT INTO s SELECT i % 5 FROM generate_series(1, 100) i")
    db.wait("v")
    db.wait("fails")
    db.execute("DROP ROLE IF EXISTS exporter")
    db.execute("CREATE ROLE exporter LOGIN IN ROLE pg_monitor")
    yield db
    db.execute("DROP ROLE exporter")


def told(db):
    """The metrics that have a value: one exporter tells of null as NaN, the other not at all."""
    found = {f"{name}_{column}" for name, (query, labels, columns) in postgres_queries().items()
             for row in db.execute(query)
             for column, value in zip(labels + columns, row) if value is not None}
    return [metric for metric in metrics() if metric in found]


def database_url(db):
    port = db.server.environment["PGPORT"]
    return f"postgres://exporter@127.0.0.1:{port}/{db.name}?sslmode=disable"


def start_postgres_exporter(start, db):
    address = free_address()
    start("prometheus-postgres-exporter", f"--web.listen-address={address}",
          "--disable-default-metrics", "--disable-settings-metrics",
          f"--extend.query-path={DIRECTORY}/postgres_exporter.yml",
          DATA_SOURCE_NAME=database_url(db))
    return address


def start_sql_exporter(start, db, tmp_path):
    address = free_address()
    config = (DIRECTORY / "sql_exporter.yml").read_text()
    own = "postgres://monitor@localhost:5432/postgres?sslmode=disable"
    assert own in config
    (tmp_path / "sql.yml").write_text(config.replace(own, database_url(db)).replace("15s", "1s"))
    start("prometheus-sql-exporter", f"-web.listen-address={address}",
          f"-config.file={tmp_path}/sql.yml")
    return address


def test_rules(programs):
    for arguments in (["check", "rules", DIRECTORY / "alerts.yml"],
                      ["check", "config", DIRECTORY / "prometheus.yml"],
                      ["test", "rules", TOP / "test/alerts_test.yml"]):
        done = subprocess.run([f"{programs}/promtool", *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("exporter", ["postgres_exporter", "sql_exporter"])
def test_all_the_way(busy, start, tmp_path, exporter):
    """Each metric is in Prometheus, each expression can be asked, and alerts are told of."""
    db = busy
    address = start_postgres_exporter(start, db) if exporter == "postgres_exporter" else \
        start_sql_exporter(start, db, tmp_path)
    prometheus = free_address()
    config = (DIRECTORY / "prometheus.yml").read_text().replace("localhost:9187", address)
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n" + config)
    shutil.copy(DIRECTORY / "alerts.yml", tmp_path)
    start("prometheus", f"--config.file={tmp_path}/prometheus.yml",
          f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={prometheus}")

    def ask(expression):
        try:
            answer = json.loads(get(prometheus, "/api/v1/query", query=expression))
            return answer["data"]["result"]
        except OSError:
            return []               # it is about to start
    for metric in told(db):
        wait_until(lambda: ask(metric), lambda: f"there is no {metric}")
    for expression in expressions():
        for macro, value in ("$__rate_interval", "1m"), ("$instance", ".*"), ("$view", ".*"):
            expression = expression.replace(macro, value)
        ask(expression)             # else it is an error
    assert ask('pg_cq_view_rows{view="v"}')[0]["value"][1] == "100"
    assert ask('pg_cq_visible_seconds_bucket{view="v", le="+Inf"}')[0]["value"][1] == "100"
    assert len(ask('pg_cq_batch_seconds_bucket{view="v"}')) == 24
    assert not ask('{__name__=~"pg_cq_.*", col!=""}')
    assert ask('histogram_quantile(0.5, pg_cq_visible_seconds_bucket{view="v"})')
    # More rows that fail, and a sink whose broker is away.
    db.execute("INSERT INTO s VALUES (0)")
    dead = 'ALERTS{alertname="PgCqDeadLetters", view="fails", alertstate="firing"}'
    wait_until(lambda: ask(dead), "no dead letters are told of")
    wait_until(lambda: ask('ALERTS{alertname="PgCqSinkDown", view="v"}'), "no sink is told of")
    assert not ask('ALERTS{alertname="PgCqWorkerDown"}')
