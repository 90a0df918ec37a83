"""A bad message never stops a stream, never stops another view, and is kept with its place."""
import pytest

from conftest import wait_until

# Bad as a whole, for every view; and bad in one field, for the views that need it.
WHOLE = {
    "truncated": b'{"id": 1, "amount": 2',
    "not json": b"hello",
    "trailing": b'{"id": 1, "amount": 2} x',
    "empty": b"",
    "array": b"[1, 2]",
    "scalar": b"7",
    "bad utf-8": b'{"id": 1, "amount": 2, "note": "\xff\xfe"}',
    "deep": b'{"id": 1, "note": ' + b"[" * 5000 + b"]" * 5000 + b"}",
}
FIELD = {
    "wrong type": b'{"id": "one", "amount": 2}',
    "object for a number": b'{"id": {"a": 1}, "amount": 2}',
    "out of range": b'{"id": 9223372036854775808, "amount": 2}',
    "int out of range": b'{"id": 1, "amount": 2147483648}',
    "fraction for an integer": b'{"id": 1.5, "amount": 2}',
    "nul character": b'{"id": 1, "amount": 2, "note": "a\\u0000b"}',
    "lone surrogate": b'{"id": 1, "amount": 2, "note": "\\ud800"}',
    "bad time": b'{"id": 1, "amount": 2, "at": "2026-13-01T00:00:00Z"}',
}
BAD = {**WHOLE, **FIELD}


def create(db, topic):
    db.execute(f"CREATE FOREIGN TABLE s (id bigint, amount int, note text, at timestamptz) "
               f"SERVER kafka OPTIONS (topic '{topic}', format 'json')")


def good(first, end):
    return [{"id": number, "amount": number % 10, "note": "fine", "at": "2026-01-01T00:00:00Z"}
            for number in range(first, end)]


@pytest.mark.parametrize("what", BAD)
def test_bad_message(broker, db, topic, what):
    name = topic()
    create(db, name)
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) AS messages, sum(id) AS ids, sum(amount) AS amounts, "
               "max(note) AS note, max(at) AS at FROM s")
    db.execute("CREATE CONTINUOUS VIEW bare AS SELECT count(*) AS messages FROM s")
    broker.produce(name, good(0, 100))
    broker.produce(name, [BAD[what]], key="k")
    broker.produce(name, good(100, 200))
    db.wait("v")
    db.wait("bare")
    assert db.execute("SELECT messages, ids, amounts, note FROM v") == [(200, sum(range(200)), 900, "fine")]
    (view, topic_, partition, offset, key, payload, message), = db.execute(
        """SELECT view::text, topic, partition, "offset", key, payload, message FROM cq.errors WHERE view = 'v'::regclass""")
    assert (view, topic_, partition, offset, bytes(key), bytes(payload)) == ("v", name, 0, 100, b"k", BAD[what])
    assert message
    bad = what in WHOLE
    assert db.execute("TABLE bare") == [(200 if bad else 201,)]
    assert db.value("SELECT count(*) FROM cq.errors WHERE view = 'bare'::regclass") == (1 if bad else 0)


def test_huge_message(broker, db, topic):
    """Ten megabytes: good is good, and bad is kept cut to its limit."""
    name = topic(max_message_bytes=20000000)
    create(db, name)
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(*) AS messages, max(length(note)) AS longest FROM s")
    huge = 10 * 1024 * 1024
    broker.produce(name, [{"id": 1, "note": "x" * huge}, b'{"id": 1, "note": "' + b"y" * huge, {"id": 2, "note": "z"}])
    db.wait("v")
    assert db.execute("TABLE v") == [(2, huge)]
    assert db.execute("""SELECT "offset", length(payload), payload_length FROM cq.errors""") == [(1, 1024 * 1024, huge + 19)]


