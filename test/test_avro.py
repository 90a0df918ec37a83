"""The format avro with a real broker: schema registries, their moods, and schemas that change while views run."""
import json
import struct
import time
import uuid

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from conftest import fresh_database, wait_until
from registry import Stub, schemas

EVENT = json.dumps({"type": "record", "name": "event", "fields": [{"name": "k", "type": "string"}, {"name": "n", "type": "long"}]})


@pytest.fixture
def stub():
    """A function that starts registries which answer as it is told."""
    made = []

    def make(answer, **options):
        made.append(Stub(answer, **options))
        return made[-1]
    yield make
    for one in made:
        one.stop()


def framed(number, value):
    return struct.pack(">bI", 0, number) + value


def event(k, n, number=1):
    """A message of EVENT, for small values."""
    return framed(number, bytes([2 * len(k)]) + k.encode() + bytes([2 * n]))


def use(db, url, name="registered", **options):
    db.create_server(name, schema_registry=url, **options)


def create(db, topic, columns, server="registered", table="s", options=""):
    db.execute(f"CREATE FOREIGN TABLE {table} ({columns}) SERVER {server} OPTIONS (topic '{topic}', format 'avro'{options})")


def status(db, view):
    return db.execute("SELECT status, status_detail FROM cq.views WHERE view = %s::regclass", view)[0]


def test_schemas_change_while_a_view_runs(db, broker, registry, topic):
    """Five versions: a field more, one less, a wider one, one renamed, one that is a union now."""
    name = topic(partitions=2)
    use(db, registry.url)
    client = SchemaRegistryClient({"url": registry.url})
    subject = f"{name}-value"
    versions = [
        [("id", "int"), ("was", "int"), ("gone", "string")],
        [("id", "int"), ("was", "int"), ("gone", "string"), ("more", ["null", "string"])],
        [("id", "long"), ("was", "long"), ("more", ["null", "string"])],
        [("id", "long"), ("amount", "double"), ("more", ["null", "string"])],
        [("more", ["null", "string", "long"]), ("id", "long"), ("amount", ["null", "double"])],
    ]
    reader = {"type": "record", "name": "r", "fields": [
        {"name": "amount", "type": "double", "aliases": ["was"]}, {"name": "more", "type": "string", "default": "none"}]}
    create(db, name, "id bigint NOT NULL, amount float8, was float8, more text, gone text, part int OPTIONS (metadata 'partition')",
           options=f", schema '{json.dumps(reader)}'")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT more, gone, count(*), sum(coalesce(amount, was)) FROM s GROUP BY more, gone")
    rows = []
    producer = broker.producer()
    for version, fields in enumerate(versions):
        schema = {"type": "record", "name": "r", "fields": [{"name": field, "type": kind} for field, kind in fields]}
        serialize = AvroSerializer(client, json.dumps(schema))
        for i in range(20):
            number = version * 20 + i
            value = {"id": number, "was": i, "amount": i + 0.5, "gone": f"g{i % 2}", "more": None if i % 3 else f"m{i % 2}"}
            if version == 4 and i % 3 == 1:
                value["more"] = 7
            value = {field: value[field] for field, _ in fields}
            producer.produce(name, serialize(value, SerializationContext(name, MessageField.VALUE)), partition=i % 2)
            more = value.get("more", "none")
            rows.append((number, float(value.get("amount", value.get("was"))), None if more is None else str(more), value.get("gone")))
        producer.flush()
        db.wait("v")
    assert len(client.get_versions(subject)) == 5
    assert db.execute("SELECT id, coalesce(amount, was), more, gone FROM s ORDER BY id") == rows
    db.assert_equal("TABLE v", "SELECT more, gone, count(*), sum(coalesce(amount, was)) FROM s GROUP BY more, gone")
    assert db.value("SELECT sum(count) FROM v") == 100
    assert db.execute("SELECT * FROM cq.errors") == []


