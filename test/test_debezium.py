"""Streams with mode debezium: envelopes as a connector writes them (debezium.py has the connector itself), by hand."""
import base64
import json

import psycopg
import pytest

UNAVAILABLE = "__debezium_unavailable_value"
COLUMNS = "id int NOT NULL, city text, n int, doc text, js jsonb, raw bytea, nums int[]"
VIEWS = {
    "latest": "SELECT id, city, n, doc, js, raw, nums FROM s",
    "cities": "SELECT city, count(*) AS rows, sum(n) AS total, max(n) AS most FROM s GROUP BY city",
    "pairs": "SELECT a.id, b.id AS other FROM s a LEFT JOIN s b ON b.n = a.n AND b.id <> a.id",
}


def row(id, city=None, n=None, **more):
    return {"id": id, "city": city, "n": n, "doc": None, "js": None, "raw": None, "nums": None, **more}


def event(op, id=None, after=None, before=None, **more):
    """Key and value of a message; a delete is followed by a tombstone."""
    value = {"before": before, "after": after, "source": {"lsn": 5, "snapshot": None, "table": "t"}, "op": op, "ts_ms": 1700000000000,
             "transaction": {"id": "7:1", "total_order": 1}, **more}
    return (None if id is None else {"id": id}), value


def wrap(value, name):
    """Connect's envelope, with a schema of which only the name counts here."""
    return value and {"schema": {"type": "struct", "fields": [{"type": "int32", "field": "\"}],{\\"}], "name": name}, "payload": value}


def send(broker, topic, messages, wraps=False, partition=0):
    producer = broker.producer()
    for number, (key, value) in enumerate(messages):
        if wraps:               # the key's schema has another name at times, as after a new release
            key, value = wrap(key, f"v{number % 2}"), wrap(value, "v")
        producer.produce(topic, key=key and json.dumps(key, separators=(",", ":")),
                         value=value and json.dumps(value, separators=(",", ":")), partition=partition)
    assert producer.flush(60) == 0


def create(db, topic, columns=COLUMNS, options="", views=VIEWS):
    db.execute(f"CREATE FOREIGN TABLE s ({columns}) SERVER kafka OPTIONS (topic '{topic}', mode 'debezium'{options})")
    for view, query in views.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")


def assert_shows(db, rows, views=VIEWS):
    """rows as (id, city, n, doc, js, raw, nums)."""
    assert sorted(db.execute("SELECT id, city, n, doc, js, raw, nums FROM s")) == sorted(rows)
    for view, query in views.items():
        db.wait(view)
        db.assert_equal(f"TABLE {view}", query, view)


def errors(db):
    return [message for (message,) in db.execute("SELECT DISTINCT message FROM cq.errors ORDER BY 1")]


@pytest.mark.parametrize("wraps", [False, True])
def test_what_events_say(broker, db, topic, wraps):
    """Snapshot, changes, deletes with tombstones, other keys, messages that are no rows, and all of it again."""
    name = topic()
    create(db, name)
    first = [
        event("r", 1, row(1, "Graz", 5)), event("r", 2, row(2, "Linz", 5)), event("c", 3, row(3, "Graz", 7)),
        event("u", 1, row(1, "Wels", 5)), event("d", 2, before=row(2)), ({"id": 2}, None),
        ({"serverName": "p"}, {"ts_ms": 1700000000000}), event("m", after=None, message={"prefix": "x"}),
        # The key 3 becomes 4.
        event("d", 3, before=row(3)), ({"id": 3}, None), event("c", 4, row(4, "Graz", 7)),
    ]
    send(broker, name, first, wraps)
    expected = [(1, "Wels", 5, None, None, None, None), (4, "Graz", 7, None, None, None, None)]
    assert_shows(db, expected)
    send(broker, name, first, wraps)
    assert_shows(db, expected)
    assert errors(db) == []
    # All rows go; what was there before and comes again, as after a crash, goes again.
    truncate = (None, event("t")[1])
    send(broker, name, [truncate, event("c", 9, row(9, "Enns", 1))], wraps)
    assert_shows(db, [(9, "Enns", 1, None, None, None, None)])
    send(broker, name, [*first, truncate, event("c", 9, row(9, "Enns", 1)), event("u", 9, row(9, "Enns", 2))], wraps)
    assert_shows(db, [(9, "Enns", 2, None, None, None, None)])
    send(broker, name, [truncate], wraps)
    assert_shows(db, [])
    assert errors(db) == []


