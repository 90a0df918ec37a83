"""A standby: views are read, and what is waited for is what the primary does."""
import threading

import pytest
from conftest import Database, Server, keep_log, wait_until


@pytest.fixture
def standby(request, server, tmp_path):
    copy = Server(tmp_path / "standby")
    copy.directory.mkdir()
    data = copy.directory / "data"
    server.program("pg_basebackup", "-D", str(data), "-R", "-X", "stream", "-c", "fast")
    with open(data / "postgresql.conf", "a") as conf:
        port = int(server.environment["PGPORT"])
        conf.write(f"port = {port + 1 if port < 60000 else port - 1}\n"
                   f"unix_socket_directories = '{copy.directory}'\n")
    try:
        copy.start()
        yield copy
    finally:
        copy.stop("immediate")
        keep_log(request, "standby", copy.directory / "log")


def test_wait_waits_for_what_the_primary_does(server, log_db, standby):
    log_db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    log_db.execute("CREATE CONTINUOUS VIEW v WITH (changes = 'told') AS "
                   "SELECT k, count(*) FROM s GROUP BY k")
    log_db.execute("CREATE CONTINUOUS VIEW w AS SELECT count(*) FROM told")
    log_db.execute("INSERT INTO s SELECT i % 3 FROM generate_series(1, 300) i")
    log_db.wait("v")
    there = Database(standby, log_db.name, None)
    try:
        wait_until(lambda: there.value("SELECT to_regclass('w') IS NOT NULL"), "nothing arrives")
        there.wait("w")
        assert there.execute("SELECT * FROM v ORDER BY k") == [(0, 100), (1, 100), (2, 100)]
        assert there.execute("SELECT status FROM cq.views") == [("running",), ("running",)]
        # What the primary has not done is waited for, also for longer than workers take to start.
        server.set(cq__enabled=False)
        wait_until(lambda: log_db.worker_pids() == [], "workers are there")
        log_db.execute("INSERT INTO s VALUES (1)")
        wait_until(lambda: there.value("SELECT count(*) FROM s") == 301, "the row does not arrive")
        assert not there.value("SELECT cq.wait('v', '3 s')")
        waiting = threading.Thread(target=there.wait, args=("w",))
        waiting.start()
        server.set(cq__enabled=None)
        waiting.join()
        assert there.execute("SELECT * FROM v WHERE k = 1") == [(1, 101)]
    finally:
        server.set(cq__enabled=None)
        there.close()
