"""A real broker that asks for TLS, certificates and passwords; a real registry behind nginx.

Run by `make test-tls`.
"""

import ctypes
import json
import re
import socket
import subprocess

import psycopg
import pytest
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from conftest import Broker, wait_until
from test_registry import certify

USER, PASSWORD = "reader", "a secret"
LISTENERS = {  # name: protocol, certificate
    "tls": ("SSL", "right"),
    "mutual": ("SSL", "right"),
    "expired": ("SSL", "expired"),
    "mismatch": ("SSL", "mismatch"),
    "sasl": ("SASL_PLAINTEXT", None),
    "both": ("SASL_SSL", "right"),
}
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
LOGIN = "org.apache.kafka.common.security"
MODULES = [
    ("plain", "plain.PlainLoginModule", f' user_{USER}="{PASSWORD}"'),
    ("scram-sha-256", "scram.ScramLoginModule", ""),
    ("scram-sha-512", "scram.ScramLoginModule", ""),
    (
        "oauthbearer",
        "oauthbearer.OAuthBearerLoginModule",
        ' unsecuredLoginStringClaim_sub="broker"',
    ),
]


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def certificates(directory):
    """Files of certificates and keys, by name: an authority's, others', and what it signed."""
    authority = certify(directory, "authority")
    return {
        "authority": authority,
        "other": certify(directory, "other"),
        "right": certify(directory, "right", authority),
        "expired": certify(directory, "expired", authority, days=-1),
        "mismatch": certify(directory, "mismatch", authority, alternative="IP:127.0.0.2"),
        "client": certify(directory, "client", authority),
        "six": certify(directory, "six", authority, alternative="IP:::1"),
    }


@pytest.fixture(scope="module")
def ports():
    return dict(zip(LISTENERS, free_ports(len(LISTENERS))))


@pytest.fixture(scope="module")
def secured(tmp_path_factory, certificates, ports):
    """A broker with a listener of each kind."""
    broker = Broker(tmp_path_factory.mktemp("secured"))
    broker.start()
    broker.stop()
    file = broker.directory / "server.properties"
    more = "".join(f",{name.upper()}://127.0.0.1:{port}" for name, port in ports.items())
    protocols = "".join(f",{name.upper()}:{protocol}" for name, (protocol, _) in LISTENERS.items())
    lines = [
        f"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}",
        f"sasl.enabled.mechanisms={','.join(MECHANISMS)}",
        "listener.name.mutual.ssl.client.auth=required",
    ]
    for name, (protocol, certificate) in LISTENERS.items():
        if certificate:
            store = broker.directory / f"{name}.pem"
            store.write_text(
                certificates[certificate][1].read_text() + certificates[certificate][0].read_text()
            )
            lines += [
                f"listener.name.{name}.ssl.keystore.type=PEM",
                f"listener.name.{name}.ssl.keystore.location={store}",
                f"listener.name.{name}.ssl.truststore.type=PEM",
                f"listener.name.{name}.ssl.truststore.location={certificates['authority'][0]}",
            ]
        if protocol.startswith("SASL"):
            lines += [
                f"listener.name.{name}.{mechanism}.sasl.jaas.config="
                f"{LOGIN}.{module} required{said};"
                for mechanism, module, said in MODULES
            ]
    text = re.sub("^((advertised[.])?listeners=.*)$", r"\1" + more, file.read_text(), flags=re.M)
    file.write_text(text + "\n".join(lines) + "\n")
    broker.start()
    for mechanism in ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512:
        change = UserScramCredentialUpsertion(
            USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode()
        )
        for done in broker.admin.alter_user_scram_credentials([change]).values():
            done.result(30)
    yield broker
    broker.stop()


@pytest.fixture
def broker(secured):
    """The tests' databases are about this one."""
    return secured


