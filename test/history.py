"""Random histories: commands and disturbances while numbered messages flow. At each quiet point
everything is compared with its batch.

A history is a list of steps, each a name with what it needs, drawn by a seed from what there is at
the time (Draw) and carried out by World; so the same list can be carried out again, and parts of
it. Threads and processes do not repeat what they did: a seed gives the same commands, not the same
moments.
"""

import json
import os
import random
import time

from history_model import SHAPES, Failed
from history_quiet import SLOW
from history_world import OWNERS, SCHEMAS, World

DISTURBANCES = {
    "cancel": 6,
    "terminate": 6,
    "terminate_helpers": 3,
    "freeze": 3,
    "kill": 1.2,
    "kill_helper": 0.5,
    "stop_server": 0.7,
    "kill_broker": 0.3,
}


# Statements that change no answer. What they add and drop is in messages of topics, or null.
ALTERATIONS = [
    "ALTER TYPE pair DROP ATTRIBUTE IF EXISTS x, ADD ATTRIBUTE x int",
    "ALTER TYPE pair DROP ATTRIBUTE IF EXISTS x, ADD ATTRIBUTE x text",
    "ALTER TYPE pair DROP ATTRIBUTE IF EXISTS x",
    "ALTER TYPE pair DROP ATTRIBUTE IF EXISTS y, ADD ATTRIBUTE y text",
    "ALTER TYPE pair DROP ATTRIBUTE IF EXISTS y",
    "ALTER DOMAIN small DROP CONSTRAINT IF EXISTS most; "
    "ALTER DOMAIN small ADD CONSTRAINT most CHECK (VALUE < 1000) NOT VALID",
    "ALTER DOMAIN small DROP CONSTRAINT IF EXISTS most",
    "ALTER DOMAIN small SET DEFAULT 1",
    "ALTER FOREIGN TABLE {stream} ADD COLUMN IF NOT EXISTS extra int",
    "ALTER FOREIGN TABLE {stream} DROP COLUMN IF EXISTS extra",
]


