"""What values mean: under each view's settings, as types are altered, in columns that change."""
import psycopg
import pytest
from conftest import kill, wait_until

COLUMNS = "at timestamptz, d date, iv interval, a text[], n int"
ZONELESS = {"at": "2024-07-01T00:30:00", "d": "02/03/2024", "iv": "-1 2:00", "a": "{x,NULL}",
            "n": 1}
MESSAGES = [ZONELESS, {"at": "2024-07-01T00:30:00Z", "n": 2}, {"at": "no", "n": 3}]
SETTINGS = {
    "berlin": ("Europe/Berlin", "ISO, DMY", "postgres", "on"),
    "tokyo": ("Asia/Tokyo", "ISO, MDY", "sql_standard", "off"),
    "utc": ("UTC", "ISO, MDY", "postgres", "on"),
}
QUERY = """SELECT extract(epoch FROM at) AS at, d - date '2024-01-01' AS d,
                  extract(epoch FROM iv) AS iv, a[2] IS NULL AS is_null, n FROM s"""


def use(db, settings):
    for name, value in zip(("TimeZone", "DateStyle", "IntervalStyle", "array_nulls"), settings):
        db.execute("SELECT set_config(%s, %s, false)", name, value)


def by_view(db, column):
    """Of the message without a zone, in each of the views."""
    return tuple(db.value(f"SELECT {column} FROM {view} WHERE n = 1 LIMIT 1") for view in SETTINGS)


def test_each_view_reads_under_its_own_settings(db, broker, topic):
    name = topic()
    broker.produce(name, MESSAGES)
    use(db, SETTINGS["utc"])
    db.execute(f"CREATE FOREIGN TABLE s ({COLUMNS}) SERVER kafka "
               f"OPTIONS (topic '{name}', on_error 'skip')")
    for view, settings in SETTINGS.items():
        use(db, settings)
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {QUERY}")
        db.execute(f"CREATE CONTINUOUS VIEW n_{view} AS SELECT count(*), sum(n) FROM s")

    def check(count):
        for view, settings in SETTINGS.items():
            use(db, settings)
            db.wait(view)
            db.wait(f"n_{view}")
            db.assert_equal(f"SELECT * FROM {view}", QUERY, view)
            assert db.value(f"SELECT count(*) FROM {view}") == count * 2
            assert db.execute(f"SELECT * FROM n_{view}") == [(count * 3, count * 6)]
        assert db.value("SELECT count(*) FROM cq.errors WHERE message LIKE '%no%'") == count * 3
    check(1)
    zoneless = 1719793800               # as if in UTC
    assert by_view(db, "at") == (zoneless - 7200, zoneless - 32400, zoneless)
    assert by_view(db, "d") == (61, 33, 33)
    assert by_view(db, "iv") == (-79200, -93600, -79200)
    assert by_view(db, "is_null") == (True, False, True)

    # Whatever the database says later.
    db.execute(f'ALTER DATABASE "{db.name}" SET timezone = \'America/New_York\'')
    (pid,) = db.worker_pids()
    kill(pid, 15)
    wait_until(lambda: db.worker_pids() not in ([], [pid]), "the worker is not back")
    broker.produce(name, MESSAGES)
    check(2)


def test_generated_of_bad_values(db, broker, topic):
    """What is computed of a bad value is bad, under the settings of each of the views."""
    name = topic()
    use(db, SETTINGS["utc"])
    db.execute(f"CREATE FOREIGN TABLE s ({COLUMNS}, hour int GENERATED ALWAYS AS "
               f"(coalesce(n, 0) + extract(hour FROM at AT TIME ZONE 'UTC')::int) STORED) "
               f"SERVER kafka OPTIONS (topic '{name}', on_error 'skip')")
    for view, settings in SETTINGS.items():
        use(db, settings)
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS SELECT hour FROM s")
    broker.produce(name, [ZONELESS, {**ZONELESS, "n": "no"}])
    for (view, settings), hour in zip(SETTINGS.items(), (23, 16, 1)):
        use(db, settings)
        db.wait(view)
        assert db.execute(f"SELECT * FROM {view}") == [(hour,)]
        db.assert_equal(f"SELECT * FROM {view}", "SELECT hour FROM s")


