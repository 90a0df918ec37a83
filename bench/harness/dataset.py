"""Nexmark events in topics of the broker: made once for each set of parameters."""

import json
import re
import subprocess
from dataclasses import dataclass
from string import Template

from .services import BENCH


@dataclass
class DataSet:
    prefix: str         # of its topics' names
    partitions: int
    count: dict         # kind → messages
    size: dict          # kind → bytes

    def statements(self, brokers, *files):
        """The SQL of files of bench/, over these topics."""
        text = "\n".join((BENCH / file).read_text() for file in files)
        return Template(text).substitute(brokers=brokers, prefix=self.prefix)

    def kinds_of(self, query):
        """Which kinds of events a query reads."""
        text = (BENCH / f"queries/{query}.pg.sql").read_text()
        return set(re.findall(r"\b(?:FROM|JOIN)\s+(person|auction|bid)\b", text))

    def events_of(self, query):
        return sum(self.count[kind] for kind in self.kinds_of(query))


class Generator:
    """Makes data sets; keeps those it has made."""

    def __init__(self, programs, broker):
        self.program = programs / "nexmark"
        self.broker = broker
        self._made = {}

    def command(self, prefix, **options):
        words = [self.program, "--brokers", self.broker.address, "--prefix", prefix]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-")] + ([] if value is True else [value])
        return [str(word) for word in words]

    def data_set(self, partitions, events, **options):
        key = (partitions, events, *sorted(options.items()))
        if key not in self._made:
            prefix = f"set{len(self._made)}-"
            done = subprocess.run(self.command(prefix, partitions=partitions, events=events, **options),
                                  stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
            made = json.loads(done.stderr.splitlines()[-1])
            kinds = [kind for kind in ("person", "auction", "bid") if made[kind] > 0]
            self._made[key] = DataSet(prefix, partitions, {kind: made[kind] for kind in kinds},
                                      {kind: made[kind + "_bytes"] for kind in kinds})
        return self._made[key]
