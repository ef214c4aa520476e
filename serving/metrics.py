"""Counters of a replica in Prometheus' text format.

Each worker keeps its own and saves them about once a second; the worker that is asked adds the
files of the others. A restarted worker goes on from its file, so counters never fall.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

from serving.contract import RECORD_FILE
from serving.files import read_json, write_json
from serving.memory import MB

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
Labels = tuple[str, str]  # (caller, code)


class Metrics:
    """Requests by caller and status code, and their latency by caller."""

    def __init__(self, folder: Path, index: int) -> None:
        self.folder = folder
        self.path = folder / f"metrics-{index}.json"
        self.requests: Counter[Labels] = Counter()
        self.buckets: Counter[tuple[str, int]] = Counter()  # (caller, place in BUCKETS)
        self.seconds: Counter[str] = Counter()
        self._dirty = False
        self._add(self.path)

    def count(self, caller: str, code: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests[caller, str(code)] += 1
        self.buckets[caller, bisect.bisect_left(BUCKETS, seconds)] += 1
        self.seconds[caller] += seconds  # type: ignore[assignment]  # a Counter of floats
        self._dirty = True

    def save(self) -> None:
        """Write the counters if they changed."""
        if not self._dirty:
            return
        self._dirty = False
        write_json(
            self.path,
            {
                "requests": [[*labels, n] for labels, n in self.requests.items()],
                "buckets": [[*place, n] for place, n in self.buckets.items()],
                "seconds": list(self.seconds.items()),
            },
        )

    def _add(self, path: Path) -> None:
        try:
            saved: Any = read_json(path)
            for caller, code, n in saved["requests"]:
                self.requests[caller, code] += n
            for caller, place, n in saved["buckets"]:
                self.buckets[caller, place] += n
            for caller, seconds in saved["seconds"]:
                self.seconds[caller] += seconds
        except (OSError, ValueError, KeyError, TypeError):
            return  # absent at first start; after a damaged disk, counting starts again

    def text(self) -> str:
        """Return the whole replica's counters in Prometheus' text format 0.0.4."""
        total = Metrics(self.folder, -1)
        total.requests.update(self.requests)
        total.buckets.update(self.buckets)
        total.seconds.update(self.seconds)
        for path in self.folder.glob("metrics-*.json"):
            if path != self.path:
                total._add(path)
        return "\n".join([*total._requests(), *total._latency(), *_of_record(self.folder)]) + "\n"

    def _requests(self) -> list[str]:
        lines = ["# TYPE slipway_requests_total counter"]
        for (caller, code), n in sorted(self.requests.items()):
            lines.append(f'slipway_requests_total{{caller="{caller}",code="{code}"}} {n}')
        return lines

    def _latency(self) -> list[str]:
        name = "slipway_request_seconds"
        lines = [f"# TYPE {name} histogram"]
        bounds = [*map(str, BUCKETS), "+Inf"]
        for caller in sorted(self.seconds):
            counts = [self.buckets[caller, place] for place in range(len(bounds))]
            for bound, n in zip(bounds, itertools.accumulate(counts), strict=True):
                lines.append(f'{name}_bucket{{caller="{caller}",le="{bound}"}} {n}')
            lines.append(f'{name}_sum{{caller="{caller}"}} {self.seconds[caller]:.6f}')
            lines.append(f'{name}_count{{caller="{caller}"}} {sum(counts)}')
        return lines


def _of_record(folder: Path) -> list[str]:
    try:
        record = read_json(folder / RECORD_FILE)
    except (OSError, ValueError):
        return []
    lines = ["# TYPE slipway_worker_restarts_total counter"]
    lines.append(f"slipway_worker_restarts_total {record['restarts']}")
    if record["memory_mb"] is not None:
        lines.append("# TYPE slipway_memory_bytes gauge")
        lines.append(f"slipway_memory_bytes {round(record['memory_mb'] * MB)}")
    if record["load_seconds"] is not None:
        lines.append("# TYPE slipway_model_load_seconds gauge")
        lines.append(f"slipway_model_load_seconds {record['load_seconds']:.3f}")
    return lines