def test_messages_are_mended_and_retried(broker, db, topic):
    """With key, headers, timestamp and place as they were; those that were kept in part, whole again."""
    name = topic(partitions=2)
    db.execute(f"""CREATE FOREIGN TABLE s (id bigint, amount int, note text, part int OPTIONS (metadata 'partition'),
                     place bigint OPTIONS (metadata 'offset'), sent timestamptz OPTIONS (metadata 'timestamp'),
                     k text OPTIONS (metadata 'key'), h jsonb OPTIONS (metadata 'headers'))
                   SERVER kafka OPTIONS (topic '{name}', format 'json')""")
    db.execute("CREATE CONTINUOUS VIEW rows AS SELECT id, amount, part, place, sent, k, h FROM s")
    db.execute("CREATE CONTINUOUS VIEW told WITH (changes = 'told_changes') AS SELECT part, count(*), sum(amount) FROM s GROUP BY part")
    broker.produce(name, good(0, 10), partition=0)
    producer = broker.producer()
    for number in range(100):
        producer.produce(name, b'{"id": %d, "amount": "x%d"}' % (number, number), key=f"k{number}", partition=number % 2,
                         timestamp=1_700_000_000_000 + number, headers=[("n", str(number).encode()), ("raw", b"\xff\x00"), ("n", None)])
    producer.produce(name, b'{"id": 100, "amount": 1, "note": "' + b"y" * 2_000_000, partition=1, key="k100")
    producer.flush()
    for view in ("rows", "told"):
        db.wait(view)
    assert db.value("SELECT count(*) FROM rows") == 10
    assert db.value("SELECT cq.retry_errors('rows')") == 0
    db.execute("""UPDATE cq.errors SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"x', '"'), 'UTF8')
                  WHERE column_name = 'amount'""")
    assert db.execute("SELECT v::text, cq.retry_errors(v, 'partition = 1') FROM unnest('{rows,told}'::regclass[]) v") == [("rows", 50), ("told", 50)]
    assert db.value("SELECT cq.retry_errors('rows')") == 50
    assert db.execute("""SELECT view::text, count(*), min("offset" / (partition * 50 + 1)) FROM cq.errors GROUP BY view ORDER BY 1""") == [
        ("rows", 1, 0), ("told", 51, 0)]
    assert db.value("SELECT cq.retry_errors('told')") == 50
    headers = [{"key": "n", "value": "7"}, {"key": "raw", "base64": "/wA="}, {"key": "n", "value": None}]
    assert db.execute("SELECT part, place, extract(epoch FROM sent)::numeric * 1000, k, h FROM rows WHERE id = 7 AND amount = 7 AND k IS NOT NULL") == [
        (1, 3, 1_700_000_000_007, "k7", headers)]
    # The last one, which was kept in part.
    db.execute("""UPDATE cq.errors SET payload = '{"id": 100, "amount": 1, "note": "y"}'""")
    assert db.execute("SELECT v::text, cq.retry_errors(v) FROM unnest('{rows,told}'::regclass[]) v") == [("rows", 1), ("told", 1)]
    assert db.execute("SELECT * FROM cq.errors") == []
    # Workers go on where they are, with what was put through.
    broker.produce(name, good(200, 210), partition=1)
    for view in ("rows", "told"):
        db.wait(view)
    assert db.execute("SELECT count(*), sum(amount), max(place) FILTER (WHERE part = 1) FROM rows") == [(121, 45 + 4950 + 1 + 45, 60)]
    db.assert_equal("TABLE told", "SELECT part, count(*), sum(amount) FROM rows GROUP BY part")


def test_null_values(broker, db, topic):
    """A tombstone is an error by default, a row of nulls, or nothing, as told."""
    name = topic()
    for tombstone in ("error", "row", "skip"):
        db.execute(f"CREATE FOREIGN TABLE {tombstone}_s (id bigint) "
                   f"SERVER kafka OPTIONS (topic '{name}', format 'json', tombstone '{tombstone}')")
        db.execute(f"CREATE CONTINUOUS VIEW {tombstone}_v AS SELECT count(*) AS messages, count(id) AS ids FROM {tombstone}_s")
    broker.produce(name, [{"id": 1}, None, {"id": 2}, {"id": None}, {}])
    for tombstone, expected in (("error", (4, 2)), ("row", (5, 2)), ("skip", (4, 2))):
        db.wait(f"{tombstone}_v")
        assert db.execute(f"TABLE {tombstone}_v") == [expected], tombstone
    assert db.execute("""SELECT view::text, "offset" FROM cq.errors""") == [("error_v", 1)]


