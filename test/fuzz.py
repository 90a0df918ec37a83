"""Many random histories, or one again: make fuzz. See README.md."""

import json
import os
import time
from collections import Counter

import pytest

from history import run_history
from history_shrink import Shrink
from query_history import QueryHistory
from query_shrink import QueryShrink, as_script
from test_nodes import run_transfers, workers  # noqa: F401: a fixture

SEED = int(os.environ.get("FUZZ_SEED") or 1)
SECONDS = float(os.environ.get("FUZZ_SECONDS") or 0)
COMPARISONS = int(os.environ.get("FUZZ_COMPARISONS") or 0)
ROUNDS = int(os.environ.get("FUZZ_ROUNDS") or 15)
VIEWS = int(os.environ.get("FUZZ_VIEWS") or 100)
HISTORY = os.environ.get("FUZZ_HISTORY")
TRIES = int(os.environ.get("FUZZ_TRIES") or 3)
QUERIES = int(os.environ.get("FUZZ_QUERIES") or 0)
TRANSFERS = int(os.environ.get("FUZZ_TRANSFERS") or 0)


@pytest.mark.skipif(bool(HISTORY or QUERIES or TRANSFERS), reason="something else was asked for")
def test_fuzz(server, broker, name):
    """As many histories as it takes for so many comparisons, or as fit into the time."""
    began = time.monotonic()
    made = 0
    seed = SEED
    while (not COMPARISONS or made < COMPARISONS) and (
        not SECONDS or time.monotonic() - began < SECONDS
    ):
        made += run_history(server, broker, f"{name}_{seed}", seed, ROUNDS, VIEWS)
        seconds = time.monotonic() - began
        print(f"seeds {SEED} to {seed}: {made} comparisons in {seconds:.0f} s", flush=True)
        seed += 1


@pytest.mark.skipif(not HISTORY, reason="there is none to be repeated")
def test_repeat(server, broker, name):
    """A history that failed, with as few steps as it still fails with."""
    with open(HISTORY, encoding="utf-8") as file:
        history = json.load(file)
    shortest = os.path.join(
        os.environ.get("PG_CQ_REPORT", "/tmp"), f"history-{history['seed']}-short.json"
    )

    def save(kind, steps):
        with open(shortest, "w", encoding="utf-8") as file:
            json.dump({"seed": history["seed"], "kind": kind, "steps": steps}, file)

    failure = Shrink(server, broker, name, history, TRIES, SECONDS or 1800, save).run()
    if failure is not None:
        kind, steps = failure
        pytest.fail("\n".join([f"{kind}, {len(steps)} steps:", *map(json.dumps, steps)]))


@pytest.mark.skipif(not QUERIES, reason="FUZZ_QUERIES says how many")
def test_queries(server, broker, name):
    """Until so many queries were right, each in its history. What is not is shrunk, and told."""
    server.set(fsync="off")  # the machine does not fail, and there are many files
    right, unsettled, failures = 0, 0, 0
    refusals, accepted = Counter(), Counter()
    seed = SEED
    while right < QUERIES:
        history = QueryHistory(
            server, broker, f"{name}_{seed}", seed, queries=200, looks=3, keeps_on=True
        ).run()
        right += len(history.compared)
        unsettled += len(history.compared) if history.has_partitions else 0
        failures += len(history.failures)
        refusals.update(history.refusals)
        accepted.update(history.tags)
        print(
            f"seeds {SEED} to {seed}: {right} queries right, {unsettled} of them with several "
            f"partitions and a restart, {failures} wrong",
            flush=True,
        )
        for view, failure in history.failures:
            print(failure, flush=True)
            shrunk = QueryShrink(server, f"{name}_{seed}_{view}", history.steps, view).run()
            print("not found again" if shrunk is None else as_script(*shrunk, view), flush=True)
        seed += 1
    for title, counts in (("refused", refusals), ("accepted", accepted)):
        for what, count in counts.most_common():
            print(f"{title} {count:6} {what}")
    assert failures == 0


@pytest.mark.skipif(not TRANSFERS, reason="FUZZ_TRANSFERS says how many")
def test_transfers(server, broker, db, topic, workers):  # noqa: F811
    """So many between ten accounts; the server is killed now and then."""
    workers(2)
    views = ["balance", "total", "owned"]
    steps = max(TRANSFERS // 50000, 4)
    run_transfers(server, broker, db, topic, views, steps, TRANSFERS // steps, kills_server=True)
