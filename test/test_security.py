"""Owners of streams and views against the superuser, against one another, and against the workers."""
import psycopg
import pytest
from psycopg import sql

from conftest import Database, wait_until

ROLES = ("alice", "mallory")

# A place where whoever runs a function leaves their name.
SETTING = """
    GRANT USAGE ON FOREIGN SERVER cq_log TO alice, mallory;
    GRANT CREATE ON SCHEMA public TO alice, mallory;
    CREATE TABLE trace (who text, what text);
    GRANT SELECT, INSERT ON trace TO PUBLIC;
    CREATE FUNCTION leave(what text) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.trace VALUES (current_user, what); END $$;
    CREATE FUNCTION leave_check(t text) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.leave('check'); RETURN true; END $$;
    CREATE FUNCTION leave_trigger() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.leave(TG_OP); RETURN NULL; END $$;
"""


@pytest.fixture
def owners(server, name):
    """Runs statements as one of two ordinary users, in a fresh database without a broker: owners(user, statement, …)."""
    with server.connect("postgres") as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f'CREATE DATABASE "{name}"')
    db = Database(server, name, None)
    connections = {}

    def run(user, statement, *parameters):
        if user not in connections:
            connections[user] = psycopg.connect(host=server.environment["PGHOST"], port=server.environment["PGPORT"],
                                                user=user, dbname=name, autocommit=True)
        cursor = connections[user].execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else None

    run.db = db
    try:
        db.execute("CREATE EXTENSION pg_cq")
        db.execute(SETTING)
        yield run
    finally:
        for connection in connections.values():
            connection.close()
        db.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            for role in ROLES:
                connection.execute(f"DROP ROLE {role}")


def stream(owners, user="mallory", name="s", columns="k int, v int"):
    owners(user, f"CREATE FOREIGN TABLE {name} ({columns}) SERVER cq_log")


def who(owners):
    return {who for (who,) in owners.db.execute("SELECT DISTINCT who FROM trace")}


def status(owners, view):
    return owners.db.execute("SELECT status, status_detail FROM cq.views WHERE view = %s::regclass", view)[0]


def await_status(owners, view, expected):
    wait_until(lambda: status(owners, view)[0] == expected, lambda: f"{view}: {status(owners, view)}")
    return status(owners, view)[1]


def test_state_of_an_aggregate_is_a_domain(owners):
    """Its initial value is read by the domain's input, which calls what the owner likes."""
    stream(owners)
    owners("mallory", """
        CREATE DOMAIN checked AS text CHECK (leave_check(VALUE));
        CREATE FUNCTION step(checked, int) RETURNS checked IMMUTABLE RETURN ($1 || $2)::checked;
        CREATE FUNCTION combine(checked, checked) RETURNS checked IMMUTABLE RETURN ($1 || $2)::checked;
        CREATE AGGREGATE collect(int) (sfunc = step, stype = checked, combinefunc = combine, initcond = '');
        CREATE VIEW v WITH (continuous) AS SELECT k, collect(v) FROM s GROUP BY k;
        INSERT INTO s VALUES (1, 2)""")
    owners.db.wait("v")
    assert who(owners) == {"mallory"}


TRAP = """
    CREATE SCHEMA trap AUTHORIZATION mallory;
    SET SESSION AUTHORIZATION mallory;
    CREATE FUNCTION trap.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.leave('='); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
    CREATE OPERATOR trap.= (leftarg = text, rightarg = text, function = trap.equal);
    CREATE FUNCTION set_path() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM set_config('search_path', 'trap, pg_catalog', false); RETURN true; END $$;
    CREATE DOMAIN trapped AS text CHECK (set_path());
    RESET SESSION AUTHORIZATION
"""


def load_again(db, view):
    """Whereupon the worker reads the catalog, by statements of its own."""
    db.execute("SELECT cq.pause(%s::regclass)", view)
    db.execute("SELECT cq.resume(%s::regclass)", view)


