"""Requests by HTTP as a sink: what is sent, in which order, how often, and what is kept of the
answers."""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import subprocess
import threading
from collections import Counter, defaultdict

import psycopg
import pytest

from conftest import Database, kill, wait_until
from destinations import Destination, aws_lambda

FAST = {"timeout": "60 s", "backoff": "5 ms", "max_backoff": "20 ms", "breaker": "0"}


@pytest.fixture
def destination():
    made = []

    def make(answer=lambda request: (200, {}), **options):
        made.append(Destination(answer, **options))
        return made[-1]
    yield make
    for one in made:
        one.stop()


def create_server(db, url, name="hook", **options):
    options = {"url": url, **FAST, **options}
    db.execute(f"CREATE SERVER {name} FOREIGN DATA WRAPPER cq_http OPTIONS (" +
               ", ".join(f"{key} '{value}'" for key, value in options.items()) + ")")


def create_rows(db, columns="id int, device text, v int"):
    db.execute(f"CREATE FOREIGN TABLE s ({columns}) SERVER cq_log")


def flush(db, view="v"):
    db.wait(view)
    assert db.value("SELECT cq.flush(%s::regclass, interval '60 s')", view), \
        db.execute("TABLE cq.sinks")


def test_requests_and_responses(log_db, destination):
    db = log_db
    server = destination(lambda request: (201, {"got": request.json()["v"]}, {"X-Answer": "yes"}))
    create_server(db, server.url)
    create_rows(db)
    db.execute("CREATE FOREIGN TABLE answer (request text, key jsonb, status int, headers jsonb, body jsonb, duration interval, attempts int, error text) "
               "SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE out (id int OPTIONS (part 'path'), device text OPTIONS (part 'query', name 'from'), v int, "
               "trace text OPTIONS (part 'header', name 'X-Trace')) SERVER hook OPTIONS (path '/orders/{id}/done', key 'id', responses 'answer')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT id, device, v, 't' || id AS trace FROM s")
    db.execute("INSERT INTO s SELECT i, 'a b/' || i, i * 10 FROM generate_series(1, 100) i")
    flush(db)
    assert len(server.requests) == 100
    one = next(request for request in server.requests if request.path.startswith("/orders/7/"))
    assert (one.method, one.path, one.json(), one.headers["X-Trace"], one.headers["Content-Type"]) == \
        ("POST", "/orders/7/done?from=a%20b%2F7", {"v": 70}, "t7", "application/json")
    assert len({request.id for request in server.requests}) == 100
    rows = db.execute("SELECT (key ->> 'id')::int, status, headers ->> 'x-answer', body, attempts, error, duration > '0' FROM answer ORDER BY 1")
    assert rows == [(i, 201, "yes", {"got": i * 10}, 1, None, True) for i in range(1, 101)]


