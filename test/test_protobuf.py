"""The format protobuf with a real broker: as the independent client writes it, with a real registry and with one of any mood."""
import base64
import datetime
import json
import struct

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, json_format, message_factory, struct_pb2, timestamp_pb2, wrappers_pb2
from registry import schemas
from test_avro import stub, use  # noqa: F401: a fixture

KINDS = {"int32": 5, "int64": 3, "uint64": 4, "sint32": 17, "string": 9, "bytes": 12, "bool": 8, "double": 1, "float": 2}
KNOWN = (any_pb2, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)


def field(number, name, kind, repeated=False, optional=False, oneof=None):
    """A field of a file that declare() makes; a kind with a dot is a message's, or after "enum" an enum's."""
    result = {"name": name, "number": number, "label": 3 if repeated else 1}
    if kind in KINDS:
        result["type"] = KINDS[kind]
    else:
        result["type"], result["typeName"] = (14, kind.removeprefix("enum ")) if kind.startswith("enum ") else (11, kind)
    if oneof is not None:
        result["oneofIndex"] = oneof
    if optional:
        result["proto3Optional"] = True
    return result


def declare(pool, name, package, messages, imports=(), syntax="proto3", enums=()):
    """The classes of a file's messages by name. messages: each as json_format has a DescriptorProto."""
    for message in messages:
        for one in message.get("field", []):
            if one.get("proto3Optional"):
                oneofs = message.setdefault("oneofDecl", [])
                one["oneofIndex"] = len(oneofs)
                oneofs.append({"name": f"_{one['name']}"})
    file = json_format.ParseDict({"name": name, "package": package, "syntax": syntax, "dependency": list(imports),
                                  "messageType": messages, "enumType": list(enums)}, descriptor_pb2.FileDescriptorProto())
    pool.Add(file)
    return {message["name"]: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{message['name']}")) for message in messages}


def new_pool():
    pool = descriptor_pool.DescriptorPool()
    for known in KNOWN:
        file = descriptor_pb2.FileDescriptorProto()
        known.DESCRIPTOR.CopyToProto(file)
        pool.Add(file)
    return pool


def create(db, topic, columns, server="registered", table="s", options=""):
    db.execute(f"CREATE FOREIGN TABLE {table} ({columns}) SERVER {server} OPTIONS (topic '{topic}', format 'protobuf'{options})")


def framed(number, value, indexes=b"\0"):
    return struct.pack(">bI", 0, number) + indexes + value


def serializer(client, kind, **conf):
    return ProtobufSerializer(kind, client, {"use.deprecated.format": False, **conf})


def test_protobuf_schemas_change_while_a_view_runs(db, broker, registry, topic):
    """Versions with a field more, one less, one of another type; a message that is not the first, in another file's terms."""
    name = topic(partitions=2)
    use(db, registry.url)
    client = SchemaRegistryClient({"url": registry.url})
    create(db, name, "id bigint, n numeric, kind text, more text, note text OPTIONS (path 'part.note')")
    query = "SELECT kind, more, note, count(*), sum(n) FROM s GROUP BY kind, more, note"
    db.execute(f"CREATE CONTINUOUS VIEW v AS {query}")
    expected = []
    producer = broker.producer()
    for version in range(4):
        pool = new_pool()
        declare(pool, f"{name}/part.proto", "parts", [{"name": "part", "field": [field(1, "note", "string", optional=True)]}])
        fields = [field(1, "id", "int64" if version else "int32"), field(3, "kind", "enum .events.kinds"),
                  field(2, "n", "double" if version == 3 else "sint32"), field(4, "part", ".parts.part")]
        if version in (1, 2):
            fields.append(field(5, "more", "string"))
        kind = declare(pool, f"{name}.proto", "events", [{"name": "other"}, {"name": "event", "field": fields}], [f"{name}/part.proto"],
                       enums=[{"name": "kinds", "value": [{"name": "NONE", "number": 0}, {"name": "SOME", "number": 1}]}])["event"]
        serialize = serializer(client, kind)
        for i in range(20):
            number = version * 20 + i
            value = kind(id=number, n=i % 5 - 2, kind=i % 3)
            if version in (1, 2):
                value.more = f"m{i % 2}" if i % 3 else ""
            if i % 2:
                value.part.note = f"n{i % 3}" if i % 4 == 1 else ""
            producer.produce(name, serialize(value, SerializationContext(name, MessageField.VALUE)), partition=i % 2)
            expected.append((number, i % 5 - 2, ["NONE", "SOME", "2"][i % 3], value.more if version in (1, 2) else None, value.part.note if i % 2 else None))
        producer.flush()
        db.wait("v")
    assert len(client.get_versions(f"{name}-value")) == 3
    assert db.execute("SELECT id, n::int, kind, more, note FROM s ORDER BY id") == expected
    db.assert_equal("TABLE v", query)
    assert db.execute("SELECT * FROM cq.errors") == []


def test_protobuf_every_type(db, broker, registry, topic):
    """As the independent client writes them; and a schema that is registered as text, which refers to another."""
    name = topic()
    use(db, registry.url)
    client = SchemaRegistryClient({"url": registry.url})
    known = "google/protobuf/{}.proto"
    fields = [field(number, kind, kind) for number, kind in enumerate(KINDS, 1)]
    fields += [field(20, "many", "int32", repeated=True), field(21, "texts", "string", repeated=True), field(22, "maybe", "int32", optional=True),
               field(23, "left", "int32", oneof=0), field(24, "right", "string", oneof=0), field(25, "at", ".google.protobuf.Timestamp"),
               field(26, "span", ".google.protobuf.Duration"), field(27, "boxed", ".google.protobuf.Int64Value"),
               field(28, "free", ".google.protobuf.Struct"), field(29, "any", ".google.protobuf.Any"), field(30, "self", ".t.every"),
               field(31, "counts", ".t.every.CountsEntry", repeated=True), field(32, "selves", ".t.every", repeated=True)]
    entry = {"name": "CountsEntry", "field": [field(1, "key", "string"), field(2, "value", "int64")], "options": {"mapEntry": True}}
    every = declare(new_pool(), f"{name}.proto", "t", [{"name": "every", "field": fields, "nestedType": [entry],
                                                        "oneofDecl": [{"name": "choice"}]}],
                    [known.format(one) for one in ("timestamp", "duration", "wrappers", "struct", "any")])["every"]
    one = every(int32=-1, int64=-2**63, uint64=2**64 - 1, sint32=-2**31, string="zwölf \U0001f418 \"", bytes=b"\0\xff", bool=True, double=0.1, float=0.5,
                many=[1, -2, 3], texts=["x", ""], maybe=0, right="r", counts={"k": 1, "": 2})
    one.at.FromDatetime(datetime.datetime(2025, 1, 2, 3, 4, 5, 6))
    one.span.FromTimedelta(datetime.timedelta(seconds=-90, microseconds=-5))
    one.boxed.value = 5
    one.free.update({"a": [1, "x", None, {"b": True}], "c": {}})
    one.any.Pack(wrappers_pb2.BoolValue(value=True))
    getattr(one, "self").int32 = 7
    one.selves.add(right="y")
    serialize = serializer(client, every)
    context = SerializationContext(name, MessageField.VALUE)
    broker.produce(name, [serialize(value, context) for value in (one, every())])
    create(db, name, "int32 int, int64 bigint, uint64 numeric, sint32 int, string text, bytes bytea, bool bool, double float8, float real, many int[], "
                     "texts text[], maybe int, \"left\" int, \"right\" text, at timestamptz, span interval, boxed bigint, free jsonb, "
                     "any_of text OPTIONS (path 'any.type_url'), self int OPTIONS (path 'self.int32'), counts jsonb, k int OPTIONS (path 'counts.k'), "
                     "b jsonb OPTIONS (path 'free.a'), rights jsonb OPTIONS (path 'selves')")
    db.execute("SET TimeZone = 'UTC'")
    (first, second) = db.execute("TABLE s")
    assert first[:-1] == (
        -1, -2**63, 2**64 - 1, -2**31, "zwölf \U0001f418 \"", b"\0\xff", True, 0.1, 0.5, [1, -2, 3], ["x", ""], 0, None, "r",
        datetime.datetime(2025, 1, 2, 3, 4, 5, 6, datetime.timezone.utc), datetime.timedelta(seconds=-90, microseconds=-5), 5,
        {"a": [1, "x", None, {"b": True}], "c": {}}, "type.googleapis.com/google.protobuf.BoolValue", 7, {"k": 1, "": 2}, 1,
        [1, "x", None, {"b": True}])
    assert [sorted(row) for row in first[-1]] == [sorted([*KINDS, "many", "texts", "right", "counts", "selves"])]
    assert second == (0, 0, 0, 0, "", b"", False, 0, 0, [], [], *[None] * 9, {}, None, None, [])

    text = topic("_text")
    client.register_schema(f"{text}-part", Schema('syntax = "proto2"; package p; message part { required int32 x = 1; optional string s = 2 [default = "d"]; }', "PROTOBUF"))
    number = client.register_schema(f"{text}-value", Schema(
        'syntax = "proto3"; package q; import "dir/part.proto"; message a { message b { p.part part = 1; } }', "PROTOBUF",
        [SchemaReference("dir/part.proto", f"{text}-part", 1)]))
    broker.produce(text, [framed(number, b"\x0a\x02\x08\x05", b"\x04\0\0"), framed(number, b"", b"\x04\0\0"), framed(number, b"")])
    create(db, text, "x int OPTIONS (path 'part.x'), s text OPTIONS (path 'part.s')", table="t")
    assert db.execute("TABLE t") == [(5, "d"), (None, None), (None, None)]


EVENT = 'syntax = "proto3"; message other { int32 k = 1; } message event { string k = 1; int32 n = 2; message inner { int32 n = 1; } }'


def event(k, n, number=1, indexes=b"\x02\x02"):
    """A message of EVENT, for small values."""
    return framed(number, b"\x0a" + bytes([len(k)]) + k.encode() + b"\x10" + bytes([n]), indexes)


def test_protobuf_messages_that_cannot_be_read_are_dead_letters(db, broker, topic, stub):
    """Schemas that the registry does not have or that are none, places where there is no message, frames that are none; the rest goes on."""
    name = topic()
    texts = {1: EVENT, 2: "syntax = ;", 3: 'syntax = "proto3"; import "absent.proto"; message m {}', 4: "message m {" * 50000,
             5: EVENT + "//" + "x" * 2**20, 6: base64.b64encode(b"\x0a\x01").decode()}
    answer = schemas(texts)

    def typed(request):
        status, body = answer(request)
        return status, body if "schema" not in body else {**body, "schemaType": "PROTOBUF"}
    registry = stub(lambda request: (200, {"schema": '"int"'}) if request.path.split("?")[0].endswith("/7") else typed(request))
    use(db, registry.url)
    create(db, name, "k text, n int", options=", on_error 'skip'")
    good = [event("a", 1), framed(1, b"\x08\x05", b"\x04\x02\0"), framed(1, b"", b"\x02\x02")]
    bad = [event("a", 1, number) for number in (2, 3, 4, 5, 6, 7, 99)] + [
        event("a", 1, 1, indexes) for indexes in (b"\x02\x04", b"\x02\x01", b"\x04\0\0", b"\x06\x02\0\0", b"\x22" + b"\0" * 17, b"\xff\xff\xff\xff\xff\xff",
                                                  b"\x80\x80\x80\x80\x80\x80")]
    bad += [b"", b"\0\0\0\0", b"\0\0\0\0\1", b'{"k":"a"}', framed(1, b"\x0a", b"\x02\x02"), framed(1, b"\x0a\xff\xff\xff\xff\x0f", b"\x02\x02"),
            framed(1, b"\x08" + b"\x80" * 11, b"\x02\x02"), framed(1, b"\x0b" * 10000, b"\x02\x02"), framed(1, b"\x0a\x01\xff", b"\x02\x02")]
    broker.produce(name, good + bad + [event("b", 2)])
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, count(*), sum(n) FROM s GROUP BY k")
    db.wait("v")
    assert sorted(db.execute("TABLE v"), key=str) == [("", 1, 0), ("a", 1, 1), ("b", 1, 2), (None, 1, 5)]
    db.assert_equal("TABLE v", "SELECT k, count(*), sum(n) FROM s GROUP BY k")
    unframed = "invalid Protobuf message: it does not begin with a zero byte, the number of a schema and the place of a message in it"
    placeless = "invalid Protobuf message: its schema has no message at its place"
    of_1 = "invalid Protobuf message of schema 1: "
    said = db.execute('SELECT "offset" - 3, message FROM cq.errors ORDER BY "offset"')
    assert [number for number, _ in said] == list(range(len(bad)))
    assert [message for _, message in said] == [
        'schema 2: invalid Protobuf schema: line 1: Expected syntax identifier.',
        "schema 3: invalid Protobuf schema: absent.proto: Import \"absent.proto\" has not been loaded.",
        "schema 4: invalid Protobuf schema: its brackets are nested too deep", "schema 5: invalid Protobuf schema: it is too long",
        "schema 6: invalid Protobuf schema: it is no file descriptor", "schema 7: it is one of AVRO, and not of Protobuf",
        "the schema registry has no schema 99", placeless, unframed, placeless, placeless, *[unframed] * 3, *[unframed] * 4,
        of_1 + "it ends within a value", of_1 + "a value is longer than what is left of the message", of_1 + "a number has more than 64 bits",
        of_1 + "groups are nested too deep", 'field "k": a string is not text in UTF-8']


def test_protobuf_keys_and_guids_in_headers(db, broker, topic, stub):
    """As the independent client writes them; keys that are the same are, however they are framed. Rows change, and go."""
    name = topic()
    mock = SchemaRegistryClient.new_client({"url": "mock://"})
    pool = new_pool()
    key = declare(pool, "key.proto", "k", [{"name": "nothing"}, {"name": "key", "field": [field(1, "id", "int32"), field(2, "s", "string")]}])["key"]
    value = declare(pool, "value.proto", "v", [{"name": "value", "field": [field(1, "k", "string"), field(2, "n", "int64")]}])["value"]
    serializers = [serializer(mock, kind, **{"schema.id.serializer": header_schema_id_serializer}) for kind in (key, value)]
    texts = []
    for kind in (key, value):
        file = descriptor_pb2.FileDescriptorProto()
        kind.DESCRIPTOR.file.CopyToProto(file)
        texts.append(base64.b64encode(file.SerializeToString()).decode())
    producer = broker.producer()
    guids = {}

    def write(*parts):
        """Key and value, framed by headers; a value of None is a tombstone."""
        written, headers = [], []
        for serialize, part, place, text in zip(serializers, parts, (MessageField.KEY, MessageField.VALUE), texts):
            context = SerializationContext(name, place, [])
            written.append(None if part is None else serialize(part, context))
            headers += context.headers
            for _, frame in context.headers:
                guids[frame[1:17].hex()] = text
        producer.produce(name, written[1], written[0], headers=headers)
    one, two = key(id=1, s="a"), key()
    write(one, value(k="x", n=1))
    write(two, value(k="y"))
    write(key(id=3), value())
    producer.produce(name, framed(2, value(k="z", n=2).SerializeToString()), framed(1, one.SerializeToString(), b"\x02\x02"))
    producer.produce(name, framed(2, value(k="w", n=3).SerializeToString()), framed(3, two.SerializeToString(), b"\x02\x02"))
    write(key(id=3), None)
    producer.flush()
    registered = {1: texts[0], 2: texts[1], 3: texts[0]}

    def answer(request):
        path = request.path.split("?")[0].strip("/")
        if path.startswith("schemas/guids/"):
            return 200, {"schema": guids[path.removeprefix("schemas/guids/").replace("-", "")], "schemaType": "PROTOBUF"}
        return 200, {"schema": registered[int(path.removeprefix("schemas/ids/"))], "schemaType": "PROTOBUF"}
    use(db, stub(answer).url)
    create(db, name, "id int OPTIONS (key 'id'), s text OPTIONS (key 's'), k text, n bigint", options=", mode 'upsert'")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT id, s, k, n FROM s")
    db.wait("v")
    assert db.execute("TABLE v ORDER BY 1") == db.execute("SELECT id, s, k, n FROM s ORDER BY 1") == [(0, "", "w", 3), (1, "a", "z", 2)]
    assert db.execute("SELECT * FROM cq.errors") == []


def test_protobuf_change_events(db, broker, topic):
    """Debezium's, in an envelope of Protobuf: what is created, updated, deleted, and a value that has not changed."""
    name = topic()
    pool = new_pool()
    row = [field(1, "id", "int32"), field(2, "t", "string", optional=True)]
    classes = declare(pool, "envelope.proto", "e", [
        {"name": "Envelope", "field": [field(1, "before", ".e.Value"), field(2, "after", ".e.Value"), field(4, "op", "string"), field(5, "ts_ms", "int64")]},
        {"name": "Value", "field": row}])
    schema = ('syntax = "proto3"; message Envelope { Value before = 1; Value after = 2; string op = 4; int64 ts_ms = 5; } '
              'message Value { int32 id = 1; optional string t = 2; }')
    db.create_server("plain")
    create(db, name, "id int OPTIONS (key 'id'), t text", "plain",
           options=f", mode 'debezium', framing 'none', schema '{schema}', message 'Envelope', key_schema '{schema}', key_message 'Value'")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT id, t FROM s")

    def change(op, before=None, after=None):
        key = classes["Value"](id=(after or before)["id"])
        value = classes["Envelope"](op=op, ts_ms=1, **{image: value for image, value in (("before", before), ("after", after)) if value})
        broker.produce(name, [value.SerializeToString()], key=key.SerializeToString())
    change("c", after={"id": 1, "t": "x"})
    change("r", after={"id": 2, "t": "y"})
    change("c", after={"id": 0})
    change("u", before={"id": 1}, after={"id": 1, "t": "z"})
    change("u", before={"id": 2}, after={"id": 2, "t": "__debezium_unavailable_value"})
    change("d", before={"id": 0})
    db.wait("v")
    assert db.execute("SELECT * FROM cq.errors") == []
    assert sorted(db.execute("TABLE v")) == [(1, "z"), (2, "y")]


def test_protobuf_import(db, broker, registry, topic):
    """Tables as the latest schemas say, and read so; messages of another format's schemas are none."""
    name = topic()
    client = SchemaRegistryClient({"url": registry.url})
    text = ('syntax = "proto2"; import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/wrappers.proto"; '
            'enum E { A = 0; } message r { required int32 a = 1; optional uint32 b = 2; optional int64 c = 3; optional fixed64 d = 4; optional bool e = 5; '
            'optional float f = 6; optional double g = 7; optional string h = 8; optional bytes i = 9; optional E j = 10; repeated sint32 k = 11; '
            'map<string, int32> l = 12; optional r m = 13; repeated r n = 14; optional google.protobuf.Timestamp o = 15; '
            'optional google.protobuf.Duration p = 16; repeated google.protobuf.StringValue q = 17; optional int32 ctid = 18; }')
    number = client.register_schema(f"{name}-value", Schema(text, "PROTOBUF"))
    use(db, registry.url)
    db.execute("CREATE SCHEMA imported")
    db.execute(f'IMPORT FOREIGN SCHEMA "{name}" FROM SERVER registered INTO imported')
    columns = db.execute("""SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum""", f'imported."{name}"')
    kinds = ["integer", "bigint", "bigint", "numeric", "boolean", "real", "double precision", "text", "bytea", "text", "integer[]", "jsonb", "jsonb", "jsonb",
             "timestamp with time zone", "interval", "text[]", "integer"]
    assert columns == [(column, kind, column == "a") for column, kind in zip([*"abcdefghijklmnopq", "ctid_1"], kinds)]
    assert [row[:2] for row in db.execute("SELECT * FROM cq.columns_of('registered', %s)", name)] == [row[:2] for row in columns]
    broker.produce(name, [framed(number, b"\x08\x05\x42\x01x\x90\x01\x07")])
    assert db.execute(f'SELECT a, h, l, k, ctid_1 FROM imported."{name}"') == [(5, "x", {}, [], 7)]
    # What is written by it, the latest schema, reads back.
    db.execute(f'INSERT INTO imported."{name}" (a, d, j, k, m, o, p, q) VALUES '
               "(2, 18446744073709551615, 'A', '{-1,5}', '{\"a\": 3}', '1969-12-31 23:59:59.000001Z', '-1 s', '{x,y}')")
    assert db.execute(f'SELECT a, d, j, k, m, o, p, q FROM imported."{name}" WHERE a = 2') == [
        (2, 2**64 - 1, "A", [-1, 5], {"a": 3, "k": [], "l": {}, "n": [], "q": []},
         datetime.datetime(1969, 12, 31, 23, 59, 59, 1, datetime.timezone.utc), datetime.timedelta(seconds=-1), ["x", "y"])]
    for said, columns, values in (('field "b": -1 is no value of type uint32', "a, b", "1, -1"),
                                  ('"C" is no value of type E', "a, j", "1, 'C'"), ("an element is null", "a, q", "1, '{NULL}'"),
                                  ('message r has no field "nothing"', "a, m", "1, '{\"a\": 1, \"nothing\": 1}'")):
        with pytest.raises(Exception) as error:
            db.execute(f'INSERT INTO imported."{name}" ({columns}) VALUES ({values})')
        assert said in str(error.value), said


def test_protobuf_schemas_in_options(db, broker, topic):
    """What is wrong with them is said at once; framed or not; beside json, in keys alone."""
    name = topic()
    db.create_server("plain")
    for said, options in (("invalid Protobuf schema: line 1: ", ", schema 'no thing'"), ('the schema has no message "x"', f", schema '{EVENT}', message 'x'"),
                          ("invalid Protobuf schema: ", ", key_schema 'no thing'")):
        with pytest.raises(Exception) as error:
            create(db, name, "id int OPTIONS (key 'id'), n int", "plain", options=options)
        assert said in str(error.value), options
    broker.produce(name, [event("a", 1, 77)])
    with pytest.raises(Exception, match="a stream of format protobuf needs to know its schemas"):
        create(db, name, "n int", "plain", table="none")
        db.execute("TABLE none")
    create(db, name, "k text, n int", "plain", options=f", schema '{EVENT}'")
    create(db, name, "k text, n int", "plain", "named", f", schema '{EVENT}', message 'event', framing 'none'")
    assert db.execute("TABLE s") == [("a", 1)]
    with pytest.raises(Exception, match="invalid Protobuf message"):
        db.execute("TABLE named")
    db.execute("ALTER FOREIGN TABLE named OPTIONS (DROP framing)")
    assert db.execute("TABLE named") == [("a", 1)]
    db.execute(f"CREATE FOREIGN TABLE keyed (k text OPTIONS (key 'k'), n int) SERVER plain "
               f"OPTIONS (topic '{topic('_keyed')}', key_format 'protobuf', key_schema '{EVENT}', key_message 'event')")
    broker.produce(f"{name}_keyed", [json.dumps({"n": 5}).encode()], key=event("b", 9, 3))
    assert db.execute("TABLE keyed") == [("b", 5)]


def test_protobuf_written_by_schemas_made_of_columns(db, broker, registry, reader, topic):
    """As the independent client reads it: by INSERT, which says what the registry does not take, and by sinks, under keys that are the same bytes."""
    names = {mode: topic(mode) for mode in ("append", "upsert", "debezium")}
    use(db, registry.url)
    client = SchemaRegistryClient({"url": registry.url})
    create(db, names["append"], "a int NOT NULL, b bigint, c float8, d text, e bytea, f timestamptz, g numeric, h int[], i jsonb, j bool, k date, l real, m uuid",
           table="append", options=", register_schema 'true'")
    db.execute("INSERT INTO append VALUES (0)")
    db.execute("INSERT INTO append VALUES (1, -2, 0.1, 'zwölf', '\\x00ff', '2025-01-01 12:00:00.000001Z', 12345678901234567890.5, '{1,-2}', "
               "'{\"x\": [1, \"y\", null]}', false, '2025-01-02', 0.5, '6f1c0e9a-0000-4000-8000-000000000001')")
    query = "SELECT a, b, c, d, e, f, g, coalesce(h, '{}'), i, j, k, l, m FROM append"
    first, second = db.execute(query)
    assert first == (0, *[None] * 6, [], *[None] * 5)
    assert second[:6] == (1, -2, 0.1, "zwölf", b"\0\xff", datetime.datetime(2025, 1, 1, 12, 0, 0, 1, datetime.timezone.utc))
    assert [str(second[6]), *second[7:10], str(second[10]), second[11], str(second[12])] == [
        "12345678901234567890.5", [1, -2], {"x": [1, "y", None]}, False, "2025-01-02", 0.5, "6f1c0e9a-0000-4000-8000-000000000001"]
    # Others read it by the schema that is registered.
    kinds = ["int32", "int64", "double", "string", "bytes", ".google.protobuf.Timestamp", "string", "int32", ".google.protobuf.Value", "bool", "string",
             "float", "string"]
    row = declare(new_pool(), "row.proto", "r", [{"name": "row", "field": [field(i, "abcdefghijklm"[i - 1], kind, repeated=i == 8)
                                                                          for i, kind in enumerate(kinds, 1)]}],
                  ["google/protobuf/timestamp.proto", "google/protobuf/struct.proto"])["row"]
    messages = [message.value() for message in reader(names["append"]).read(2)]
    number = client.get_latest_version(f"{names['append']}-value").schema_id
    assert messages[0] == framed(number, b"")
    assert messages[1][:6] == framed(number, b"")
    read = row.FromString(messages[1][6:])
    assert (read.a, read.b, read.c, read.d, read.e, read.f.nanos, read.g, list(read.h), read.j) == (
        1, -2, 0.1, "zwölf", b"\0\xff", 1000, "12345678901234567890.5", [1, -2], False)
    assert json_format.MessageToDict(read.i) == {"x": [1.0, "y", None]}
    with pytest.raises(Exception, match="null is no value of type int32"):
        db.execute("INSERT INTO append (a, h) VALUES (2, '{NULL}')")
    # What does not go with what is registered is refused, in the registry's own words.
    client.set_compatibility(f"{names['append']}-value", "BACKWARD")
    create(db, names["append"], "a text NOT NULL", table="other", options=", register_schema 'true'")
    with pytest.raises(Exception) as error:
        db.execute("INSERT INTO other VALUES ('x')")
    assert "the schema registry does not take the schema for subject" in str(error.value) and "HTTP status 409" in str(error.value)

    db.execute("CREATE FOREIGN TABLE e (k int, part text, v int) SERVER cq_log")
    rows = "SELECT k, part, sum(v)::bigint AS total, max(v)::text AS top FROM e GROUP BY k, part"
    for mode in ("upsert", "debezium"):
        create(db, names[mode], "k int OPTIONS (key 'k'), part text OPTIONS (key 'part'), total bigint, top text", table=mode,
               options=f", mode '{mode}', register_schema 'true'")
        db.execute(f"CREATE CONTINUOUS VIEW v_{mode} WITH (sink = '{mode}') AS {rows}")
    db.execute("INSERT INTO e SELECT i % 3, 'p' || i % 2, i FROM generate_series(1, 60) i")
    db.execute("INSERT INTO e VALUES (0, 'p0', -1)")
    for mode in ("upsert", "debezium"):
        db.wait(f"v_{mode}")
        assert db.value("SELECT cq.flush(%s)", f"v_{mode}")
        db.assert_equal(f"TABLE {mode}", rows, mode)
    key = declare(new_pool(), "key.proto", "k", [{"name": "key", "field": [field(1, "k", "int32", optional=True), field(2, "part", "string", optional=True)]}])["key"]
    number = client.get_latest_version(f"{names['upsert']}-key").schema_id
    sent = reader(names["upsert"]).read(db.value("SELECT sent_rows FROM cq.sinks WHERE view = 'v_upsert'::regclass"))
    assert {message.key() for message in sent} == {framed(number, key(k=k, part=f"p{p}").SerializeToString()) for k in range(3) for p in range(2)}


def test_json_schemas_made_of_columns(db, broker, registry, reader, topic):
    """JSON behind the number of a schema, which the independent client holds against it; by INSERT and by a sink."""
    name, out = topic(), topic("_out")
    use(db, registry.url)
    client = SchemaRegistryClient({"url": registry.url})
    db.execute(f"CREATE FOREIGN TABLE s (a int NOT NULL, b text, c timestamptz, d jsonb, e numeric, f text[], k int OPTIONS (key 'id'), "
               "t timestamptz OPTIONS (time_format 'milliseconds')) SERVER registered "
               f"OPTIONS (topic '{name}', format 'json_sr', register_schema 'true')")
    db.execute("INSERT INTO s VALUES (1, 'x', '2025-01-01Z', '[1]', 1.5, '{y,NULL}', 7)")
    db.execute("INSERT INTO s VALUES (2)")
    assert db.execute("SELECT a, b, d, e::text, f, k FROM s ORDER BY a") == [(1, "x", [1], "1.5", ["y", None], 7), (2, None, None, None, None, None)]
    schema = json.loads(client.get_latest_version(f"{name}-value").schema.schema_str)
    assert schema["required"] == ["a"] and schema["properties"]["f"] == {"type": ["null", "array"], "items": {"type": ["null", "string"]}}
    assert schema["properties"]["c"] == {"type": ["null", "string"], "format": "date-time"} and schema["properties"]["t"] == {"type": ["null", "number"]}
    assert client.get_latest_version(f"{name}-value").schema.schema_type == "JSON"
    number = client.get_latest_version(f"{name}-value").schema_id
    values = [message.value() for message in reader(name).read(2)]
    assert [value[:5] for value in values] == [struct.pack(">bI", 0, number)] * 2
    assert json.loads(values[1][5:]) == {"a": 2, "b": None, "c": None, "d": None, "e": None, "f": None, "t": None}
    # Without leave to register, by what is there.
    db.execute("ALTER FOREIGN TABLE s OPTIONS (SET register_schema 'false')")
    db.execute("INSERT INTO s (a) VALUES (3)")
    db.execute(f"CREATE FOREIGN TABLE totals (k bigint OPTIONS (key 'k'), n bigint) SERVER registered "
               f"OPTIONS (topic '{out}', format 'json_sr', mode 'upsert', register_schema 'true')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'totals') AS SELECT coalesce(k, 0)::bigint AS k, count(*) AS n FROM s GROUP BY coalesce(k, 0)")
    db.wait("v")
    assert db.value("SELECT cq.flush('v')")
    db.assert_equal("TABLE totals", "TABLE v")
    assert sorted(db.execute("TABLE totals")) == [(0, 2), (7, 1)]
