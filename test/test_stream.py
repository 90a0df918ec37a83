"""Streams of a real topic as foreign tables: SELECT, INSERT, EXPLAIN, ANALYZE, IMPORT FOREIGN SCHEMA."""
import json
import random
import threading

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from conftest import wait_until
from psycopg import errors, sql


def create_stream(db, columns, **options):
    db.execute(sql.SQL("CREATE FOREIGN TABLE s ({}) SERVER kafka OPTIONS ({})").format(
        sql.SQL(columns),
        sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(key), sql.Literal(value))
                           for key, value in options.items())).as_string(db.server.connect(db.name)))


def consume(broker, topic, partitions=1):
    """All messages of a topic, by partition and offset."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": topic, "enable.partition.eof": False})
    messages = []
    for partition in range(partitions):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), 30)
        consumer.assign([TopicPartition(topic, partition, low)])
        while low < high:
            message = consumer.poll(30)
            assert message is not None and message.error() is None, message and message.error()
            messages.append(message)
            low = message.offset() + 1
    consumer.close()
    return messages


def plan(db, query):
    return "\n".join(line for (line,) in db.execute("EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) " + query))


COLUMNS = """a int, b text, part int OPTIONS (metadata 'partition'), "offset" bigint OPTIONS (metadata 'offset'),
             at timestamptz OPTIONS (metadata 'timestamp'), key text OPTIONS (metadata 'key'),
             headers jsonb OPTIONS (metadata 'headers'), topic text OPTIONS (metadata 'topic')"""


def test_select_is_bounded_and_narrowed(db, broker, topic):
    name = topic(partitions=3)
    broker.produce(name, ({"a": i, "b": f"row {i}"} for i in range(3000)), partition=lambda value: value["a"] % 3)
    create_stream(db, COLUMNS, topic=name)
    assert db.execute("SELECT count(*), sum(a), min(b), count(DISTINCT part), max(\"offset\") FROM s") == \
        [(3000, sum(range(3000)), "row 0", 3, 999)]
    assert db.execute("SELECT a, topic FROM s WHERE part = 1 AND \"offset\" BETWEEN 10 AND 12 ORDER BY a") == \
        [(31, name), (34, name), (37, name)]
    text = plan(db, 'SELECT a FROM s WHERE part IN (0, 2) AND "offset" >= 990')
    assert "Partitions Read: 2" in text and "Messages Read: 20" in text and f"Topics: {name}" in text
    assert "Partitions Read: 1\n" in plan(db, 'SELECT a FROM s WHERE part = 1') + "\n"
    assert "Messages Read: 0" in plan(db, 'SELECT a FROM s WHERE part = 3')
    middle = db.value('SELECT at FROM s WHERE part = 0 AND "offset" = 500')
    expected = db.value("SELECT count(*) FROM (SELECT at FROM s OFFSET 0) AS t WHERE at >= %s", middle)
    assert 0 < expected < 3000
    assert db.value("SELECT count(*) FROM s WHERE at >= %s", middle) == expected
    db.execute("ANALYZE s")
    assert db.value("SELECT reltuples FROM pg_class WHERE oid = 's'::regclass") == 3000
    assert db.value("SELECT n_distinct FROM pg_stats WHERE tablename = 's' AND attname = 'part'") == 3


def test_select_of_nothing(db, topic):
    create_stream(db, "a int", topic=topic(partitions=2))
    assert db.execute("SELECT a FROM s") == []
    assert db.execute("SELECT count(*) FROM s") == [(0,)]


def test_only_committed_messages(db, broker, topic):
    """Aborted ones are left out, and the records of transactions at the end of a topic do not keep a statement waiting."""
    name = topic()
    producer = broker.producer(transactional_id=name)
    producer.init_transactions(30)
    for values, end in (([1, 2], producer.commit_transaction), ([3], producer.abort_transaction),
                        ([4], producer.commit_transaction), ([5, 6], producer.abort_transaction)):
        producer.begin_transaction()
        for value in values:
            producer.produce(name, json.dumps({"a": value}))
        producer.flush()
        end(30)
    create_stream(db, "a int", topic=name)
    assert db.execute("SELECT a FROM s ORDER BY a") == [(1,), (2,), (4,)]
    assert db.execute("SELECT count(*) FROM s") == [(3,)]


def test_bad_rows(db, broker, topic):
    name = topic()
    broker.produce(name, [{"a": 1}, b"{", {"a": "x"}, None, {"a": 5}])
    create_stream(db, "a int, \"offset\" bigint OPTIONS (metadata 'offset')", topic=name)
    with pytest.raises(psycopg.Error, match=f'topic "{name}" partition 0 offset 1: '):
        db.execute("SELECT a FROM s")
    with pytest.raises(psycopg.Error, match=f'topic "{name}" partition 0 offset 3: the message has no value'):
        db.execute('SELECT "offset" FROM s WHERE "offset" = 3')
    assert db.execute("SELECT a FROM s LIMIT 1") == [(1,)]
    db.execute("ALTER FOREIGN TABLE s OPTIONS (on_error 'skip')")
    assert db.execute("SELECT a FROM s ORDER BY a") == [(1,), (5,)]
    assert "Bad Rows Skipped: 3" in plan(db, "SELECT a FROM s")
    db.execute("ALTER FOREIGN TABLE s OPTIONS (tombstone 'row')")
    assert db.execute('SELECT a, "offset" FROM s ORDER BY "offset"') == [(1, 0), (None, 3), (5, 4)]
    db.execute("ALTER FOREIGN TABLE s OPTIONS (SET tombstone 'skip', SET on_error 'fail')")
    assert db.execute('SELECT "offset" FROM s WHERE "offset" >= 3') == [(4,)]


def test_insert_produces(db, broker, topic):
    name = topic(partitions=2)
    create_stream(db, COLUMNS, topic=name)
    db.execute("INSERT INTO s (a, b, part, key, headers, at) VALUES "
               "(1, 'one', 1, 'k', '[{\"key\": \"h\", \"value\": \"v\"}]', '2026-01-02 03:04:05.678Z'), (2, NULL, 1, NULL, NULL, NULL)")
    db.execute("INSERT INTO s (a, part) SELECT g, 0 FROM generate_series(1, 5000) AS g")
    with db.server.connect(db.name) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY s (a, b, part) FROM STDIN") as copy:
            copy.write_row((7, "copied", 1))
    messages = consume(broker, name, 2)
    first, second, third = [message for message in messages if message.partition() == 1]
    assert json.loads(first.value()) == {"a": 1, "b": "one"}
    assert (first.key(), first.headers(), first.timestamp()[1]) == (b"k", [("h", b"v")], 1767323045678)
    assert json.loads(second.value())["a"] == 2 and second.key() is None
    assert json.loads(third.value()) == {"a": 7, "b": "copied"}
    assert [json.loads(m.value())["a"] for m in messages if m.partition() == 0] == list(range(1, 5001))
    assert db.execute('SELECT a, b, part, "offset", key, headers, at::text FROM s WHERE part = 1 AND "offset" = 0') == \
        [(1, "one", 1, 0, "k", [{"key": "h", "value": "v"}], "2026-01-02 03:04:05.678+00")]


def test_rolled_back_insert_sends_nothing(db, broker, topic):
    name = topic()
    create_stream(db, "a int", topic=name)
    with db.server.connect(db.name) as connection:
        with pytest.raises(ZeroDivisionError), connection.transaction():
            connection.execute("INSERT INTO s VALUES (1)")
            raise ZeroDivisionError
        with connection.transaction():
            connection.execute("INSERT INTO s VALUES (2)")
            with pytest.raises(errors.DivisionByZero), connection.transaction():
                connection.execute("INSERT INTO s VALUES (3)")
                connection.execute("SELECT 1 / 0")
            connection.execute("INSERT INTO s VALUES (4)")
    assert [json.loads(message.value())["a"] for message in consume(broker, name)] == [2, 4]


def test_insert_that_is_refused(db, broker, topic):
    name = topic(max_message_bytes=1000)
    create_stream(db, COLUMNS, topic=name)
    with pytest.raises(psycopg.Error):
        db.execute("INSERT INTO s (a, b) VALUES (1, (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 100) g))")
    with pytest.raises(psycopg.Error):
        db.execute("INSERT INTO s (a, part) VALUES (1, 7)")
    with pytest.raises(errors.GeneratedAlways):
        db.execute("INSERT INTO s (\"offset\") VALUES (1)")
    assert db.value("SELECT count(*) FROM s") == 0


def test_several_topics(db, broker, topic):
    one, two = topic("_one"), topic("_two")
    broker.produce(one, [{"a": 1}])
    broker.produce(two, [{"a": 2}])
    create_stream(db, "a int, topic text OPTIONS (metadata 'topic')", topic=f"{one}, {two}")
    assert db.execute("SELECT a, topic FROM s ORDER BY a") == [(1, one), (2, two)]
    db.execute("INSERT INTO s VALUES (3, %s)", two)
    with pytest.raises(errors.NullValueNotAllowed):
        db.execute("INSERT INTO s VALUES (4)")
    with pytest.raises(errors.InvalidParameterValue):
        db.execute("INSERT INTO s VALUES (4, 'other')")
    assert db.execute("SELECT a, topic FROM s ORDER BY a") == [(1, one), (2, two), (3, two)]


def test_nested_fields(db, broker, topic):
    name = topic()
    broker.produce(name, [{"a": {"b.c": [1, 2], "d": {"e": "x"}}}, {"a": {}}])
    create_stream(db, """bc jsonb OPTIONS (path 'a."b.c"'), e text OPTIONS (path 'a.d.e')""", topic=name)
    assert db.execute("SELECT bc, e FROM s ORDER BY e") == [([1, 2], "x"), (None, None)]


def test_names_in_any_case_and_items(db, broker, topic):
    name = topic()
    broker.produce(name, [{"ID": 1, "Lines": [{"SKU": "a", "n": 2}]}, {"id": 2, "lines": []},
                          {"Id": 3, "lines": [{"Sku": "b", "N": 1}]},
                          {"id": 4, "ID": 5, "lines": [{"sku": "c", "n": 1}]},
                          {"id": 6, "lines": [{"sku": "d", "SKU": "e", "n": 1}]}])
    create_stream(db, "id int, sku text OPTIONS (path 'lines[0].sku'), "
                  "n int OPTIONS (path 'lines[0].n') NOT NULL",
                  topic=name, ignore_case="true", on_error="skip")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT id, sku, n FROM s")
    db.execute("CREATE CONTINUOUS VIEW counted AS SELECT sum(n) FROM s")
    db.wait("v")
    db.wait("counted")
    assert sorted(db.execute("TABLE v")) == [(1, "a", 2), (3, "b", 1)]
    assert db.execute("TABLE counted") == [(5,)]
    twice = "is there more than once, by names that differ by case only"
    assert db.execute("""SELECT "offset", message FROM cq.errors
                         WHERE view = 'v'::regclass ORDER BY 1""") == [
        (1, 'field "n" is missing'), (3, f'field "id" {twice}'), (4, f'field "sku" {twice}')]
    db.assert_equal("TABLE v", "SELECT id, sku, n FROM s")
    with pytest.raises(errors.FeatureNotSupported, match='column "sku" is an item of an array'):
        db.execute("INSERT INTO s VALUES (1, 'x', 1)")


def test_compressions_large_messages_and_an_empty_topic(db, broker, topic):
    """By each codec, in batches; and a message near the limit of the broker. The other topic of the stream stays empty."""
    name, empty = topic(), topic("_empty")
    for number, codec in enumerate(["none", "gzip", "snappy", "lz4", "zstd"]):
        producer = broker.producer(compression_type=codec)
        for i in range(100):
            producer.produce(name, json.dumps({"id": number * 100 + i, "t": codec * 50}))
        producer.flush()
    large = random.Random(1).randbytes(9_000_000).hex()
    broker.produce(name, [{"id": 500, "t": large}])
    create_stream(db, "id int, t text, o bigint OPTIONS (metadata 'offset'), topic text OPTIONS (metadata 'topic')", topic=f"{name},{empty}")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT left(t, 4) AS t, count(*), sum(id), max(length(t)) AS longest FROM s GROUP BY 1")
    db.wait("v")
    expected = [((codec * 50)[:4], 100, sum(range(number * 100, number * 100 + 100)), len(codec) * 50)
                for number, codec in enumerate(["none", "gzip", "snappy", "lz4", "zstd"])] + [(large[:4], 1, 500, len(large))]
    assert sorted(db.execute("TABLE v")) == sorted(expected)
    for codec in "gzip", "snappy", "lz4", "zstd":
        db.execute(f"CREATE FOREIGN TABLE {codec} (id int, t text) SERVER kafka OPTIONS (topic '{empty}', \"compression.codec\" '{codec}')")
        db.execute(f"INSERT INTO {codec} VALUES (600, repeat('{codec} ', 100000))")
    db.wait("v")
    assert db.value("SELECT sum(count) FROM v") == 505
    assert db.execute("SELECT count(*), count(DISTINCT t), min(length(t)) FROM gzip") == [(4, 4, 400000)]


def test_topics_by_pattern(db, broker, topic):
    """Those that match, also those that begin to while a view runs, which is seen by itself; and no others."""
    base = topic()
    db.create_server("patterns", **{"topic.metadata.refresh.interval.ms": "300"})
    db.execute(f"CREATE FOREIGN TABLE s (id int, topic text OPTIONS (metadata 'topic')) SERVER patterns OPTIONS (topic '^{base}_[ab],?')")
    assert db.execute("SELECT * FROM s") == []
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT topic, count(*), sum(id) FROM s GROUP BY topic")
    expected = []
    for number, (suffix, partitions) in enumerate([("_a", 1), ("_b", 3), ("_c", 1), ("_a2", 2)]):
        name = topic(suffix, partitions=partitions)
        broker.produce(name, [{"id": i} for i in range(10 * (number + 1))])
        if suffix != "_c":
            expected.append((name, 10 * (number + 1), sum(range(10 * (number + 1)))))
        # By itself, or because somebody waits for it.
        if suffix == "_a2":
            wait_until(lambda: sorted(db.execute("TABLE v")) == sorted(expected), lambda: str(db.execute("TABLE v")))
        else:
            db.wait("v")
        assert sorted(db.execute("TABLE v")) == sorted(expected)
    db.assert_equal("TABLE v", "SELECT topic, count(*), sum(id) FROM s GROUP BY topic")
    assert db.value("SELECT count(*) FROM cq.positions WHERE view = 'v'::regclass") == 6
    with pytest.raises(psycopg.Error, match="cannot be written to"):
        db.execute("INSERT INTO s VALUES (1)")
    with pytest.raises(psycopg.Error, match="invalid regular expression"):
        db.execute("CREATE FOREIGN TABLE bad (id int) SERVER patterns OPTIONS (topic '^(')")
    db.execute("CREATE FOREIGN TABLE keyed (id int, k text OPTIONS (metadata 'key')) SERVER patterns OPTIONS (topic '^x', mode 'upsert')")
    with pytest.raises(psycopg.Error, match="several topics"):
        db.execute("SELECT * FROM keyed")


def test_topic_that_is_not_there(db):
    create_stream(db, "a int", topic="nowhere")
    with pytest.raises(psycopg.Error, match="nowhere"):
        db.execute("SELECT * FROM s")


def test_import_foreign_schema(db, broker, topic):
    orders, empty, binary = topic("_orders", partitions=2), topic("_empty"), topic("_binary")
    broker.produce(orders, [{"id": 1, "price": 1.5, "at": "2026-01-01T00:00:00Z", "who": {"name": "x"}}, {"id": 2, "ok": True}],
                   partition=lambda value: value["id"] % 2)
    broker.produce(binary, [b"\x00\x01"])
    prefix = orders.removesuffix("_orders")
    assert db.execute("SELECT * FROM cq.columns_of('kafka', %s) ORDER BY column_name", orders) == [
        ("at", "timestamp with time zone", False, None, "json"), ("id", "bigint", False, None, "json"), ("ok", "boolean", False, None, "json"),
        ("price", "double precision", False, None, "json"), ("who", "jsonb", False, None, "json")]
    assert db.execute("SELECT * FROM cq.columns_of('kafka', %s)", empty) == db.execute("SELECT * FROM cq.columns_of('kafka', %s)", binary) == []
    with pytest.raises(psycopg.Error, match="nowhere"):
        db.execute("SELECT * FROM cq.columns_of('kafka', 'nowhere')")
    db.execute("CREATE SCHEMA imported")
    db.execute(f'IMPORT FOREIGN SCHEMA "{prefix}" FROM SERVER kafka INTO imported')
    tables = db.execute("SELECT relname FROM pg_class WHERE relnamespace = 'imported'::regnamespace AND relkind = 'f'")
    assert tables == [(orders,)]
    assert db.value(f'SELECT sum(id) FROM imported."{orders}"') == 3
    db.execute("CREATE SCHEMA limited")
    db.execute(f'IMPORT FOREIGN SCHEMA kafka LIMIT TO ("{orders}") FROM SERVER kafka INTO limited OPTIONS (sample \'1\')')
    assert db.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'limited'::regnamespace") == 1
    db.execute("CREATE SCHEMA others")
    db.execute(f'IMPORT FOREIGN SCHEMA "{prefix}" EXCEPT ("{orders}") FROM SERVER kafka INTO others')
    assert db.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'others'::regnamespace") == 0
    with pytest.raises(psycopg.Error, match='invalid option "color"'):
        db.execute("IMPORT FOREIGN SCHEMA kafka FROM SERVER kafka INTO others OPTIONS (color 'red')")


def test_log_of_many_writers(db):
    """Nothing is skipped and nothing seen twice while writers commit in any order, or not at all. They also race for the first write."""
    db.execute("CREATE FOREIGN TABLE l (writer int, number int, \"offset\" bigint OPTIONS (metadata 'offset')) SERVER cq_log")
    db.execute("CREATE CONTINUOUS VIEW seen AS "
               "SELECT writer, count(*), sum(number), max(\"offset\") AS last FROM l GROUP BY writer")
    expected = {}
    failures = []
    start = threading.Barrier(6)

    def write(writer):
        chance = random.Random(writer)
        count = 0
        try:
            with db.server.connect(db.name) as connection:
                start.wait()
                for number in range(150):
                    rows = chance.choice((1, 1, 2, 50))
                    keeps = chance.random() < 0.7
                    connection.execute("BEGIN")
                    for _ in range(chance.choice((1, 3))):
                        connection.execute("SAVEPOINT p")
                        connection.execute("INSERT INTO l SELECT %s, %s FROM generate_series(1, %s)", (writer, number, rows))
                        if chance.random() < 0.3:
                            connection.execute("ROLLBACK TO p")
                        elif keeps:
                            count += rows
                    connection.execute("COMMIT" if keeps else "ROLLBACK")
            expected[writer] = count
        except Exception as error:
            failures.append(error)
    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failures, failures
    db.wait("seen")
    assert dict(db.execute("SELECT writer, count FROM seen")) == expected
    db.assert_equal("SELECT * FROM seen", 'SELECT writer, count(*), sum(number), max("offset") FROM l GROUP BY writer')
    assert db.value("SELECT count(*) FROM cq.gaps") == 0


def test_dump_keeps_streams(db, server):
    """A dump carries the options of streams, and the rows of those kept in the database, which go on where they were."""
    db.execute("CREATE TYPE pair AS (x int, y text)")
    db.execute("CREATE FOREIGN TABLE l (a int, gone int, p pair, \"offset\" bigint OPTIONS (metadata 'offset')) "
               "SERVER cq_log OPTIONS (retention '365 days')")
    db.execute("INSERT INTO l SELECT g, g, (g, 'y')::pair FROM generate_series(1, 10) AS g")
    db.execute("ALTER FOREIGN TABLE l DROP COLUMN gone")
    db.execute("INSERT INTO l VALUES (11)")
    rows = db.execute('SELECT a, p, "offset" FROM l ORDER BY "offset"')
    dump = server.program("pg_dump", db.name)
    restored = db.name[:50] + "_restored"
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{restored}"')
    try:
        server.program("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", restored, input=dump)
        with server.connect(restored) as connection:
            assert connection.execute('SELECT a, p, "offset" FROM l ORDER BY "offset"').fetchall() == rows
            assert connection.execute('INSERT INTO l (a) VALUES (12) RETURNING "offset"').fetchall() == [(11,)]
            assert connection.execute("SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 'l'::regclass").fetchall() == \
                [(["retention=365 days"],)]
            connection.execute("DROP FOREIGN TABLE l")
            assert connection.execute("SELECT count(*) FROM _cq.log").fetchall() == [(0,)]
            assert connection.execute("SELECT to_regclass('_cq.l_log')").fetchall() == [(None,)]
    finally:
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{restored}" WITH (FORCE)')