def test_repeats_refuses_and_strikes_out(log_db, destination):
    """What may pass is tried again with the same key, what will not is a dead letter; secrets are nowhere."""
    db = log_db
    secrets = ("tok-3ns", "h34der", "hm-ac")
    seen, lock = Counter(), threading.Lock()

    def answer(request):
        v = request.json()["v"]
        with lock:
            seen[v] += 1
            first = seen[v] == 1
        if v == 1:
            return (503, {}, {"Retry-After": "0"}) if first else (200, {})
        if v == 2:
            return 404, {"why": " ".join(secrets), "echo": dict(request.headers)}
        if v == 3:
            return 302, {}, {"Location": "http://127.0.0.1:1/"}
        if v == 4:
            return 500, {"always": True}
        if v == 5:
            return 200, b'"tok\\u002d3ns" no json'
        if v == 6:
            return 200, b'{"\\u0074ok-3ns": "h\\u00334der"}', {"X-Echo": request.headers["X-Secret"]}
        return 200, b"\xff\x00"
    server = destination(answer)
    create_server(db, server.url, attempts=3)
    db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (token 'tok-3ns', \"header.X-Secret\" 'h34der', hmac_key 'hm-ac')")
    create_rows(db)
    db.execute("CREATE FOREIGN TABLE answer (key jsonb, status int, headers jsonb, body jsonb, attempts int, error text) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE out (v int) SERVER hook OPTIONS (key 'v', responses 'answer')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT v FROM s")
    db.execute("INSERT INTO s SELECT i, '', i FROM generate_series(1, 7) i")
    flush(db)
    assert seen == {1: 2, 2: 1, 3: 1, 4: 3, 5: 1, 6: 1, 7: 1}
    assert all(request.headers["Authorization"] == "Bearer tok-3ns" and request.headers["X-Secret"] == "h34der" for request in server.requests)
    assert len({request.id for request in server.requests}) == 7
    assert db.execute("SELECT (key -> 'v')::int, status, attempts, error FROM answer ORDER BY 1") == [
        (1, 200, 2, None), (2, 404, 1, "status 404"), (3, 302, 1, "status 302, and redirects are not followed"),
        (4, 500, 3, "status 500"), (5, 200, 1, None), (6, 200, 1, None), (7, 200, 1, None)]
    assert db.execute("SELECT body FROM answer WHERE (key -> 'v')::int IN (6, 7) ORDER BY (key -> 'v')::int") == [({"***": "***"},), ("\\xff00",)]
    assert db.execute("SELECT convert_from(payload, 'UTF8')::json, topic, regexp_replace(message, ': {.*', '') FROM cq.errors ORDER BY \"offset\"") == [
        ({"v": 2}, f"POST {server.url}", "not delivered after 1 attempts: status 404"),
        ({"v": 3}, f"POST {server.url}", "not delivered after 1 attempts: status 302, and redirects are not followed"),
        ({"v": 4}, f"POST {server.url}", "not delivered after 3 attempts: status 500")]
    shown = str(db.execute("SELECT * FROM answer")) + str(db.execute("TABLE cq.errors")) + str(db.execute("TABLE cq.sinks")) + db.server.log()
    for secret in secrets:
        assert not [line for line in shown.splitlines() if secret in line and "CREATE USER MAPPING" not in line]


def test_said_again_in_other_words(log_db, destination):
    """A secret in bytes that are no text, where a body is cut, in capitals, in a header's name;
    values of one header are together."""
    db = log_db
    secret = "s3cr3t-0123456789abcdef"

    def answer(request):
        v = request.json()["v"]
        plain = secret.encode()
        said = {1: b"\x00" + plain, 2: b"\xff" + plain + b"\xff", 3: b"x" * 90 + plain + b"y",
                4: plain.upper(), 5: b"\xff" + plain, 6: b"{}"}[v]
        headers = {secret: "there", "X-Two": "a", "x-two": "\xff" + secret} if v == 6 else {}
        return 404 if v == 5 else 200, said, headers
    server = destination(answer)
    create_server(db, server.url)
    db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER hook "
               f"OPTIONS (\"header.X-Secret\" '{secret}')")
    create_rows(db)
    db.execute("CREATE FOREIGN TABLE answer (key jsonb, headers jsonb, body jsonb) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE out (v int) SERVER hook "
               "OPTIONS (key 'v', responses 'answer', max_response '100')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT v FROM s")
    db.execute("INSERT INTO s SELECT i, '', i FROM generate_series(1, 6) i")
    flush(db)
    assert db.execute("SELECT body FROM answer ORDER BY key -> 'v'") == [
        ("\\x002a2a2a",), ("\\xff2a2a2aff",), ("x" * 90 + "***",), ("***",), ("\\xff2a2a2a",),
        ({},)]
    assert db.value("SELECT headers - '{date,server,content-length}'::text[] FROM answer "
                    "WHERE key -> 'v' = '6'") == {"***": "there", "x-two": "a, \\xff2a2a2a"}
    assert db.execute("SELECT message FROM cq.errors") == [
        ("not delivered after 1 attempts: status 404: \\xff2a2a2a",)]


