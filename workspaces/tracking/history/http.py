"""Histories of metrics from a remote tracking server; see `workspaces.tracking.history.reading`.

Two calls of its API: `get-history` gives every point in pages, `get-history-bulk-interval` (what
MLflow's own pages draw) at most 2,500 points a run, evenly chosen. Both of MLflow 2.3 and later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from workspaces.deadline import in_threads
from workspaces.errors import Invalid, NotFound
from workspaces.tracking.history.series import Axis, Series, Tail, clipped, series_from
from workspaces.tracking.store.bugs import answer_read
from workspaces.tracking.store.opening import mlflow_errors, stores
from workspaces.tracking.values import Point, measured

HISTORY = "/api/2.0/mlflow/metrics/get-history"
SAMPLE = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
POINTS_PER_CALL = 25_000  # MLflow's own limit
SAMPLED = 2_500  # of one run, the same
RUNS_PER_CALL = 100  # the same
STEP_LIMIT = 2**31 - 1  # the API's steps are of 32 bits where they are the ends of a range
CALLS = 8


def history_read(
    run_id: str, key: str, axis: Axis, low: float | None, high: float | None, most: int
) -> Series:
    by_step = axis == "step" and (low is not None or high is not None)
    try:
        with mlflow_errors(subject=_("This run")):
            if by_step:
                return _sampled([run_id], key, axis, low, high)[run_id]
            points, token = _first_page(run_id, key, min(most, POINTS_PER_CALL))
            if not token:
                return clipped(series_from(points, axis), axis, low, high)
            return clipped(_sampled([run_id], key, axis, None, None)[run_id], axis, low, high)
    except Invalid as error:  # an id that no run can have
        raise NotFound(_("This run does not exist.")) from error


def histories_read(
    run_ids: Sequence[str], key: str, axis: Axis, low: float | None, high: float | None, most: int
) -> dict[str, Series]:
    found: dict[str, Series] = {}
    by_step = axis == "step"
    for start in range(0, len(run_ids), RUNS_PER_CALL):
        ids = list(run_ids[start : start + RUNS_PER_CALL])
        ends = (low, high) if by_step else (None, None)
        try:
            with mlflow_errors(subject=_("This run")):
                found |= _sampled(ids, key, axis, *ends)
        except (NotFound, Invalid):  # of one of them, and MLflow does not say which
            found |= _one_by_one(ids, key, axis, *ends)
    if by_step:
        return found
    return {run_id: clipped(series, axis, low, high) for run_id, series in found.items()}


def _one_by_one(
    ids: list[str], key: str, axis: Axis, low: float | None, high: float | None
) -> dict[str, Series]:
    stores()  # before the threads: see there

    def one(run_id: str) -> Series:
        try:
            with mlflow_errors():
                return _sampled([run_id], key, axis, low, high)[run_id]
        except (NotFound, Invalid):
            return series_from([])

    return dict(zip(ids, in_threads(one, ids, at_once=CALLS), strict=True))


def _sampled(
    ids: list[str], key: str, axis: Axis, low: float | None, high: float | None
) -> dict[str, Series]:
    """The server's own choice of points: all of them when there are fewer than it may choose."""
    most = max(min(SAMPLED, POINTS_PER_CALL // len(ids)), 50)
    asked: dict[str, Any] = {"run_ids": ids, "metric_key": key, "max_results": most}
    if low is not None or high is not None:
        start, end = _steps(low, high)
        if start > end:
            return {run_id: series_from([]) for run_id in ids}
        asked |= {"start_step": start, "end_step": end}
    points: dict[str, list[tuple[int, int, float]]] = {run_id: [] for run_id in ids}
    answer = _ask(SAMPLE, asked)
    with answer_read():
        for row in answer.get("metrics", ()):
            points.setdefault(row["run_id"], []).append(_point(row))
    return {i: series_from(points[i], axis, complete=len(points[i]) < most) for i in ids}


def _steps(low: float | None, high: float | None) -> tuple[int, int]:
    start = -STEP_LIMIT if low is None else max(low, -STEP_LIMIT)
    end = STEP_LIMIT if high is None else min(high, STEP_LIMIT)
    return math.ceil(min(start, STEP_LIMIT)), math.floor(max(end, -STEP_LIMIT))


def _first_page(run_id: str, key: str, size: int) -> tuple[list[tuple[int, int, float]], str]:
    """Asks for the run itself where there is no point: the API has none for unknown runs, too."""
    points, token = _page(run_id, key, "", size)
    if not points:
        store, _registry = stores()
        store.get_run(run_id)
    return points, token


def _page(run_id: str, key: str, token: str, size: int) -> tuple[list[tuple[int, int, float]], str]:
    asked = {"run_id": run_id, "run_uuid": run_id, "metric_key": key, "max_results": size}
    if token:
        asked["page_token"] = token
    answer = _ask(HISTORY, asked)
    with answer_read():
        return [_point(row) for row in answer.get("metrics", ())], answer.get("next_page_token", "")


def _point(row: dict[str, Any]) -> tuple[int, int, float]:
    """What the API leaves out is zero; it writes NaN and infinities as words."""
    number = measured(float(row.get("value", 0.0)))
    return int(row.get("step", 0)), int(row.get("timestamp", 0)), number


def _ask(endpoint: str, asked: dict[str, Any]) -> Any:
    store, _registry = stores()
    from mlflow.utils.rest_utils import http_request_safe

    return http_request_safe(store.get_host_creds(), endpoint, "GET", params=asked).json()


def history_rows(run_id: str, key: str) -> Iterator[tuple[int, int, float]]:
    token = ""
    while True:
        try:
            with mlflow_errors(subject=_("This run")):
                read = _page(run_id, key, token, POINTS_PER_CALL) if token else None
                points, token = read or _first_page(run_id, key, POINTS_PER_CALL)
        except Invalid as error:
            raise NotFound(_("This run does not exist.")) from error
        yield from points
        if not token:
            return


def history_since(run_id: str, key: str, mark: str, most: int) -> Tail:
    """The API cannot be asked for later points alone: all of its choice, once there are any."""
    latest = metrics_latest([run_id], [key])
    if run_id not in latest:
        raise NotFound(_("This run does not exist."))
    last = latest[run_id].get(key)
    fresh = f"l{last.step}:{last.at_ms}:{last.value!r}" if last else "l"
    if fresh == mark:
        return Tail(series_from([]), fresh)
    return Tail(histories_read([run_id], key, "step", None, None, most)[run_id], fresh, whole=True)


def metrics_latest(
    run_ids: Sequence[str], keys: Sequence[str] | None
) -> dict[str, dict[str, Point]]:
    store, _registry = stores()  # before the threads: see there
    chosen = None if keys is None else set(keys)

    def one(run_id: str) -> dict[str, Point] | None:
        try:
            with mlflow_errors():
                metrics = store.get_run(run_id).data._metric_objs
        except (NotFound, Invalid):
            return None
        rows = [row for row in metrics if chosen is None or row.key in chosen]
        return {row.key: Point(row.step, row.timestamp, measured(row.value)) for row in rows}

    found = zip(run_ids, in_threads(one, run_ids, at_once=CALLS), strict=True)
    return {run_id: points for run_id, points in found if points is not None}