def test_error_in_the_query(broker, db, topic):
    """Division by zero, a broken function: those rows alone; another view of the same stream does not notice."""
    name = topic()
    create(db, name)
    db.execute("CREATE FUNCTION broken(bigint) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS "
               "$$ BEGIN IF $1 % 50 = 7 THEN RAISE EXCEPTION 'broken by %', $1; END IF; RETURN $1; END $$")
    db.execute("CREATE CONTINUOUS VIEW divided AS SELECT count(*) AS messages, sum(100 / amount) AS sum FROM s")
    db.execute("CREATE CONTINUOUS VIEW called AS SELECT count(*) AS messages, sum(broken(id)) AS sum FROM s")
    db.execute("CREATE CONTINUOUS VIEW well AS SELECT count(*) AS messages, sum(id) AS sum FROM s")
    broker.produce(name, good(0, 1000))
    for view in ("divided", "called", "well"):
        db.wait(view)
    assert db.execute("TABLE divided") == [(900, sum(100 // (n % 10) for n in range(1000) if n % 10))]
    called = [n for n in range(1000) if n % 50 != 7]
    assert db.execute("TABLE called") == [(len(called), sum(called))]
    assert db.execute("TABLE well") == [(1000, sum(range(1000)))]
    assert db.execute("""SELECT view::text, array_agg("offset" ORDER BY "offset"), min(sqlstate), max(sqlstate)
                         FROM cq.errors GROUP BY view ORDER BY view::text""") == [
        ("called", [n for n in range(1000) if n % 50 == 7], "P0001", "P0001"),
        ("divided", list(range(0, 1000, 10)), "22012", "22012")]
    assert db.value("SELECT message FROM cq.errors WHERE \"offset\" = 57") == "broken by 57"


def test_on_error_pause(broker, db, topic):
    """The view stops just before the bad message, says why, and goes on from there."""
    name = topic()
    create(db, name)
    db.execute("CREATE TABLE divisor AS SELECT 0 AS d")
    db.execute("CREATE CONTINUOUS VIEW v WITH (on_error = 'pause') AS "
               "SELECT count(*) AS messages, sum(id / CASE WHEN id = 60 THEN d ELSE 1 END) AS sum FROM s, divisor")
    db.execute("CREATE CONTINUOUS VIEW other AS SELECT count(*) AS messages FROM s")
    broker.produce(name, good(0, 100))
    wait_until(lambda: db.value("SELECT status FROM cq.views WHERE view = 'v'::regclass") == "failed",
               lambda: f"the view does not stop: {db.state('v')}")
    assert db.execute("TABLE v") == [(60, sum(range(60)))]
    assert db.value("SELECT next_offset FROM cq.positions WHERE view = 'v'::regclass") == 60
    assert "division by zero" in db.value("SELECT status_detail FROM cq.views WHERE view = 'v'::regclass")
    db.wait("other")
    assert db.execute("TABLE other") == [(100,)]
    db.execute("UPDATE divisor SET d = 1")
    db.execute("SELECT cq.resume('v')")
    db.wait("v")
    assert db.execute("TABLE v") == [(100, sum(range(100)))]


def test_what_is_kept_is_bounded(server, log_db):
    """By size of each view, and by age, as the keeper does it from time to time: who waits for nobody."""
    db = log_db
    db.execute("CREATE FOREIGN TABLE s (a int, b text) SERVER cq_log")
    for view in "v", "w":
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS SELECT a / 0 AS a, b FROM s WHERE a > 0 OR '{view}' = 'w'")
    db.execute("INSERT INTO s SELECT -1, 'w alone'")
    db.execute("INSERT INTO s SELECT i, (SELECT string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 1000) j) FROM generate_series(1, 40) i")
    db.wait("v")
    db.wait("w")

    def left():
        db.execute("SELECT _cq.trim_errors()")
        return db.execute("SELECT error_id FROM cq.errors ORDER BY error_id")
    kept = """SELECT count(*), max("offset") FROM cq.errors WHERE view = %s::regclass"""
    last = db.value("""SELECT max("offset") FROM cq.errors""")
    assert db.execute(kept, "v") + db.execute(kept, "w") == [(40, last), (41, last)]
    try:
        server.set(cq__max_errors_size="100kB")     # three of 32 kB
        wait_until(lambda: len(left()) <= 6, "what is too large is gone")
        assert db.execute(kept, "v") + db.execute(kept, "w") == [(3, last), (3, last)]
        with server.connect(log_db.name) as other, other.transaction():
            held, = other.execute("SELECT error_id FROM _cq.error ORDER BY error_id LIMIT 1 FOR UPDATE").fetchone()
            server.set(cq__error_retention=0)
            wait_until(lambda: left() == [(held,)], "old errors are gone")
        wait_until(lambda: left() == [], "the one that was locked is gone")
    finally:
        server.set(cq__error_retention=None, cq__max_errors_size=None)