def test_what_the_server_cannot_write(server, name, destination):
    """A response with characters that the database's encoding has not is kept in hex, and holds up
    nothing."""
    with server.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{name}" ENCODING \'LATIN1\' TEMPLATE template0')
    db = Database(server, name, None)
    try:
        db.execute("CREATE EXTENSION pg_cq")
        there = destination(lambda request: (404, ["ä", "€"][request.json()["v"]].encode()))
        create_server(db, there.url)
        create_rows(db)
        db.execute("CREATE FOREIGN TABLE out (v int) SERVER hook")
        db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT v FROM s")
        db.execute("INSERT INTO s VALUES (0, '', 0), (1, '', 1)")
        flush(db)
        assert db.execute("SELECT message FROM cq.errors ORDER BY error_id") == [
            ("not delivered after 1 attempts: status 404: ä",),
            ("not delivered after 1 attempts: status 404: \\xe282ac",)]
        assert len(there.requests) == 2
    finally:
        db.close()
        with server.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def test_given_up_and_sent_again(log_db, destination):
    """What was given up goes once more, as it was or as it was mended, with a key of its own; not
    where order counts."""
    db = log_db
    up = threading.Event()
    server = destination(lambda request: (200 if up.is_set() else 404, {}))
    create_server(db, server.url + "/api")
    create_rows(db)
    db.execute("CREATE FOREIGN TABLE out (id int OPTIONS (part 'path'), v int, "
               "device text OPTIONS (part 'header', name 'X-Device')) SERVER hook "
               "OPTIONS (path '/x/{id}', key 'id')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT id, v, device FROM s")
    db.execute("INSERT INTO s SELECT i, 'd' || i, i * 10 FROM generate_series(1, 3) i")
    flush(db)
    first = list(server.requests)
    up.set()
    of_id = "convert_from(key, 'UTF8')::json ->> 'id' = %s"
    assert db.value("SELECT cq.retry_errors('v', %s)", of_id % "'1'") == 1
    db.execute(f"UPDATE cq.errors SET payload = %s WHERE {of_id}", b'{"v": 7}', "2")
    assert db.value("SELECT cq.retry_errors('v')") == 2
    flush(db)
    assert db.value("SELECT count(*) FROM cq.errors") == 0
    again = server.requests[3:]
    assert sorted((request.method, request.path, request.headers["X-Device"], request.json()["v"])
                  for request in again) == [
        ("POST", "/api/x/1", "d1", 10), ("POST", "/api/x/2", "d2", 7),
        ("POST", "/api/x/3", "d3", 30)]
    assert not {request.id for request in first} & {request.id for request in again}
    up.clear()
    db.execute("INSERT INTO s VALUES (4, 'd4', 40)")
    flush(db)
    db.execute("ALTER FOREIGN TABLE out OPTIONS (ADD mode 'upsert')")
    with pytest.raises(psycopg.Error, match="cannot be sent again"):
        db.execute("SELECT cq.retry_errors('v')")
    assert len(server.requests) == 7


def test_order_and_signatures(log_db, destination):
    """Rows of a key arrive in their order, whatever has to be repeated; each is signed as Standard Webhooks have it."""
    db = log_db
    tried, arrived, running, lock = Counter(), defaultdict(list), Counter(), threading.Lock()
    wrong = []

    def answer(request):
        row = request.json()
        signed = ".".join((request.headers["webhook-id"], request.headers["webhook-timestamp"], request.body.decode()))
        signature = "v1," + base64.b64encode(hmac.new(b"key", signed.encode(), hashlib.sha256).digest()).decode()
        with lock:
            running[row["device"]] += 1
            if signature != request.headers["webhook-signature"] or running[row["device"]] > 1 or request.id != request.headers["webhook-id"]:
                wrong.append((row, dict(request.headers), dict(running)))
            tried[row["id"]] += 1
            fails = tried[row["id"]] <= row["id"] * 7 % 3
            if not fails:
                arrived[row["device"]].append(row["id"])
            running[row["device"]] -= 1
        return (500 if fails else 204), b""
    server = destination(answer)
    create_server(db, server.url, concurrency=16)
    db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (hmac_key 'key')")
    create_rows(db)
    db.execute("CREATE FOREIGN TABLE out (id int, device text) SERVER hook OPTIONS (key 'device', ordered 'true')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT id, device FROM s")
    db.execute("INSERT INTO s SELECT i, 'd' || i % 10, 0 FROM generate_series(1, 200) i")
    flush(db)
    assert not wrong
    assert arrived == {f"d{k}": [i for i in range(1, 201) if i % 10 == k] for k in range(10)}