def test_guids_in_headers(db, broker, topic, stub):
    """As the independent client writes them; beside numbers before the value. Keys that are the same are, however they are framed."""
    name = topic()
    mock = SchemaRegistryClient.new_client({"url": "mock://"})
    key = json.dumps({"type": "record", "name": "key", "fields": [{"name": "id", "type": "int"}, {"name": "s", "type": "string"}]})
    serializers = [AvroSerializer(mock, schema, conf={"schema.id.serializer": header_schema_id_serializer}) for schema in (key, EVENT)]
    producer = broker.producer()
    guids = {}

    def write(parts):
        """Key and value, framed by headers; a value of None is a tombstone."""
        written, headers = [], []
        for serialize, part, field, schema in zip(serializers, parts, (MessageField.KEY, MessageField.VALUE), (key, EVENT)):
            context = SerializationContext(name, field, [])
            written.append(None if part is None else serialize(part, context))
            headers += context.headers
            for _, bytes_ in context.headers:
                guids[str(uuid.UUID(bytes=bytes_[1:]))] = schema
        return {"key": written[0], "value": written[1], "headers": headers}
    one, two, three = ({"id": 0, "s": "aaaa"}, {"id": 0, "s": "bbba"}, {"id": 7, "s": ""})
    good = [write((one, {"k": "x", "n": 1})), write((two, {"k": "y", "n": 2})), write((three, {"k": "z", "n": 3})),
            write((one, {"k": "x", "n": 10})), write((three, None))]
    assert [bytes_[0] for message in good for _, bytes_ in message["headers"]] == [1] * 9 and len(guids) == 2
    for message in good:
        producer.produce(name, **message)
    producer.produce(name, event("n", 5), framed(2, b"\0\x08aaaa"))
    for header in b"\1" + uuid.UUID(int=5).bytes, b"\1\2\3", b"":
        producer.produce(name, good[1]["value"], good[1]["key"], headers={**dict(good[1]["headers"]), "__value_schema_id": header})
    producer.flush()
    use(db, stub(schemas({1: EVENT, 2: key}, **{f"schemas/guids/{guid}": (200, {"schema": schema}) for guid, schema in guids.items()})).url)
    create(db, name, "id int OPTIONS (key 'id'), s text OPTIONS (key 's'), k text, n bigint", options=", mode 'upsert', on_error 'skip'")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT s, k, n FROM s WHERE id = 0")
    db.wait("v")
    assert db.execute("TABLE v ORDER BY 1") == db.execute("SELECT s, k, n FROM s ORDER BY 1") == [("aaaa", "n", 5), ("bbba", "y", 2)]
    assert db.execute("""SELECT "offset", message FROM cq.errors ORDER BY 1""") == [
        (6, "the schema registry has no schema 00000000-0000-0000-0000-000000000005")] + [
        (offset, "invalid Avro message: it does not begin with a zero byte and the number of a schema") for offset in (7, 8)]


def test_every_type(db, broker, registry, topic):
    """As the independent client writes them; written by INSERT, it reads the same."""
    import datetime
    import decimal
    import uuid
    name = topic()
    use(db, registry.url)
    client = SchemaRegistryClient({"url": registry.url})
    fields = {
        "i": "int", "l": "long", "f": "float", "d": "double", "b": "boolean", "s": "string", "y": "bytes",
        "fx": {"type": "fixed", "name": "fx", "size": 3}, "e": {"type": "enum", "name": "e", "symbols": ["A", "B"]},
        "dec": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3},
        "dt": {"type": "int", "logicalType": "date"}, "tm": {"type": "int", "logicalType": "time-millis"},
        "tu": {"type": "long", "logicalType": "time-micros"}, "ts": {"type": "long", "logicalType": "timestamp-micros"},
        "lt": {"type": "long", "logicalType": "local-timestamp-millis"}, "u": {"type": "string", "logicalType": "uuid"},
        "a": {"type": "array", "items": "int"}, "m": {"type": "map", "values": "long"}, "o": ["null", "int"],
        "r": {"type": "record", "name": "inner", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "string"]}]},
        "v": ["null", "string", "long", "inner"],
    }
    schema = json.dumps({"type": "record", "name": "all", "fields": [{"name": k, "type": v} for k, v in fields.items()]})
    values = [
        dict(i=-1, l=2**60, f=0.5, d=-1e100, b=True, s="zwölf \U0001f418 \"", y=b"\0\xff", fx=b"abc", e="B",
             dec=decimal.Decimal("-12345678901234567.891"), dt=datetime.date(1969, 2, 28), tm=datetime.time(1, 2, 3, 4000),
             tu=datetime.time(23, 59, 59, 999999), ts=datetime.datetime(2025, 1, 2, 3, 4, 5, 6, datetime.timezone.utc),
             lt=datetime.datetime(1960, 1, 2, 3, 4, 5, 6000), u=uuid.UUID(int=2**127 + 1), a=[1, -2, 3], m={"k": 1, "": 2}, o=None,
             r={"x": 7, "y": None}, v={"x": 1, "y": "z"}),
        dict(i=2**31 - 1, l=-1, f=0.0, d=0.1, b=False, s="", y=b"", fx=b"\0\0\0", e="A", dec=decimal.Decimal("0.000"),
             dt=datetime.date(9999, 12, 31), tm=datetime.time(0), tu=datetime.time(0),
             ts=datetime.datetime(1970, 1, 1, 0, 0, 0, 0, datetime.timezone.utc), lt=datetime.datetime(2400, 1, 1), u=uuid.UUID(int=0),
             a=[], m={}, o=5, r={"x": -1, "y": "y"}, v=5),
    ]
    serialize = AvroSerializer(client, schema)
    context = SerializationContext(name, MessageField.VALUE)
    broker.produce(name, [serialize(value, context) for value in values])
    db.execute("CREATE TYPE inner_row AS (x int, y text)")
    create(db, name, "i int, l bigint, f real, d float8, b boolean, s text, y bytea, fx bytea, e text, dec numeric, dt date, tm time, "
                     "tu time, ts timestamptz, lt timestamp, u uuid, a int[], m jsonb, o int, r inner_row, v jsonb")
    db.execute("SET TimeZone = 'UTC'")

    def read():
        return db.execute("SELECT i, l, f, d, b, s, y, fx, e, dec, dt, tm, tu, ts, lt, u, a, m, o, "
                          "jsonb_build_object('x', (r).x, 'y', (r).y), v FROM s")
    expected = [tuple(value.values()) for value in values]
    assert read() == expected
    db.execute("INSERT INTO s SELECT * FROM s")
    assert read() == expected * 2
    deserialize = AvroDeserializer(client)
    assert [deserialize(value, context) for value in values_in(broker, name)] == values * 2


