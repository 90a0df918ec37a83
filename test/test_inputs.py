"""Views that read several streams, from CREATE to DROP: begin, restart, dump, replace, reset."""
import psycopg
import pytest
from conftest import Database, wait_until

JOINED = "SELECT a.k, a.v AS left_v, b.v AS right_v FROM a JOIN b USING (k)"
TOP = "SELECT k, v FROM (SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS n " \
      "FROM (SELECT k, v FROM a UNION ALL SELECT k, v FROM b) q) q WHERE n <= 2"
VIEWS = {"joined": JOINED, "top": TOP}


@pytest.fixture
def views(log_db):
    """Two streams and the views over both."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE a (k int, v int) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE b (k int, v int) SERVER cq_log")
    for view, query in VIEWS.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
    return db


def produce(db, begin, end):
    db.execute(f"INSERT INTO a SELECT i % 5, i FROM generate_series({begin}, {end}) i")
    db.execute(f"INSERT INTO b SELECT i % 7, i FROM generate_series({begin}, {end}) i")


def check(db):
    for view, query in VIEWS.items():
        db.wait(view)
        db.assert_equal(f"TABLE {view}", query, view)


def parts(db):
    return db.execute("SELECT count(*) FROM pg_class WHERE relnamespace = '_cq'::regnamespace "
                      "AND relname ~ '^(joined|top)_'")[0][0]


def test_begin_in_each_stream(views):
    db = views
    check(db)
    produce(db, 1, 20)
    check(db)
    assert db.execute("SELECT view::text, streams::text, stream, lag_messages FROM cq.views "
                      "ORDER BY view::text") == \
        [("joined", "{a,b}", None, 0), ("top", "{a,b}", None, 0)]
    assert db.execute("SELECT view::text, stream::text, next_offset FROM cq.positions "
                      "ORDER BY 1, 2") == \
        [("joined", "a", 20), ("joined", "b", 20), ("top", "a", 20), ("top", "b", 20)]
    db.execute("CREATE CONTINUOUS VIEW later WITH (start = 'latest') AS " + JOINED)
    db.wait("later")
    assert db.value("SELECT count(*) FROM later") == 0
    db.execute("INSERT INTO a VALUES (1000, 1)")
    db.execute("INSERT INTO b VALUES (1000, 2)")
    db.wait("later")
    assert db.execute("TABLE later") == [(1000, 1, 2)]
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="invalid start"):
        db.execute("SELECT cq.reset('later', '{\"0\": 21}')")
    db.execute("SELECT cq.reset('later', '{\"log\": {\"0\": 20}}')")
    db.wait("later")
    assert db.execute("TABLE later") == [(1000, 1, 2)]


def test_pause_reset_and_replace(views):
    db = views
    produce(db, 1, 20)
    check(db)
    db.execute("SELECT cq.pause('joined')")
    produce(db, 21, 30)
    db.wait("top")
    db.execute("SELECT cq.resume('joined')")
    check(db)
    for view in VIEWS:
        db.execute(f"SELECT cq.reset('{view}')")
    check(db)
    was = parts(db)
    prints = "SELECT view::text, number, fingerprint FROM _cq.node ORDER BY 1, 2"
    before = db.execute(prints)
    assert all(row[2] for row in before)
    db.execute(f"CREATE OR REPLACE CONTINUOUS VIEW joined AS {JOINED} WHERE a.v > 5")
    assert db.execute(prints) != before
    db.execute(f"CREATE OR REPLACE CONTINUOUS VIEW joined AS {JOINED}")
    assert db.execute(prints) == before
    assert parts(db) == was
    check(db)


def test_each_stream_keeps_its_views(views):
    db = views
    for stream in "ab":
        with pytest.raises(psycopg.errors.DependentObjectsStillExist):
            db.execute(f"DROP FOREIGN TABLE {stream}")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        db.execute(f"DROP TABLE {db.part('joined')}")
    db.execute("DROP FOREIGN TABLE b CASCADE")
    assert parts(db) == 0
    assert db.value("SELECT (SELECT count(*) FROM _cq.input) + (SELECT count(*) FROM _cq.node) + "
                    "(SELECT count(*) FROM _cq.part) + (SELECT count(*) FROM _cq.view)") == 0
    wait_until(lambda: db.value("SELECT count(*) FROM _cq.follow") == 0, "something is followed")


def test_a_dump_has_nodes_and_positions(server, views, tmp_path):
    db = views
    produce(db, 1, 20)
    check(db)
    was = parts(db)
    dump = tmp_path / "dump"
    server.program("pg_dump", "-Fc", "-f", str(dump), db.name)
    copy = Database(server, f"{db.name}_restored", None)
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{copy.name}"')
    try:
        server.program("pg_restore", "--exit-on-error", "-d", copy.name, str(dump))
        assert copy.value("SELECT bool_and(status = 'restored' AND streams::text = '{a,b}') "
                          "FROM cq.views")
        copy.execute("SELECT cq.resume_all()")
        assert parts(copy) == was
        produce(copy, 21, 30)
        check(copy)
        copy.execute("DROP FOREIGN TABLE a, b CASCADE")
        assert parts(copy) == 0
    finally:
        copy.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')


def test_several_workers(server, views):
    """Streams of a view that fall to several workers."""
    db = views
    server.set(cq__workers=3)
    try:
        wait_until(lambda: len(db.worker_pids()) == 3, lambda: db.execute("TABLE cq.workers"))
        for name in "cdef":
            db.execute(f"CREATE FOREIGN TABLE {name} (k int, v int) SERVER cq_log")
            db.execute(f"INSERT INTO {name} SELECT i % 3, i FROM generate_series(1, 30) i")
        query = " UNION ALL ".join(f"SELECT '{name}' AS name, k, v FROM {name}"
                                   for name in "abcdef")
        db.execute(f"CREATE CONTINUOUS VIEW all_of_them AS {query}")
        produce(db, 1, 20)
        db.wait("all_of_them")
        db.assert_equal("TABLE all_of_them", query)
        check(db)
        for victim in db.worker_pids():
            db.execute("SELECT pg_terminate_backend(%s)", victim)
        produce(db, 21, 40)
        db.wait("all_of_them")
        db.assert_equal("TABLE all_of_them", query)
        check(db)
    finally:
        server.set(cq__workers=None)