def test_settings_do_not_outlive_a_view(owners):
    """With a search_path of the owner's, the workers' own statements would call the owner's operators."""
    owners.db.execute(TRAP)
    stream(owners)
    owners("mallory", "CREATE VIEW public.v WITH (continuous) AS SELECT count(*) FROM public.s WHERE set_path() = (v > 0)")
    owners.db.execute("INSERT INTO s VALUES (1, 1)")
    owners.db.wait("v")
    load_again(owners.db, "v")
    owners.db.execute("INSERT INTO s VALUES (1, 1)")
    owners.db.wait("v")
    assert owners.db.execute("TABLE v") == [(2,)]
    assert who(owners) == set()


def test_settings_do_not_outlive_decoding(owners, broker, topic):
    name = topic()
    owners.db.broker = broker
    owners.db.execute(TRAP)
    owners.db.create_server()
    owners.db.execute("GRANT USAGE ON FOREIGN SERVER kafka TO mallory")
    owners("mallory", f"CREATE FOREIGN TABLE s (k trapped, v int) SERVER kafka OPTIONS (topic '{name}')")
    owners("mallory", "CREATE VIEW v WITH (continuous) AS SELECT count(k) FROM s")
    for expected in 1, 2:
        broker.produce(name, [{"k": "a", "v": 1}])
        owners.db.wait("v")
        assert owners.db.execute("TABLE v") == [(expected,)]
        load_again(owners.db, "v")
    assert who(owners) == set()


def test_triggers_on_what_belongs_to_a_view(owners):
    stream(owners)
    owners("mallory", """
        CREATE VIEW v WITH (continuous) AS SELECT k, count(*) FROM s GROUP BY k;
        CREATE VIEW kept WITH (continuous, retention = '1 us') AS SELECT k FROM s;
        INSERT INTO s VALUES (1, 2)""")
    owners.db.wait("v")
    owners.db.wait("kept")
    for table in "v_state", "kept_state", "s_log":
        for event in "INSERT", "UPDATE", "DELETE", "TRUNCATE":
            owners("mallory", f"CREATE TRIGGER leave_{event} AFTER {event} ON _cq.{table} EXECUTE FUNCTION leave_trigger()")
    owners.db.execute("SELECT cq.reset('v')")
    owners.db.execute("SELECT _cq.expire_rows()")
    owners.db.wait("v")
    owners.db.execute("TRUNCATE s")
    owners.db.execute("INSERT INTO s VALUES (1, 2)")
    assert who(owners) == {"mallory"}


@pytest.mark.parametrize("change", [
    "ALTER TABLE _cq.v_state ADD more int",
    "DROP VIEW v_again; ALTER TABLE _cq.v_state RENAME s1 TO s2",
    "CREATE OR REPLACE AGGREGATE most(int) (sfunc = pair, stype = int8[], combinefunc = pairs, finalfunc = finish)",
])
def test_state_is_what_is_written_to_it(owners, change):
    """Where the owner has altered the table, or what is written, the view stops before it writes what the table does not hold."""
    stream(owners)
    owners("mallory", """
        CREATE FUNCTION pair(int8[], int) RETURNS int8[] IMMUTABLE RETURN $1 || $2::int8;
        CREATE FUNCTION pairs(int8[], int8[]) RETURNS int8[] IMMUTABLE RETURN $1 || $2;
        CREATE FUNCTION finish(int8[]) RETURNS int8 IMMUTABLE RETURN $1[1];
        CREATE FUNCTION greater(int8, int) RETURNS int8 IMMUTABLE RETURN greatest($1, $2);
        CREATE FUNCTION greater(int8, int8) RETURNS int8 IMMUTABLE RETURN greatest($1, $2);
        CREATE AGGREGATE most(int) (sfunc = greater, stype = int8, combinefunc = greater);
        CREATE VIEW v WITH (continuous) AS SELECT k, most(v) FROM s GROUP BY k;
        CREATE VIEW v_again WITH (continuous) AS SELECT k, count(*) FROM s GROUP BY k;
        INSERT INTO s VALUES (1, 2)""")
    owners.db.wait("v")
    owners("mallory", change)
    owners("mallory", "INSERT INTO s VALUES (1, 3)")
    if "RENAME" in change:
        owners.db.wait("v")
        assert owners.db.execute("TABLE v") == [(1, 3)]
    else:
        assert "does not have the columns" in await_status(owners, "v", "failed")
        owners.db.wait("v_again")


