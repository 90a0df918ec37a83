"""Formats other than JSON and Avro, with a real broker and what the independent client writes."""
import datetime
import math
import struct
import uuid

import pytest
from confluent_kafka.serialization import DoubleSerializer, IntegerSerializer, StringSerializer
from test_avro import values_in


def create(db, topic, columns, options, table="s"):
    db.execute(f"CREATE FOREIGN TABLE {table} ({columns}) SERVER kafka OPTIONS (topic '{topic}', {options})")


def copy_in(db, table, lines, options):
    with db.connection.cursor() as cursor:
        with cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv, {options})") as copy:
            copy.write(b"".join(line.rstrip(b"\r\n") + b"\n" for line in lines))


def test_csv_is_what_copy_reads(db, broker, topic):
    """Each message is read as COPY reads the line, or is a dead letter; what INSERT writes COPY reads, too."""
    name = topic()
    columns = "a int, b text, c timestamptz, d numeric, e text[], f bytea, g jsonb"
    copy_options = "DELIMITER ';', NULL '-'"
    create(db, name, columns, "format 'csv', delimiter ';', null '-', event_time 'c', timezone 'Europe/Berlin', on_error 'skip'")
    db.execute(f"CREATE TABLE t ({columns}); SET TimeZone = 'Europe/Berlin'")
    good = [
        b"1;x;2026-07-01 12:00;1.50;{1,2};\\x0001;\"{\"\"a\"\": 1}\"", b"-;-;-;-;-;-;-", b" 7 ;\"-\";2026-07-01 12:00+00;1e3;\"{\"\"a;b\"\"}\";abc;1",
        b"2;\"\";-;NaN;{};\"\";null\r\n", b"3;;-;-.5;-;-;\"\"\"x\"\"\"\n", b"4;a\"b;\"c;-;-;-;-;-", b"5;\"two\nlines\";-;-;-;-;-",
        "6;zwölf \U0001f418;-;-;-;-;-".encode(), b"7;\\.;-;-;-;-;-", b"007;a'b;-;-;-;-;[]",
    ]
    field = [b"x;-;-;-;-;-;-", b"1.5;-;-;-;-;-;-", b"1e3;-;-;-;-;-;-", b"2147483648;-;-;-;-;-;-", b"1;-;now;-;-;-;-", b"1;-;soon;-;-;-;-",
             b"1;-;-;-;-;-;{", b"1;-;-;-;{;-;-", b"1;-;-;-;-;\\x0;-"]
    whole = [b"", b"1;x", b"1;x;-;-;-;-;-;-", b"1;\"x;-;-;-;-;-", b"1;-;-;-;-;-;-\n1;-;-;-;-;-;-", b"1;\xff;-;-;-;-;-", b"1;a\0b;-;-;-;-;-"]
    broker.produce(name, good + field + whole)
    copy_in(db, "t", good, copy_options)
    db.assert_equal("TABLE s", "TABLE t")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT a, count(*), max(b) AS b FROM s GROUP BY a")
    db.execute("CREATE CONTINUOUS VIEW w AS SELECT * FROM s")
    db.execute("CREATE CONTINUOUS VIEW n AS SELECT count(*) FROM s")
    for view, errors in (("v", len(whole) + 4), ("w", len(whole) + len(field)), ("n", len(whole))):
        db.wait(view)
        assert db.value("SELECT count(*) FROM cq.errors WHERE view = %s::regclass", view) == errors
    db.assert_equal("TABLE w", "TABLE t")
    assert db.execute("TABLE n") == [(len(good) + len(field),)]
    db.execute("INSERT INTO s SELECT * FROM t")
    db.assert_equal("TABLE s", "TABLE t UNION ALL TABLE t")
    db.execute("CREATE TABLE u (LIKE t)")
    copy_in(db, "u", values_in(broker, name)[-len(good):], copy_options)
    db.assert_equal("TABLE u", "TABLE t")


