"""Builds what is measured, starts broker and server, and runs one experiment; called by bench/run as an ordinary user."""

import signal
import sys
import tempfile
from pathlib import Path

from harness import (compare, embeddings, latency, neighbours, output, readers, requests, scaling,
                     series)
from harness.ground import Ground
from harness.settings import Settings

EXPERIMENTS = {
    "compare": compare.run,             # every query, beside Flink and the floor
    "latency": latency.run,             # from produce to visible, from one event a second to saturation
    "neighbours": neighbours.run,       # what a view costs its neighbours on the same stream
    "topics": output.topics,            # from topic to topic, exactly once
    "closing": output.closing,          # ingest while a window of a million groups is emitted
    "embeddings": embeddings.run,       # answers of a model, of a server that answers at once
    "requests": requests.run,           # requests by HTTP, of a server that answers at once
    "workers": scaling.workers,         # one worker and more
    "partitions": scaling.partitions,   # one partition and more
    "events": scaling.events,           # from few events to many
    "groups": scaling.groups,           # from few groups to millions
    "views": scaling.views,             # from one view on a stream to a hundred
    "series": series.run,               # forecasts and anomalies
    "readers": readers.run,             # clients that read meanwhile, and one that does not end
}


def main(words):
    name = words.pop(0) if words and "=" not in words[0] else "compare"
    if name not in EXPERIMENTS:
        sys.exit(f"bench: no such experiment: {name}; there are {' '.join(EXPERIMENTS)}")
    settings = Settings.read(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="pg_cq.") as work, Ground(Path(work), settings) as ground:
        return EXPERIMENTS[name](ground)


sys.exit(main(sys.argv[1:]))