def test_one_stream_or_view_does_not_keep_others_from_expiring(owners):
    for user, name in ("mallory", "bad"), ("alice", "good"):
        owners(user, f"CREATE FOREIGN TABLE {name} (k int, at timestamptz OPTIONS (metadata 'timestamp')) "
                     "SERVER cq_log OPTIONS (retention '1 us')")
        owners(user, f"CREATE VIEW {name}_rows WITH (continuous, retention = '1 us') AS SELECT k FROM {name}")
        owners(user, f"INSERT INTO {name} VALUES (1)")
        owners.db.wait(f"{name}_rows")
    # What ALTER would refuse.
    owners.db.execute("UPDATE pg_foreign_table SET ftoptions = ftoptions || '{event_time=nowhere}' "
                      "WHERE ftrelid = 'bad'::regclass")
    with pytest.raises(psycopg.Error, match="invalid value for option"):
        owners("mallory", "ALTER VIEW bad_rows SET (retention = '290000 years')")
    wait_until(lambda: owners.db.execute("TABLE good_rows") == [] and owners.db.execute("TABLE good") == [],
               "what is old is still there")


def test_messages_of_errors_are_for_owners(owners):
    """They may quote what the view does not show."""
    db = owners.db
    stream(owners, columns="k int, secret text")
    owners("mallory", "CREATE VIEW v WITH (continuous, on_error = 'pause') AS SELECT k, sum(secret::int) AS sum FROM s GROUP BY k")
    owners("mallory", "GRANT SELECT ON v TO alice")
    owners("mallory", "INSERT INTO s VALUES (1, 'Rumpelstiltskin')")
    assert "Rumpelstiltskin" in await_status(owners, "v", "failed")
    seen = {}
    for user in "mallory", "alice":
        seen[user] = [owners(user, query) for query in (
            "SELECT status, status_detail, last_error FROM cq.views",
            "SELECT last_error FROM cq.stat_views",
            "SELECT last_error FROM _cq.stat_relations()",
            "SELECT last_error FROM cq.streams",
            "SELECT message FROM cq.errors",
            "SELECT last_error FROM cq.workers",
            "SELECT last_error FROM _cq.worker_status()")]
        with pytest.raises(psycopg.Error) as error:
            owners(user, "SELECT cq.wait('v')")
        seen[user].append(error.value.diag.message_detail)
    assert "Rumpelstiltskin" in str(seen["mallory"][0]) and "Rumpelstiltskin" in seen["mallory"][-1]
    assert seen["alice"][0] == [("failed", None, None)]
    assert "Rumpelstiltskin" not in str(seen["alice"])
    # Of what one may not read, nothing.
    owners("mallory", "REVOKE SELECT ON v FROM alice")
    for view in "cq.views", "cq.stat_views", "cq.positions", "cq.errors", "cq.streams", "_cq.stat_relations()":
        assert owners("alice", f"SELECT * FROM {view}") == [], view
    for table in ("_cq.view", "_cq.input", "_cq.node", "_cq.part", "_cq.cursor", "_cq.follow",
                  "_cq.error", "_cq.gap", "_cq.log", "_cq.identity", "_cq.v_state", "_cq.s_log"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owners("alice", f"SELECT * FROM {table}")
    for call in "cq.pause('v')", "cq.resume('v')", "cq.reset('v')", "cq.stat_reset('v')", "cq.stat_reset()", "cq.wait('v')", \
            "cq.resume_all()", "_cq.expire_rows()", "_cq.log_trim()", "_cq.log_trim('s')", "_cq.stream_extents('s')", "_cq.start_workers()":
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owners("alice", f"SELECT {call}")
    db.close()


def test_errors_do_not_fill_the_disk(server, owners):
    stream(owners, columns="k int, v text")
    owners("mallory", "CREATE VIEW v WITH (continuous) AS SELECT sum(v::int) AS sum FROM s")
    server.set(cq__max_errors=20)
    try:
        for _ in range(3):
            owners("mallory", "INSERT INTO s SELECT i, 'x' FROM generate_series(1, 30) AS i")
            owners.db.wait("v")
        owners("mallory", "INSERT INTO s VALUES (0, 1), (99, 'y')")
        owners.db.wait("v")
        assert owners("mallory", "SELECT max(error_id) = max(error_id) FILTER (WHERE message LIKE '%%\"y\"%%') FROM cq.errors") == [(True,)]
        assert owners("mallory", "SELECT count(*) BETWEEN 20 AND 22 FROM cq.errors") == [(True,)]
        assert owners("mallory", "SELECT bad_rows FROM cq.stat_views") == [(91,)]
        assert owners("mallory", "TABLE v") == [(1,)]
    finally:
        server.set(cq__max_errors=None)


@pytest.mark.parametrize("how", ["lock", "raise"])
def test_one_owner_does_not_hold_up_another(owners, how):
    """Views of two owners share a stream."""
    stream(owners, "alice")
    owners("alice", "GRANT SELECT, INSERT ON s TO mallory")
    owners("mallory", "CREATE TABLE dim AS SELECT i AS k FROM generate_series(1, 3) AS i")
    owners("mallory", """CREATE FUNCTION fail(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN IF i > 10 THEN RAISE 'never' USING ERRCODE = '40001'; END IF; RETURN i; END $$""")
    owners("alice", "CREATE VIEW a WITH (continuous) AS SELECT k, count(*) AS n FROM s GROUP BY k")
    owners("mallory", "CREATE VIEW m WITH (continuous) AS SELECT k, count(fail(v)) AS n FROM s JOIN dim USING (k) GROUP BY k")
    owners("alice", "INSERT INTO s VALUES (1, 1)")
    owners.db.wait("a")
    owners.db.wait("m")
    if how == "lock":
        owners("mallory", "BEGIN")
        owners("mallory", "LOCK TABLE dim")
        owners("alice", "INSERT INTO s VALUES (1, 2)")
    else:
        owners("alice", "INSERT INTO s VALUES (1, 11)")
    owners.db.wait("a")
    assert owners("alice", "TABLE a") == [(1, 2)]
    if how == "lock":
        owners("mallory", "COMMIT")
    else:
        owners("mallory", "CREATE OR REPLACE FUNCTION fail(i int) RETURNS int IMMUTABLE RETURN i")
    owners.db.wait("m")
    assert owners("mallory", "TABLE m") == [(1, 2)]


@pytest.mark.parametrize("start", ['{"0": "x"}', '{"0": null}', '{"0": 1e30}', '{"0": -1}', '{"t": {"0": {}}}', '{"0": [1]}', '[]'])
def test_no_start_that_cannot_be_understood(owners, start):
    """Workers settle the views of a stream together."""
    stream(owners)
    with pytest.raises(psycopg.errors.DataError):
        owners("mallory", f"CREATE VIEW v WITH (continuous, start = '{start}') AS SELECT count(*) FROM s")
    owners("mallory", "CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM s")
    with pytest.raises(psycopg.errors.DataError):
        owners("mallory", "SELECT cq.reset('v', %s)", start)


def test_settings_of_the_database_are_not_the_workers(owners):
    stream(owners)
    owners("mallory", "CREATE VIEW v WITH (continuous) AS SELECT count(*) FROM s")
    database = owners.db.value("SELECT quote_ident(current_database())")
    for setting in "default_transaction_read_only = on", "default_transaction_isolation = serializable", "search_path = trap", \
            "statement_timeout = 1", "row_security = off", "role = mallory", "lock_timeout = 1":
        owners.db.execute(f"ALTER DATABASE {database} SET {setting}")
    owners.db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type ~ '^pg_cq' AND datname = current_database()")
    owners("mallory", "INSERT INTO s VALUES (1, 1)")
    owners.db.wait("v")
    assert owners("mallory", "TABLE v") == [(1,)]


def test_owners_cannot_make_up_states(owners):
    """Aggregates take back on trust what they have serialized, and the state table is the owner's to write to."""
    stream(owners)
    owners("mallory", "CREATE VIEW v WITH (continuous) AS SELECT k, avg(v::int8) AS a, avg(v::numeric) AS b FROM s GROUP BY k")
    owners("mallory", "INSERT INTO s VALUES (1, 1)")
    owners.db.wait("v")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owners("mallory", r"UPDATE _cq.v_state SET s1 = '\x00'")
    with pytest.raises(psycopg.errors.DatatypeMismatch):
        owners("mallory", r"UPDATE _cq.v_state SET s1 = '\x00'::bytea")
    # Another's can be put there, but is not taken.
    owners("mallory", "UPDATE _cq.v_state SET s1 = s2")
    with pytest.raises(psycopg.errors.DatatypeMismatch):
        owners("mallory", "TABLE v")
    owners("mallory", "INSERT INTO s VALUES (1, 1)")
    assert "another aggregate" in await_status(owners, "v", "failed")


# What somebody who may not read it could learn through a view, by way of the worker.
SECRETS = """
    CREATE TABLE secret (k int, hidden text, shown text, owner name);
    INSERT INTO secret VALUES (1, 'hidden', 'shown', 'mallory'), (1, 'other', 'shown', 'alice');
    CREATE VIEW secret_invoker WITH (security_invoker) AS SELECT * FROM secret;
    CREATE VIEW secret_definer AS SELECT k, shown FROM secret;
    CREATE FUNCTION tell() RETURNS text STABLE SECURITY DEFINER RETURN (SELECT max(hidden) FROM public.secret);
    REVOKE EXECUTE ON FUNCTION tell() FROM PUBLIC;
    GRANT SELECT ON secret_invoker, secret_definer TO mallory;
"""


def test_a_view_reads_what_its_owner_may_read(owners):
    stream(owners)
    db = owners.db
    db.execute(SECRETS)
    db.execute("GRANT SELECT (k, shown) ON secret TO mallory")

    def refused(query):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owners("mallory", f"CREATE VIEW v WITH (continuous) AS {query}")
    refused("SELECT s.k, count(hidden) FROM s JOIN secret USING (k) GROUP BY s.k")
    refused("SELECT k, count(*) FROM s WHERE k::text < tell() GROUP BY k")
    owners("mallory", "CREATE VIEW v WITH (continuous) AS SELECT shown, count(*) AS n FROM s JOIN secret USING (k) GROUP BY shown")
    owners("mallory", "CREATE VIEW d WITH (continuous) AS SELECT shown, count(*) AS n FROM s JOIN secret_definer USING (k) GROUP BY shown")
    owners("mallory", "INSERT INTO s VALUES (1, 1)")
    db.wait("v")
    db.wait("d")
    assert owners("mallory", "TABLE v") == owners("mallory", "TABLE d") == [("shown", 2)]
    # As of now, whatever there was at CREATE.
    db.execute("ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON secret USING (owner = current_user)")
    owners("mallory", "INSERT INTO s VALUES (1, 1)")
    db.wait("v")
    assert owners("mallory", "TABLE v") == [("shown", 3)]
    db.execute("REVOKE SELECT (k, shown) ON secret FROM mallory")
    owners("mallory", "INSERT INTO s VALUES (1, 1)")
    assert "permission denied for table secret" in await_status(owners, "v", "failed")
    assert owners("mallory", "TABLE v") == [("shown", 3)]
    db.execute("REVOKE SELECT ON secret_definer FROM mallory")
    owners("mallory", "INSERT INTO s VALUES (1, 1)")
    assert "permission denied for view secret_definer" in await_status(owners, "d", "failed")


@pytest.mark.parametrize("query", [
    "SELECT hidden, count(*) FROM s JOIN secret_invoker USING (k) GROUP BY hidden",
    "SELECT k, count(*) FROM s WHERE EXISTS (SELECT FROM secret WHERE hidden = 'hidden') GROUP BY k"])
def test_what_may_not_be_read_in_any_part_of_a_query(owners, query):
    """An ordinary view can be made, but not read; here it would never be maintained."""
    stream(owners)
    owners.db.execute(SECRETS)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="for table secret"):
        owners("mallory", f"CREATE VIEW v WITH (continuous) AS {query}")