def test_hostile_answers(log_db):
    """Garbage, half a body, a body without an end, and no answer at all hold up nothing but themselves."""
    db = log_db
    listener = socket.create_server(("127.0.0.1", 0))
    counts, lock, ending = Counter(), threading.Lock(), threading.Event()

    def serve(connection):
        with connection:
            try:
                connection.settimeout(30)
                data = b""
                while b"\r\n\r\n" not in data or not data.endswith(b"}"):
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                v = json.loads(data.split(b"\r\n\r\n", 1)[1])["v"]
                with lock:
                    counts[v] += 1
                    first = counts[v] == 1
                if not first and v != 2:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                elif v == 1:
                    connection.sendall(b"\x00\x01\x02 SSH-2.0 what\r\n\r\n" * 100)
                elif v == 2:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
                    for _ in range(10000):
                        connection.sendall(b"x" * 1000000)
                elif v == 3:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                elif v == 4:
                    ending.wait(60)
                elif v == 5:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-Y: " + b"y" * 5000000)
            except OSError:
                pass

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    create_server(db, f"http://127.0.0.1:{listener.getsockname()[1]}", timeout="3 s", attempts=0)
    create_rows(db)
    db.execute("CREATE FOREIGN TABLE answer (key jsonb, status int, body jsonb) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE out (v int) SERVER hook OPTIONS (key 'v', responses 'answer', max_response '1000')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT v FROM s")
    db.execute("INSERT INTO s SELECT i, '', i FROM generate_series(1, 6) i")
    flush(db)
    ending.set()
    listener.close()
    assert db.execute("SELECT (key -> 'v')::int, status, length(body #>> '{}') FROM answer ORDER BY 1") == [
        (1, 200, None), (2, 200, 1000), (3, 200, None), (4, 200, None), (5, 200, None), (6, 200, None)]


def test_only_where_it_is_allowed(log_db, destination):
    """Where somebody else than a superuser has said where to, only what the setting lists is connected to."""
    db = log_db
    server = destination()
    db.execute("CREATE ROLE http_owner LOGIN")
    try:
        db.execute("GRANT USAGE ON FOREIGN DATA WRAPPER cq_http TO http_owner")
        db.execute("GRANT USAGE ON FOREIGN SERVER cq_log TO http_owner")
        db.execute(f'GRANT CREATE ON DATABASE "{db.name}" TO http_owner')
        db.execute("CREATE SCHEMA theirs AUTHORIZATION http_owner")
        db.execute("SET ROLE http_owner")
        db.execute("SET search_path = theirs")
        create_server(db, server.url)
        create_rows(db)
        db.execute("CREATE FOREIGN TABLE out (v int) SERVER hook")
        db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT v FROM s")
        db.execute("INSERT INTO s VALUES (1, '', 1)")
        db.wait("v")
        wait_until(lambda: "the setting cq.http_allowed" in str(db.value("SELECT last_error FROM cq.sinks")), lambda: db.execute("TABLE cq.sinks"))
        assert not server.requests
        db.server.set(cq__http_allowed="127.0.0.1")
        flush(db)
        assert [request.json() for request in server.requests] == [{"v": 1}]
    finally:
        db.server.set(cq__http_allowed=None)
        db.execute("RESET ROLE")
        db.execute("DROP OWNED BY http_owner CASCADE")
        db.execute("DROP ROLE http_owner")


def test_what_never_arrives(log_db, destination, tmp_path):
    """A port that is none, nobody who answers, a certificate of somebody else: rows wait until it
    is mended, however few attempts they have."""
    db = log_db
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                    "-keyout", key, "-out", certificate, "-utf8", "-subj",
                    "/CN=a" + "\U0001f512" * 63], check=True, stderr=subprocess.DEVNULL)
    another = destination(certificate=(certificate, key))
    server = destination()
    with (socket.create_server(("127.0.0.1", 0), backlog=0) as full,
          contextlib.ExitStack() as waiting):
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        create_server(db, "http://127.0.0.1:99999", attempts=1, connect_timeout="100 ms",
                      breaker=1, breaker_pause="10 ms")
        create_rows(db)
        db.execute("CREATE FOREIGN TABLE out (v int) SERVER hook")
        db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT v FROM s")
        db.execute("INSERT INTO s SELECT i, '', i FROM generate_series(1, 5) i")
        nobody = f"http://127.0.0.1:{full.getsockname()[1]}"
        for options, reason in (("SET url 'http://127.0.0.1:99999'", "URL"),
                                (f"SET url '{nobody}'", "[Tt]imeout|timed out"),
                                (f"SET url '{another.url}'", "self.signed certificate"),
                                (f"ADD authority '{certificate.read_text()}'", "name 'a")):
            db.execute(f"ALTER SERVER hook OPTIONS ({options})")
            wait_until(lambda: db.value("SELECT last_error ~ %s FROM cq.sinks", reason),
                       lambda: (reason, db.execute("TABLE cq.sinks")))
    db.execute(f"ALTER SERVER hook OPTIONS (DROP authority, SET url '{server.url}')")
    flush(db)
    assert sorted(request.json()["v"] for request in server.requests) == [1, 2, 3, 4, 5]
    assert not another.requests
    assert db.value("SELECT count(*) FROM cq.errors") == 0