def values_in(broker, topic):
    """The values in a topic of one partition, as bytes."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "values", "log_level": 0})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), 30)
        consumer.assign([TopicPartition(topic, 0, 0)])
        values = []
        position = 0
        while position < end:
            message = consumer.poll(1)
            if message is not None and not message.error():
                values.append(message.value())
            position = max(consumer.position([TopicPartition(topic, 0)])[0].offset, 0)
        return values
    finally:
        consumer.close()


def test_a_registry_that_is_away_holds_up_its_stream_alone(db, broker, topic, stub):
    """It says so, others go on, and when it is back the stream goes on where it was."""
    mine, other = topic(), topic("_other")
    registry = stub(schemas({1: EVENT}))
    working = registry.answer
    registry.answer = lambda request: (503, {"error_code": 50003, "message": "away"})
    use(db, registry.url)
    create(db, mine, "k text, n int")
    db.execute(f"CREATE FOREIGN TABLE o (n int) SERVER kafka OPTIONS (topic '{other}')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, count(*), sum(n) FROM s GROUP BY k")
    db.execute("CREATE CONTINUOUS VIEW w AS SELECT count(*), sum(n) FROM o")
    broker.produce(mine, [event("a", 1), event("b", 2), event("a", 3)])
    wait_until(lambda: status(db, "v")[0] == "waiting", lambda: status(db, "v"))
    wait_until(lambda: "away" in (status(db, "v")[1] or ""), lambda: status(db, "v"))
    assert status(db, "v")[1] == (f"waiting for schema: schema 1 of {registry.url} "
                                  f"({registry.url}/schemas/ids/1: HTTP status 503: away)")
    began = time.monotonic()
    broker.produce(other, [{"n": n} for n in range(100)])
    db.wait("w")
    assert db.execute("TABLE w") == [(100, 4950)]
    assert time.monotonic() - began < 20
    assert status(db, "w") == ("running", None)
    with pytest.raises(Exception, match="schema 1 of .* is not to be had"):
        db.execute("TABLE s")
    registry.answer = working
    db.wait("v")
    assert sorted(db.execute("TABLE v")) == [("a", 2, 4), ("b", 1, 2)]
    wait_until(lambda: status(db, "v") == ("running", None), lambda: status(db, "v"))
    assert db.execute("SELECT * FROM cq.errors") == []


def test_answers_that_are_none(db, broker, topic, stub):
    """Each is an error that says which; nothing is followed, read without an end, or waited for without one."""
    name = topic()
    broker.produce(name, [event("a", 1)])
    elsewhere = stub(schemas({1: EVENT}))
    moods = {
        "garbage": (200, b"\xff\0{[", "the answer is not that of a schema registry"),
        "html": (200, b"<html></html>", "the answer is not that of a schema registry"),
        "other": (200, {"schema": 5}, "the answer is not that of a schema registry"),
        "list": (200, ["schema"], "the answer is not that of a schema registry"),
        "moved": (302, b"", "HTTP status 302", {"Location": elsewhere.url + "/schemas/ids/1"}),
        "absent": (404, b"no such page", "HTTP status 404"),
        "closed": (401, {"error_code": 401, "message": "who are you?"}, "HTTP status 401: who are you?"),
        "large": (200, b'{"schema":"' + b"x" * (10 * 1024 * 1024) + b'"}', "the response is too long"),
    }
    for mood, (code, body, says, *headers) in moods.items():
        registry = stub(lambda request: (code, body, *headers))
        use(db, registry.url, name=mood)
        create(db, name, "k text, n int", server=mood, table=f"s_{mood}")
        with pytest.raises(Exception) as error:
            db.execute(f"TABLE s_{mood}")
        assert says in str(error.value), mood
    assert elsewhere.asked == []
    # Nobody listens.
    gone = stub(schemas({}))
    gone.stop()
    use(db, gone.url, name="gone")
    create(db, name, "k text, n int", server="gone", table="s_gone")
    with pytest.raises(Exception, match="[Cc]onnect"):
        db.execute("TABLE s_gone")
    # One that never answers does not hold up a cancel.
    silent = stub(lambda request: None)
    use(db, silent.url, name="silent")
    create(db, name, "k text, n int", server="silent", table="s_silent")
    db.execute("SET statement_timeout = '1s'")
    began = time.monotonic()
    with pytest.raises(Exception, match="statement timeout"):
        db.execute("TABLE s_silent")
    assert time.monotonic() - began < 10
    db.execute("RESET statement_timeout")
    # Several places: the second one has it.
    use(db, f"{gone.url}, {elsewhere.url}", name="several")
    create(db, name, "k text, n int", server="several", table="s_several")
    assert db.execute("TABLE s_several") == [("a", 1)]


def test_dead_letters_are_retried(db, broker, topic, stub):
    """What they cannot be decoded without is asked for by whoever retries them; the schema may be in a header."""
    name = topic()
    guid = uuid.UUID(int=7)
    registry = stub(schemas({1: EVENT}, **{f"schemas/guids/{guid}": (200, {"schema": EVENT})}))
    use(db, registry.url)
    create(db, name, "k text, n int")
    db.execute("CREATE TABLE divisors (k text, d int)")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, sum(n / coalesce(d, 0)) FROM s LEFT JOIN divisors USING (k) GROUP BY k")
    broker.produce(name, [event("a", 6), event("b", 8)])
    producer = broker.producer()
    producer.produce(name, event("a", 9)[5:], headers=[("__value_schema_id", b"\x01" + guid.bytes)])
    producer.flush()
    db.wait("v")
    assert db.execute("TABLE v") == []
    db.execute("INSERT INTO divisors VALUES ('a', 3)")
    assert db.value("SELECT cq.retry_errors('v')") == 2
    assert db.execute("TABLE v") == [("a", 5)]
    assert db.execute("SELECT message FROM cq.errors") == [("division by zero",)]


def test_messages_that_cannot_be_read_are_dead_letters(db, broker, topic, stub):
    """Numbers that the registry does not know, schemas that are none, frames that are none; the rest goes on."""
    name = topic()
    registry = stub(schemas({1: EVENT, 2: '"no type"', 3: '{"type":"record","name":"r","fields":[{"name":"r","type":"r"}]}', 4: '"int"',
                             5: '{"type":"array","items":' * 2000}))
    use(db, registry.url)
    create(db, name, "k text, n int", options=", on_error 'skip'")
    messages = [event("a", 1), event("a", 1, 2), event("a", 1, 3), framed(4, b"\x02"), event("a", 1, 5), event("a", 1, 99), b"", b"\0\0\0",
                b'{"k":"a"}', framed(1, b""), framed(1, b"\x02a\x02\x02"), framed(1, b"\xff\xff\xff\xff\x0f"), event("b", 2)]
    broker.produce(name, messages)
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, count(*), sum(n) FROM s GROUP BY k")
    db.wait("v")
    assert sorted(db.execute("TABLE v"), key=str) == [("a", 1, 1), ("b", 1, 2), (None, 1, None)]
    db.assert_equal("TABLE v", "SELECT k, count(*), sum(n) FROM s GROUP BY k")
    unframed = "invalid Avro message: it does not begin with a zero byte and the number of a schema"
    assert db.execute('SELECT "offset", message FROM cq.errors ORDER BY "offset"') == [
        (1, 'schema 2: invalid Avro schema: there is no type "no type"'),
        (2, 'schema 3: invalid Avro schema: type "r" holds itself without an end'),
        (4, "schema 5: invalid Avro schema: nested too deep"),
        (5, "the schema registry has no schema 99"),
        (6, unframed), (7, unframed), (8, unframed),
        (9, "invalid Avro message of schema 1: it ends within a value"),
        (10, "invalid Avro message of schema 1: there is something behind it"),
        (11, "invalid Avro message of schema 1: a value is longer than what is left of the message"),
    ]


def test_names_of_schemas_in_any_case(db, broker, topic, stub):
    """Fields are one by their names in any case; a schema in which two are is not read by."""
    name = topic()
    fields = [{"name": "K", "type": "string"}, {"name": "N", "type": "long"}]
    more = [*fields, {"name": "k", "type": "string"}]
    registry = stub(schemas({1: EVENT, **{
        number: json.dumps({"type": "record", "name": "event", "fields": said})
        for number, said in ((2, fields), (3, more))}}))
    use(db, registry.url)
    create(db, name, "k text, n int", options=", ignore_case 'true'")
    broker.produce(name, [event("a", 1), event("b", 2, 2), framed(3, b"\x02c\x06\x02d")])
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, n FROM s")
    db.execute("CREATE CONTINUOUS VIEW counted AS SELECT count(*) FROM s")
    db.wait("v")
    db.wait("counted")
    assert sorted(db.execute("TABLE v")) == [("a", 1), ("b", 2)]
    assert db.execute("TABLE counted") == [(2,)]
    assert db.execute("SELECT DISTINCT message FROM cq.errors") == [
        ('schema 3: two fields of type "event" have names that differ by case only, '
         'which the stream ignores: "k"',)]


def test_schemas_are_registered_once_they_are_compatible(db, broker, topic, stub):
    """By INSERT and by a sink; told in the words of two kinds of registries, and of older ones."""
    said, registered = {}, []

    def answer(request):
        path = request.path.split("?")[0]
        if path.startswith("/compatibility/subjects/"):
            return said["answer"]
        if path.endswith("/versions"):
            registered.append(json.loads(request.body)["schema"])
            return 200, {"id": len(registered)}
        return 404, {"error_code": 40403, "message": "Schema not found"}
    use(db, stub(answer).url)
    names = {table: topic(table) for table in ("s", "out")}
    create(db, names["s"], "k int", options=", register_schema 'true', check_compatibility 'true'")
    refusals = ({"reason": "b at /fields/1"}, {"messages": ["no default", "other type"]}, {})
    for more, words in zip(refusals, (": b at /fields/1", ": no default; other type", "")):
        said["answer"] = 200, {"is_compatible": False, **more}
        with pytest.raises(Exception, match="does not take the schema for subject") as error:
            db.execute("INSERT INTO s VALUES (1)")
        assert f"it is not compatible with the latest schema{words}\n" in f"{error.value}\n"
    said["answer"] = 404, {"message": "no such page"}
    with pytest.raises(Exception, match="HTTP status 404: no such page"):
        db.execute("INSERT INTO s VALUES (1)")
    assert registered == []
    said["answer"] = 404, {"error_code": 40401, "message": "Subject not found"}
    db.execute("INSERT INTO s VALUES (1)")
    assert len(registered) == 1
    said["answer"] = 200, {"is_compatible": False, "reason": "no"}
    create(db, names["out"], "k int OPTIONS (key 'k'), n bigint", table="out",
           options=", mode 'upsert', "
           "key_format 'json', register_schema 'true', check_compatibility 'true'")
    db.execute("CREATE FOREIGN TABLE e (k int) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS "
               "SELECT k, count(*) AS n FROM e GROUP BY k")
    db.execute("INSERT INTO e VALUES (1), (1), (2)")

    def state():
        return db.execute("SELECT last_error, pending_rows FROM cq.sinks "
                          "WHERE view = 'v'::regclass")[0]
    wait_until(lambda: "not compatible with the latest schema: no" in (state()[0] or ""), state)
    assert len(registered) == 1
    said["answer"] = 200, {"is_compatible": True}
    wait_until(lambda: state()[1] == 0, state)
    assert len(registered) == 2


def test_import(db, broker, registry, topic):
    """Tables as the latest schemas say; topics without one as their messages are."""
    name, plain, other = topic(), topic("_plain"), topic("_json_schema")
    client = SchemaRegistryClient({"url": registry.url})
    part = json.dumps({"type": "record", "name": "part", "namespace": "n", "fields": [{"name": "x", "type": "int"}]})
    client.register_schema(f"{name}-part", Schema(part, "AVRO"))
    fields = [
        ("id", "long"), ("s", ["null", "string"]), ("d", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}),
        ("day", {"type": "int", "logicalType": "date"}), ("at", {"type": "long", "logicalType": "timestamp-micros"}),
        ("local", {"type": "long", "logicalType": "local-timestamp-millis"}), ("t", {"type": "int", "logicalType": "time-millis"}),
        ("u", {"type": "string", "logicalType": "uuid"}), ("e", {"type": "enum", "name": "e", "symbols": ["A"]}),
        ("f", {"type": "fixed", "name": "f", "size": 2}), ("b", "bytes"), ("a", {"type": "array", "items": ["null", "int"]}),
        ("m", {"type": "map", "values": "int"}), ("p", "n.part"), ("ps", {"type": "array", "items": "n.part"}),
        ("v", ["int", "string"]), ("g", "float"), ("h", "double"), ("k", "boolean"), ("ctid", "int"),
    ]
    schema = {"type": "record", "name": "r", "fields": [{"name": field, "type": kind} for field, kind in fields]}
    schema["fields"].append({"name": "w", "type": "int", "default": 5})
    number = client.register_schema(f"{name}-value", Schema(json.dumps(schema), "AVRO", [SchemaReference("n.part", f"{name}-part", 1)]))
    client.register_schema(f"{other}-value", Schema('{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}', "JSON"))
    broker.produce(plain, [{"a": 1}])
    broker.produce(other, [{"a": 1}])
    use(db, registry.url)
    said = []
    db.execute("CREATE SCHEMA imported")
    db.connection.add_notice_handler(lambda notice: said.append((notice.message_primary, notice.message_detail)))
    db.execute(f'IMPORT FOREIGN SCHEMA "{name}" FROM SERVER registered INTO imported')
    assert sorted(said) == [(f'topic "{name}" was imported with remarks', 'Field "ctid" is column "ctid_1".'),
                            (f'topic "{other}" was not imported', "Its schema is one of JSON, which is not supported yet.")]
    assert db.execute("SELECT attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END "
                      f"FROM pg_attribute WHERE attrelid = 'imported.{name}'::regclass AND attnum > 0 ORDER BY attnum") == [(line,) for line in (
                          "id bigint not null", "s text", "d numeric(10,2) not null", "day date not null",
                          "at timestamp with time zone not null", "local timestamp without time zone not null",
                          "t time without time zone not null", "u uuid not null", "e text not null", "f bytea not null", "b bytea not null",
                          "a integer[] not null", "m jsonb not null", "p jsonb not null", "ps jsonb not null", "v jsonb not null",
                          "g real not null", "h double precision not null", "k boolean not null", "ctid_1 integer not null", "w integer")]
    assert db.execute(f"SELECT attname, format_type(atttypid, atttypmod), attnotnull, CASE attname WHEN 'ctid_1' THEN '\"ctid\"' END, 'avro' "
                      f"FROM pg_attribute WHERE attrelid = 'imported.{name}'::regclass AND attnum > 0 ORDER BY attnum") == \
        db.execute("SELECT * FROM cq.columns_of('registered', %s)", name)
    row = ("(1, NULL, 1.5, '2025-01-02', '2025-01-02Z', '2025-01-02', '12:00', '00000000-0000-0000-0000-000000000001', 'A', '\\x0102', '\\x', '{1,NULL}', "
           "'{\"k\":1}', '{\"x\":1}', '[{\"x\":2}]', '5', 1.5, 2.5, true, 7)")
    db.execute(f"INSERT INTO imported.{name} VALUES {row}")
    assert db.execute(f"SELECT id, s, d::text, p, ps, v, ctid_1, w FROM imported.{name}") == [(1, None, "1.50", {"x": 1}, [{"x": 2}], 5, 7, 5)]
    (message,) = values_in(broker, name)
    assert message[:5] == struct.pack(">bI", 0, number)
    assert db.execute(f"SELECT a FROM imported.{plain}") == [(1,)]


def changes(client, name):
    """Functions that serialize keys and values of a table's changes, as Debezium does."""
    row = {"type": "record", "name": "Value", "fields": [
        {"name": "id", "type": "int"}, {"name": "city", "type": ["null", "string"], "default": None},
        {"name": "doc", "type": ["null", "string"]}, {"name": "raw", "type": ["null", "bytes"]},
        {"name": "nums", "type": ["null", {"type": "array", "items": ["null", "int"]}]},
        {"name": "js", "type": ["null", {"type": "string", "connect.name": "io.debezium.data.Json"}]},
        {"name": "day", "type": ["null", {"type": "int", "connect.name": "io.debezium.time.Date"}]},
        {"name": "at", "type": ["null", {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}]}]}
    deleted = {"name": "__deleted", "type": ["null", "string"], "default": None}
    flat = {**row, "fields": [*row["fields"], deleted]}
    envelope = {"type": "record", "name": "Envelope", "fields": [
        {"name": "before", "type": ["null", row]}, {"name": "after", "type": ["null", "Value"]},
        {"name": "source", "type": ["null", {"type": "record", "name": "Source", "fields": [{"name": "lsn", "type": ["null", "long"]}]}]},
        {"name": "op", "type": ["null", "string"]}, {"name": "ts_ms", "type": ["null", "long"]}]}

    def serializer(subject, schema, field):
        serialize = AvroSerializer(client, json.dumps(schema))
        return lambda value: value and serialize(value, SerializationContext(subject, field))

    key = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "int"}]}
    return (serializer(name, key, MessageField.KEY), serializer(name, envelope, MessageField.VALUE),
            serializer(f"{name}flat", key, MessageField.KEY),
            serializer(f"{name}flat", flat, MessageField.VALUE))