def test_values_that_are_left_out(broker, db, topic):
    """Large values that have not changed: of the batch, of what is stored, and those that nobody knows."""
    name = topic()
    create(db, name)
    out = dict(doc=UNAVAILABLE, js=UNAVAILABLE, raw=base64.b64encode(UNAVAILABLE.encode()).decode(), nums=list(UNAVAILABLE.encode()))
    full = dict(doc="a doc", js='{"k": [1]}', raw=base64.b64encode(b"bytes").decode(), nums=[1, 2])
    kept = ("a doc", {"k": [1]}, b"bytes", [1, 2])
    send(broker, name, [event("c", 1, row(1, "Graz", 1, **full)), event("u", 1, row(1, "Graz", 2, **out)),
                        event("c", 2, row(2, "Linz", 1, **full))])
    assert_shows(db, [(1, "Graz", 2, *kept), (2, "Linz", 1, *kept)])
    send(broker, name, [event("u", 1, row(1, "Wels", 3, **out)), event("u", 2, row(2, "Linz", 2, **{**out, "doc": "new"})),
                        event("u", 2, row(2, "Linz", 3, **out))])
    expected = [(1, "Wels", 3, *kept), (2, "Linz", 3, "new", *kept[1:])]
    assert_shows(db, expected)
    assert errors(db) == []
    # A key that takes the place of another one's, or that was there before anybody looked.
    send(broker, name, [event("d", 1), ({"id": 1}, None), event("d", 2), ({"id": 2}, None), event("c", 1, row(1, "Steyr", 2, **out))])
    send(broker, name, [event("u", 8, row(8, "Enns", 1, **out)), event("u", 9, row(9, "Enns", 1, **full))])
    for view in VIEWS:
        db.wait(view)
    with pytest.raises(psycopg.errors.DataException, match='field "doc" has not changed, and its value is not known'):
        db.execute("SELECT id, doc FROM s")
    db.execute("ALTER FOREIGN TABLE s OPTIONS (ADD on_error 'skip')")
    assert db.execute("SELECT id, city, n, doc, js, raw, nums FROM s") == [(9, "Enns", 1, *kept)]
    assert db.execute("SELECT id, doc FROM latest") == [(9, "a doc")]
    assert db.execute("SELECT city, rows FROM cities ORDER BY 1") == [("Enns", 2), ("Steyr", 1)]     # which needs none of them
    assert errors(db) == ['field "doc" has not changed, and its value is not known']


def test_messages_that_are_not_right(broker, db, topic):
    name = topic(partitions=2)
    create(db, name)
    send(broker, name, [
        event("c", 1, row(1, "Graz", 1)), (None, event("c", 1, row(5))[1]), ({"id": 2}, {"id": 2, "city": "flat"}),
        event("x", 2, row(2)), event("u", 3), event("c", 4, row(None, "Linz")), event("c", 6, row(6, "Wels", "many")),
    ])
    db.execute("ALTER FOREIGN TABLE s OPTIONS (ADD on_error 'skip')")
    assert_shows(db, [(1, "Graz", 1, None, None, None, None)], {})
    for view in VIEWS:
        db.wait(view)
    assert db.execute("SELECT id, city FROM latest") == [(1, "Graz")]
    assert errors(db) == [
        'field "id" is null or missing', 'field "n": invalid input syntax for type integer: "many"',
        "invalid message of Debezium: it does not say what is after", "invalid message of Debezium: it has no op",
        "invalid message of Debezium: its op is none that is known", "the message has no key"]
    # Where rows are in several partitions it cannot be said which of them a truncate ends.
    send(broker, name, [event("c", 7, row(7, "Enns", 1))], partition=1)
    assert_shows(db, [(1, "Graz", 1, None, None, None, None), (7, "Enns", 1, None, None, None, None)], {})
    send(broker, name, [(None, event("t")[1])])
    for view in VIEWS:
        db.wait(view)
    assert db.execute("SELECT id FROM latest ORDER BY 1") == [(1,), (7,)]
    assert 'a truncate event in stream "s" has no place among its rows' in errors(db)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="has no place among its rows"):
        db.execute("SELECT id FROM s")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot insert into stream"):
        db.execute("INSERT INTO s (id) VALUES (1)")


