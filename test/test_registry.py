"""Who may ask which schema registry, and as whom."""
import base64
import subprocess

import pytest
from registry import Stub, schemas
from test_avro import EVENT, create, event, stub, use  # noqa: F401: a fixture


@pytest.fixture
def low(db):
    """A role that may make servers of the wrapper, and is no superuser."""
    db.execute("CREATE ROLE low; GRANT USAGE ON FOREIGN DATA WRAPPER cq_kafka TO low; GRANT CREATE ON SCHEMA public TO low")
    yield "low"
    db.execute("RESET ROLE; DROP OWNED BY low; DROP ROLE low")
    db.server.set(cq__http_allowed=None)


def allow(db, what):
    db.server.set(cq__http_allowed=what)
    db.close()                      # a new connection has it for certain


def test_where_others_may_lead(db, broker, topic, stub, low):
    """An owner who is no superuser gets to no address but those listed, however it is written."""
    name = topic()
    broker.produce(name, [event("a", 1)])
    registry = stub(schemas({1: EVENT}))

    def ask(url):
        """The rows, or what is said."""
        db.execute("SET ROLE low")
        use(db, url, name="mine")
        create(db, name, "k text, n int", server="mine")
        try:
            return db.execute("TABLE s")
        except Exception as error:
            return str(error)
        finally:
            db.execute("DROP SERVER mine CASCADE; RESET ROLE")
    forms = [f"http://{host}:{registry.port}" for host in
             ("127.0.0.1", "localhost", "0.0.0.0", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "[::1]", "[::]")]
    for form in forms:
        assert "only a superuser's server may say where to connect" in ask(form), form
    for allowed in ("registry.example", "10.0.0.0/8, 192.168.1.1", "127.0.0.2/32", "::/0"):
        allow(db, allowed)
        for form in forms if allowed != "::/0" else []:
            assert "cq.http_allowed does not list its address" in ask(form), (allowed, form)
    # A name that is listed, and leads to this machine: only "localhost" says that this is meant.
    allow(db, "ip6-localhost, 127.0.0.1.example")
    assert "does not list" in ask(f"http://ip6-localhost:{registry.port}") or "resolve" in ask(f"http://ip6-localhost:{registry.port}")
    assert registry.asked == []
    for allowed in ("127.0.0.1", "127.0.0.0/8", "x, 127.0.0.1 y"):
        allow(db, allowed)
        assert ask(registry.url) == [("a", 1)], allowed
    allow(db, "localhost")
    assert ask(f"http://localhost:{registry.port}") == [("a", 1)]
    # A superuser's server may lead anywhere.
    allow(db, "")
    use(db, registry.url)
    db.execute("GRANT USAGE ON FOREIGN SERVER registered TO low; SET ROLE low")
    create(db, name, "k text, n int")
    assert db.execute("TABLE s") == [("a", 1)]
    # What leads elsewhere is its owner's.
    with pytest.raises(Exception, match="must be owner"):
        db.execute("ALTER SERVER registered OPTIONS (SET schema_registry 'http://127.0.0.1:1')")
    with pytest.raises(Exception, match="cannot be set here"):
        db.execute(f"ALTER FOREIGN TABLE s OPTIONS (ADD schema_registry '{registry.url}')")