def test_changes_in_avro(db, broker, registry, topic):
    """Debezium's envelope, and upserts, with keys in Avro; a key's schema gets another number."""
    name, flat = topic(), topic("flat")
    use(db, registry.url)
    key, envelope, flat_key, upsert = changes(SchemaRegistryClient({"url": registry.url}), name)
    columns = "id int NOT NULL, city text, doc text, raw bytea, nums int[], js jsonb, day date, at timestamp"
    create(db, name, columns + ", kid int OPTIONS (key 'id'), lsn bigint OPTIONS (envelope 'source.lsn')", options=", mode 'debezium'")
    create(db, flat, columns + ", kid int OPTIONS (key 'id')", table="f", options=", mode 'upsert', values 'debezium'")
    for stream in "sf":
        db.execute(f"CREATE CONTINUOUS VIEW {stream}_rows AS SELECT kid, id, city, doc, raw, nums, js, day, at FROM {stream}")
        db.execute(f"CREATE CONTINUOUS VIEW {stream}_cities AS SELECT city, count(*), max(day) FROM {stream} GROUP BY city")
    out = "__debezium_unavailable_value"

    def row(id, city, doc="d", raw=b"r", nums=[1, None], js="[1]", day=19000, at=1700000000000001):
        return {"id": id, "city": city, "doc": doc, "raw": raw, "nums": nums, "js": js, "day": day, "at": at}

    def left_out(id, city):
        return row(id, city, out, out.encode(), list(out.encode()), out)

    def event(op, after):
        return {"before": None, "after": after, "source": {"lsn": 7}, "op": op, "ts_ms": 1}

    def send(*events):
        producer = broker.producer()
        for op, id, after in events:
            producer.produce(name, key=key(id and {"id": id}), value=envelope(op and event(op, after)))
            if op != "t":
                producer.produce(flat, key=flat_key({"id": id}), value=upsert(after))
        producer.produce(name, value=envelope({"before": None, "after": None, "source": None, "op": None, "ts_ms": 5}))
        producer.flush()

    def shows(*expected, streams="sf"):
        import datetime
        full = [(id, id, city, "d", b"r", [1, None], [1], datetime.date(2022, 1, 8), datetime.datetime(2023, 11, 14, 22, 13, 20, 1))
                for id, city in expected]
        for stream in streams:
            assert sorted(db.execute(f"SELECT kid, id, city, doc, raw, nums, js, day, at FROM {stream}")) == full
            for view in "rows", "cities":
                db.wait(f"{stream}_{view}")
            db.assert_equal(f"TABLE {stream}_rows", f"SELECT kid, id, city, doc, raw, nums, js, day, at FROM {stream}")
            db.assert_equal(f"TABLE {stream}_cities", f"SELECT city, count(*), max(day) FROM {stream} GROUP BY city")

    send(("r", 1, row(1, "Graz")), ("c", 2, row(2, "Linz")), ("u", 1, left_out(1, "Wels")), ("c", 3, row(3, "Wels")))
    shows((1, "Wels"), (2, "Linz"), (3, "Wels"))
    send(("u", 2, left_out(2, "Enns")), ("d", 1, None), (None, 1, None), ("u", 2, left_out(2, "Graz")))
    # Flattened, a delete may be a row of which only the key counts.
    gone = upsert({**row(5, None, None), "__deleted": "true"})
    broker.produce(flat, [upsert({**row(5, "Wels"), "__deleted": "false"}), gone],
                   key=flat_key({"id": 5}))
    shows((2, "Graz"), (3, "Wels"))
    assert db.execute("SELECT DISTINCT lsn FROM s") == [(7,)]
    assert db.execute("SELECT * FROM cq.errors") == []
    # The same key under another number.
    text = json.dumps({"type": "record", "name": "Key", "doc": "a new release", "fields": [{"name": "id", "type": "int"}]})
    number = SchemaRegistryClient({"url": registry.url}).register_schema(f"{name}-key", Schema(text, "AVRO"))
    assert framed(number, bytes([4])) != key({"id": 2})
    broker.produce(name, [envelope(event("u", left_out(2, "Steyr")))], key=framed(number, bytes([4])))
    shows((2, "Steyr"), (3, "Wels"), streams="s")
    send(("t", None, None))
    shows(streams="s")
    # Written with the keys that it is read by.
    db.execute("INSERT INTO f (kid, id, city) VALUES (2, 2, 'Mank')")
    db.execute("INSERT INTO f (kid) VALUES (3)")
    assert db.execute("SELECT kid, id, city, doc FROM f") == [(2, 2, "Mank", None)]
    for change in "framing 'none'", "key_format 'json'":
        with pytest.raises(Exception, match='cannot change what messages of stream "f" mean'):
            db.execute(f"ALTER FOREIGN TABLE f OPTIONS (ADD {change})")
    broker.produce(flat, [upsert(row(9, "Graz"))], key=b"no key")
    db.wait("f_rows")
    assert db.value("SELECT message FROM cq.errors LIMIT 1").startswith("key: invalid Avro message: it does not begin with")