def flat(op, id, city=None, n=None, deleted="false", **more):
    """Key and value as ExtractNewRecordState makes them, with add.fields=op,lsn,source.ts_ms."""
    added = {"__op": op, "__lsn": 5, "__source_ts_ms": 1700000000123, "__deleted": deleted}
    return {"id": id}, {**row(id, city, n), **more, **added}


FLAT_COLUMNS = COLUMNS.replace("city text", "city text NOT NULL") + """,
    CHECK (n < 1000), op text OPTIONS (path '__op'), lsn bigint OPTIONS (path '__lsn'),
    told timestamptz(3) OPTIONS (path '__source_ts_ms')"""


def plain(id, city, n, doc=None):
    return id, city, n, doc, None, None, None


@pytest.mark.parametrize("wraps", [False, True])
def test_flattened(broker, db, topic, wraps):
    """Each way of the transform to tell of a delete: a field, no value, or one after the other."""
    name = topic()
    options = f"topic '{name}', mode 'upsert', values 'debezium'" + ", framing 'connect'" * wraps
    db.execute(f"CREATE FOREIGN TABLE s ({FLAT_COLUMNS}) SERVER kafka OPTIONS ({options})")
    for view, query in VIEWS.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
    send(broker, name, [
        flat("r", 1, "Graz", 1, doc="a doc"), flat("c", 2, "Linz", 2), flat("c", 3, "Linz", 3),
        flat("c", 4, "Wels", 4, deleted=False),
        # What was before is the key alone, as by default, and the rest means nothing.
        flat("d", 2, deleted="true"), flat("d", 3, "", "many", deleted="true"), ({"id": 3}, None),
        flat("u", 1, "Wels", 1, doc=UNAVAILABLE),
        flat("d", 4, deleted=True), flat("c", 4, "Enns", 5)], wraps)
    assert_shows(db, [plain(1, "Wels", 1, "a doc"), plain(4, "Enns", 5)])
    send(broker, name, [({"id": 4}, None), flat("c", 5, "Graz", 1),
                        flat("c", 2, "Linz", 7, deleted=None)], wraps)
    assert_shows(db, [plain(1, "Wels", 1, "a doc"), plain(5, "Graz", 1), plain(2, "Linz", 7)])
    assert db.execute("SELECT DISTINCT op, lsn, extract(epoch FROM told)::float8 FROM s "
                      "WHERE id <> 1") == [("c", 5, 1700000000.123)]
    assert errors(db) == []
    send(broker, name, [
        flat("u", 1, "Graz", 1, deleted="perhaps"), (None, flat("c", 6, "Graz")[1]),
        flat("d", 5, deleted="true"), flat("c", 8, None), flat("c", 9, "Graz", 1000)], wraps)
    db.execute("ALTER FOREIGN TABLE s OPTIONS (ADD on_error 'skip')")
    assert_shows(db, [plain(1, "Wels", 1, "a doc"), plain(2, "Linz", 7)])
    assert errors(db) == [
        'field "__deleted" does not say whether the row is deleted',
        'field "city" is null or missing', "the message has no key",
        'the row violates check constraint "s_n_check"']
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="cannot change what"):
        db.execute("ALTER FOREIGN TABLE s OPTIONS (ADD deleted_field '__op')")


