"""Requests by HTTP: how many one emitter makes in a second of a local server that answers at once."""

import asyncio
import threading
import time
from dataclasses import asdict, dataclass

ROWS = 20_000
AT_A_TIME = [1, 8, 32]
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Answering(asyncio.Protocol):
    """A connection that is kept: an answer for each request, by a function of its body."""

    def __init__(self, respond):
        self.respond = respond

    def connection_made(self, transport):
        self.transport, self.pending = transport, b""

    def data_received(self, data):
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end].lower()
            length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self.pending) < end + 4 + length:
                return
            body = self.pending[end + 4:end + 4 + length]
            self.pending = self.pending[end + 4 + length:]
            self.transport.write(self.respond(body))


def listen(respond=lambda body: RESPONSE):
    """Its port. On a thread of this process, which ends with it."""
    ports, listening = [], threading.Event()

    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Answering(respond), "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        listening.set()
        await server.serve_forever()
    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    listening.wait()
    return ports[0]


@dataclass
class Rate:
    at_a_time: int
    responses: str          # whether they are kept
    requests_per_second: float
    emitter_cores: float


def emitter_seconds(session):
    pid = session.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cq emitter' AND datname = current_database()")
    with open(f"/proc/{pid}/stat") as stat:
        user, system = stat.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100


def measure(session, port, at_a_time, responses):
    session.rows(f"""
        CREATE SERVER hook FOREIGN DATA WRAPPER cq_http OPTIONS (url 'http://127.0.0.1:{port}', concurrency '{at_a_time}');
        CREATE FOREIGN TABLE happening (id int, what text) SERVER cq_log;
        CREATE FOREIGN TABLE answer (request text, status int, body jsonb) SERVER cq_log;
        CREATE FOREIGN TABLE told (id int, what text) SERVER hook {"OPTIONS (responses 'answer')" if responses else ""};
        CREATE CONTINUOUS VIEW telling WITH (sink = 'told') AS SELECT id, what FROM happening;
        INSERT INTO happening VALUES (0, '');
        SELECT cq.wait('telling'), cq.flush('telling', '1 min')""")
    cpu = emitter_seconds(session)
    began = time.monotonic()
    session.rows(f"""
        INSERT INTO happening SELECT i, repeat('x', 200) FROM generate_series(1, {ROWS}) i;
        SELECT cq.wait('telling'), cq.flush('telling', '10 min')""")
    seconds = time.monotonic() - began
    cpu = emitter_seconds(session) - cpu
    session.rows("DROP SERVER hook CASCADE; DROP FOREIGN TABLE happening, answer CASCADE")
    return Rate(at_a_time, "kept" if responses else "", ROWS / seconds, cpu / seconds)


def run(ground):
    ground.pg_cq.prepare("requests", ground.generator.data_set(ground.settings.partitions, 0))
    port = listen()
    print(f"{ground.results.note}\n\n{'at a time':>10}{'responses':>12}{'requests/s':>12}{'cores':>8}", flush=True)
    measured = []
    for at_a_time in AT_A_TIME:
        for responses in (False, True):
            rate = measure(ground.server.session, port, at_a_time, responses)
            measured.append(rate)
            print(f"{rate.at_a_time:>10}{rate.responses:>12}{rate.requests_per_second:>12,.0f}{rate.emitter_cores:>8.2f}", flush=True)
    ground.results.write_rows("requests", [asdict(rate) for rate in measured])
    return 0
