"""Continuous views over continuous views: they agree in every snapshot, whoever is killed meanwhile."""
import random
import threading

import pytest

from conftest import Database, kill, wait_until
from test_nodes import BALANCE, transfers

# From streams up; above, each is its query over what others show.
BELOW = {
    "balance": BALANCE.format(transfer="transfer"),
    "given": "SELECT giver AS account, count(*) AS n, sum(amount) AS amount FROM transfer GROUP BY giver",
    "large": "SELECT id, giver AS account, amount FROM transfer WHERE amount > 90",
}
ABOVE = {
    "total": "SELECT sum(balance)::bigint AS total, count(*) AS accounts FROM balance",
    "owned": "SELECT owner, sum(balance)::bigint AS balance, count(*) AS n FROM balance "
             "LEFT JOIN owner_now USING (account) GROUP BY owner",
    "owing": "SELECT account, balance, g.n FROM balance JOIN given g USING (account) WHERE balance < 0",
    "share": "SELECT o.account, o.balance, t.accounts FROM owing o CROSS JOIN total t",
    "most": "SELECT account, n FROM given ORDER BY n DESC, account LIMIT 2",
    "top": "SELECT DISTINCT ON (account) l.account, l.id, l.amount, m.n FROM large l "
           "JOIN most m USING (account) ORDER BY account, l.amount DESC, l.id",
    "all_of_it": "SELECT s.account, s.balance, t.amount, o.n FROM share s "
                 "LEFT JOIN top t USING (account) LEFT JOIN owned o ON o.n > s.accounts / 3",
}
RISEN = ("SELECT r.account, r.n, b.balance, w.owner FROM rises r JOIN balance b USING (account) "
         "JOIN owner_now w USING (account)")


@pytest.fixture
def workers(server):
    yield lambda count: server.set(cq__workers=count)
    server.set(cq__workers=None)


def difference(view, query):
    return (f"SELECT '{view}' WHERE EXISTS ((TABLE {view} EXCEPT ALL ({query})) "
            f"UNION ALL (({query}) EXCEPT ALL TABLE {view}))")


def compare_until(server, database, done, wrong):
    """All that are above, in one snapshot."""
    query = " UNION ALL ".join(difference(view, query) for view, query in {**ABOVE, "risen": RISEN}.items())
    with server.connect(database) as reader:
        while not done.is_set():
            wrong += reader.execute(query).fetchall()
            wrong += reader.execute("SELECT total FROM total WHERE total <> 0").fetchall()


def make(db, topic, broker):
    transfer, owner = topic("transfer", partitions=3), topic("owner")
    db.execute("CREATE FOREIGN TABLE transfer (id bigint, giver int, taker int, amount int) "
               f"SERVER kafka OPTIONS (topic '{transfer}', format 'json')")
    db.execute("CREATE FOREIGN TABLE owner (account int, owner text) "
               f"SERVER kafka OPTIONS (topic '{owner}', format 'json')")
    broker.produce(owner, [{"account": account, "owner": "ab"[account % 2]} for account in range(8)])
    for view, query in {"owner_now": "SELECT account, owner FROM owner", **BELOW}.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
        db.wait(view)
    for view, query in ABOVE.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
    # Further down a chain, and on both sides of it.
    db.execute("CREATE CONTINUOUS VIEW told WITH (changes = 'told_changes') AS SELECT giver, max(amount) AS most "
               "FROM transfer GROUP BY giver")
    db.execute("CREATE CONTINUOUS VIEW rises AS SELECT (new).giver AS account, count(*) AS n FROM told_changes "
               "JOIN owner ON account = (new).giver GROUP BY 1")
    db.execute(f"CREATE CONTINUOUS VIEW risen AS {RISEN}")
    return transfer


def test_agreement(server, broker, db, topic, workers):
    """Diamonds over a topic of three partitions, two workers that are killed, views that stand still."""
    rng = random.Random(11)
    workers(2)
    transfer = make(db, topic, broker)
    done, wrong = threading.Event(), []
    reader = threading.Thread(target=compare_until, args=(server, db.name, done, wrong))
    reader.start()
    try:
        for step in range(6):
            broker.produce(transfer, transfers(rng, step * 100, 100),
                           partition=lambda value: value["id"] % 3)
            if step % 2 == 1:
                wait_until(db.worker_pids, "no worker")
                kill(rng.choice(db.worker_pids()), 15)
        for view in [*BELOW, *ABOVE, "risen"]:
            db.wait(view)
    finally:
        done.set()
        reader.join()
    assert wrong == []
    # The server, too: what was committed of one was so of all.
    broker.produce(transfer, transfers(rng, 1000, 200), partition=lambda value: value["id"] % 3)
    wait_until(lambda: db.value("SELECT count(*) FROM transfer WHERE id >= 1000") == 200, "not there")
    server.kill()
    server.start()
    db.close()
    for view, query in ABOVE.items():
        assert db.execute(difference(view, query)) == [], view
    for view in [*BELOW, *ABOVE]:
        db.wait(view)
    db.execute("SELECT cq.reset('large')")
    for view in [*BELOW, *ABOVE]:
        db.wait(view)
    for view, query in {**BELOW, **ABOVE, "risen": RISEN}.items():
        assert db.execute(difference(view, query)) == [], view
    assert db.value("SELECT count(*) FROM cq.views WHERE status NOT IN ('running', 'waiting') OR bad_rows > 0") == 0
    assert "deadlock" not in server.log()


def test_dump(server, log_db, tmp_path):
    """What views know of one another is restored with them, and they go on."""
    db, copy = log_db, Database(server, f"{log_db.name}_restored", None)
    over = {"b": "SELECT n, count(*) AS c FROM other.a GROUP BY n", "d": "SELECT a.k, b.c FROM other.a JOIN b USING (n)"}
    db.execute("CREATE FOREIGN TABLE s (k int) SERVER cq_log")
    db.execute("CREATE SCHEMA other")
    db.execute("CREATE CONTINUOUS VIEW other.a AS SELECT k, count(*) AS n FROM s GROUP BY k")
    for view, query in over.items():
        db.execute(f"CREATE CONTINUOUS VIEW {view} AS {query}")
    db.execute("INSERT INTO s SELECT i % 5 FROM generate_series(1, 17) AS i")
    db.wait("d")
    server.program("pg_dump", "-Fc", "-f", str(tmp_path / "dump"), db.name)
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{copy.name}"')
    try:
        server.program("pg_restore", "--exit-on-error", "-d", copy.name, str(tmp_path / "dump"))
        for view, query in over.items():
            assert copy.execute(difference(view, query)) == []
        copy.execute("SELECT cq.resume_all()")
        copy.execute("INSERT INTO s SELECT i % 3 FROM generate_series(1, 20) AS i")
        copy.wait("d")
        assert copy.value("SELECT sum(n) FROM other.a") == 37
        for view, query in over.items():
            assert copy.execute(difference(view, query)) == []
        with pytest.raises(Exception, match="other objects depend"):
            copy.execute("DROP VIEW other.a")
        copy.execute("DROP VIEW other.a CASCADE")
        assert copy.value("SELECT count(*) FROM _cq.part") == 0
    finally:
        copy.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')