def test_csv_by_places(db, broker, topic):
    """Headers, fields by their places, what is null and what is not."""
    name = topic()
    create(db, name, "a int, b text OPTIONS (force_null 'true'), c text OPTIONS (force_not_null 'true')", "format 'csv', header 'match', on_error 'skip'")
    broker.produce(name, [b'a,b,c\n1,"",\n', b"a,b,c\r\n2,x,y\r\n", b"a,c,b\n3,x,y", b"a,b\n4,x,y", b"a,b,c,d\n5,x,y", b"6,x,y", b'"a","b","c"\n7,,""'])
    assert db.execute("TABLE s") == [(1, None, ""), (2, "x", "y"), (7, None, "")]
    db.execute("INSERT INTO s VALUES (8, 'x,y', '')")
    assert values_in(broker, name)[-1] == b'a,b,c\n8,"x,y",""'
    create(db, name, "third text OPTIONS (path '3'), first int OPTIONS (path '1')", "format 'csv', header 'true', on_error 'skip'", table="p")
    assert db.execute("TABLE p") == [(None, 1), ("y", 2), ("y", 3), ("y", 4), ("y", 5), ("", 7), ("", 8)]


def test_primitive_types(db, broker, topic):
    """As Kafka's own serializers write them, as values and as keys; rows that change, and tombstones."""
    db.execute("SET TimeZone = 'UTC'")
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 6000, datetime.timezone.utc)
    milliseconds = round(moment.timestamp() * 1000)
    some = uuid.UUID(int=2**127 + 1)
    cases = [
        ("int", "int", IntegerSerializer(), [-2**31, 0, 2**31 - 1], [b"", b"123", b"12345"]),
        ("int", "smallint", IntegerSerializer(), [-2**15, 7], [struct.pack(">i", 2**15)]),
        ("long", "bigint", lambda n: struct.pack(">q", n), [-2**63, 2**63 - 1], [b"1234567"]),
        ("long", "timestamptz", lambda t: struct.pack(">q", milliseconds), [moment], [struct.pack(">q", 2**62)]),
        ("short", "numeric", lambda n: struct.pack(">h", n), [-1, 300], [b"1"]),
        ("double", "float8", DoubleSerializer(), [0.1, -1e300, math.inf], [b"1234"]),
        ("double", "int", DoubleSerializer(), [3.0], [struct.pack(">d", 0.5), struct.pack(">d", math.nan)]),
        ("float", "float4", lambda n: struct.pack(">f", n), [0.5, -math.inf], [b"12345678"]),
        ("boolean", "bool", lambda b: bytes([b]), [True, False], [b"\2", b"", b"\0\0"]),
        ("uuid", "uuid", lambda u: StringSerializer()(str(u)), [some], [b"{" + str(some).encode()[:34] + b"}", some.bytes]),
        ("string", "text", StringSerializer(), ["", "zwölf \U0001f418\n"], [b"\xff", b"a\0"]),
        ("text", "date", lambda d: d.isoformat().encode(), [datetime.date(2026, 7, 1)], [b"today", b""]),
        ("bytea", "bytea", bytes, [b"", b"\0\xff{"], []),
    ]
    for number, (kind, column, serialize, values, bad) in enumerate(cases):
        name, table = topic(f"_{number}"), f"s{number}"
        create(db, name, f"x {column}", f"format '{kind}', on_error 'skip'", table)
        broker.produce(name, [serialize(value) for value in values] + bad)
        got = [row[0] for row in db.execute(f"TABLE {table}")]
        assert got == values, (kind, column)
        if (kind, column) == ("long", "timestamptz"):
            continue
        written = values_in(broker, name)[:len(values)]
        db.execute(f"INSERT INTO {table} SELECT * FROM {table}")
        assert values_in(broker, name)[-len(values):] == written, (kind, column)
        if kind not in ("short", "double", "uuid", "bytea"):
            continue
        create(db, topic(f"_k{number}"), f"k {column} OPTIONS (key '\"\"'), n int", f"key_format '{kind}', mode 'upsert'", f"k{number}")
        db.execute(f"INSERT INTO k{number} SELECT x, 1 FROM {table}")
        db.execute(f"INSERT INTO k{number} SELECT x, 2 FROM {table}")
        db.execute(f"CREATE CONTINUOUS VIEW v{number} AS SELECT k, n FROM k{number}")
        db.wait(f"v{number}")
        db.assert_equal(f"TABLE v{number}", f"SELECT DISTINCT x, 2 FROM {table}")
    # A null is no value of a primitive type.
    create(db, topic("_nulls"), "x int", "format 'int'", "nulls")
    with pytest.raises(Exception, match="null cannot be written in format int"):
        db.execute("INSERT INTO nulls VALUES (NULL)")