@pytest.fixture
def connect(db, secured, ports, certificates):
    """Makes a server for a listener, a mapping, and a stream; gives the stream's name."""
    made = []

    def make(topic, listener, trusted="authority", mapping=(), **options):
        name = f"s{len(made)}"
        made.append(name)
        protocol, _ = LISTENERS[listener]
        options = {"security.protocol": protocol.lower(), **options}
        if "SSL" in protocol and trusted:
            options["ssl.ca.pem"] = certificates[trusted][0].read_text()
        said = ", ".join(
            f'"{key}" {psycopg.sql.Literal(value).as_string(db.connection)}'
            for key, value in options.items()
        )
        db.execute(
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER cq_kafka "
            f"OPTIONS (bootstrap_servers '127.0.0.1:{ports[listener]}', "
            f"\"reconnect.backoff.max.ms\" '200', {said})"
        )
        if mapping:
            said = ", ".join(
                f'"{key}" {psycopg.sql.Literal(value).as_string(db.connection)}'
                for key, value in dict(mapping).items()
            )
            db.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name} OPTIONS ({said})")
        db.execute(
            f"CREATE FOREIGN TABLE {name} (id int) SERVER {name} "
            f"OPTIONS (topic '{topic}', \"message.timeout.ms\" '5000')"
        )
        return name

    return make


def works(db, stream):
    """In, out, and by a worker."""
    db.execute(f"INSERT INTO {stream} VALUES (1), (2)")
    assert db.execute(f"SELECT sum(id) FROM {stream}") == [(3,)]
    db.execute(f"CREATE CONTINUOUS VIEW v_{stream} AS SELECT count(*), sum(id) FROM {stream}")
    db.wait(f"v_{stream}")
    assert db.execute(f"TABLE v_{stream}") == [(2, 3)]


def fails(db, stream, reason):
    """With the reason, and without secrets: a SELECT; and a view, which does not stop."""
    with pytest.raises(psycopg.Error) as caught:
        db.execute(f"SELECT * FROM {stream}")
    assert re.search(reason, str(caught.value), re.I | re.S), caught.value
    db.execute(f"CREATE CONTINUOUS VIEW v_{stream} AS SELECT count(*), sum(id) FROM {stream}")

    def said():
        """Where somebody looks for it."""
        return str(
            db.execute("SELECT view, status, status_detail, last_error FROM cq.views")
            + db.execute(
                "SELECT state, last_error FROM cq.streams WHERE stream = %s::regclass", stream
            )
            + db.execute("SELECT last_error FROM cq.workers")
        )

    wait_until(lambda: re.search(reason, said(), re.I | re.S), f"{reason} is not said")
    assert PASSWORD not in str(caught.value) + said()


def test_tls(db, topic, connect):
    works(db, connect(topic(), "tls"))
    fails(db, connect(topic("_untrusted"), "tls", trusted="other"), "certificate")
    fails(db, connect(topic("_unknown"), "tls", trusted=None), "certificate")


@pytest.mark.parametrize("listener", ["expired", "mismatch"])
def test_certificate_of_the_broker(db, topic, connect, listener):
    fails(db, connect(topic(), listener), "certificate")


def test_certificate_of_ours(db, topic, connect, certificates):
    def pem(name):
        return {
            "ssl.certificate.pem": certificates[name][0].read_text(),
            "ssl.key.pem": certificates[name][1].read_text(),
        }

    works(db, connect(topic(), "mutual", mapping=pem("client")))
    fails(db, connect(topic("_without"), "mutual"), "certificate|handshake|disconnected")
    fails(
        db,
        connect(topic("_other"), "mutual", mapping=pem("other")),
        "certificate|handshake|disconnected",
    )


def library_version():
    """Of the librdkafka that the server has."""
    return ctypes.CDLL("librdkafka.so.1").rd_kafka_version()


