"""Counters of a replica in Prometheus' text format.

Each worker keeps its own and saves them about once a second; the worker that is asked adds the
files of the others. A restarted worker goes on from its file, so counters never fall.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from serving.contract import MB, METRICS_FILES, RECORD_FILE
from serving.files import read_json, write_json

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # requests scored together
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Histogram:
    """Counts of values by bucket, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last: above every bound
        self.sum = 0.0

    def note(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add the counts of another; raises ValueError for one of other buckets."""
        if len(counts) != len(self.counts):
            raise ValueError("a histogram of other buckets")
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, counts)]  # noqa: B905
        self.sum += total

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Return its samples in Prometheus' text format; `labels` is `a="b",` or empty."""
        bounds = [*map(str, self.bounds), "+Inf"]
        for bound, n in zip(bounds, itertools.accumulate(self.counts)):  # noqa: B905
            yield f'{name}_bucket{{{labels}le="{bound}"}} {n}'
        yield f"{name}_sum{{{labels.rstrip(',')}}} {self.sum:.6f}"
        yield f"{name}_count{{{labels.rstrip(',')}}} {sum(self.counts)}"


def histogram(bounds: Sequence[float], counts: Sequence[int], total: float) -> Histogram:
    """Return a histogram with these counts; raises ValueError when they are of other buckets."""
    made = Histogram(bounds)
    made.add(counts, total)
    return made


class Metrics:
    """Requests by caller and status code, their latency by caller, batches and queue.

    Args:
        model: name and version, labels of every sample.
        queue_length: asked for the requests that wait now.
    """

    def __init__(
        self,
        folder: Path,
        index: int,
        model: tuple[str, str] = ("", ""),
        queue_length: Callable[[], int] = lambda: 0,
    ) -> None:
        self.folder = folder
        self.path = folder / METRICS_FILES.replace("*", str(index))
        self._answered: dict[tuple[str, int], Histogram] = {}  # seconds, by caller and code
        self.batches = Histogram(SIZES)
        self._model, self._queue_length = model, queue_length
        self._queued = 0  # in the workers that were read from their files
        self._saved: object = None
        self._add(self.path)
        self._queued = 0  # of an earlier worker, whose queue went with it

    def count(self, caller: str, code: int, seconds: float) -> None:
        """Count one answered request."""
        try:
            self._answered[caller, code].note(seconds)
        except KeyError:
            found = self._answered[caller, code] = Histogram(BUCKETS)
            found.note(seconds)

    def save(self) -> None:
        """Write the counters if they changed."""
        document = self._document()
        if document != self._saved:
            write_json(self.path, document)
            self._saved = document

    def _document(self) -> dict[str, Any]:
        return {
            "answered": [[*key, h.counts.copy(), h.sum] for key, h in self._answered.items()],
            "batches": [self.batches.counts.copy(), self.batches.sum],
            "queue": self._queue_length(),
        }

    def _add(self, path: Path) -> None:
        try:
            self._take_in(read_json(path))
        except (OSError, ValueError, KeyError, TypeError):
            return  # absent at first start; after a damaged disk, counting starts again

    def _take_in(self, saved: dict[str, Any]) -> None:
        # Read first and add then: a file of another version must not be counted in half.
        rows = saved["answered"]
        answered = {(caller, code): histogram(BUCKETS, *rest) for caller, code, *rest in rows}
        batches, queued = histogram(SIZES, *saved["batches"]), int(saved["queue"])
        for key, found in answered.items():
            mine = self._answered.setdefault(key, Histogram(BUCKETS))
            mine.add(found.counts, found.sum)
        self.batches.add(batches.counts, batches.sum)
        self._queued += queued

    def text(self) -> str:
        """Return the whole replica's counters in Prometheus' text format 0.0.4."""
        total = Metrics(self.folder, -1, self._model)
        total._take_in(self._document())
        for path in self.folder.glob(METRICS_FILES):
            if path != self.path:
                total._add(path)
        name, version = (text.translate(ESCAPES) for text in self._model)
        labels = f'model="{name}",version="{version}",'
        return "\n".join([*total._lines(labels), *_of_record(self.folder, labels)]) + "\n"

    def _lines(self, labels: str) -> Iterator[str]:
        yield "# TYPE slipway_requests_total counter"
        latency: dict[str, Histogram] = {}
        for (caller, code), found in sorted(self._answered.items()):
            given = f'caller="{caller}",code="{code}",{labels.rstrip(",")}'
            yield f"slipway_requests_total{{{given}}} {sum(found.counts)}"
            latency.setdefault(caller, Histogram(BUCKETS)).add(found.counts, found.sum)
        yield "# TYPE slipway_request_seconds histogram"
        for caller, found in latency.items():
            yield from found.lines("slipway_request_seconds", f'caller="{caller}",{labels}')
        yield "# TYPE slipway_batch_requests histogram"
        yield from self.batches.lines("slipway_batch_requests", labels)
        yield "# TYPE slipway_queue_requests gauge"
        yield f"slipway_queue_requests{{{labels.rstrip(',')}}} {self._queued}"


def _of_record(folder: Path, labels: str) -> list[str]:
    try:
        record = read_json(folder / RECORD_FILE)
    except (OSError, ValueError):
        return []
    given = f"{{{labels.rstrip(',')}}}"
    lines = ["# TYPE slipway_worker_restarts_total counter"]
    lines.append(f"slipway_worker_restarts_total{given} {record['restarts']}")
    if record["memory_mb"] is not None:
        lines.append("# TYPE slipway_memory_bytes gauge")
        lines.append(f"slipway_memory_bytes{given} {round(record['memory_mb'] * MB)}")
    if record["load_seconds"] is not None:
        lines.append("# TYPE slipway_model_load_seconds gauge")
        lines.append(f"slipway_model_load_seconds{given} {record['load_seconds']:.3f}")
    return lines
