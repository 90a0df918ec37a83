"""What processes cost: CPU time and memory, read from /proc."""

import os
import threading
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat from the third on (the second may hold anything); None when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2:].split()


def cpu_seconds(pid, with_reaped=False):
    """CPU time of all threads, with_reaped also of children that ended and were waited for; 0 when the process is gone."""
    fields = _stat(pid)
    if fields is None:
        return 0.0
    return sum(map(int, fields[11:15 if with_reaped else 13])) / TICKS


def title(pid):
    """The command line, which a server's processes set to say what they do."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(parent):
    """The direct children of a process."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(entry)
            if fields is not None and int(fields[1]) == parent:
                found.append(int(entry))
    return found


def tree_cpu_seconds(parent):
    """CPU time of a process and its direct children, those that have ended included."""
    return cpu_seconds(parent, with_reaped=True) + sum(cpu_seconds(child) for child in children(parent))


def memory_kb(pid, field):
    """A field of /proc/PID/status in kB: VmHWM is the peak of all resident memory, RssAnon what is private now."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


class MemoryPeak:
    """The largest sum, over some processes, of private memory; sampled while the block runs.

    Private is RssAnon: heap, stacks, and what librdkafka buffers; neither shared buffers nor program text.
    """

    INTERVAL = 0.05

    def __init__(self, pids):
        self.pids = pids            # a function: workers may come and go
        self.kb = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while True:
            self.kb = max(self.kb, sum(memory_kb(pid, "RssAnon") for pid in self.pids()))
            if self._ended.wait(self.INTERVAL):
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    @property
    def mb(self):
        return self.kb / 1024
