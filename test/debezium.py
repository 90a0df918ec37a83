"""Debezium's connector for PostgreSQL, a source of it, and views of its topics: `make test-debezium`, see README.md.

The source is a table of the same server, so that the view can be compared with the same query on it."""
import json
import random
import signal
import threading
import uuid

import pytest
from conftest import DEADLINE, kill, tool, wait_until

START = 180     # seconds that a connector may take until it has read the table, on a loaded machine

SOURCE = """
    CREATE TABLE {table} (id int, part text, amount numeric(12,2), free numeric, n bigint, f float8, ok boolean, placed timestamp,
      rough timestamp(3), at timestamptz, day date, tod time, rough_tod time(3), span interval, doc text, raw bytea, js jsonb, tags text[],
      nums int[], u uuid, PRIMARY KEY (id, part));
    ALTER TABLE {table} ALTER doc SET STORAGE EXTERNAL, ALTER raw SET STORAGE EXTERNAL, ALTER js SET STORAGE EXTERNAL,
      ALTER tags SET STORAGE EXTERNAL, ALTER nums SET STORAGE EXTERNAL;
    ALTER TABLE {table} REPLICA IDENTITY {identity};
"""
COLUMNS = ("id int NOT NULL, part text NOT NULL, amount numeric(12,2), free numeric, n bigint, f float8, ok boolean, placed timestamp, "
           "rough timestamp(3), at timestamptz, day date, tod time, rough_tod time(3), span interval, doc text, raw bytea, js jsonb, "
           "tags text[], nums int[], u uuid")
QUERIES = {
    "rows": "SELECT id, part, amount, free, n, f, ok, placed, rough, at, day, tod, rough_tod, span, doc, raw, js, tags, nums, u FROM {}",
    "sums": "SELECT part, count(*), sum(amount) AS amount, max(n) AS most, sum(length(doc)) AS size FROM {} GROUP BY part",
    "pairs": "SELECT a.id, b.id AS other FROM {} a JOIN {} b ON b.n = a.n AND b.id > a.id",
}


class Connect:
    """Kafka Connect with one connector."""

    def __init__(self, directory, broker, server, database, prefix, wraps, tables):
        self.directory = directory
        directory.mkdir()
        worker = {
            "bootstrap.servers": broker.address, "listeners": "http://127.0.0.1:0", "plugin.discovery": "only_scan",
            "plugin.path": directory / "plugins", "offset.storage.file.filename": directory / "offsets",
            "offset.flush.interval.ms": 500,
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": wraps, "value.converter.schemas.enable": wraps,
            "value.converter.replace.null.with.default": "false", "value.converter.decimal.format": "NUMERIC",
            "key.converter.replace.null.with.default": "false",
        }
        connector = {
            "name": prefix, "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": 1,
            "plugin.name": "pgoutput", "slot.name": prefix, "publication.name": prefix, "publication.autocreate.mode": "filtered",
            "database.hostname": "127.0.0.1", "database.port": server.environment["PGPORT"],
            "database.user": "postgres", "database.password": "", "database.dbname": database, "topic.prefix": prefix,
            "table.include.list": ",".join(f"public.{table}" for table in tables), "skipped.operations": "none",
            "heartbeat.interval.ms": 500, "provide.transaction.metadata": "true", "poll.interval.ms": 50,
            "errors.max.retries": -1, "retriable.restart.connector.wait.ms": 500, "decimal.handling.mode": "precise",
        }
        for name, settings in ("worker", worker), ("connector", connector):
            (directory / f"{name}.properties").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def start(self):
        tool("connect", "start", self.directory)

    def kill(self):
        tool("connect", "kill", self.directory)

    def log(self):
        return (self.directory / "log").read_text(errors="replace")


@pytest.fixture(scope="module")
def logical(server):
    server.set(wal_level="logical")
    server.stop()
    server.start()
    return server


def large(rng):
    return "".join(rng.choices("abcdefgh ü\"\\", k=3000))