def test_event_times_are_the_streams(db, broker, topic):
    """Read under the settings of the stream, by views and statements with whatever settings."""
    name = topic()
    use(db, SETTINGS["berlin"])
    db.execute(f"CREATE FOREIGN TABLE s (at timestamptz, other timestamptz, "
               f"day date GENERATED ALWAYS AS ((at AT TIME ZONE 'UTC')::date) STORED) "
               f"SERVER kafka OPTIONS (topic '{name}', event_time 'at')")
    assert "timezone=Europe/Berlin" in db.value("SELECT ftoptions FROM pg_foreign_table")
    query = """SELECT window_end, count(*), max(extract(epoch FROM other)) AS other,
                      min(day - date '2024-06-30') AS first, max(day - date '2024-06-30') AS last
               FROM s, cq.tumble(at, '10 min') GROUP BY window_end"""
    for view, settings in SETTINGS.items():
        use(db, settings)
        db.execute(f"CREATE CONTINUOUS VIEW {view} WITH (emit = 'close') AS {query}")
    midnight = "2024-07-01T00:00:00"
    broker.produce(name, [{"at": f"2024-07-01T00:{minute:02}:00", "other": midnight}
                          for minute in (1, 5, 3, 12, 31)])
    utc = 1719792000                    # midnight as if in UTC
    for (view, settings), shift in zip(SETTINGS.items(), (7200, 32400, 0)):
        use(db, settings)
        db.wait(view)
        assert db.value(f"SELECT cq.watermark('{view}') = '2024-07-01 00:31+02'")
        rows = db.execute(f"SELECT extract(epoch FROM window_end), count, other, first, last "
                          f"FROM {view} ORDER BY 1")
        assert rows == [(utc - 6600, 3, utc - shift, 0, 0), (utc - 6000, 1, utc - shift, 0, 0)]
        db.assert_equal(f"SELECT * FROM {view}",
                        f"SELECT * FROM ({query}) q WHERE window_end <= cq.watermark('{view}')")
    assert db.value("SELECT sum(late_rows)::int FROM cq.views") == 0
    # A row too far ahead of the clock is an error to each of the views.
    broker.produce(name, [{"at": "2999-01-01T00:00:00", "other": midnight}])
    for view in SETTINGS:
        db.wait(view)
        assert "too far ahead" in db.value(
            f"SELECT message FROM cq.errors WHERE view = '{view}'::regclass")
    use(db, SETTINGS["utc"])
    db.execute("ALTER FOREIGN TABLE s OPTIONS (SET timezone 'Asia/Tokyo')")
    assert db.value("SELECT min(at) = '2024-07-01 00:01+09' FROM s")


def test_altered_composite_type(db, broker, topic):
    name = topic()
    db.execute("CREATE TYPE spot AS (x int, at timestamptz)")
    db.execute("CREATE TYPE shape AS (name text, spots spot[])")
    db.execute(f"CREATE FOREIGN TABLE s (p spot, sh shape, n int) SERVER kafka "
               f"OPTIONS (topic '{name}')")
    db.execute("CREATE CONTINUOUS VIEW v AS "
               "SELECT n, to_jsonb(p) AS p, to_jsonb(sh) AS sh FROM s")
    message = {"p": {"x": 1e0, "at": 0, "y": "new", "z": 5},
               "sh": {"name": "a", "spots": [{"x": 2, "y": "in"}], "label": "b"}}

    def step(n, p, shape):
        broker.produce(name, [{**message, "n": n}])
        db.wait("v")
        assert db.execute("SELECT p, sh FROM v WHERE n = %s", n) == [(p, shape)]
    old = {"x": 1, "at": "1970-01-01T00:00:00+00:00"}
    inner = {"x": 2, "at": None}
    step(1, old, {"name": "a", "spots": [inner]})
    (pid,) = db.worker_pids()
    db.execute("ALTER TYPE spot ADD ATTRIBUTE y text")
    step(2, {**old, "y": "new"}, {"name": "a", "spots": [{**inner, "y": "in"}]})
    db.execute("ALTER TYPE spot RENAME ATTRIBUTE y TO z")
    step(3, {**old, "z": "5"}, {"name": "a", "spots": [{**inner, "z": None}]})
    db.execute("ALTER TYPE spot DROP ATTRIBUTE z")
    db.execute("ALTER TYPE shape ADD ATTRIBUTE label text")
    step(4, old, {"name": "a", "spots": [inner], "label": "b"})
    assert db.worker_pids() == [pid]
    assert db.value("SELECT count(*) FROM cq.errors") == 0


