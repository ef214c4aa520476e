"""Histories of metrics, from the built-in store by narrow SQL and from a remote one by its API.

A part of the gateway to MLflow (`workspaces.tracking`): raises only `workspaces.errors`
(Unavailable, NotFound), safe in threads. Never makes MLflow's entities, which take five times as
long for the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings

from workspaces.tracking.history import http, sql
from workspaces.tracking.history.series import Axis, Series, Tail, clipped, extended, ordered
from workspaces.tracking.values import Point

__all__ = [
    "Axis",
    "Series",
    "Tail",
    "clipped",
    "extended",
    "histories_read",
    "history_read",
    "history_rows",
    "history_since",
    "metrics_latest",
    "ordered",
]

MOST_POINTS = 2_000_000  # of all series of one answer: 50 MB


def history_read(
    run_id: str,
    key: str,
    *,
    axis: Axis = "step",
    low: float | None = None,
    high: float | None = None,
) -> Series:
    """The values of one metric of one run.

    Args:
        axis: what `low` and `high` mean and what the points are ordered by; "time" is in
            milliseconds since 1970.
        low, high: the ends of the range, both included; None for no end.
    Returns: every point of the range up to 2,000,000; of more, a selection with the lowest and the
        highest of each stretch. A remote server gives no more than 25,000; of more, its own
        selection of 2,500. A metric without values is an empty series.
    Raises:
        NotFound: the run does not exist; Unavailable.
    """
    if settings.SLIPWAY.tracking_is_remote:
        return http.history_read(run_id, key, axis, low, high, MOST_POINTS)
    return sql.history_read(run_id, key, axis, low, high, MOST_POINTS)


def histories_read(
    run_ids: Sequence[str],
    key: str,
    *,
    axis: Axis = "step",
    low: float | None = None,
    high: float | None = None,
) -> dict[str, Series]:
    """The same metric of several runs; see `history_read`.

    Returns: a series for each id, in the order given; empty for a run that does not exist. All
        series together have no more than about 2,000,000 points (25,000 of a remote server).
    Raises: Unavailable.
    """
    wanted = list(dict.fromkeys(run_ids))
    if not wanted:
        return {}
    most = max(MOST_POINTS // len(wanted), 10_000)
    if settings.SLIPWAY.tracking_is_remote:
        return http.histories_read(wanted, key, axis, low, high, most)
    return sql.histories_read(wanted, key, axis, low, high, most)


def history_rows(run_id: str, key: str) -> Iterator[tuple[int, int, float]]:
    """Every point of a metric, however many: (step, milliseconds since 1970, value).

    In the order of step, time, value (a remote server's own order: time, step, value). Reads
    piece by piece with flat memory, and holds no connection between pieces; points logged
    meanwhile may be there or not.
    Raises: NotFound and Unavailable, when the first or a later piece is read.
    """
    if settings.SLIPWAY.tracking_is_remote:
        return http.history_rows(run_id, key)
    return sql.history_rows(run_id, key)


def history_since(run_id: str, key: str, mark: str = "") -> Tail:
    """What a metric got since an earlier answer, for charts of runs that are going.

    Args:
        mark: of the earlier answer; empty, or one that means nothing any more: everything.
    Raises: NotFound, Unavailable.
    """
    if settings.SLIPWAY.tracking_is_remote:
        return http.history_since(run_id, key, mark, MOST_POINTS)
    return sql.history_since(run_id, key, mark, MOST_POINTS)


def metrics_latest(
    run_ids: Sequence[str], keys: Sequence[str] | None = None
) -> dict[str, dict[str, Point]]:
    """The last point of each metric: one narrow query, to see what has changed.

    Args:
        keys: only these metrics; None for all.
    Returns: by run id, then by key; nothing for runs that do not exist.
    Raises: Unavailable.
    """
    if settings.SLIPWAY.tracking_is_remote:
        return http.metrics_latest(list(dict.fromkeys(run_ids)), keys)
    return sql.metrics_latest(list(dict.fromkeys(run_ids)), keys)