@pytest.mark.parametrize("listener", ["sasl", "both"])
@pytest.mark.parametrize("mechanism", MECHANISMS[:3])
def test_password(db, topic, connect, listener, mechanism):
    right = {"sasl.username": USER, "sasl.password": PASSWORD}
    stream = connect(topic(), listener, mapping=right, **{"sasl.mechanisms": mechanism})
    if mechanism.startswith("SCRAM") and library_version() < 0x020601FF:
        # This broker refuses what such a version says.
        fails(db, stream, "librdkafka before 2.6.1")
        return
    works(db, stream)
    wrong = connect(
        topic("_wrong"),
        listener,
        mapping={**right, "sasl.password": "wrong"},
        **{"sasl.mechanisms": mechanism},
    )
    fails(db, wrong, "authentication")
    # Once it is mended all goes on by itself.
    db.execute(
        f"ALTER USER MAPPING FOR CURRENT_USER SERVER {wrong} "
        f"OPTIONS (SET \"sasl.password\" '{PASSWORD}')"
    )
    db.execute(f"INSERT INTO {wrong} VALUES (7)")
    db.wait(f"v_{wrong}")
    assert db.execute(f"TABLE v_{wrong}") == [(1, 7)]


def test_token(db, topic, connect):
    """Tokens of librdkafka's own making, which this broker believes."""
    works(
        db,
        connect(
            topic(),
            "both",
            mapping={"sasl.oauthbearer.config": f"principal={USER}"},
            **{"sasl.mechanisms": "OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt": "true"},
        ),
    )


# ---- a registry, and a destination of requests, behind nginx ----


