"""Embeddings: how many of them come back in a second from a local server that answers at once."""

import json
import time
from dataclasses import asdict, dataclass

from harness.requests import emitter_seconds, listen

ROWS = 20_000
DIMENSIONS = 384
BATCHES = [1, 16, 64]
made = {}           # responses by how many embeddings they have


def respond(body):
    count = len(json.loads(body)["input"])
    if count not in made:
        embedding = [round((i * 7919 % 1000) / 1000 - 0.5, 6) for i in range(DIMENSIONS)]
        text = json.dumps({"data": [{"index": i, "embedding": embedding} for i in range(count)],
                           "usage": {"total_tokens": 8 * count}}).encode()
        made[count] = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
    return made[count]


@dataclass
class Rate:
    batch_size: int
    embeddings_per_second: float
    emitter_cores: float


def measure(session, port, batch_size):
    session.rows(f"""
        CREATE SERVER ai FOREIGN DATA WRAPPER cq_model OPTIONS (url 'http://127.0.0.1:{port}');
        CREATE FOREIGN TABLE happening (id int, what text) SERVER cq_log;
        CREATE FOREIGN TABLE embedded (id int, embedding real[]) SERVER cq_log;
        CREATE FOREIGN TABLE embedder (id int OPTIONS (part 'key'), what text,
          embedding real[] OPTIONS (part 'output')) SERVER ai OPTIONS (task 'embedding',
          model 'm', batch_size '{batch_size}', responses 'embedded');
        CREATE CONTINUOUS VIEW embedding WITH (sink = 'embedder') AS
          SELECT id, what FROM happening;
        INSERT INTO happening VALUES (0, '');
        SELECT cq.wait('embedding'), cq.flush('embedding', '1 min')""")
    cpu = emitter_seconds(session)
    began = time.monotonic()
    session.rows(f"""
        INSERT INTO happening SELECT i, i || repeat(' word', 40) FROM generate_series(1, {ROWS}) i;
        SELECT cq.wait('embedding'), cq.flush('embedding', '10 min')""")
    seconds = time.monotonic() - began
    cpu = emitter_seconds(session) - cpu
    session.rows("DROP SERVER ai CASCADE; DROP FOREIGN TABLE happening, embedded CASCADE")
    return Rate(batch_size, ROWS / seconds, cpu / seconds)


def run(ground):
    ground.pg_cq.prepare("embeddings", ground.generator.data_set(ground.settings.partitions, 0))
    port = listen(respond)
    print(f"{ground.results.note}\n\n{'batch':>8}{'embeddings/s':>14}{'cores':>8}", flush=True)
    measured = []
    for batch_size in BATCHES:
        rate = measure(ground.server.session, port, batch_size)
        measured.append(rate)
        print(f"{rate.batch_size:>8}{rate.embeddings_per_second:>14,.0f}{rate.emitter_cores:>8.2f}",
              flush=True)
    ground.results.write_rows("embeddings", [asdict(rate) for rate in measured])
    return 0
