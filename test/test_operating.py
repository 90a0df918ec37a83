"""What whoever runs continuous views meets: bad rows and how to get past them, and what the views in cq say of it."""
import pytest

BAD = [{"id": 1, "v": 1}, {"id": 2, "v": 0}, {"id": 3, "v": 3}, b'{"id": 4', {"id": 5, "v": 5}]


def create(db, topic, name="v", **options):
    """A view that fails on a value of zero, as well as on what is no JSON."""
    topic = topic()
    if not db.value("SELECT to_regclass('s') IS NOT NULL"):
        db.execute(f"CREATE FOREIGN TABLE s (id int, v int) SERVER kafka OPTIONS (topic '{topic}')")
    given = "".join(f", {key} = '{value}'" for key, value in options.items())
    db.execute(f"CREATE VIEW {name} WITH (continuous{given}) AS SELECT id, 100 / v AS q FROM s")
    return topic


def await_failure(db, message, view="v"):
    """The error of cq.wait says why the view stands."""
    with pytest.raises(Exception, match=message):
        db.wait(view)


def test_paused_before_each_bad_row(db, broker, topic):
    """Whatever is bad about rows of one batch, and in whatever order it is found: the view stops just before the first of them."""
    s = create(db, topic, on_error="pause")
    db.execute("SELECT cq.pause('v')")
    broker.produce(s, BAD)
    db.execute("SELECT cq.resume('v')")
    await_failure(db, "has failed")
    assert db.execute("TABLE v") == [(1, 100)]
    assert db.value("SELECT next_offset FROM cq.positions") == 1
    assert db.value("SELECT status_detail FROM cq.views") == f'topic "{s}" partition 0 offset 1: division by zero'


def test_resumed_with_another_option(db, broker, topic):
    s = create(db, topic, on_error="pause")
    broker.produce(s, BAD)
    await_failure(db, "has failed")
    db.execute("ALTER CONTINUOUS VIEW v SET (on_error = skip)")
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    assert db.execute("SELECT * FROM v ORDER BY id") == [(1, 100), (3, 33), (5, 20)]
    assert db.execute('SELECT "offset", message FROM cq.errors ORDER BY 1') == [
        (1, "division by zero"), (3, "invalid JSON message: the message does not end with its object at byte 7")]


def test_errors_of_a_view_that_fails_are_kept_once(db, broker, topic):
    """What a stopped view did not get to is not among its errors, until it has got there."""
    s = create(db, topic)
    db.execute("CREATE TABLE factor (f int)")
    db.execute("INSERT INTO factor VALUES (1)")
    db.execute("CREATE ROLE watcher")
    try:
        db.execute("CREATE CONTINUOUS VIEW other AS SELECT s.id, s.v * f AS q FROM s, factor")
        db.execute("GRANT SELECT ON s TO watcher")
        db.execute("ALTER VIEW other OWNER TO watcher")
        broker.produce(s, BAD)
        await_failure(db, "permission denied for table factor", "other")
        assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'other'::regclass") == 0
        db.execute("GRANT SELECT ON factor TO watcher")
        db.execute("SELECT cq.resume('other')")
        db.wait("other")
        assert db.value("SELECT count(*) FROM other") == 4
        assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'other'::regclass") == 1
    finally:
        db.execute("DROP VIEW IF EXISTS other")
        db.execute("DROP OWNED BY watcher")
        db.execute("DROP ROLE watcher")


def test_owner_deletes_errors(db, broker, topic):
    s = create(db, topic)
    broker.produce(s, BAD)
    db.wait("v")
    assert db.value("SELECT count(*) FROM cq.errors") == 2
    db.execute("CREATE ROLE stranger")
    try:
        db.execute("SET ROLE stranger")
        db.execute("DELETE FROM cq.errors")
        db.execute("RESET ROLE")
        assert db.value("SELECT count(*) FROM cq.errors") == 2
    finally:
        db.execute("RESET ROLE")
        db.execute("DROP ROLE stranger")
    db.execute("DELETE FROM cq.errors WHERE view = 'v'::regclass AND message = 'division by zero'")
    assert db.execute('SELECT "offset" FROM cq.errors') == [(3,)]
