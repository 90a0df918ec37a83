"""Figures for people, and for programs: lines, CSV files, and what they were measured on."""

import csv
import os
import platform
import re
from datetime import date
from pathlib import Path
from statistics import median

from .services import BENCH, run


def thousands(number):
    return "-" if number is None else f"{number / 1000:,.0f} k"


def middle(measurements, attribute):
    """The median of what is known of an attribute; None where nothing is."""
    values = [getattr(measurement, attribute) for measurement in measurements]
    values = [value for value in values if value is not None]
    return median(values) if values else None


def machine():
    """The machine, without its name."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text()).group(1))
    return f"{os.cpu_count()} × {cpu.group(1) if cpu else platform.machine()}, {memory / 2**20:.0f} GB"


class Results:
    """Where an experiment leaves its files, each with a first line that says when and on what it was made."""

    def __init__(self, directory, server):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        flink = re.search(r"<flink>(.*)</flink>", (BENCH / "flink/pom.xml").read_text()).group(1)
        kafka = re.search(r"<version>(\d.*\..*)</version>", (BENCH.parent / "tools/kafka.pom.xml").read_text()).group(1)
        postgres = run(server.pg_config, "--version").split()[1]
        self.note = (f"{date.today()}, pg_cq {os.environ.get('PG_CQ_VERSION', '?')}, PostgreSQL {postgres}, Kafka {kafka}, "
                     f"Flink {flink}; {machine()}")

    def write_rows(self, name, rows):
        """A CSV file of dictionaries that have the same keys."""
        with open(self.directory / f"{name}.csv", "w", newline="") as file:
            file.write(f"# {self.note}\n")
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)

    def write_picture(self, name, svg):
        (self.directory / f"{name}.svg").write_text(svg)
