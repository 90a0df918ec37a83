"""Of a history that failed, fewer steps that fail in the same way.

What is about one view is left out first, by halves of the views, then any other steps. What failed
once may need several tries, and time, since threads and processes do not repeat what they did.
"""

import time

from history import repeat

FIRST_TRIES = 5  # times as many as later: without one there is nothing to be done
# What comes rarely comes in one of these rounds.
MORE = [["wait", {"seconds": 0.2}], ["compare", {}]] * 10


class Shrink:
    """save: gets what is the shortest so far, each time that there is something shorter."""

    def __init__(self, server, broker, name, history, tries, seconds, save):
        self.server = server
        self.broker = broker
        self.name = name
        self.history = history
        self.tries = tries
        self.end = time.monotonic() + seconds
        self.save = save
        self.made = 0
        self.kind = None
        self.steps = history["steps"]

    def run(self):
        """The kind of the failure and the steps, without MORE; None where it does not fail."""
        if not any(self.fails(self.steps) for _ in range(FIRST_TRIES)):
            return None
        self.leave_out(lambda: by_view(self.steps))
        self.leave_out(lambda: [{number} for number in range(len(self.steps))])
        return self.kind, self.steps

    def fails(self, steps):
        for _ in range(self.tries):
            self.made += 1
            name = f"{self.name}_{self.made}"
            failure = repeat(self.server, self.broker, name, self.history, steps + MORE)
            if failure is not None and self.kind in (None, failure[0]):
                self.kind, done = failure
                self.steps = done[: len(steps)]
                self.save(self.kind, self.steps)
                return True
        return False

    def leave_out(self, divide):
        """Of the parts into which steps are divided as many as possible, in ever smaller runs."""
        size = max(len(divide()) // 2, 1)
        while True:
            first = 0
            while first < len(divide()):
                if time.monotonic() > self.end:
                    return
                unwanted = set().union(*divide()[first : first + size])
                if not self.fails(
                    [step for number, step in enumerate(self.steps) if number not in unwanted]
                ):
                    first += size
            if size == 1:
                return
            size //= 2


def by_view(steps):
    """The numbers of the steps of each view, whatever its name was, and of those that read it."""
    roots = {}
    parts = {}
    for number, (kind, arguments) in enumerate(steps):
        if kind == "within":
            kind = arguments["kind"]
        name = arguments.get("name")
        if name is None:
            continue
        feeder = (arguments.get("follows") or "").removesuffix("_out")
        root = roots.setdefault(name, roots.get(feeder, name))
        if kind == "rename":
            roots[arguments["new"]] = root
        parts.setdefault(root, set()).add(number)
    return list(parts.values())