def test_sink_in_csv(db, broker, topic):
    """A view's rows as CSV under keys that are primitive, exactly as an upsert stream reads them."""
    source, target = topic("_in"), topic("_out")
    create(db, source, "shop int, amount numeric", "format 'csv'")
    create(db, target, "shop bigint OPTIONS (key '\"\"'), orders bigint, amount numeric", "format 'csv', key_format 'long', mode 'upsert'", "totals")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'totals') AS "
               "SELECT shop::bigint AS shop, count(*) AS orders, sum(amount) AS amount FROM s GROUP BY shop HAVING sum(amount) >= 0")
    broker.produce(source, [b"1,2.50", b"2,1.00", b"1,1.00"])
    db.wait("v")
    broker.produce(source, [b"2,-3.00", b"3,0.00"])
    db.wait("v")
    assert db.value("SELECT cq.flush('v')")
    db.assert_equal("TABLE totals", "TABLE v")
    assert db.execute("SELECT shop, orders, amount::text FROM totals ORDER BY shop") == [(1, 2, "3.50"), (3, 1, "0.00")]


def test_json_behind_numbers(db, broker, topic):
    """JSON as clients of registries frame it: of whatever schema, and of keys that are one key whatever their number."""
    def framed(number, value):
        return struct.pack(">bI", 0, number) + value
    name = topic()
    create(db, name, "k int OPTIONS (key 'id'), n int, t text OPTIONS (path 'in.t')", "format 'json_sr', mode 'upsert'")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, n, t FROM s")
    messages = [(1, 1, b'{"n": 1}'), (2, 2, b'{"n": 2, "in": {"t": "x"}}'), (1, 2**32 - 1, b'{"n": 3}'), (2, 7, None), (3, 1, b'{"n": 4}')]
    for k, number, value in messages:
        broker.produce(name, [value and framed(number, value)], key=framed(number, b'{"id": %d}' % k))
    for bad in (b'{"n": 5}', b"", b"\0\0\0\0", framed(1, b""), framed(1, b"[]"), framed(1, b'{"n": 1} x')):
        broker.produce(name, [bad], key=framed(1, b'{"id": 9}'))
    broker.produce(name, [framed(1, b'{"n": 6}')], key=b'{"id": 9}')
    # The number may as well be a GUID in a header, and the key is the same.
    producer = broker.producer()
    guid = b"\1" + bytes(range(16))
    for n in 8, 9:
        producer.produce(name, b'{"n": %d}' % n, b'{"id": 4}',
                         headers={"__value_schema_id": guid, "__key_schema_id": guid})
    producer.flush()
    broker.produce(name, [framed(1, b'{"n": 10}')], key=framed(2, b'{"id": 4}'))
    db.wait("v")
    assert sorted(db.execute("TABLE v")) == [(1, 3, None), (3, 4, None), (4, 10, None)]
    said = [message for (message,) in db.execute("SELECT message FROM cq.errors WHERE view = 'v'::regclass ORDER BY \"offset\"")]
    assert len(said) == 7
    assert all("does not begin with a zero byte and the number of a schema" in message for message in said[:3] + said[6:])
    with pytest.raises(Exception, match="cannot be written to without a schema registry"):
        db.execute("INSERT INTO s VALUES (1, 1, 'x')")
    create(db, name, "k int OPTIONS (key 'id'), n int", "format 'json', key_format 'json_sr'", "other")
    with pytest.raises(Exception, match="cannot be written to without a schema registry"):
        db.execute("INSERT INTO other VALUES (1, 1)")