def values(rng):
    """Some columns and values, in SQL."""
    def text(value):
        return "'" + str(value).replace("'", "''") + "'"
    makers = {
        "amount": lambda: f"{rng.randrange(-10**9, 10**9)}::numeric / 100",
        "free": lambda: rng.choice(["0", "-0.00001", f"{rng.randrange(10**18)}.{rng.randrange(10**6):06}", "1e20"]),
        "n": lambda: str(rng.choice([rng.randrange(20), 2**62])),
        "f": lambda: str(rng.choice([0.1, -1.5, 1e-300, rng.random()])) + "::float8",
        "ok": lambda: rng.choice(["true", "false"]),
        "placed": lambda: f"timestamp '1969-12-31 23:00' + interval '1 microsecond' * {rng.randrange(10**16)}",
        "rough": lambda: f"timestamp '2024-01-01' + interval '1 millisecond' * {rng.randrange(10**10)}",
        "at": lambda: f"timestamptz '1999-12-31Z' + interval '1 microsecond' * {rng.randrange(10**15)}",
        "day": lambda: f"date '1970-01-01' + {rng.randrange(-20000, 40000)}",
        "tod": lambda: f"time '00:00' + interval '1 microsecond' * {rng.randrange(86400 * 10**6)}",
        "rough_tod": lambda: f"time '00:00' + interval '1 millisecond' * {rng.randrange(86400 * 10**3)}",
        "span": lambda: f"interval '1 microsecond' * {rng.randrange(10**12)}",
        "doc": lambda: text(rng.choice(["", "small", large(rng)])),
        "raw": lambda: f"convert_to({text(rng.choice(['', 'small', large(rng)]))}, 'UTF8')",
        "js": lambda: text(json.dumps(rng.choice([None, 1, "a string", {"k": [1, {}]}, {"big": large(rng)}]))),
        "tags": lambda: f"ARRAY[{text(rng.choice(['a', large(rng)]))}, NULL]::text[]",
        "nums": lambda: f"array(SELECT generate_series(1, {rng.choice([2, 2000])}))",
        "u": lambda: text(uuid.UUID(int=rng.getrandbits(128))) + "::uuid",
    }
    chosen = rng.sample(list(makers), rng.randrange(1, 6))
    return [(name, rng.choice(["NULL", *[makers[name]()] * 6])) for name in chosen]


def statement(rng, table, identity):
    key = f"id = {rng.randrange(40)} AND part = 'p{rng.randrange(3)}'"
    choice = rng.random()
    if choice < 0.35:
        given = values(rng)
        return (f"INSERT INTO {table} (id, part, {', '.join(name for name, _ in given)}) VALUES ({rng.randrange(40)}, 'p{rng.randrange(3)}', "
                f"{', '.join(value for _, value in given)}) ON CONFLICT DO NOTHING")
    if choice < 0.75:
        return f"UPDATE {table} SET {', '.join(f'{name} = {value}' for name, value in values(rng))} WHERE {key}"
    if choice < 0.85 and identity == "FULL":
        return (f"UPDATE {table} o SET id = {rng.randrange(40)} WHERE {key} AND NOT EXISTS "
                f"(SELECT FROM {table})") if rng.random() < 0.1 else f"UPDATE {table} SET id = 1000 + id * 7 WHERE {key}"
    if choice < 0.998:
        return f"DELETE FROM {table} WHERE id IN ({rng.randrange(40)}, 1000 + {rng.randrange(40)} * 7) AND part = 'p{rng.randrange(3)}'"
    return f"TRUNCATE {table}"


def write(server, database, table, identity, seed, ending, failed):
    """Random transactions, until told to stop; some are rolled back. The server may go away."""
    import psycopg
    rng = random.Random(seed)
    connection = None
    while not ending.is_set():
        try:
            connection = connection or server.connect(database)
            with connection.transaction(force_rollback=rng.random() < 0.1):
                for _ in range(rng.randrange(1, 6)):
                    connection.execute(statement(rng, table, identity))
        except (psycopg.errors.DeadlockDetected, psycopg.errors.UniqueViolation):
            pass
        except psycopg.OperationalError:
            connection = None
            ending.wait(0.2)
        except Exception as error:       # noqa: BLE001: told by whoever waits
            failed.append(error)
            return
        ending.wait(rng.random() * 0.02)


def settled(db, table, marker):
    """All that was committed has come: the row written last."""
    db.execute(f"INSERT INTO {table} (id, part) VALUES ({marker}, 'marker')")
    wait_until(lambda: db.value(f"SELECT count(*) FROM {table}_rows WHERE id = {marker}"),
               lambda: f"{table}: the marker has not come: {db.state(f'{table}_rows')}", START)


