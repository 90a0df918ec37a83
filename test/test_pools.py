"""Compute pools: workers of their own, as many as there is to do, and partitions that move."""
import pytest

from conftest import wait_until

STREAMS = 16
QUERY = "SELECT k % 7 AS g, count(*) AS n, sum(k) AS s FROM {stream} GROUP BY 1"


def state(db, pool):
    return db.execute("SELECT workers, wanted_workers, busy, backlog, lag_messages, change "
                      "FROM cq.pools WHERE name = %s", pool)


def await_workers(db, pool, expected):
    """Until that many run, and no more are wanted."""
    wait_until(lambda: state(db, pool)[0][:2] == (expected, expected),
               lambda: f"not {expected} workers in {pool}: {state(db, pool)}, "
                       f"{db.execute('TABLE cq.workers')}")


def readers(db, pool):
    """How many of a pool's workers have read something since they were started."""
    return db.value("SELECT count(*) FROM cq.stat_workers s JOIN cq.workers w USING (worker) "
                    "WHERE w.pool = %s AND s.rows > 0", pool)


@pytest.fixture
def streams(log_db):
    for i in range(STREAMS):
        log_db.execute(f"CREATE FOREIGN TABLE s{i} (k bigint) SERVER cq_log")
    return log_db


def insert(db, first, end):
    for i in range(STREAMS):
        db.execute(f"INSERT INTO s{i} SELECT generate_series({first}, {end - 1})")


def assert_right(db):
    for i in range(STREAMS):
        db.wait(f"v{i}")
        db.assert_equal(f"TABLE v{i}", QUERY.format(stream=f"s{i}"))


def test_workers_come_and_go_and_a_view_moves(streams):
    db = streams
    db.execute("SELECT cq.create_pool('p', 1, 3)")
    db.execute("SELECT cq.create_pool('q', 1, 1)")
    for i in range(STREAMS):
        db.execute(f"CREATE VIEW v{i} WITH (continuous, pool = 'p') AS "
                   + QUERY.format(stream=f"s{i}"))
    await_workers(db, "p", 1)
    await_workers(db, "q", 1)
    rows = 0
    for least, most in ((3, 3), (1, 1), (2, 3), (1, 3)):
        db.execute(f"SELECT cq.alter_pool('p', {least}, {most})")
        for pool in ("q", "default", "p"):
            db.execute(f"ALTER VIEW v0 SET (pool = '{pool}')")
            insert(db, rows, rows + 50)
            rows += 50
        wait_until(lambda: state(db, "p")[0][0] >= least, lambda: str(state(db, "p")))
    assert_right(db)
    db.execute("SELECT cq.alter_pool('p', 3, 3)")
    await_workers(db, "p", 3)

    def all_read():
        nonlocal rows
        insert(db, rows, rows + 10)
        rows += 10
        return readers(db, "p") == 3
    wait_until(all_read, lambda: str(db.execute("TABLE cq.stat_workers")))
    assert_right(db)
    wait_until(lambda: db.value("SELECT count(*) > 1 FROM cq.events "
                                "WHERE what = 'worker added' AND detail LIKE 'pool p,%'"),
               lambda: str(db.execute("SELECT what, detail FROM cq.events")))
    for i in range(STREAMS):
        db.execute(f"DROP VIEW v{i}")
    db.execute("SELECT cq.drop_pool('p'), cq.drop_pool('q')")
    wait_until(lambda: db.value("SELECT count(*) = 0 FROM cq.workers WHERE pool <> 'default'"),
               lambda: str(db.execute("TABLE cq.workers")))


def test_partitions_move_one_by_one(broker, db, topic):
    """One stream, one view: its partitions are shared out among workers that come and go."""
    name = topic(partitions=STREAMS)
    db.execute("SELECT cq.create_pool('p', 1, 3)")
    db.execute(f"CREATE FOREIGN TABLE s (k bigint) SERVER kafka OPTIONS (topic '{name}')")
    db.execute("CREATE VIEW v WITH (continuous, pool = 'p') AS " + QUERY.format(stream="s"))
    end = 0

    def produce():
        nonlocal end
        broker.produce(name, [{"k": k} for k in range(end, end + 64)],
                       partition=lambda value: value["k"] % STREAMS)
        end += 64

    def all_read(workers):
        produce()
        return readers(db, "p") == workers
    for workers in (3, 1, 2):
        db.execute(f"SELECT cq.alter_pool('p', {workers}, {workers})")
        wait_until(lambda: all_read(workers), lambda: str(db.execute("TABLE cq.stat_workers")))
        await_workers(db, "p", workers)
    db.wait("v")
    db.assert_equal("TABLE v", f"SELECT k % 7 AS g, count(*) AS n, sum(k) AS s "
                               f"FROM generate_series(0, {end - 1}::bigint) k GROUP BY 1")
    assert db.value("SELECT sum(next_offset) FROM cq.positions") == end


@pytest.mark.parametrize("source", ["kafka", "log"])
def test_an_idle_pool_has_no_worker(server, broker, db, topic, source):
    server.set(cq__pool_idle_timeout=1)
    try:
        db.execute("SELECT cq.create_pool('p', 0, 1)")
        if source == "kafka":
            name = topic(partitions=2)
            db.execute(f"CREATE FOREIGN TABLE s (k bigint) SERVER kafka OPTIONS (topic '{name}')")
        else:
            db.execute("CREATE FOREIGN TABLE s (k bigint) SERVER cq_log")
        db.execute("CREATE VIEW v WITH (continuous, pool = 'p') AS " + QUERY.format(stream="s"))
        for step in range(1, 3):
            await_workers(db, "p", 0)
            if source == "kafka":
                broker.produce(name, [{"k": k} for k in range(100)],
                               partition=lambda value: value["k"] % 2)
            else:
                db.execute("INSERT INTO s SELECT generate_series(0, 99)")
            db.wait("v")
            db.assert_equal("TABLE v", "SELECT k % 7 AS g, count(*) AS n, sum(k) AS s "
                            f"FROM generate_series(0, 99::bigint) k, generate_series(1, {step}) "
                            "GROUP BY 1")
            assert db.value("SELECT change FROM cq.pools") in (
                "from 0 to 1: messages wait", "from 1 to 0: nothing has come")
    finally:
        server.set(cq__pool_idle_timeout=None)
