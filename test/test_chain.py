"""Views of views: all of a chain is of one moment in every snapshot, whoever writes and whatever is killed meanwhile."""
import random
import threading

import psycopg
import pytest
from conftest import kill, wait_until

ROUNDS = 151        # of equal rows in one of the tests: no multiple of 3, or HAVING would keep no group of theirs


@pytest.fixture(params=[1, 2])
def workers(server, request):
    server.set(cq__workers=request.param, cq__batch_rows=200)
    yield request.param
    server.set(cq__workers=None, cq__batch_rows=None)


def create_chain(db):
    db.execute("CREATE FOREIGN TABLE s (id bigint, k int, v int) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE even (id bigint, k int, v int) SERVER cq_log")
    db.execute("CREATE TABLE copies (k int PRIMARY KEY, n bigint, total bigint)")
    db.execute("CREATE CONTINUOUS VIEW kept WITH (sink = 'even') AS SELECT id, k, v FROM s WHERE v % 2 = 0")
    db.execute("CREATE CONTINUOUS VIEW by_k WITH (changes = 'by_k_changes', sink = 'copies') AS "
               "SELECT k, count(*) AS n, sum(v) AS total FROM even GROUP BY k HAVING sum(v) % 3 <> 0")
    db.execute("CREATE CONTINUOUS VIEW net AS SELECT sum(coalesce((new).n, 0) - coalesce((old).n, 0)) AS n, "
               "sum(coalesce((new).total, 0) - coalesce((old).total, 0)) AS total FROM by_k_changes")


AGREE = """
    SELECT (SELECT count(*) FROM kept) - (SELECT count(*) FROM even) AS rows_behind,
           (SELECT count(*) FROM (TABLE by_k EXCEPT SELECT k, count(*), sum(v) FROM kept GROUP BY k) x) AS groups_behind,
           (SELECT count(*) FROM (TABLE by_k EXCEPT TABLE copies) x) + (SELECT count(*) FROM (TABLE copies EXCEPT TABLE by_k) x) AS copies_behind,
           (SELECT coalesce(sum(n), 0) FROM by_k) - coalesce(n, 0) AS n_behind,
           (SELECT coalesce(sum(total), 0) FROM by_k) - coalesce(total, 0) AS total_behind
    FROM net"""


def test_every_snapshot_agrees(server, workers, log_db):
    db = log_db
    create_chain(db)
    for view in ("kept", "by_k", "net"):
        db.wait(view)
    stopped = threading.Event()
    rng = random.Random(1)

    def write():
        with server.connect(db.name) as connection:
            for number in range(ROUNDS):
                connection.execute("INSERT INTO s SELECT %s * 1000 + i, i %% 7, i * %s FROM generate_series(1, %s) i",
                                   (number, rng.randrange(100), rng.randrange(1, 300)))
        stopped.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    while not stopped.is_set():
        assert db.execute(AGREE) == [(0, 0, 0, 0, 0)]
        looks += 1
    writer.join()
    db.wait("net")
    assert db.execute(AGREE) == [(0, 0, 0, 0, 0)]
    assert looks > 5
    db.assert_equal("TABLE kept", "SELECT id, k, v FROM s WHERE v % 2 = 0")
    db.assert_equal("TABLE by_k", "SELECT k, count(*), sum(v) FROM s WHERE v % 2 = 0 GROUP BY k HAVING sum(v) % 3 <> 0")


def test_others_write_to_the_stream_as_well(server, workers, log_db):
    """Rows of transactions that are still open stand between those of the view: they are caught up later, and none is lost."""
    db = log_db
    create_chain(db)
    stopped = threading.Event()

    def disturb():
        with server.connect(db.name) as connection:
            number = 0
            while not stopped.is_set():
                with connection.transaction():
                    connection.execute("INSERT INTO even VALUES (%s, %s, 2)", (-number, 100 + number % 5))
                    threading.Event().wait(0.005)
                    if number % 3 == 0:
                        raise psycopg.Rollback
                number += 1

    disturber = threading.Thread(target=disturb)
    disturber.start()
    for number in range(ROUNDS):
        db.execute("INSERT INTO s SELECT %s * 1000 + i, i %% 7, i FROM generate_series(1, 20) i", number)
    stopped.set()
    disturber.join()
    db.wait("net")
    db.assert_equal("TABLE by_k", "SELECT k, count(*), sum(v) FROM even GROUP BY k HAVING sum(v) % 3 <> 0")
    db.assert_equal("SELECT id, k, v FROM even WHERE id >= 0", "SELECT id, k, v FROM s WHERE v % 2 = 0")
    db.assert_equal("SELECT n, total FROM net", "SELECT sum(n), sum(total) FROM by_k")
    db.assert_equal("TABLE by_k", "TABLE copies")


def test_killed_workers(server, workers, log_db):
    db = log_db
    create_chain(db)

    def attempt(query, *parameters):
        """None while the server is away. Whether a row was written is not asked: the stream tells."""
        try:
            return db.execute(query, *parameters) or []
        except psycopg.OperationalError:
            return None
    for number in range(4):
        for piece in range(10):
            attempt("INSERT INTO s SELECT %s * 1000 + i, i %% 7, i * 3 FROM generate_series(1, 100) i", number * 10 + piece)
        victims = wait_until(lambda: attempt("SELECT pid FROM cq.workers WHERE pid IS NOT NULL"), "no worker runs")
        kill(random.choice(victims)[0])
        wait_until(lambda: attempt("SELECT 1") is None, "the server does not notice")
        assert wait_until(lambda: attempt(AGREE), "the server does not come back") == [(0, 0, 0, 0, 0)]
    db.wait("net")
    assert db.value("SELECT count(*) FROM s") > 0
    db.assert_equal("TABLE kept", "SELECT id, k, v FROM s WHERE v % 2 = 0")
    db.assert_equal("TABLE by_k", "SELECT k, count(*), sum(v) FROM s WHERE v % 2 = 0 GROUP BY k HAVING sum(v) % 3 <> 0")
    assert db.execute(AGREE) == [(0, 0, 0, 0, 0)]


def test_notify(server, log_db):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int, v text) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW n WITH (notify = 'n_changes') AS SELECT k, max(v) AS v FROM s GROUP BY k HAVING max(v) <> 'none'")
    with server.connect(db.name) as listener:
        listener.execute("LISTEN n_changes")
        db.execute("INSERT INTO s VALUES (1, 'a')")
        db.wait("n")
        db.execute("INSERT INTO s VALUES (1, 'b'), (2, 'none')")
        db.wait("n")
        db.execute("INSERT INTO s VALUES (2, repeat('x', 9000)), (1, 'none')")
        db.wait("n")
        db.execute("INSERT INTO s VALUES (3, 'last')")
        payloads = []
        for notification in listener.notifies():
            payloads.append(notification.payload)
            if "last" in notification.payload:
                break
    assert payloads[:2] == ['{"view":"public.n","op":"insert","before":null,"after":{"k":1,"v":"a"}}',
                            '{"view":"public.n","op":"update","before":{"k":1,"v":"a"},"after":{"k":1,"v":"b"}}']
    assert sorted(payloads[2:4]) == ['{"view":"public.n","op":"delete","before":{"k":1,"v":"b"},"after":null}',
                                     '{"view":"public.n","op":"insert","truncated":true}']
    assert len(payloads) == 5