def test_generated_columns_and_defaults(db, broker, topic):
    name = topic()
    db.execute(f"""
        CREATE FOREIGN TABLE s (
            n int,
            twice int GENERATED ALWAYS AS (n * 2) STORED NOT NULL,
            inverse int GENERATED ALWAYS AS (100 / n) STORED,
            ms bigint,
            at timestamptz GENERATED ALWAYS AS (to_timestamp(ms / 1000.0)) STORED,
            d int DEFAULT 7,
            i int GENERATED BY DEFAULT AS IDENTITY,
            o bigint OPTIONS (metadata 'offset'),
            even boolean GENERATED ALWAYS AS (o % 2 = 0) STORED
        ) SERVER kafka OPTIONS (topic '{name}', event_time 'at')""")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT n, twice, inverse, at, even FROM s")
    db.execute("CREATE CONTINUOUS VIEW twice AS SELECT sum(twice) FROM s")
    db.execute("CREATE CONTINUOUS VIEW inputs AS SELECT count(*), sum(n) FROM s")
    # What messages say of such a column counts for nothing, what they do not say is null.
    broker.produce(name, [{"n": 1, "twice": 99, "ms": 1000}, {"n": 2, "ms": 2000},
                          {"n": 0, "ms": 3000}, {"n": "x"}, {}, {"n": 2000000000}])
    for view in ("v", "twice", "inputs"):
        db.wait(view)
    assert db.execute("SELECT n, twice, inverse, extract(epoch FROM at), even FROM v "
                      "ORDER BY n") == [(1, 2, 100, 1, True), (2, 4, 50, 2, False)]
    assert db.execute("SELECT * FROM twice") == [(6,)]
    assert db.execute("SELECT * FROM inputs") == [(5, 2000000003)]
    assert db.execute("SELECT \"offset\", message FROM cq.errors WHERE view = 'v'::regclass "
                      "ORDER BY 1") == [
        (2, 'column "inverse": division by zero'),
        (3, 'field "n": invalid input syntax for type integer: "x"'),
        (4, 'column "twice" is null'),
        (5, 'column "twice": integer out of range')]
    assert db.value("SELECT cq.watermark('v') = to_timestamp(3)")
    db.execute("ALTER FOREIGN TABLE s OPTIONS (ADD on_error 'skip')")
    db.assert_equal("SELECT * FROM v", "SELECT n, twice, inverse, at, even FROM s")
    db.assert_equal("SELECT * FROM twice", "SELECT sum(twice) FROM s")
    assert db.execute("SELECT DISTINCT d FROM s") == [(None,)]
    assert db.execute("SELECT i FROM s") == []      # an identity column is NOT NULL

    # Written are the others, with defaults.
    db.execute("INSERT INTO s (n, ms) VALUES (4, 4000)")
    db.wait("v")
    assert db.execute("SELECT n, twice, d, i FROM s WHERE n = 4") == [(4, 8, 7, 1)]
    assert db.value("SELECT twice FROM v WHERE n = 4") == 8
    db.execute(f"CREATE FOREIGN TABLE raw (twice int, at text, n int) SERVER kafka "
               f"OPTIONS (topic '{name}', on_error 'skip')")
    assert db.execute("SELECT twice, at FROM raw WHERE n = 4") == [(None, None)]


def test_renamed_columns(db, broker, topic):
    name = topic()
    db.execute(f"""CREATE FOREIGN TABLE s (at timestamptz, "a.b" int, n int,
                       k text OPTIONS (metadata 'key'))
                   SERVER kafka OPTIONS (topic '{name}', event_time 'at')""")
    db.execute('CREATE CONTINUOUS VIEW v AS SELECT n, "a.b" AS ab FROM s')
    db.execute("CREATE CONTINUOUS VIEW w WITH (emit = 'close') AS SELECT window_end, count(*) "
               "FROM s, cq.tumble(at, '1 min') GROUP BY window_end")
    message = {"at": "2024-07-01T00:00:00Z", "a.b": 1, "n": 1}
    broker.produce(name, [message])
    db.wait("v")
    for before, after in (("n", "m"), ("a.b", "x"), ("at", "happened"), ("m", "n2"), ("k", "key")):
        db.execute(f'ALTER FOREIGN TABLE s RENAME COLUMN "{before}" TO {after}')
    broker.produce(name, [message, {**message, "at": "2024-07-01T00:01:00Z"}])
    for view in ("v", "w"):
        db.wait(view)
    assert db.execute("SELECT * FROM v") == [(1, 1)] * 3
    assert db.execute("SELECT count FROM w") == [(2,)]
    assert db.execute("SELECT DISTINCT n2, x, key FROM s") == [(1, 1, None)]
    db.execute("INSERT INTO s (n2) VALUES (5)")
    assert db.execute("SELECT n2 FROM s WHERE n2 = 5") == [(5,)]
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match='column "happened"'):
        db.execute("ALTER FOREIGN TABLE s DROP COLUMN happened CASCADE")