class Draw:
    """Draws steps from what there is."""

    def __init__(self, world, seed, most_views, uses_defaults):
        self.world = world
        self.random = random.Random(seed)
        self.most_views = most_views
        self.uses_defaults = uses_defaults
        self.made = 0
        self.first_views = most_views // 2
        self.batch_rows = None

    def chance(self, probability):
        return self.random.random() < probability

    def name(self):
        self.made += 1
        return f"v{self.made}"

    def view(self):
        """One that nobody else is about to change, or None."""
        busy = self.world.open.names if self.world.open else ()
        names = [name for name in self.world.views if name not in busy]
        return self.world.views[self.random.choice(names)] if names else None

    def where(self):
        return self.random.choice(
            [
                "true",
                "true",
                f"id % {self.random.randint(2, 5)} > 0",
                f"v > {self.random.randint(-50, 30)}",
                f"k <> {self.random.randrange(7)}",
                "false",
            ]
        )

    def begin(self, stream):
        """Where a view begins: mostly at the earliest, else somewhere in what was there."""
        if self.chance(0.7):
            return {}
        return {
            str(partition): self.random.randint(0, end)
            for partition, end in sorted(self.world.ends(stream).items())
            if self.chance(0.8)
        }

    # ---- commands ----

    def create(self):
        feeders = [view for view in self.world.views.values() if view.feeds()]
        if feeders and self.chance(0.25):
            return self.create_follower(self.random.choice(feeders))
        stream = self.random.choice(list(self.world.streams.values()))
        shape = self.random.choice(list(SHAPES))
        about = SHAPES[shape]
        while stream.changes and (about.only_adds or about.fails):
            stream = self.random.choice(list(self.world.streams.values()))
        has_other = "{o}" in about.query
        begin = {} if has_other else self.begin(stream)
        what = {
            "name": self.name(),
            "shape": shape,
            "where": self.where(),
            "source": stream.name,
            "schema": self.random.choice(SCHEMAS),
            "owner": self.random.choice(OWNERS),
            "begin": begin,
            "start": json.dumps(begin) if begin else "earliest",
            "on_error": self.random.choice(["skip", "skip", "pause"]),
            "closes": about.end is not None and stream.is_timed() and self.chance(0.6),
        }
        if has_other:
            what["other"] = self.random.choice(list(self.world.streams))
        if not begin and self.chance(0.2):
            what["start"] = "latest"
        elif not begin and stream.is_timed() and self.chance(0.15):
            what["ago"] = round(self.random.uniform(0.5, 10), 1)
        if about.tells and not stream.changes and self.chance(0.6):
            adds = about.key is None or what["closes"]
            output = self.random.choice(
                ["changes", "log", "append"] if adds else ["changes", "table", "upsert"]
            )
            what.update(output=output, target=f"{what['name']}_out", schema="public")
        elif what["closes"] and shape in ("tumble", "cumulate"):
            what["amends"] = self.chance(0.4)
        self.retain(what, about, stream)
        self.delay(what, shape, stream)
        return ["create", what]

    def delay(self, what, shape, stream):
        """Which rows of which windows are late has to be known, whatever the batches were."""
        is_timed = what["closes"] or what.get("retention", {}).get("by") == "event_time"
        if stream.disordered and is_timed and shape not in ("tumble", "session", "kept"):
            what.pop("retention", None)
            what.update(closes=False, amends=False)
            if what.get("output") in ("log", "append"):
                what.update(output=None, target=None)
            return
        if is_timed and self.chance(0.4):
            what["delay"] = self.random.choice([0, 50, 1000])
        if what["closes"] and self.chance(0.3):
            what["lateness"] = self.random.choice([50, 700])

    def retain(self, what, about, stream):
        """Some forget what is too old, as long as what was told of them is known."""
        outputs = [None, "changes", "table"] if shape_tells_all(about) else [None]
        if stream.changes or what.get("output") not in outputs or not self.chance(0.5):
            return
        if what["closes"] or about.keeps == "windows":
            by = None if stream.overlaps else "event_time"
        elif about.keeps:
            by = "change" if stream.overlaps else self.random.choice(["event_time", "change"])
        else:
            by = None
        if by:
            what["retention"] = {"by": by, "seconds": self.seconds()}

    def seconds(self):
        return self.random.choice([1, 3, 5, 20])

    def create_follower(self, feeder):
        shape = "changes" if feeder.output == "changes" else "rows"
        return [
            "create",
            {
                "name": self.name(),
                "shape": shape,
                "where": "true",
                "source": feeder.target,
                "follows": feeder.target,
            },
        ]

    def command(self):
        view = self.view()
        if view is None:
            return self.create()
        kinds = ["pause", "resume", "resume"]
        if not view.follows:
            kinds += ["reset", "rename", "set_on_error", "drop"]
        if not view.follows and self.may_retain(view):
            kinds += ["set_retention"] * 2
        if not view.follows and view.output is None:
            kinds += ["set_schema", "set_owner", "replace"]
        kind = self.random.choice(kinds)
        return [kind, {"name": view.name, **self.arguments(kind, view)}]

    def may_retain(self, view):
        """What is late of windows is known where that was not changed."""
        if self.world.streams[view.source].changes:
            return False
        if view.retention and self.world.streams[view.source].disordered:
            return view.about().keeps != "windows" and not view.closes
        return view.retention or view.shape == "kept" and view.output is None

    def arguments(self, kind, view):
        if kind == "set_retention":
            return {"seconds": None if self.chance(0.2) else self.seconds()}
        if kind == "reset" and self.chance(0.2):
            return {"begin": "latest"}
        if kind == "reset" and view.other:
            return {"begin": {}}
        if kind == "reset":
            return {"begin": self.begin(self.world.streams[view.source])}
        if kind == "replace":
            # Another one, always: to replace a view by itself does nothing.
            return {"where": f"{self.where()} AND id > -{self.random.randint(1, 1000000)}"}
        if kind == "rename":
            return {"new": self.name()}
        if kind == "set_schema":
            return {"schema": self.random.choice(SCHEMAS)}
        if kind == "set_owner":
            return {"owner": self.random.choice(OWNERS)}
        if kind == "set_on_error":
            return {"on_error": self.random.choice(["skip", "pause"])}
        return {}

    def within(self):
        """A command in the transaction that is open, of those that do not need what others do."""
        if self.chance(0.3):
            return ["within", {"kind": self.random.choice(["savepoint", "rollback_to"])}]
        view = self.view()
        if view is None or view.follows:
            return ["within", {"kind": "savepoint"}]
        kind = self.random.choice(
            ["pause", "resume", "reset"] + (["replace", "drop"] if view.output is None else [])
        )
        return ["within", {"kind": kind, "name": view.name, **self.arguments(kind, view)}]

    # ---- what is going on besides ----

    def settings(self):
        """Batches are not so tiny that what is there already cannot be read again by new views."""
        there = sum(stream.next_id for stream in self.world.streams.values())
        least = 1 if there < 2000 else 7 if there < 6000 else 50
        sizes = [size for size in (1, 2, 7, 50) if size >= least] + [None]
        self.batch_rows = self.random.choice(sizes)
        return [
            "set",
            {"cq__batch_rows": self.batch_rows, "cq__workers": self.random.choice([1, 2, 3, None])},
        ]

    def flow(self):
        """No more than what batches of that size can take."""
        most = 100 * (self.batch_rows or 20)
        return [
            "flow",
            {
                "rates": {
                    stream.name: min(
                        most,
                        self.random.choice([0, 100, 500, 2000] if stream.topic else [0, 50, 200]),
                    )
                    for stream in self.world.streams.values()
                }
            },
        ]

    def disturbance(self):
        (kind,) = self.random.choices(list(DISTURBANCES), list(DISTURBANCES.values()))
        return [kind, {"seconds": 0.1} if kind == "freeze" else {}]

    def maintain(self):
        view = self.view()
        how = self.random.choice(["VACUUM FULL", "VACUUM FREEZE", "REINDEX TABLE", "ANALYZE"])
        return ["maintain", {"name": view.name, "how": how}] if view else self.wait(0.05)

    def alter(self):
        stream = self.random.choice(list(self.world.streams.values()))
        if self.chance(0.3):
            option, values = self.random.choice(
                [("max_event_lead", [None, "2 days"]), ("on_gap", [None, "skip", "pause"])]
                + ([('"fetch.wait.max.ms"', [None, "20", "50"])] if stream.topic else [])
            )
            value = self.random.choice(values)
            return ["set_option", {"stream": stream.name, "option": option, "value": value}]
        statement = self.random.choice(ALTERATIONS).format(stream=stream.name)
        return ["alter", {"statement": statement}]

    def wait(self, most):
        return ["wait", {"seconds": round(self.random.uniform(0, most), 3)}]

    def add_partition(self):
        grows = [
            stream
            for stream in self.world.streams.values()
            if stream.topic and stream.partitions < 4
        ]
        return (
            ["add_partition", {"stream": self.random.choice(grows).name}]
            if grows
            else self.wait(0.05)
        )

    def open_transaction(self):
        yield ["open", {}]
        for _ in range(self.random.randint(1, 4)):
            yield self.within()
        if self.chance(0.4):
            yield ["prepare", {}]
        yield self.wait(0.1)
        yield self.command()
        yield ["close", {"commits": self.chance(0.6)}]

    def round(self):
        """The steps to the next quiet point, each drawn when those before are carried out."""
        if not self.uses_defaults and self.chance(0.3):
            yield self.settings()
        yield self.flow()
        while len(self.world.views) < self.first_views:
            yield self.create()
        self.first_views = 0
        if self.chance(0.03):
            yield self.add_partition()
        for _ in range(self.random.randint(1, 4)):
            if self.chance(0.6):
                for _ in range(
                    min(self.random.randint(1, 4), self.most_views - len(self.world.views))
                ):
                    yield self.create()
            yield self.command()
            if self.chance(0.5):
                yield self.wait(0.08)
            if self.chance(0.12):
                yield self.disturbance()
            if self.chance(0.1):
                yield self.maintain()
            if self.chance(0.1):
                yield self.alter()
        if self.chance(0.3):
            yield from self.open_transaction()
        yield ["compare", {}]


