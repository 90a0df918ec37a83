"""A disk that is really full: what stands still says so, nothing is lost, and all goes on once there is room."""
import subprocess

import pytest
from conftest import TOP, Database, Server, wait_until

MOUNT = 'mount -t tmpfs -o size=48m,mode=700 tmpfs "$1" && shift && exec "$@"'


class SmallDiskServer(Server):
    """Its directory `small` is a file system of its own, which only this server sees."""

    def start(self):
        small = self.directory / "small"
        small.mkdir()
        command = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-c", MOUNT, "sh", small]
        try:
            subprocess.run([*command, "true"], check=True, stderr=subprocess.PIPE)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system can be mounted: {error}")
        done = subprocess.run([*command, TOP / "tools" / "postgres", "start", self.directory], check=True, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.environment = dict(line.split("=", 1) for line in done.stdout.split())


@pytest.fixture
def small_db(tmp_path, broker, name):
    """A database all of whose tables are on a small disk."""
    (tmp_path / "server").mkdir()
    server = SmallDiskServer(tmp_path / "server")
    server.start()
    try:
        with server.connect("postgres") as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{server.directory}/small'")
            connection.execute(f'CREATE DATABASE "{name}" TABLESPACE small')
        db = Database(server, name, broker)
        db.execute("CREATE EXTENSION pg_cq")
        db.create_server()
        yield db
        db.close()
    finally:
        server.stop("immediate")


def fill(db, megabytes):
    """The rest of the disk, or no more than that."""
    db.execute(f"""DO $$ BEGIN
        COPY (SELECT repeat('x', 1000000) FROM generate_series(1, {megabytes})) TO '{db.server.directory}/small/ballast';
    EXCEPTION WHEN disk_full THEN
    END $$""")


def messages(first, end):
    return [{"id": number, "text": f"{number} " * 100} for number in range(first, end)]


VIEWS = "first", "rows", "told", "total"


def test_a_full_disk(small_db, broker, topic):
    db = small_db
    name = topic()
    db.execute(f"CREATE FOREIGN TABLE s (id bigint, text text) SERVER kafka OPTIONS (topic '{name}', format 'json')")
    db.execute("CREATE CONTINUOUS VIEW rows AS SELECT id, text FROM s")
    db.execute("CREATE CONTINUOUS VIEW total AS SELECT count(*), sum(id) FROM s")
    db.execute("CREATE CONTINUOUS VIEW first AS SELECT DISTINCT ON (id % 1000) id % 1000 AS k, id, text "
               "FROM s ORDER BY k, id")
    db.execute("CREATE CONTINUOUS VIEW told WITH (changes = 'c') AS SELECT id % 1000 AS k, count(*) FROM s GROUP BY 1")
    broker.produce(name, messages(0, 1000))
    for view in VIEWS:
        db.wait(view)
    fill(db, 1000)
    broker.produce(name, messages(1000, 20000))

    def errors():
        return dict(db.execute("SELECT view::text, last_error FROM cq.views"))
    wait_until(lambda: "No space left on device" in (errors()["rows"] or ""), lambda: (errors(), db.state("rows")))
    fill(db, 0)
    for view in VIEWS:
        db.wait(view)
    assert db.execute("TABLE total") == [(20000, sum(range(20000)))]
    assert db.execute("SELECT count(*), count(DISTINCT id), sum(id) FROM rows") == [(20000, 20000, sum(range(20000)))]
    assert db.execute("SELECT count(*), min(count), max(count) FROM told") == [(1000, 20, 20)]
    db.assert_equal("SELECT k, id FROM first", "SELECT k, k FROM generate_series(0, 999) AS k")
    db.assert_equal("TABLE told", "SELECT (new).k, (new).count FROM c WHERE (new).count = 20")
    assert db.execute("SELECT view::text, status, bad_rows FROM cq.views ORDER BY 1") == [
        (view, "running", 0) for view in VIEWS]
    assert db.execute("TABLE cq.errors") == []
