"""Tables whose changes count, where SQL alone does not show it: dumps, crashes, many writers."""
import random
import threading

import psycopg
from conftest import Database

QUERIES = {
    "joined": "SELECT s.id, t.name FROM {s} s FULL JOIN t USING (k)",
    "grouped": "SELECT name, count(*) AS n, sum(v) AS v FROM t LEFT JOIN {s} s USING (k) "
               "GROUP BY name",
    "alone": "SELECT k, count(*) AS n FROM parts GROUP BY k",
}


def create(db):
    db.execute("CREATE FOREIGN TABLE s (id int, k int) SERVER cq_log")
    db.execute("CREATE TABLE s_rows (id int, k int)")
    db.execute("CREATE TABLE t (gone int, k int, name text, v int)")
    db.execute("ALTER TABLE t DROP COLUMN gone")
    db.execute("CREATE TABLE parts (k int, v int) PARTITION BY LIST (k)")
    db.execute("CREATE TABLE parts_rest PARTITION OF parts DEFAULT")
    for name, query in QUERIES.items():
        db.execute(f"CREATE CONTINUOUS VIEW {name} WITH (tables = 'maintained') AS "
                   f"{query.format(s='s')}")


def change(execute, rng, rows):
    for _ in range(rows):
        k, v = rng.randrange(6), rng.randrange(100)
        execute(rng.choice([
            f"INSERT INTO t VALUES ({k}, 'n{v % 4}', {v})",
            f"INSERT INTO t SELECT x % 6, 'm', x FROM generate_series(1, {v}) x",
            f"UPDATE t SET v = v + 1, k = (k + {v}) % 6 WHERE k = {k}",
            f"DELETE FROM t WHERE k = {k} AND v % 3 = {v % 3}",
            f"INSERT INTO parts VALUES ({k}, {v})",
            f"DELETE FROM parts WHERE v = {v}"]))


def insert(db, first, end):
    for table in ("s", "s_rows"):
        db.execute(f"INSERT INTO {table} SELECT x, x % 7 FROM generate_series({first}, {end}) x")


def assert_right(db):
    for name, query in QUERIES.items():
        db.wait(name)
        db.assert_equal(f"TABLE {name}", query.format(s="s_rows"))


def test_dumped_and_restored(server, log_db, tmp_path):
    """Triggers are not in the dump: resume_all makes them again, and compares with the tables."""
    db, rng = log_db, random.Random(1)
    create(db)
    insert(db, 1, 20)
    change(db.execute, rng, 20)
    assert_right(db)
    server.program("pg_dump", "-Fc", "-f", str(tmp_path / "dump"), db.name)
    copy = Database(server, f"{db.name}_restored", None)
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{copy.name}"')
    try:
        server.program("pg_restore", "--exit-on-error", "-d", copy.name, str(tmp_path / "dump"))
        change(copy.execute, rng, 5)
        copy.execute("SELECT cq.resume_all()")
        assert_right(copy)
        change(copy.execute, rng, 10)
        insert(copy, 21, 30)
        assert_right(copy)
        assert copy.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass") == 5
        # Elsewhere the table is an ordinary one.
        assert "_cq" not in server.program("pg_dump", "-s", "-t", "t", db.name)
    finally:
        copy.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')


def test_writers_beside_workers_that_end(server, log_db):
    """Several writers while workers end, and the server stops: all counts, and counts once."""
    db = log_db
    create(db)
    insert(db, 1, 20)

    def execute(connection, statement):
        try:
            connection.execute(statement)
        except psycopg.errors.DeadlockDetected:
            pass                    # of the writers themselves: the statement did nothing

    def write(seed):
        with server.connect(db.name) as connection:
            change(lambda statement: execute(connection, statement), random.Random(seed), 60)

    for crashes in (False, True):
        writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
        for writer in writers:
            writer.start()
        for pid in db.worker_pids():
            db.execute("SELECT pg_terminate_backend(%s)", pid)
        for writer in writers:
            writer.join()
        if crashes:
            db.close()
            server.stop("immediate")
            server.start()
        assert_right(db)