def test_sinks_in_avro(db, broker, registry, reader, topic):
    """Upserts and images, with schemas made of the columns; the registry refuses one, in its own words, until it takes it."""
    use(db, registry.url)
    client = SchemaRegistryClient({"url": registry.url})
    names = {mode: topic(mode) for mode in ("upsert", "debezium")}
    rows = "SELECT k, part, sum(v)::bigint AS total, avg(v)::numeric(10,2) AS mean, max(at) AS latest, array_agg(DISTINCT v) AS vs, " \
           "jsonb_build_object('n', count(*)) AS js, min(tag) AS tag FROM e GROUP BY k, part"
    columns = "total bigint NOT NULL, mean numeric(10,2), latest timestamptz, vs int[], js jsonb, tag text"
    db.execute("CREATE FOREIGN TABLE e (k int, part text, v int, at timestamptz, tag text) SERVER cq_log")
    for mode, name in names.items():
        create(db, name, f"k int OPTIONS (key 'k'), part text OPTIONS (key 'part'), {columns}", table=mode,
               options=f", mode '{mode}', register_schema 'true'")
    # What is registered already is not what these rows are: the topic's owner said that it has to go together.
    other = json.dumps({"type": "record", "name": "other", "fields": [{"name": "total", "type": "string"}]})
    client.register_schema(f"{names['upsert']}-value", Schema(other, "AVRO"))
    client.set_compatibility(f"{names['upsert']}-value", "BACKWARD")
    for mode in names:
        db.execute(f"CREATE CONTINUOUS VIEW v_{mode} WITH (sink = '{mode}') AS {rows}")
    db.execute("INSERT INTO e SELECT i % 5, 'p' || i % 2, i, '2025-01-01 00:00Z', nullif('t' || i, 't7') FROM generate_series(1, 60) i")

    def state(mode):
        return db.execute("SELECT state, last_error, pending_rows FROM cq.sinks WHERE view = %s::regclass", f"v_{mode}")[0]
    wait_until(lambda: state("debezium")[2] == 0 and state("debezium")[0] == "running", lambda: state("debezium"))
    wait_until(lambda: state("upsert")[1] and "HTTP status 409" in state("upsert")[1], lambda: state("upsert"))
    assert state("upsert")[1].startswith(f'subject "{names["upsert"]}-value": ')
    client.set_compatibility(f"{names['upsert']}-value", "NONE")
    db.execute("INSERT INTO e VALUES (1, 'p0', 1000, NULL, NULL)")
    for mode in names:
        wait_until(lambda: state(mode)[2] == 0 and state(mode)[0] == "running", lambda: state(mode))
        # What was written reads back, by us …
        read = "SELECT k, part, total, mean, latest, vs, js, tag FROM {}"
        db.assert_equal(read.format(mode), read.format(f"v_{mode}"), mode)
        db.assert_equal(read.format(mode), rows, mode)
    # … and by others.
    key, value = AvroDeserializer(client), AvroDeserializer(client)
    newest = {}

    def sent(mode):
        return reader(names[mode]).read(db.value("SELECT sent_rows FROM cq.sinks WHERE view = %s::regclass", f"v_{mode}"))
    for message in sent("upsert"):
        context = SerializationContext(names["upsert"], MessageField.VALUE)
        newest[tuple(key(message.key(), context).values())] = value(message.value(), context)
    expected = db.execute("SELECT k, part, total, mean, vs, js::text, tag FROM v_upsert")
    assert {row[:2]: row[2:] for row in expected} == {
        k: (v["total"], v["mean"], v["vs"], json.dumps(json.loads(v["js"])), v["tag"]) for k, v in newest.items()}
    assert {image["op"] for image in (value(m.value(), SerializationContext(names["debezium"], MessageField.VALUE))
                                      for m in sent("debezium"))} == {"c", "u"}
    assert len(client.get_versions(f"{names['debezium']}-key")) == 1
    # INSERT names its subject as it is told.
    db.execute("CREATE FOREIGN TABLE late (id int, more text) SERVER registered "
               f"OPTIONS (topic '{names['upsert']}', format 'avro', subject_names 'topic_record', register_schema 'true')")
    db.execute("INSERT INTO late VALUES (1, 'x')")
    assert f"{names['upsert']}-{names['upsert']}" in client.get_subjects()
    db.execute("ALTER FOREIGN TABLE late OPTIONS (SET register_schema 'false', ADD subject 'nobody')")
    with pytest.raises(Exception, match='the schema of the stream is not registered under subject "nobody"'):
        db.execute("INSERT INTO late VALUES (1, 'x')")
