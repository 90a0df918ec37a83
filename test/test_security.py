"""Owners of streams and views against the superuser, against one another, and against the workers."""
import psycopg
import pytest

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
