"""An hour's worth of events through one worker leaves its memory as it was."""
import json
from pathlib import Path

import pytest

EVENTS = 3600 * 1000            # a thousand a second
ROUNDS = 10
MOST = 4                        # times as many, where it seems to grow
ALLOWED = 8 * 1024              # kB: what the allocator may do


def anonymous(pid):
    """kB of memory of its own; shared buffers do not count."""
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("RssAnon:"))


@pytest.fixture
def even_batches(server):
    """What a batch takes depends on its size, and that on how far the worker was behind."""
    server.set(cq__batch_rows=10000)
    yield
    server.set(cq__batch_rows=None)


def test_memory_is_flat(broker, even_batches, db, topic):
    name = topic(partitions=2)
    db.execute(f"CREATE FOREIGN TABLE s (id bigint, k int, name text, amount numeric) "
               f"SERVER kafka OPTIONS (topic '{name}', format 'json')")
    db.execute("CREATE CONTINUOUS VIEW by_k AS SELECT k, count(*), sum(amount), max(name) FROM s GROUP BY k")
    db.execute("CREATE CONTINUOUS VIEW by_name AS SELECT name, count(*), avg(amount) FROM s WHERE k <> 3 GROUP BY name")
    payloads = [json.dumps({"id": n, "k": n % 100, "name": f"name {n}", "amount": f"{n}.{n % 100:02}"}).encode()
                for n in range(1000)]

    def send(count):
        broker.produce(name, (payloads[n % 1000] for n in range(count)), partition=lambda value: value[6] % 2)
        for view in ("by_k", "by_name"):
            db.wait(view, 300)

    def go_on(rounds):
        """Sends so many; the memory after each."""
        sizes = []
        for _ in range(rounds):
            send(EVENTS // ROUNDS)
            sizes.append(anonymous(pid))
        return sizes

    def grows(sizes):
        """What leaks does so in each round, and never comes back.

        Messages that wait in the client's buffers come and go, and the allocator keeps their room:
        a step, now and then, where the worker was behind.
        """
        steps = sorted(later - earlier for earlier, later in zip(sizes, sizes[1:]))
        return steps[len(steps) // 2] * ROUNDS > ALLOWED and sizes[-1] > min(sizes) + ALLOWED

    send(EVENTS // ROUNDS)
    (pid,) = db.worker_pids()
    sizes = go_on(ROUNDS)
    while grows(sizes) and len(sizes) < ROUNDS * MOST:
        sizes += go_on(1)
    print(sizes, "kB")
    assert db.worker_pids() == [pid]
    assert db.value("SELECT sum(count) FROM by_k") == (len(sizes) + 1) * (EVENTS // ROUNDS)
    assert not grows(sizes)
    assert max(sizes) < 300 * 1024