def assert_right(db, table):
    for name, query in QUERIES.items():
        db.wait(f"{table}_{name}")
        source, stream = query.replace("{}", table), query.replace("{}", f"{table}_stream")
        db.assert_equal(f"TABLE {table}_{name}", source, f"{table}: view and source")
        db.assert_equal(stream, source, f"{table}: stream and source")
    # An update that comes again, of a row that is deleted by then, may leave out a value that nobody knows any more.
    assert db.execute("SELECT message, payload FROM cq.errors WHERE message NOT LIKE '%has not changed, and its value is not known' "
                      "LIMIT 3") == []


@pytest.mark.parametrize("wraps", ["false", "true"])
def test_views_follow_the_source(logical, broker, name, tmp_path, request, wraps):
    """Concurrent writers; the connector is killed, then the server with its workers, and the connector reads again."""
    from conftest import fresh_database
    server, rng = logical, random.Random(5)
    tables = {"plain": "DEFAULT", "whole": "FULL"}
    prefix = f"d{uuid.uuid4().hex[:8]}"
    with fresh_database(server, name, broker) as db:
        db.create_server()
        db.execute("SET TimeZone = 'UTC'")
        for table, identity in tables.items():
            for command in SOURCE.format(table=table, identity=identity).split(";\n"):
                if command.strip():
                    db.execute(command)
            broker.create_topic(f"{prefix}.public.{table}")
            for i in range(30):
                db.execute(f"INSERT INTO {table} (id, part, n, doc) VALUES ({i}, 'p{i % 3}', {i % 5}, repeat('{i} ', 2000))")
            db.execute(f"CREATE FOREIGN TABLE {table}_stream ({COLUMNS}, lsn bigint OPTIONS (envelope 'source.lsn'), "
                       f"tx text OPTIONS (envelope 'transaction.id'), told timestamptz OPTIONS (envelope 'ts_ms')) "
                       f"SERVER kafka OPTIONS (topic '{prefix}.public.{table}', mode 'debezium')")
            for view, query in QUERIES.items():
                db.execute(f"CREATE CONTINUOUS VIEW {table}_{view} AS {query.replace('{}', f'{table}_stream')}")
        for topic in f"{prefix}.transaction", f"__debezium-heartbeat.{prefix}":
            broker.create_topic(topic)
        connect = Connect(tmp_path / "connect", broker, server, name, prefix, wraps, tables)
        connect.start()
        ending, failed = threading.Event(), []
        writers = [threading.Thread(target=write, args=(server, name, table, identity, 10 * i + j, ending, failed))
                   for i, (table, identity) in enumerate(tables.items()) for j in range(2)]
        try:
            for table in tables:
                settled(db, table, -1)
                assert_right(db, table)
            assert db.value("SELECT count(lsn) = count(*) AND min(told) > now() - interval '1 hour' FROM plain_stream")
            for writer in writers:
                writer.start()
            for round_number in range(4):
                ending.wait(6)
                if round_number in (0, 2):
                    connect.kill()
                    ending.wait(1)
                    connect.start()
                if round_number == 1:
                    for pid in db.worker_pids():
                        kill(pid, rng.choice([signal.SIGTERM, signal.SIGKILL]))
                    db.close()
                    wait_until(lambda: server_answers(server), "the server is not back")
            ending.set()
            for writer in writers:
                writer.join(DEADLINE)
            assert failed == []
            db.execute("SET TimeZone = 'UTC'")
            for table in tables:
                settled(db, table, -2)
                assert_right(db, table)
            db.execute("TRUNCATE plain, whole")
            for table in tables:
                settled(db, table, -3)
                assert_right(db, table)
                assert db.value(f"SELECT count(*) FROM {table}_rows") == 1
        except BaseException:
            print("".join(line for line in connect.log().splitlines(True) if " INFO " not in line)[-5000:])
            raise
        finally:
            ending.set()
            connect.kill()
            wait_until(lambda: drop_slot(db, prefix), "the slot is in use")


def server_answers(server):
    import psycopg
    try:
        server.connect("postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def drop_slot(db, slot):
    import psycopg
    try:
        db.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", slot)
    except psycopg.errors.ObjectInUse:
        return False
    return True