def test_credentials(db, broker, topic, stub):
    """They are the user mapping's, and go to no one else."""
    name = topic()
    broker.produce(name, [event("a", 1)])
    wanted = {}

    def answer(request):
        if request.headers.get("Authorization") != wanted["header"]:
            return 401, {"error_code": 401, "message": "Unauthorized"}
        return schemas({1: EVENT})(request)
    registry = stub(answer)
    use(db, registry.url)
    create(db, name, "k text, n int")
    wanted["header"] = "Basic " + base64.b64encode("me:päss:word".encode()).decode()
    with pytest.raises(Exception) as error:
        db.execute("TABLE s")
    assert "HTTP status 401: Unauthorized" in str(error.value)
    db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER registered OPTIONS (schema_registry_user 'me', schema_registry_password 'päss:word')")
    assert db.execute("TABLE s") == [("a", 1)]
    wanted["header"] = "Bearer abc.def"
    db.execute("DROP USER MAPPING FOR CURRENT_USER SERVER registered")
    db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER registered OPTIONS (schema_registry_token 'wrong')")
    with pytest.raises(Exception) as error:
        db.execute("TABLE s")
    assert "401" in str(error.value) and "wrong" not in str(error.value)
    db.execute("ALTER USER MAPPING FOR CURRENT_USER SERVER registered OPTIONS (SET schema_registry_token 'abc.def')")
    assert db.execute("TABLE s") == [("a", 1)]
    # A view's worker has the same.
    db.execute("CREATE CONTINUOUS VIEW v AS SELECT k, sum(n) FROM s GROUP BY k")
    db.wait("v")
    assert db.execute("TABLE v") == [("a", 1)]
    # Whoever is led elsewhere does not bring them there.
    thief = stub(schemas({1: EVENT}))
    registry.answer = lambda request: (307, b"", {"Location": thief.url + request.path})
    use(db, registry.url + "/moved", name="moved")
    db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER moved OPTIONS (schema_registry_token 'abc.def')")
    create(db, name, "k text, n int", server="moved", table="m")
    with pytest.raises(Exception, match="could not read"):
        db.execute("TABLE m")
    assert thief.asked == []


def certify(directory, name, issuer=None, days=1, alternative="IP:127.0.0.1"):
    """A certificate, of itself or of an issuer; the names of its file and of its key's."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if issuer is None:
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", 1, "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:true")
        return certificate, key
    request, extensions = directory / f"{name}.csr", directory / f"{name}.ext"
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    extensions.write_text(f"subjectAltName={alternative}\n")
    openssl("x509", "-req", "-in", request, "-CA", issuer[0], "-CAkey", issuer[1], "-CAcreateserial", "-out", certificate, "-days", days,
            "-extfile", extensions)
    return certificate, key


def test_tls(db, broker, topic, stub, tmp_path):
    """The registry's certificate is checked, and ours is shown."""
    name = topic()
    broker.produce(name, [event("a", 1)])
    authority = certify(tmp_path, "authority")
    other = certify(tmp_path, "other")
    client = certify(tmp_path, "client", authority)
    answer = schemas({1: EVENT})
    count = [0]

    def ask(registry, trusted=authority, mapping=None):
        count[0] += 1
        server, table = f"tls{count[0]}", f"t{count[0]}"
        use(db, registry.url, name=server, **({"schema_registry_ca": trusted[0].read_text()} if trusted else {}))
        if mapping:
            db.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {server} OPTIONS (schema_registry_certificate '{mapping[0].read_text()}', "
                       f"schema_registry_key '{mapping[1].read_text()}')")
        create(db, name, "k text, n int", server=server, table=table)
        try:
            return db.execute(f"TABLE {table}")
        except Exception as error:
            return str(error)
    right = stub(answer, certificate=certify(tmp_path, "right", authority))
    assert ask(right) == [("a", 1)]
    for trusted in (None, other):
        assert "certificate" in ask(right, trusted=trusted)

    mismatch = ask(stub(answer, certificate=certify(tmp_path, "mismatch", authority, alternative="IP:127.0.0.2")))
    assert "subject name" in mismatch, mismatch
    expired = ask(stub(answer, certificate=certify(tmp_path, "expired", authority, days=-1)))
    assert "expired" in expired, expired
    strict = stub(answer, certificate=certify(tmp_path, "strict", authority), authority=authority[0])
    assert isinstance(ask(strict), str)
    assert ask(strict, mapping=client) == [("a", 1)]
    assert isinstance(ask(strict, mapping=other), str)