def test_what_is_evaluated_when_the_view_is_read(owners):
    stream(owners)
    owners.db.execute(SECRETS)
    owners("mallory", "CREATE VIEW v WITH (continuous) AS SELECT tell() AS told, count(*) AS n FROM s")
    owners("mallory", "INSERT INTO s VALUES (1, 1)")
    owners.db.wait("v")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owners("mallory", "TABLE v")


def test_a_stream_that_may_no_longer_be_read(owners):
    stream(owners, "alice")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owners("mallory", "CREATE VIEW m WITH (continuous) AS SELECT count(*) FROM s")
    owners("alice", "GRANT SELECT (k) ON s TO mallory")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owners("mallory", "CREATE VIEW m WITH (continuous) AS SELECT max(v) FROM s")
    owners("mallory", "CREATE VIEW m WITH (continuous) AS SELECT max(k) AS max FROM s")
    owners("alice", "INSERT INTO s VALUES (1, 1)")
    owners.db.wait("m")
    owners("alice", "REVOKE SELECT (k) ON s FROM mallory")
    owners("alice", "INSERT INTO s VALUES (2, 2)")
    assert "permission denied" in await_status(owners, "m", "failed")
    assert owners("mallory", "TABLE m") == [(1,)]
    # Nor by another way.
    for statement in "TABLE s", "INSERT INTO s VALUES (3, 3)", "TRUNCATE s", "TABLE _cq.s_log", "INSERT INTO _cq.s_log (at) VALUES (now())", \
            "SELECT nextval('_cq.s_log_offset_seq')":
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owners("mallory", statement)