def test_deleted_by_another_field(broker, db, topic):
    """Another prefix of added fields, the operation, or a topic that is not Debezium's at all."""
    fields = [("meta.gone", {"gone": True}, {"gone": False}), ("meta", "d", "u"), ("meta", 1, 0)]
    for number, (field, gone, kept) in enumerate(fields):
        name, table = topic(str(number)), f"o{number}"
        db.execute(f"CREATE FOREIGN TABLE {table} (key text OPTIONS (metadata 'key'), "
                   f"id int NOT NULL) SERVER kafka "
                   f"OPTIONS (topic '{name}', mode 'upsert', deleted_field '{field}')")
        db.execute(f"CREATE CONTINUOUS VIEW ids{number} AS SELECT id FROM {table}")
        send(broker, name, [("a", {"id": 1, "meta": kept}), ("b", {"id": 2}), ("a", {"meta": gone}),
                            ("c", {"id": 3, "meta": kept})])
        assert sorted(db.execute(f"SELECT id FROM {table}")) == [(2,), (3,)]
        db.execute(f"INSERT INTO {table} (key) VALUES ('\"b\"')")
        db.execute(f"INSERT INTO {table} VALUES ('a', 4)")
        assert sorted(db.execute(f"SELECT id FROM {table}")) == [(3,), (4,)]
        db.wait(f"ids{number}")
        db.assert_equal(f"TABLE ids{number}", f"SELECT id FROM {table}")


def test_types_as_debezium_writes_them(broker, db, topic):
    name = topic()
    columns = ("id int, day date, tod time, tod3 time(3), ts timestamp, ts3 timestamp(3), tz timestamptz, span interval, js jsonb, j json, "
               "amount numeric(12,2), free numeric, b64 numeric(10,3) OPTIONS (number_format 'base64'), "
               "lsn bigint OPTIONS (envelope 'source.lsn'), tx text OPTIONS (envelope 'transaction.id'), op text OPTIONS (envelope 'op'), "
               "told timestamptz OPTIONS (envelope 'ts_ms'), src jsonb OPTIONS (envelope 'source')")
    db.execute("SET TimeZone = 'UTC'")
    create(db, name, columns, views={})
    send(broker, name, [event("c", 1, {
        "id": 1, "day": -1, "tod": 3723000004, "tod3": 3723004, "ts": 1700000000123456, "ts3": 1700000000123, "tz": "2024-02-03T04:05:06.7Z",
        "span": 90061000000, "js": '"text"', "j": "null", "amount": 12.5, "free": {"scale": 4, "value": "AMNQ"}, "b64": "/zg="})])
    found = db.execute("SELECT id, day::text, tod::text, tod3::text, ts::text, ts3::text, tz::text, span::text, js::text, j::text, "
                       "amount::text, free::text, b64::text, lsn, tx, op, told::text, src FROM s")
    assert found == [(1, "1969-12-31", "01:02:03.000004", "01:02:03.004", "2023-11-14 22:13:20.123456", "2023-11-14 22:13:20.123",
                      "2024-02-03 04:05:06.7+00", "25:01:01", '"text"', "null", "12.50", "5.0000", "-0.200", 5, "7:1", "c",
                      "2023-11-14 22:13:20+00", {"lsn": 5, "snapshot": None, "table": "t"})]
    send(broker, name, [event("u", 1, {"id": 1, "amount": "MTIz"})])
    with pytest.raises(psycopg.Error, match="is a string, and not a number"):
        db.execute("SELECT id, amount FROM s")
    # The flattened form, as of ExtractNewRecordState, is an upsert.
    db.execute(f"CREATE FOREIGN TABLE flat (key text OPTIONS (metadata 'key'), id int, day date, js jsonb) "
               f"SERVER kafka OPTIONS (topic '{topic('flat')}', mode 'upsert', values 'debezium', framing 'connect')")
    send(broker, name + "flat", [({"id": 1}, {"id": 1, "day": 0, "js": "{}"}), ({"id": 2}, {"id": 2, "day": 0, "js": None}),
                                 ({"id": 1}, {"id": 1, "day": 1, "js": UNAVAILABLE}), ({"id": 2}, None)], wraps=True)
    assert db.execute("SELECT id, day::text, js FROM flat") == [(1, "1970-01-02", {})]