def test_written_under_any_settings(db, broker, topic):
    name = topic()
    db.execute(f"CREATE FOREIGN TABLE s (b bytea, f float8, i interval, at timestamptz, "
               f"r tstzrange) SERVER kafka OPTIONS (topic '{name}')")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT * FROM s")
    for setting in ("TimeZone = 'UTC'", "bytea_output = 'escape'", "extra_float_digits = -10",
                    "IntervalStyle = 'sql_standard'", "DateStyle = 'German'",
                    "TimeZone = 'Asia/Tokyo'"):
        db.execute(f"SET {setting}")
        db.execute("""INSERT INTO s VALUES ('abcd', 0.1::float8 + 0.2, '1 day -2 hours',
                      '2024-07-01 00:00Z', '[2024-07-01 00:00Z, 2024-07-02 00:00Z)')""")
    assert db.execute("SELECT count(*), count(DISTINCT s.*) FROM s") == [(6, 1)]
    assert db.value("""SELECT bool_and(b = 'abcd' AND f = 0.1::float8 + 0.2 AND
                       i = '1 day -2 hours' AND at = '2024-07-01 00:00Z') FROM s""")
    db.wait("v")
    db.assert_equal("SELECT * FROM v", "SELECT * FROM s")


def test_import_with_odd_names_and_values(db, broker, topic):
    """What cannot be a table or column as it is becomes one, and is told."""
    prefix = topic()
    long_names = [topic("_" + "x" * 70 + letter) for letter in "ab"]
    message = {"ctid": 1, "ctid_1": 2, "f" * 70 + "a": 3, "f" * 70 + "b": 4, "": 5, "n": 1,
               "local": "2025-01-01T00:00:00", "zoned": "2025-01-01T00:00:00Z"}
    broker.produce(prefix, [message, {**message, "n": "n/a"}, b"no object"])
    for name in long_names:
        broker.produce(name, [{"name": name}])
    notices = []
    db.execute("SELECT 1")
    db.connection.add_notice_handler(lambda notice: notices.append(notice.message_detail or ""))
    db.execute("CREATE SCHEMA i")
    db.execute(f'IMPORT FOREIGN SCHEMA "{prefix}" FROM SERVER kafka INTO i')
    told = "\n".join(notices)
    tables = [long_names[0][:63], long_names[0][:61] + "_1"]
    for sentence in ('Field "ctid" is column "ctid_2".', f'is column "{"f" * 61}_1".',
                     "The field with the empty name is left out.",
                     "Of 3 messages, 1 are not JSON objects.",
                     'Field "n" has values of several kinds (numbers: 1, strings: 1): jsonb.',
                     f'The table is "{tables[0]}".', f'The table is "{tables[1]}".'):
        assert sentence in told
    assert db.execute("SELECT attname, atttypid::regtype::text FROM pg_attribute "
                      "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
                      f"i.{prefix}") == [
        ("ctid_2", "bigint"), ("ctid_1", "bigint"), ("f" * 63, "bigint"),
        ("f" * 61 + "_1", "bigint"), ("n", "jsonb"), ("local", "timestamp without time zone"),
        ("zoned", "timestamp with time zone")]
    db.execute(f"ALTER FOREIGN TABLE i.{prefix} OPTIONS (ADD on_error 'skip')")
    assert db.execute(f"SELECT ctid_2, ctid_1, {'f' * 63}, {'f' * 61}_1 FROM i.{prefix}") == \
        [(1, 2, 3, 4)] * 2
    assert sorted(db.value(f"SELECT name FROM i.{table}") for table in tables) == long_names


def test_fields_that_are_never_seen(db, broker, topic):
    """A column whose field no message has, as when it is spelt in another way, is told."""
    name = topic(partitions=2)
    db.execute(f"CREATE FOREIGN TABLE s (n int, \"userName\" text, username text, nothing text, "
               f"twice int GENERATED ALWAYS AS (n * 2) STORED) SERVER kafka "
               f"OPTIONS (topic '{name}')")

    def unseen():
        return db.value("SELECT unseen_columns FROM cq.streams")
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT count(username) AS named, sum(twice) FROM s")
    broker.produce(name, [{"n": i, "userName": "x"} for i in range(999)], partition=0)
    db.wait("v")
    assert unseen() == []
    broker.produce(name, [{"n": 1, "userName": "x"}], partition=0)
    wait_until(lambda: unseen() == ["username"], lambda: f"unseen columns are {unseen()}")
    # What no view reads is not looked for; a null has been seen.
    broker.produce(name, [{"n": 1, "username": None}], partition=1)
    wait_until(lambda: unseen() == [], lambda: f"unseen columns are {unseen()}")
    # The stream is another one when it was altered.
    db.execute("ALTER FOREIGN TABLE s ALTER COLUMN n OPTIONS (ADD path 'number')")
    broker.produce(name, [{"n": i, "username": "x"} for i in range(1500)], partition=0)
    wait_until(lambda: unseen() == ["n"], lambda: f"unseen columns are {unseen()}")
    db.execute("DROP FOREIGN TABLE s CASCADE")
    assert db.value("SELECT count(*) FROM _cq.field") == 0
