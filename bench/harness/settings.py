"""What can be set, as NAME=VALUE on the command line of bench/run or of make, and how."""

import os
import sys
from dataclasses import dataclass, fields


def _names(text):
    return text.replace(",", " ").split()


def _numbers(text):
    return [int(float(word)) for word in _names(text)]


def _switch(text):
    words = {"yes": True, "no": False, "1": True, "0": False}
    if text.lower() not in words:
        sys.exit(f"bench: yes or no, not {text}")
    return words[text.lower()]


@dataclass
class Settings:
    """Each field is the setting of the same name in capitals."""

    query: list = None              # names in bench/queries; all of them
    events: int = 5_000_000         # Nexmark events; 46 of 50 are bids
    runs: int = 3
    flink: bool = True
    partitions: int = 2
    workers: int = 1                # cq.workers
    keys: list = None               # distinct auctions, for `groups`
    rates: list = None              # events a second, for `latency`
    seconds: int = 15               # for each rate of `latency`
    views: list = None              # how many views on one stream, for `views`
    clients: int = 20               # for `readers`
    flink_memory: str = "4g"        # Flink's -Xmx

    @classmethod
    def read(cls, words):
        """From NAME=VALUE words, and from the environment where make left them."""
        convert = {
            "query": _names, "keys": _numbers, "rates": _numbers, "views": _numbers,
            "flink": _switch, "flink_memory": str,
        }
        values = {}
        for field in fields(cls):
            if field.name.upper() in os.environ:
                values[field.name] = os.environ[field.name.upper()]
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name.lower() not in (field.name for field in fields(cls)):
                known = " ".join(field.name.upper() for field in fields(cls))
                sys.exit(f"bench: no such setting: {word}; there are {known}")
            values[name.lower()] = value
        return cls(**{name: convert.get(name, lambda text: int(float(text)))(text) for name, text in values.items()})
