"""Every page, fragment, change and API call of experiments, runs, comparisons and the search."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from django.test import Client

from studio.comparing.models import BestChoice, Board, Pin
from studio.experiments.models import SavedView
from workspaces.tracking.store.opening import store_id

CHARTS: dict[str, dict[str, Any]] = {
    "curves": {"metric": "{metric}"},
    "scatter": {"x": "params.{param}", "y": "metrics.{metric}"},
    "parallel": {"dim": ["params.{param}", "metrics.{metric}"], "colour": "metrics.{metric}"},
    "box": {"y": "metrics.{metric}", "group": "params.{param}"},
    "contour": {"x": "params.{param}", "y": "start_time", "z": "metrics.{metric}"},
    "importance": {"metric": "{metric}"},
}


@dataclass(frozen=True)
class Place:
    """What the calls are about: names that exist, or would."""

    experiment: str
    runs: Sequence[str]
    metric: str
    param: str
    tag: str
    artifact: str
    pin: int = 0
    view: int = 0


@dataclass(frozen=True)
class Call:
    """One request. `name`: of its address; those of the API begin with "api:"."""

    name: str
    url: str
    method: str = "get"
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_api(self) -> bool:
        return self.name.startswith("api:")

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.url[:200]}"

    def send(self, client: Client) -> tuple[Any, float]:
        """The answer, streams read to their end, and the seconds it took."""
        started = time.monotonic()
        body: Any = self.body or None
        kind = {}
        if self.method != "get" and self.is_api:
            body, kind = json.dumps(self.body), {"content_type": "application/json"}
        answer = getattr(client, self.method)(self.url, body, headers=self.headers, **kind)
        if answer.streaming:
            answer.body = b"".join(answer)
        else:
            answer.body = answer.content
        return answer, time.monotonic() - started


def rows_made(user: Any, experiment: str, runs: Sequence[str], metric: str) -> tuple[int, int]:
    """A pin and a saved view of an experiment, and what is best in it, straight in our tables."""
    board = Board.objects.create(store=store_id(), experiment_id=experiment)
    pin = Pin.objects.create(
        board=board, title="<b>pin</b>", kind="curves", settings={"metric": [metric]}, runs=[*runs]
    )
    view = SavedView.objects.create(
        owner=user, store=store_id(), experiment_id=experiment, name="<b>view</b>", query=""
    )
    BestChoice.objects.create(store=store_id(), experiment_id=experiment, metric=metric, mode="min")
    return pin.pk, view.pk


HTMX = {"HX-Request": "true"}


def reads(place: Place) -> Iterator[Call]:
    """What only looks."""
    yield from _lists(place)
    for run_id in place.runs[:1]:
        yield from run_reads(place, run_id)
    yield from _comparing(place)
    yield from _api_reads(place)
    yield Call("search", "/search/?q=odd")
    yield Call("search-results", "/search/results/?q=odd", headers=HTMX)
    for key in ("experiments", "runs", "models"):
        yield Call("search-group", f"/search/results/{key}/?q=odd", headers=HTMX)
    yield Call("home", "/")
    yield Call("home-runs", "/home/runs/", headers=HTMX)


def _lists(place: Place) -> Iterator[Call]:
    one = f"/experiments/{place.experiment}/"
    metric, param, tag = (f"`{text}`" for text in (place.metric, place.param, place.tag))
    columns = [("column", f"metrics.{place.metric}"), ("column", f"params.{place.param}")]
    columns += [("column", f"tags.{place.tag}")]
    yield Call("experiments", "/experiments/")
    yield Call("experiments", "/experiments/?" + urlencode({"q": "o", "tag": place.tag}))
    yield Call("experiments", "/experiments/?tab=archived")
    yield Call("experiments", "/experiments/", headers={**HTMX, "HX-Target": "experiments"})
    yield Call("experiment-tag-keys", "/experiments/tag-keys/", headers=HTMX)
    yield Call("experiment", one)
    yield Call("experiment", f"{one}?" + urlencode([*columns, ("choose", "1")]))
    yield Call("experiment", f"{one}?" + urlencode({"sort": f"-metrics.{place.metric}"}))
    yield Call("experiment", f"{one}?sort=-duration&layout=flat")
    yield Call("experiment", f"{one}?archived=1")
    for text in (f"metrics.{metric} < 1e300", f"params.{param} LIKE '%'", f"tags.{tag} != 'x'"):
        yield Call("experiment", f"{one}?" + urlencode({"filter": text}))
    yield Call("experiment-notes", f"{one}notes/", headers=HTMX)
    live = [("run", run_id) for run_id in place.runs] + columns
    yield Call("runs-live", f"{one}runs/live/?" + urlencode(live), headers=HTMX)
    for kind in ("csv", "parquet"):
        yield Call("runs-export", f"{one}runs/export/?" + urlencode([("format", kind), *columns]))
    yield Call("runs-snippet", f"{one}runs/snippet/?" + urlencode(columns))
    yield Call("run-children", f"{one}runs/{place.runs[0]}/children/", headers=HTMX)
    for kind in ("metrics", "params", "tags"):
        yield Call("filter-names", f"{one}filter/names/?add_kind={kind}", headers=HTMX)
    yield Call("filter-complete", f"{one}filter/complete/?text=metrics.&at=8")
    yield Call("column-choices", f"{one}columns/?find=", headers=HTMX)


def run_reads(place: Place, run_id: str) -> Iterator[Call]:
    """Everything that is shown of one run."""
    run = f"/runs/{run_id}/"
    yield Call("run", run)
    for tab in ("metrics", "parameters", "media", "artifacts", "model"):
        yield Call("run-tab", f"{run}{tab}/")
    metric, path = quote(place.metric, safe=""), quote(place.artifact, safe="")
    yield Call("run-tab", f"{run}metrics/?metric={metric}")
    yield Call("run-tab", f"{run}parameters/?differ=1&with={place.runs[-1]}")
    yield Call("run-tab", f"{run}artifacts/?path={path}")
    yield Call("run-state", f"{run}state/", headers=HTMX)
    yield Call("run-below", f"{run}below/", headers=HTMX)
    yield Call("run-notes", f"{run}notes/", headers=HTMX)
    yield Call("run-logged-models", f"{run}models/", headers=HTMX)
    yield Call("run-model-part", f"{run}model/part/", headers=HTMX)
    yield Call("run-neighbours", f"{run}parameters/runs/", headers=HTMX)
    yield Call("run-metrics-table", f"{run}metrics/table/", headers=HTMX)
    for axis in ("step", "time", "relative"):
        yield Call("run-chart", f"{run}metrics/chart/?key={metric}&axis={axis}")
    yield Call("run-chart", f"{run}metrics/chart/?key={metric}&smooth=0.6&band=1&log=1")
    yield Call("run-chart", f"{run}metrics/chart/?key={metric}&low=-5&high=1e15")
    yield Call("run-history", f"{run}metrics/history.csv?key={metric}")
    yield Call("run-news", f"{run}metrics/news/?key={metric}")
    yield Call("run-images", f"{run}media/images/", headers=HTMX)
    yield Call("run-tree", f"{run}artifacts/tree/", headers=HTMX)
    for name in ("preview", "raw", "file"):
        known = {"preview": "run-preview", "raw": "run-artifact-raw", "file": "run-artifact-file"}
        yield Call(known[name], f"{run}artifacts/{name}/?path={path}")
    yield Call("run-archive", f"{run}artifacts/archive/")


def _comparing(place: Place) -> Iterator[Call]:
    runs = [("run", run_id) for run_id in place.runs]
    yield Call("compare", "/compare/?" + urlencode(runs))
    yield Call("compare", "/compare/?" + urlencode([*runs, ("rows", "all")]))
    yield Call("compare-table-csv", "/compare/table.csv?" + urlencode(runs))
    yield Call("compare-images", "/compare/images/?" + urlencode(runs), headers=HTMX)
    names = {"metric": place.metric, "param": place.param}
    for kind, fields in CHARTS.items():
        filled = {"chart": kind}
        for key, value in fields.items():
            texts = [value] if isinstance(value, str) else value
            filled[key] = [text.format_map(names) for text in texts]  # type: ignore[assignment]
        query = urlencode([*runs, *filled.items()], doseq=True)
        yield Call("compare", f"/compare/?{query}")
        yield Call("compare-chart", f"/compare/chart/?{query}", headers=HTMX)
        yield Call("compare-chart", f"/compare/chart/?{query}", headers={"Accept": JSON})
        yield Call("compare-csv", f"/compare/chart.csv?{query}")
    yield Call("compare-pin", f"/compare/pin/?{query}", headers=HTMX)
    one = f"/experiments/{place.experiment}/"
    yield Call("board", f"{one}board/")
    yield Call("pin-chart", f"{one}board/{place.pin}/chart/", headers=HTMX)
    yield Call("pin-chart", f"{one}board/{place.pin}/chart/", headers={"Accept": JSON})
    yield Call("pin-edit", f"{one}board/{place.pin}/edit/", headers=HTMX)
    yield Call("leaderboard", f"{one}leaderboard/")
    yield Call("best", f"{one}best/", headers=HTMX)


JSON = "application/json"


def _api_reads(place: Place) -> Iterator[Call]:
    one = f"/api/v1/experiments/{place.experiment}"
    runs = [("run", run_id) for run_id in place.runs]
    yield Call("api:experiments", "/api/v1/experiments?" + urlencode({"tag": place.tag}))
    yield Call("api:experiments", "/api/v1/experiments?archived=true")
    yield Call("api:experiment", one)
    yield Call("api:experiment-runs", f"{one}/runs")
    order = {"order_by": f"metrics.`{place.metric}` ASC", "filter": f"params.`{place.param}` != ''"}
    yield Call("api:experiment-runs", f"{one}/runs?" + urlencode(order))
    yield Call("api:experiment-views", f"{one}/views")
    yield Call("api:view", f"/api/v1/views/{place.view}")
    for run_id in place.runs[:1]:
        yield Call("api:run", f"/api/v1/runs/{run_id}")
    yield Call("api:compare", "/api/v1/compare?" + urlencode(runs))
    metric = [*runs, ("metric", place.metric)]
    yield Call("api:compare-importance", "/api/v1/compare/importance?" + urlencode(metric))
    yield Call("api:experiment-best", f"{one}/best")
    yield Call("api:leaderboard", f"{one}/leaderboard")
    yield Call("api:board", f"{one}/board")


def changes(place: Place) -> Iterator[Call]:
    """What changes something, each so that it can be done again."""
    one, run = f"/experiments/{place.experiment}/", f"/runs/{place.runs[0]}/"
    tag, note = {"key": place.tag, "value": "<b>&"}, {"notes": "# odd <b>"}
    ticked = {"run": [place.runs[0]]}
    yield Call("experiment-star", f"{one}star/", "post", {"starred": "1"})
    yield Call("experiment-notes", f"{one}notes/", "post", {"description": "odd <b>"})
    yield Call("experiment-tags", f"{one}tags/", "post", tag)
    yield Call("run-tags", f"{run}tags/", "post", tag)
    yield Call("run-tags", f"{run}tags/", "post", tag, HTMX)
    yield Call("run-notes", f"{run}notes/", "post", note)
    for action in ("untag", "tag", "archive", "restore", "compare"):
        yield Call("runs-bulk", f"{one}runs/", "post", {"action": action, **ticked, **tag})
    yield Call("experiment-archive", f"{one}archive/", "post")
    yield Call("experiment-restore", f"{one}restore/", "post")
    yield Call("view-save", f"{one}views/", "post", {"name": "saved <b>", "query": ""})
    yield Call("view-change", f"/views/{place.view}/", "post", {"name": "renamed <b>"})
    query = urlencode([("run", place.runs[0]), ("chart", "curves"), ("metric", place.metric)])
    pin = {"experiment": place.experiment, "title": "pinned <b>", "newest": "0"}
    yield Call("compare-pin", f"/compare/pin/?{query}", "post", pin)
    for action, value in (("size", {"size": "2"}), ("move", {"by": "1"}), ("edit", {"title": "t"})):
        yield Call(f"pin-{action}", f"{one}board/{place.pin}/{action}/", "post", value)
    yield Call("best", f"{one}best/", "post", {"metric": place.metric, "mode": "min"})
    yield from _api_changes(place)
    yield Call("pin-remove", f"{one}board/{place.pin}/remove/", "post")


def _api_changes(place: Place) -> Iterator[Call]:
    one = f"/api/v1/experiments/{place.experiment}"
    ids = {"run_ids": [place.runs[0]]}
    change = {"description": "odd", "tags": {place.tag: "<b>"}}
    yield Call("api:experiment", one, "patch", change)
    yield Call("api:experiment-star", f"{one}/star", "put")
    yield Call("api:experiment-archive", f"{one}/archive", "post")
    yield Call("api:experiment-restore", f"{one}/restore", "post")
    yield Call("api:runs-archive", "/api/v1/runs/archive", "post", ids)
    yield Call("api:runs-restore", "/api/v1/runs/restore", "post", ids)
    yield Call("api:runs-delete", "/api/v1/runs/delete", "post", {"run_ids": ["0" * 32]})
    yield Call("api:experiment-views", f"{one}/views", "post", {"name": "by api"})
    yield Call("api:experiment-best", f"{one}/best", "put", {"metric": place.metric, "mode": "min"})
    pinned = {"chart": "curves", "settings": {"metric": [place.metric]}, "runs": [place.runs[0]]}
    yield Call("api:board", f"{one}/board", "post", pinned)
    yield Call("api:board-pin", f"{one}/board/{place.pin}", "patch", {"title": "by api"})


def names_of(calls: Iterator[Call]) -> set[str]:
    return {call.name for call in calls}
