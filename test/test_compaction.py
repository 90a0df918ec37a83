"""A worker that cannot remember all groups appends them again; compaction keeps the state near one row for each, and never wrong."""
import itertools

import pytest

from conftest import wait_until

GROUPS = 6000
SMALL_CACHE = "64kB"        # far fewer
QUERY = """SELECT k, count(*) AS messages, sum(id) AS sum, avg(n) AS mean, max(name) AS name, min(padding) AS padding
           FROM {source} GROUP BY k"""
COLUMNS = "id bigint, k text, n numeric, name text, padding text"


@pytest.fixture
def small_cache(server):
    server.set(cq__group_cache_size=SMALL_CACHE, cq__batch_rows=3000)
    yield
    server.set(cq__group_cache_size=None, cq__batch_rows=None, cq__workers=None)


def values(first, end):
    """Every group once in each GROUPS of them, in another order each time; one group's states are too large for a page."""
    for number in range(first, end):
        turn, place = divmod(number, GROUPS)
        k = place * (2 * turn + 1) * 7919 % GROUPS
        yield {"id": number, "k": f"group {k}" if k else None, "n": number / 4, "name": f"name {number * 31 % 977}",
               "padding": "".join(chr(33 + (number * i * i) % 90) for i in range(9000 if k == 1 else 3))}


def state_rows(db, view="v"):
    state = db.part(view)
    return db.value(f"SELECT count(*) FROM {state}")


def send(broker, db, topic, first, end):
    rows = list(values(first, end))
    broker.produce(topic, rows, partition=lambda value: value["id"] % 4)
    with db.connection.cursor().copy("COPY sent FROM STDIN") as copy:
        for row in rows:
            copy.write_row(list(row.values()))


def assert_right(db):
    db.wait("v")
    db.assert_equal("TABLE v", QUERY.format(source="sent"))


@pytest.mark.parametrize("workers", [1, 2])
def test_groups_do_not_pile_up(server, broker, db, topic, small_cache, workers):
    server.set(cq__workers=workers)
    name = topic(partitions=4)
    db.execute(f"""CREATE TABLE sent ({COLUMNS});
                   CREATE FOREIGN TABLE s ({COLUMNS}) SERVER kafka OPTIONS (topic '{name}');
                   CREATE CONTINUOUS VIEW v AS {QUERY.format(source='s')}""")
    appended = 0
    for turn in range(12):
        send(broker, db, name, turn * GROUPS, (turn + 1) * GROUPS)
        assert_right(db)
        appended = db.value("SELECT groups_inserted FROM cq.stat_views WHERE view = 'v'::regclass")
    assert appended > 4 * GROUPS, "the cache remembers too much for this test"
    # A compaction goes on with batches: a few more messages may be needed until it is through.
    ids = iter(range(12 * GROUPS, 13 * GROUPS, 10))

    def is_small():
        first = next(ids)
        send(broker, db, name, first, first + 10)
        assert_right(db)
        return state_rows(db) < 3 * GROUPS
    wait_until(is_small, lambda: f"{state_rows(db)} rows for {GROUPS} groups, {appended} appended")


def test_rows_that_others_are_at_stay(server, broker, db, topic, small_cache):
    """A session has the rows locked: neither batches nor compaction wait for it, and what it sees does not change."""
    name = topic(partitions=4)
    db.execute(f"""CREATE TABLE sent ({COLUMNS});
                   CREATE FOREIGN TABLE s ({COLUMNS}) SERVER kafka OPTIONS (topic '{name}');
                   CREATE CONTINUOUS VIEW v AS {QUERY.format(source='s')}""")
    send(broker, db, name, 0, 2 * GROUPS)
    assert_right(db)
    state = db.part("v")
    with server.connect(db.name) as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        before = other.execute("SELECT * FROM v ORDER BY k").fetchall()
        other.execute(f"SELECT FROM {state} FOR UPDATE")
        for turn in range(2, 8):
            send(broker, db, name, turn * GROUPS, (turn + 1) * GROUPS)
            assert_right(db)
        assert other.execute("SELECT * FROM v ORDER BY k").fetchall() == before
        other.execute("ROLLBACK")
    send(broker, db, name, 8 * GROUPS, 9 * GROUPS)
    assert_right(db)


def test_an_error_does_no_harm(server, broker, db, topic, small_cache):
    """A combine function fails whenever compaction calls it, and not in batches, which hold cursors: the view's rows stay as they are."""
    name = topic(partitions=4)
    db.execute(f"""
        CREATE TABLE sent ({COLUMNS});
        CREATE FOREIGN TABLE s ({COLUMNS}) SERVER kafka OPTIONS (topic '{name}');
        CREATE FUNCTION plus(bigint, bigint) RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT backend_type FROM pg_stat_activity WHERE pid = pg_backend_pid()) = 'pg_cq worker' AND
                NOT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND relation = '_cq.cursor'::regclass) THEN
                RAISE EXCEPTION 'combined by compaction';
            END IF;
            RETURN $1 + $2;
        END $$;
        CREATE AGGREGATE total(bigint) (SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = plus, INITCOND = 0);
        CREATE CONTINUOUS VIEW v AS SELECT k, total(id) FROM s GROUP BY k""")
    turns = itertools.count()

    def has_failed():
        """A compaction goes on with batches, so there have to be some until it comes to a group with two rows."""
        turn = next(turns)
        send(broker, db, name, turn * GROUPS, (turn + 1) * GROUPS)
        db.wait("v")
        return "combined by compaction" in server.log()
    wait_until(has_failed, "no compaction has failed")
    db.assert_equal("TABLE v", "SELECT k, sum(id)::bigint AS total FROM sent GROUP BY k")
    assert db.execute("SELECT status, bad_rows FROM cq.views WHERE view = 'v'::regclass") == [("running", 0)]
