"""How a profile goes on, when it stops, and what it recommends. Pure; nothing is measured here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from deployments.pages.wizard import MEMORY_FACTOR, Answers, size

CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128)
RISE = 1.05  # a level that serves less than this much more than the best before does not rise
FLAT_LEVELS = 2  # that do not rise, one after the other, end it: one may be noise
EXPLODED = 20.0  # times the p99 of the first level, and beyond what is wanted: the queue grows
LEAST_EXPLODED_MS = 1000.0
GOOD_SHARE = 0.99  # of requests that succeed at a level that counts
KNEE = 0.95  # of the best rate: with fewer clients nearly the same is served, and sooner
BUSY = 0.9  # of the CPU it may use: more CPU may serve more
PERCENTILES = {"50": 0.5, "90": 0.9, "95": 0.95, "99": 0.99, "999": 0.999}


@dataclass(frozen=True)
class Wanted:
    """What a person wants to serve; None: as much as it can."""

    requests_per_second: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True)
class Level:
    """What was measured with so many clients that each ask again as soon as they are answered.

    `rate` counts answers with status 200 per second; times in milliseconds, of those alone.
    """

    clients: int
    seconds: float
    total: int
    succeeded: int
    rate: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    cpu: float | None = None  # cores, on average
    memory_mb: float | None = None

    @property
    def good(self) -> bool:
        return self.succeeded > 0 and self.succeeded >= self.total * GOOD_SHARE


def level_of(
    clients: int,
    seconds: float,
    times_ms: Sequence[float],
    failed: int,
    *,
    cpu: float | None = None,
    memory_mb: float | None = None,
) -> Level:
    """A level from the times of its answers.

    Args:
        times_ms: of every request that succeeded, in any order.
        failed: how many others there were.
    """
    ordered = sorted(times_ms)
    shares = {f"p{name}_ms": percentile(ordered, share) for name, share in PERCENTILES.items()}
    return Level(
        clients=clients,
        seconds=round(seconds, 3),
        total=len(ordered) + failed,
        succeeded=len(ordered),
        rate=round(len(ordered) / seconds, 2) if seconds > 0 else 0.0,
        mean_ms=round(sum(ordered) / len(ordered), 3) if ordered else 0.0,
        cpu=cpu,
        memory_mb=memory_mb,
        **shares,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all is not above; 0 of nothing."""
    if not ordered:
        return 0.0
    place = max(0, math.ceil(share * len(ordered) - 1e-9) - 1)
    return round(ordered[place], 3)


def stop_reason(levels: Sequence[Level], wanted: Wanted) -> str:
    """Why no further level is worth its time, as a sentence; "" when the next one is."""
    if not levels:
        return ""
    first, last = levels[0], levels[-1]
    if not last.good:
        return _("With %(n)s clients requests began to fail.") % {"n": last.clients}
    most = max(LEAST_EXPLODED_MS, 2 * (wanted.p99_ms or 0.0))
    if last.p99_ms > most and last.p99_ms > EXPLODED * first.p99_ms:
        text = _("With %(n)s clients the slowest requests took %(ms)s ms.")
        return text % {"n": last.clients, "ms": f"{last.p99_ms:.0f}"}
    if len(levels) > FLAT_LEVELS:
        before = max(level.rate for level in levels[:-FLAT_LEVELS])
        if all(level.rate < before * RISE for level in levels[-FLAT_LEVELS:]):
            return _("More clients did not raise the requests per second any more.")
    return ""


def chosen_level(levels: Sequence[Level], wanted: Wanted) -> Level | None:
    """The level to run at: most requests within the wanted p99, with the fewest clients for it.

    None when no level keeps it.
    """
    kept = [
        level
        for level in levels
        if level.good and (wanted.p99_ms is None or level.p99_ms <= wanted.p99_ms)
    ]
    if not kept:
        return None
    best = max(level.rate for level in kept)
    near = [level for level in kept if level.rate >= best * KNEE]
    return min(near, key=lambda level: level.clients)


def replicas_needed(level: Level, wanted: Wanted) -> int:
    """ceil(rps x seconds per request / target utilisation / requests at once), at least 1."""
    answers = Answers(
        requests_per_second=wanted.requests_per_second or 0.0,
        seconds_per_request=level.mean_ms / 1000,
        concurrency=level.clients,
    )
    return size(answers).replicas


def cpu_recommended(level: Level, requested: float) -> float:
    """Cores that this level used, in tenths, up to what was given; that when none was measured."""
    if level.cpu is None or level.cpu >= requested * BUSY:
        return requested
    return min(requested, max(0.1, math.ceil(level.cpu * 10 - 1e-9) / 10))


def memory_recommended_gb(peak_mb: float | None, requested_mb: int) -> float:
    """1.5 x the most that was used, in tenths of a GB; what was given when none was measured."""
    if peak_mb is None:
        return round(requested_mb / 1024, 2)
    return max(0.1, math.ceil(peak_mb * MEMORY_FACTOR / 1024 * 10 - 1e-9) / 10)


def profile_result(
    levels: Sequence[Level], wanted: Wanted, *, cpu: float, memory_mb: int, stopped: str
) -> dict[str, Any]:
    """The answer of a profile, in the names of v1's `Model.profile` and some of ours.

    Args:
        cpu, memory_mb: what it was given.
        stopped: why no further level was measured.
    """
    level = chosen_level(levels, wanted)
    shown = level or next((item for item in levels if item.succeeded), None)
    used = [item.memory_mb for item in levels if item.memory_mb is not None]
    cores = [item.cpu for item in levels if item.cpu is not None]
    peak = max(used, default=None)
    total, good = (sum(getattr(item, name) for item in levels) for name in ("total", "succeeded"))
    return {
        "state": "Succeeded" if shown else "Failed",
        "error": None if shown else {"code": "NoAnswers", "message": stopped},
        "requestedCpu": cpu,
        "requestedMemoryInGB": round(memory_mb / 1024, 3),
        "requestedQueriesPerSecond": wanted.requests_per_second or 0,
        "maxUtilizedCpu": max(cores, default=None),
        "maxUtilizedMemoryInGB": round(peak / 1024, 3) if peak is not None else None,
        "totalQueries": total,
        "successQueries": good,
        "successRate": round(100 * good / total, 2) if total else 0.0,
        **_times(shown),
        "measuredQueriesPerSecond": shown.rate if shown else 0.0,
        "recommendedCpu": cpu_recommended(level, cpu) if level else cpu,
        "recommendedMemoryInGB": memory_recommended_gb(peak, memory_mb),
        "recommendedReplicas": replicas_needed(level, wanted) if level else None,
        "requestedLatencyPercentile99InMs": wanted.p99_ms,
        "clients": shown.clients if shown else None,
        "stopped": stopped,
        "levels": [asdict(item) for item in levels],
    }


def _times(level: Level | None) -> dict[str, float]:
    found = {"averageLatencyInMs": level.mean_ms if level else 0.0}
    for name in PERCENTILES:
        found[f"latencyPercentile{name}InMs"] = getattr(level, f"p{name}_ms") if level else 0.0
    return found