def test_breaker_and_others(log_db, destination):
    """A destination that is down is left alone for a while, says so in cq.sinks, and holds up no other."""
    db = log_db
    up, hangs = threading.Event(), threading.Event()

    def answer(request):
        if request.path == "/hangs":
            hangs.wait(60)
        return (200 if up.is_set() or request.path != "/down" else 503), {}
    server = destination(answer)
    create_server(db, server.url, breaker=3, breaker_pause="100 ms", attempts=0)
    create_server(db, server.url, name="slow", timeout="1 min")
    create_rows(db)
    for name, place in (("down", "hook"), ("fine", "hook"), ("hangs", "slow")):
        db.execute(f"CREATE FOREIGN TABLE to_{name} (v int) SERVER {place} OPTIONS (path '/{name}')")
        db.execute(f"CREATE CONTINUOUS VIEW v_{name} WITH (sink = 'to_{name}') AS SELECT v FROM s")
    db.execute("INSERT INTO s SELECT i, '', i FROM generate_series(1, 20) i")
    flush(db, "v_fine")
    wait_until(lambda: "since 3 requests in a row have failed" in str(db.value("SELECT last_error FROM cq.sinks WHERE sink = 'to_down'::regclass")),
               lambda: db.execute("TABLE cq.sinks"))
    assert db.value("SELECT state FROM cq.sinks WHERE sink = 'to_down'::regclass") == "down"
    # Another row passes by those that hang.
    db.execute("INSERT INTO s VALUES (21, '', 21)")
    flush(db, "v_fine")
    db.wait("v_down")
    db.wait("v_hangs")
    assert db.execute("SELECT pending_rows FROM cq.sinks WHERE sink IN ('to_down'::regclass, 'to_hangs'::regclass)") == [(21,), (21,)]
    up.set()
    hangs.set()
    flush(db, "v_down")
    flush(db, "v_hangs")
    for path in ("/down", "/hangs", "/fine"):
        # Once it is up each has been answered well, whatever came before.
        assert {request.json()["v"] for request in server.requests if request.path == path} == set(range(1, 22))


def end_emitter(db, number):
    (pid,) = db.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq emitter' "
                        "AND datname = current_database()")[0]
    kill(pid, number)
    # A server that has lost a process so starts again.
    wait_until(lambda: is_served_by_another(db, pid), "the server does not come back")


def kill_server(db):
    db.server.kill()
    db.server.start()
    db.close()
    wait_until(lambda: is_served_by_another(db, 0), "the server does not come back")


ENDS = [lambda db: end_emitter(db, signal.SIGTERM), lambda db: end_emitter(db, signal.SIGKILL),
        kill_server]


def test_kill_9(log_db, destination):
    """Whatever ends the emitter, or all of the server, whenever: every row arrives, and what comes
    again has the key that it had. HTTP_KILLS says how often."""
    db = log_db
    server = destination(lambda request: (200, {}))
    create_server(db, server.url, connect_timeout="5 s")
    create_rows(db)
    db.execute("CREATE FOREIGN TABLE answer (request text, status int) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE out (id int) SERVER hook OPTIONS (responses 'answer')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT id FROM s")
    rng = random.Random(5)
    kills = int(os.environ.get("HTTP_KILLS", 3))
    sent = 300 * kills
    for number in range(kills):
        target = len(server.requests) + rng.randrange(1, 250)
        db.execute("INSERT INTO s SELECT i, '', 0 FROM generate_series(%s::int + 1, %s + 300) i",
                   number * 300, number * 300)
        wait_until(lambda: len(server.requests) >= target, "nothing is sent")
        ENDS[number % len(ENDS)](db)
    db.wait("v")
    assert db.value("SELECT cq.flush('v', '10 min')"), db.execute("TABLE cq.sinks")
    ids = defaultdict(set)
    for request in server.requests:
        ids[request.json()["id"]].add(request.id)
    assert set(ids) == set(range(1, sent + 1))
    assert all(len(keys) == 1 for keys in ids.values())
    assert len(set().union(*ids.values())) == sent
    assert db.execute("SELECT count(*), count(DISTINCT request) FROM answer WHERE status = 200") \
        == [(sent, sent)]
    print(f"{kills} kills, {len(server.requests) - sent} of {sent} rows were sent again")