@pytest.fixture
def nginx(tmp_path, certificates, registry):
    """Starts one that asks for what is said; gives its URL. It is in front of the registry, unless
    something is to be answered."""
    running = []

    def start(certificate="right", listen="127.0.0.1", answer=None, **asked):
        (port,) = free_ports(1)
        directory = tmp_path / f"nginx{len(running)}"
        directory.mkdir()
        directory.chmod(0o755)
        lines = [
            f"ssl_certificate {certificates[certificate][0]};",
            f"ssl_certificate_key {certificates[certificate][1]};",
        ]
        if "password" in asked:
            crypted = subprocess.run(
                ["openssl", "passwd", "-apr1", asked["password"]],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
            (directory / "users").write_text(f"{USER}:{crypted}")
            lines.append(f"auth_basic registry; auth_basic_user_file {directory}/users;")
        if "token" in asked:
            lines.append(f'if ($http_authorization != "Bearer {asked["token"]}") {{ return 401; }}')
        if asked.get("client"):
            lines.append(
                f"ssl_client_certificate {certificates['authority'][0]}; ssl_verify_client on;"
            )
        paths = "".join(
            f"{kind}_temp_path {directory};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        behind = registry.url.split("/apis")[0]
        does = f'return 200 "{answer}"' if answer else f"proxy_pass {behind}"
        lines.append(f"location / {{ {does}; }}")
        (directory / "nginx.conf").write_text(
            f"daemon off; pid {directory}/pid; error_log {directory}/log; events {{}} "
            f"http {{ access_log off; {paths} "
            f"server {{ listen {listen}:{port} ssl{' http2' if answer else ''}; "
            f"{' '.join(lines)} }} }}"
        )
        running.append(
            subprocess.Popen(
                ["/usr/sbin/nginx", "-e", f"{directory}/log", "-c", f"{directory}/nginx.conf"]
            )
        )
        path = "" if answer else f"/apis{registry.url.split('/apis')[1]}"
        url = f"https://{listen}:{port}{path}"

        def answers():
            with socket.socket(socket.AF_INET6 if ":" in listen else socket.AF_INET) as one:
                return one.connect_ex((listen.strip("[]"), port)) == 0

        wait_until(answers, f"nginx does not answer: {directory}")
        return url

    yield start
    for process in running:
        process.terminate()
        process.wait()


def test_registry(db, topic, registry, nginx, certificates):
    name = topic()
    schema = json.dumps({"type": "record", "name": "r", "fields": [{"name": "id", "type": "int"}]})
    SchemaRegistryClient({"url": registry.url}).register_schema(
        f"{name}-value", Schema(schema, "AVRO")
    )
    count = [0]

    def ask(url, trusted="authority", **mapping):
        count[0] += 1
        server = f"r{count[0]}"
        options = {
            "schema_registry": url,
            **({"schema_registry_ca": certificates[trusted][0].read_text()} if trusted else {}),
        }
        db.create_server(server, **options)
        if mapping:
            said = ", ".join(f"{key} '{value}'" for key, value in mapping.items())
            db.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {server} OPTIONS ({said})")
        db.execute(
            f"CREATE FOREIGN TABLE t{server} (id int) SERVER {server} "
            f"OPTIONS (topic '{name}', format 'avro')"
        )
        try:
            db.execute(f"INSERT INTO t{server} VALUES (1)")
            return db.value(f"SELECT count(*) > 0 FROM t{server}")
        except psycopg.Error as error:
            assert PASSWORD not in str(error)
            return str(error)

    url = nginx()
    assert ask(url) is True
    assert "certificate" in ask(url, trusted="other")
    assert "expired" in ask(nginx(certificate="expired"))
    assert "subject name" in ask(nginx(certificate="mismatch"))
    url = nginx(password=PASSWORD)
    assert ask(url, schema_registry_user=USER, schema_registry_password=PASSWORD) is True
    assert "401" in ask(url, schema_registry_user=USER, schema_registry_password="wrong")
    assert "401" in ask(url)
    url = nginx(token="a-token")
    assert ask(url, schema_registry_token="a-token") is True
    assert "401" in ask(url, schema_registry_token="another")
    url = nginx(client=True)
    certificate, key = (file.read_text() for file in certificates["client"])
    assert ask(url, schema_registry_certificate=certificate, schema_registry_key=key) is True
    assert isinstance(ask(url), str)


def test_requests(db, nginx, certificates):
    """By HTTP/2, with a certificate of ours, and over IPv6; what is not right waits."""
    db.execute("CREATE FOREIGN TABLE said (key jsonb, body jsonb) SERVER cq_log")
    db.execute("CREATE FOREIGN TABLE s (id int) SERVER cq_log")
    authority = certificates["authority"][0].read_text()
    certificate, key = (file.read_text() for file in certificates["client"])
    answer = "$server_protocol $ssl_client_verify"

    def send(name, url, with_certificate=True):
        db.execute(
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER cq_http "
            f"OPTIONS (url '{url}', authority '{authority}', breaker '0', backoff '10 ms', "
            "max_backoff '50 ms', attempts '1')"
        )
        if with_certificate:
            db.execute(
                f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name} "
                f"OPTIONS (certificate '{certificate}', certificate_key '{key}')"
            )
        db.execute(
            f"CREATE FOREIGN TABLE to_{name} (server text, id int) SERVER {name} "
            "OPTIONS (key 'server', responses 'said')"
        )
        db.execute(
            f"CREATE CONTINUOUS VIEW v_{name} WITH (sink = 'to_{name}') AS "
            f"SELECT '{name}' AS server, id FROM s"
        )

    def said(name):
        return db.execute("SELECT body #>> '{}' FROM said WHERE key ->> 'server' = %s", name)

    send("four", nginx(answer=answer, client=True))
    send("six", nginx(certificate="six", listen="[::1]", answer=answer, client=True))
    send("without", nginx(answer=answer, client=True), with_certificate=False)
    send("mismatch", nginx(certificate="mismatch", answer=answer))
    db.execute("INSERT INTO s VALUES (1)")
    for name in ("four", "six", "without"):
        db.wait(f"v_{name}")
        assert db.value("SELECT cq.flush(%s::regclass, '60 s')", f"v_{name}")
    assert said("four") == said("six") == [("HTTP/2.0 SUCCESS",)]
    assert "400" in str(said("without"))
    wait_until(
        lambda: "subject name" in str(db.execute("SELECT last_error FROM cq.sinks")),
        lambda: db.execute("TABLE cq.sinks"),
    )
    assert said("mismatch") == []