def shape_tells_all(about):
    """Groups that do not come again once they are forgotten."""
    return about.keeps == "groups"


def carry_out(world, step):
    kind, arguments = step
    began = time.monotonic()
    getattr(world, f"do_{kind}")(**arguments)
    seconds = time.monotonic() - began
    if seconds > SLOW:
        print(
            f"{world.name}: {kind} took {seconds:.0f} s; views were there after {world.slowest} s",
            flush=True,
        )


def carry_out_all(server, broker, name, seed, steps, done=None):
    """In a fresh database. How many comparisons were made.

    steps(world, rng) gives them one by one; done is a list that gets those that were begun.
    """
    rng = random.Random(seed)
    partitions = (rng.randint(2, 4), rng.randint(1, 4))
    disordered = [random.Random(f"{seed} {stream}").random() < 0.5 for stream in range(2)]
    world = World(server, broker, name, seed, partitions, disordered)
    try:
        world.begin()
        for step in steps(world, rng):
            if done is not None:
                done.append(step)
            carry_out(world, step)
        print(
            f"{name}: {world.comparisons} comparisons, {world.forgetful} of views that had "
            f"forgotten something, {world.tolerated} commands gave way",
            flush=True,
        )
        return world.comparisons
    finally:
        world.end()
        server.set(cq__batch_rows=None, cq__workers=None)


def run_history(server, broker, name, seed, rounds, most_views):
    """Draws a history and carries it out. How many comparisons it made.

    Raises Failed, with what happened.
    """

    def steps(world, rng):
        draw = Draw(world, rng.random(), most_views, uses_defaults=rng.random() < 0.35)
        for _ in range(rounds):
            yield from draw.round()

    done = []
    try:
        return carry_out_all(server, broker, name, seed, steps, done)
    except Exception as error:
        path = os.path.join(os.environ.get("PG_CQ_REPORT", "/tmp"), f"history-{seed}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"seed": seed, "kind": kind_of(error), "steps": done}, file)
        recent = "\n".join(json.dumps(step) for step in done[-40:])
        raise Failed(
            "history",
            f"seed {seed}, {len(done)} steps, all of them in {path}; the last:\n{recent}\n"
            f"{kind_of(error)}: {error}",
        ) from error


def kind_of(error):
    return error.kind if isinstance(error, Failed) else type(error).__name__


def repeat(server, broker, name, history, steps):
    """Carries out some steps of a history. How it failed, and the steps that led there, or None."""
    done = []
    try:
        carry_out_all(server, broker, name, history["seed"], lambda world, rng: iter(steps), done)
        print(f"{len(steps)} steps pass", flush=True)
        return None
    except Exception as error:  # pylint: disable=broad-except
        print(f"{len(steps)} steps: {kind_of(error)}: {str(error)[:500]}", flush=True)
        return kind_of(error), done