HOSTILE_NAMES = ('"', "a\nb", "a'b", "%s%n", "\\", "\u00e4" * 31, "x" * 63, "select", "$1", "a.b", "--", "/*", "_cq.view")


@pytest.mark.parametrize("hostile", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_names(owners, hostile):
    db = owners.db
    schema, stream = (sql.Identifier(hostile).as_string() for _ in range(2))
    stream, view, kept = (f"{schema}.{sql.Identifier(name).as_string()}" for name in (hostile, hostile[:-1] + "y", hostile[:-1] + "z"))
    column = sql.Identifier(hostile).as_string()

    def run(statement):
        return owners("mallory", sql.SQL(statement))
    db.execute(sql.SQL(f"CREATE SCHEMA {schema} AUTHORIZATION mallory"))
    run(f"CREATE FOREIGN TABLE {stream} ({column} int, v int) SERVER cq_log OPTIONS (retention '1 day')")
    run(f"CREATE VIEW {view} WITH (continuous) AS SELECT {column}, count(*) AS n FROM {stream} GROUP BY 1")
    run(f"CREATE VIEW {kept} WITH (continuous, retention = '1 us') AS SELECT {column} FROM {stream}")
    run(f"CREATE INDEX ON {view} ({column})")
    run(f"INSERT INTO {stream} VALUES (1, 1)")
    db.wait(view)
    db.wait(kept)
    assert run(f"TABLE {view}") == [(1, 1)]
    assert db.execute("SELECT _cq.expire_rows() < 2, _cq.log_trim()") == [(True, 0)]
    owners("mallory", "SELECT cq.reset(%s::regclass)", view)
    db.wait(view)
    assert run(f"TABLE {view}") == [(1, 1)]
    run(f"TRUNCATE {stream}")
    db.execute(sql.SQL(f"DROP SCHEMA {schema} CASCADE"))
    assert db.execute("SELECT relname FROM pg_class WHERE relnamespace = '_cq'::regnamespace AND relname ~ '_(log|state|definition)$'") == []
