"""Budgets: what has used one up is told, slowed down or stopped, loses nothing, and goes on."""
import contextlib
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from conftest import wait_until

NOON = datetime(2030, 1, 15, 12, 30, tzinfo=timezone.utc)


@pytest.fixture
def clock(server):
    """Sets what time it is: periods begin and end when the test says so."""
    def show(after=timedelta(0)):
        server.set(cq__clock=(NOON + after).timestamp())
    show()
    yield show
    server.set(cq__clock=None)


def create(db, *views):
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    for view in views or ("v",):
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS "
                   "SELECT k % 10 AS k, count(*) FROM s GROUP BY 1")
        db.wait(view)


def insert(db, rows):
    db.execute(f"INSERT INTO s SELECT generate_series(1, {rows})")


def status(db, view="v"):
    return db.execute("SELECT status, status_detail FROM cq.views WHERE view = %s::regclass",
                      view)[0]


def rows(db, view="v"):
    return db.value(f"SELECT coalesce(sum(count), 0) FROM {view}")


def await_status(db, wanted, detail, view="v"):
    wait_until(lambda: status(db, view)[0] == wanted and detail in (status(db, view)[1] or ""),
               lambda: (status(db, view), db.execute("TABLE cq.budgets")))


def events(db):
    return db.execute("SELECT name, what, detail FROM cq.events WHERE what LIKE 'limit%' "
                      "ORDER BY event_id")


def await_all(db, view="v"):
    db.wait(view)
    batch = "SELECT k % 10 AS k, count(*) FROM s GROUP BY 1"
    assert db.execute(f"(TABLE {view} EXCEPT ALL {batch}) "
                      f"UNION ALL ({batch} EXCEPT ALL TABLE {view})") == []


def test_a_view_is_stopped_until_the_period_is_over(log_db, clock):
    """And others go on. What it had not seen it sees then."""
    db = log_db
    create(db, "v", "w")
    db.execute("SELECT cq.set_budget('some', 'rows', 1000, 'hour', view => 'v')")
    insert(db, 2000)
    await_status(db, "blocked", 'stopped by budget "some": ')
    insert(db, 100000)
    db.wait("w")
    seen = rows(db)
    assert 1000 <= seen <= 2000 and status(db, "w")[0] == "running"
    assert status(db)[1].endswith(" of 1000 rows this hour, until 2030-01-15 13:00 UTC")
    assert db.execute("SELECT is_reached, used, ends_at FROM cq.budgets") == [
        (True, seen, NOON + timedelta(minutes=30))]
    # It cannot be got round by those who may steer it.
    db.execute("SELECT cq.pause('v')")
    db.execute("SELECT cq.resume('v')")
    await_status(db, "blocked", 'stopped by budget "some"')
    assert rows(db) == seen
    # An hour later, and back again: that hour is over, and this one's budget stays used up.
    db.execute("SELECT _cq.write_usage()")
    clock(timedelta(hours=1))
    wait_until(lambda: rows(db) > seen, lambda: status(db))
    await_status(db, "blocked", "until 2030-01-15 14:00 UTC")
    clock()
    wait_until(lambda: db.execute("SELECT is_reached, began_at FROM cq.budgets") == [
        (True, NOON - timedelta(minutes=30))], lambda: db.execute("TABLE cq.budgets"))
    assert status(db)[0] == "blocked"
    told = [(name, what) for name, what, _ in events(db)]
    assert told[:3] == [("public.v", "limit reached"), ("public.v", "limit reached"),
                        ("public.v", "limit lifted")]
    # Raised, it goes on.
    db.execute("SELECT cq.set_budget('some', amount => 1e9)")
    wait_until(lambda: status(db)[0] == "running", lambda: status(db))
    await_all(db)