def is_served_by_another(db, before):
    try:
        return db.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_cq emitter' AND datname = current_database() AND pid <> %s", before) == 1
    except psycopg.Error:
        db.close()
        return False


def test_signed_as_aws_does(log_db):
    """A function is invoked by a signed request; one that is signed by another secret is a dead letter."""
    db = log_db
    function = aws_lambda("s3cret")
    try:
        create_server(db, function.url, sigv4="eu-west-1/lambda")
        create_rows(db)
        db.execute("CREATE FOREIGN TABLE answer (status int, body jsonb) SERVER cq_log")
        db.execute("CREATE FOREIGN TABLE out (id int, device text, x text OPTIONS (part 'header', name 'X-Amz-Client-Context')) SERVER hook "
                   "OPTIONS (path '/2015-03-31/functions/alert/invocations', responses 'answer')")
        db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (user 'AKID', password 's3cret', \"header.X-Amz-Security-Token\" 'token')")
        db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT id, device, 'a  b' AS x FROM s")
        db.execute("INSERT INTO s VALUES (1, 'ä', 0)")
        flush(db)
        assert db.execute("SELECT * FROM answer") == [(200, {"function": "alert", "event": {"id": 1, "device": "ä"}})]
        db.execute("ALTER USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (SET password 'other')")
        wait_until(lambda: invoke(db, 2), "the other secret is not taken")
        assert function.requests[-1].json()["device"] == "again"
    finally:
        function.stop()


def invoke(db, id):
    """With the options as they are now, or were a moment ago. True once one was refused."""
    db.execute("INSERT INTO s VALUES (%s, 'again', 0)", id)
    flush(db)
    return db.value("SELECT count(*) FROM cq.errors WHERE message LIKE 'not delivered after 1 attempts: status 403%%'") > 0


def test_what_is_written_by_hand_or_not_taken(log_db, destination):
    """An outbox that its owner has written to leads nowhere else; a stream that refuses a response holds up nothing; a view can read responses."""
    db = log_db
    server = destination(lambda request: (200, request.json()))
    create_server(db, server.url, concurrency=1)
    create_rows(db)
    db.execute("CREATE FOREIGN TABLE answer (key jsonb, status int, body jsonb, error text) SERVER cq_log")
    db.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$")
    db.execute("CREATE TRIGGER refuse BEFORE INSERT ON answer FOR EACH ROW WHEN (NEW.body ->> 'v' = '2') EXECUTE FUNCTION refuse()")
    db.execute("CREATE FOREIGN TABLE out (v int) SERVER hook OPTIONS (key 'v', responses 'answer')")
    db.execute("CREATE CONTINUOUS VIEW v WITH (sink = 'out') AS SELECT v FROM s")
    db.execute("CREATE CONTINUOUS VIEW answers AS SELECT status, count(*) AS n FROM answer GROUP BY status")
    db.execute("INSERT INTO s SELECT i, '', i FROM generate_series(1, 3) i")
    flush(db)
    db.execute(f"""
        WITH e AS (UPDATE _cq.outbox_end SET next_id = next_id + 5 WHERE view = 'v'::regclass RETURNING next_id - 5 AS first)
        INSERT INTO {db.part("v", "outbox")} (id, topic, headers) SELECT first + i, topic, headers::jsonb FROM e, (VALUES
            (0, 'POST @127.0.0.2/', NULL), (1, 'POST /%2e./x', NULL), (2, 'BREW /', NULL), (3, NULL, NULL),
            (4, 'POST /', '{{"A": "b\\r\\nHost: 127.0.0.2"}}')) AS x(i, topic, headers)""")
    db.execute("SELECT _cq.wake_emitter()")
    flush(db)
    assert [request.json() for request in server.requests] == [{"v": 1}, {"v": 2}, {"v": 3}]
    assert [message for (message,) in db.execute("SELECT message FROM cq.errors ORDER BY error_id")] == [
        "the response could not be kept: not this one",
        "not delivered after 0 attempts: it has no path that is one", "not delivered after 0 attempts: it has no path that is one",
        "not delivered after 0 attempts: it has no method that is allowed", "not delivered after 0 attempts: it has no method and path",
        "not delivered after 0 attempts: a header has what no header may have"]
    db.wait("answers")
    assert db.execute("SELECT * FROM answers ORDER BY 1") == [(200, 2), (None, 5)]