def test_cpu_seconds_of_an_owner(log_db, clock):
    """Whatever view of his has used them, and whatever becomes of that view."""
    db = log_db
    db.execute("DROP ROLE IF EXISTS spender")
    db.execute("CREATE ROLE spender")
    try:
        create(db, "v", "w")
        db.execute("GRANT SELECT ON s TO spender")
        db.execute("CREATE CONTINUOUS VIEW x AS SELECT k % 10 AS k, count(*) FROM s GROUP BY 1")
        for view in ("v", "w"):
            db.execute(f"ALTER VIEW {view} OWNER TO spender")
        db.execute("SELECT cq.set_budget('cpu', 'cpu_seconds', 0.001, 'month', owner => 'spender')")
        insert(db, 10000)
        for view in ("v", "w"):
            await_status(db, "blocked", "until 2030-02-01 00:00 UTC", view)
        db.execute("SELECT _cq.write_usage()")
        db.execute("DROP VIEW v")
        insert(db, 10)
        await_all(db, "x")
        assert status(db, "w")[0] == "blocked"
        db.execute("SELECT cq.drop_budget('cpu')")
        wait_until(lambda: status(db, "w")[0] == "running", lambda: status(db, "w"))
        await_all(db, "w")
    finally:
        db.execute("SELECT cq.drop_budget(name) FROM cq.budgets")
        db.execute("DROP OWNED BY spender CASCADE")
        db.execute("DROP ROLE spender")


def test_who_is_slowed_down_goes_on(log_db, clock):
    db = log_db
    create(db, "v", "w")
    db.execute("SELECT cq.set_budget('told', 'rows', 500, 'day', view => 'v', "
               "at_limit => 'notify')")
    db.execute("SELECT cq.set_budget('slow', 'rows', 600, 'day', view => 'v', at_limit => 'slow')")
    insert(db, 700)
    await_status(db, "running", 'slowed down by budget "slow": ')
    wait_until(lambda: 'beyond budget "told": ' in status(db)[1], lambda: status(db))
    insert(db, 100)
    await_all(db)
    await_all(db, "w")
    db.execute("SELECT cq.set_budget('slow', amount => 1e9)")
    db.execute("SELECT cq.set_budget('told', amount => 1e8)")
    wait_until(lambda: status(db) == ("running", None), lambda: status(db))
    insert(db, 1000)
    await_all(db)
    assert sorted((what, detail.split(":")[0]) for _, what, detail in events(db)) == [
        ("limit lifted", 'budget "slow"'), ("limit lifted", 'budget "told"'),
        ("limit reached", 'beyond budget "told"'),
        ("limit reached", 'slowed down by budget "slow"')]


def test_state_that_is_too_large(log_db):
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, count(*) FROM s GROUP BY 1")
    db.execute("SELECT cq.set_budget('state', 'state_bytes', 100000, view => 'v')")
    insert(db, 10000)
    await_status(db, "blocked", " of 100000 state_bytes")
    insert(db, 10)
    db.execute("SELECT cq.set_budget('state', amount => 1e9)")
    wait_until(lambda: status(db)[0] == "running", lambda: status(db))
    db.wait("v")
    assert rows(db) == 10010


def test_bytes_out(db, reader, topic, clock):
    out = topic()
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute(f"CREATE FOREIGN TABLE told (k int, t text) SERVER kafka OPTIONS (topic '{out}')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'told') AS "
               "SELECT k, repeat('x', 1000) AS t FROM s")
    db.execute("SELECT cq.set_budget('out', 'bytes_out', 5000, 'day', view => 'v')")
    insert(db, 10)
    await_status(db, "blocked", " of 5000 bytes_out this day, until 2030-01-16 00:00 UTC")
    insert(db, 10)
    assert db.value("SELECT count(*) FROM v") == 10
    db.execute("SELECT cq.drop_budget('out')")
    wait_until(lambda: status(db)[0] == "running", lambda: status(db))
    db.wait("v")
    assert db.value("SELECT cq.flush('v', '60 s')")
    assert len(reader(out).read(20)) == 20


def test_where_they_cannot_be_read(log_db):
    """Nobody is the worse for it: neither who works, nor who looks after it."""
    db = log_db
    create(db)
    insert(db, 10)
    db.wait("v")
    processes = ("SELECT pid FROM pg_stat_activity WHERE backend_type ~ '^pg_cq (worker|keeper)' "
                 "AND datname = current_database() ORDER BY 1")
    before = db.execute(processes)
    assert len(before) >= 2
    file = Path(db.value("SHOW data_directory")) / db.value(
        "SELECT pg_relation_filepath('_cq.budget')")
    mode = file.stat().st_mode
    file.chmod(0)
    try:
        db.execute("ALTER TABLE _cq.budget SET (autovacuum_enabled = false)")  # all open it again
        for pid, in before:
            wait_until(lambda: re.search(rf"\[{pid}\].*WARNING:  could not open file.*{file.name}",
                                         db.server.log()), lambda: db.server.log()[-2000:])
        insert(db, 10)
        await_all(db)
    finally:
        file.chmod(mode)
    assert db.execute(processes) == before
