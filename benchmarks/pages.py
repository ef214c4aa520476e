"""Lists of runs and a chart: our pages beside MLflow's own calls for the same questions."""

from __future__ import annotations

import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from benchmarks.goals import Goal
from benchmarks.seed import LARGE, LONG, seed
from tests.engines import missing
from tests.setup.studio_process import Studio
from tests.tracking.made_stores import postgres_database
from tests.tracking.stock_server import stock_server
from workspaces.tracking.offsets import token_of

SIZES = (10_000, 100_000)
PATIENCE_S = 60.0  # for one answer of MLflow
SLOW_S = 5.0  # what takes so long is asked once
ROUNDS = 9
SETTLES_S = 15.0  # workers that have just started load MLflow as well
SIZE = 50  # runs of a page
PASSWORD = "a-password-of-the-benchmark"
METRIC, OTHER = "metric_03", "metric_04"
FILTER = f"metrics.`{METRIC}` > 0.5 and params.`param_00` = 'choice 3'"
INTRODUCTION = """Seconds until the whole answer is there, over HTTP, middle of several. MLflow's
is `runs/search` of a stock `mlflow server` with one worker, before Slipway has added its indexes to
the store; ours is the page with its 50 runs, signed in, in a whole studio on the same store. Eight
runs of ten are in the experiment that is asked for. A ">" means that MLflow was given up."""


class Question(NamedTuple):
    """One list of runs.

    Attributes:
        limit: of our time divided by MLflow's, at the most runs, on SQLite.
        limit_postgres: the same there, which plans MLflow's query well: 0.4 s and not 22 s.
    """

    name: str
    sort: str
    filter: str = ""
    page: int = 1
    limit: float | None = None
    limit_postgres: float | None = None


QUESTIONS = (
    Question("by time", "-start", limit=1 / 2, limit_postgres=1 / 2),
    Question("by time, page 50", "-start", page=50),
    Question("by a metric", f"-metrics.{METRIC}", limit=1 / 40, limit_postgres=1 / 2),
    Question("by a metric, page 50", f"-metrics.{METRIC}", page=50),
    Question("filtered, by time", "-start", FILTER),
    Question("filtered, by another metric", f"-metrics.{OTHER}", FILTER),
    Question("filtered, by another metric, page 50", f"-metrics.{OTHER}", FILTER, 50),
)
CHART = "chart of 1,000,000 points"
CHART_AGAIN = f"{CHART}, again"


def section(seconds: float) -> tuple[list[Goal], str]:
    """Measure, and return the goals and a Markdown section."""
    goals: list[Goal] = []
    lines = ["| store | runs | question | MLflow, s | ours, s | ratio |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for engine in ("SQLite", "PostgreSQL"):
        if engine == "PostgreSQL" and missing("postgres"):
            lines.append(f"| {engine} | | {missing('postgres')} | | | |")
            continue
        measured = {runs: _measured(engine, runs) for runs in SIZES}
        goals += _goals(engine, measured)
        lines += [line for runs in SIZES for line in _rows(engine, runs, *measured[runs])]
    return goals, f"## Lists of runs\n\n{INTRODUCTION}\n\n" + "\n".join(lines)


Times = dict[str, float]


def _measured(engine: str, runs: int) -> tuple[Times, Times]:
    """Seconds of MLflow and of ours, by question."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name, _store(engine, Path(name)) as uri:
        long_run = seed(uri, runs=runs)
        theirs = _of_mlflow(Path(name), uri, long_run)
        return theirs, _of_studio(uri, long_run)


@contextmanager
def _store(engine: str, folder: Path) -> Iterator[str]:
    if engine == "SQLite":
        yield f"sqlite:///{folder}/mlflow.db"
        return
    with postgres_database(os.environ["SLIPWAY_TEST_POSTGRES_URL"], "bench_pages") as url:
        yield url.replace("postgres://", "postgresql+psycopg://")


def _goals(engine: str, measured: dict[int, tuple[Times, Times]]) -> list[Goal]:
    few, many = SIZES
    goals = []
    for question in QUESTIONS:
        theirs, ours = measured[many]
        about = f"{engine}, {many:,} runs"
        what, took = f"page {question.name}", ours[question.name]
        ratio = took / theirs[question.name]
        most = question.limit if engine == "SQLite" else question.limit_postgres
        goals.append(Goal(about, what, "MLflow's runs/search", ratio, most, most=True))
        growth = took / measured[few][1][question.name]
        limit = 2.0 if question.limit else None
        goals.append(Goal(about, what, f"the same at {few:,}", growth, limit, most=True))
    theirs, ours = measured[many]
    for name, limit in ((CHART, 1.0), (CHART_AGAIN, 1 / 10)):
        ratio = ours[name] / theirs[CHART]
        goals.append(Goal(engine, name, "get-history-bulk-interval", ratio, limit, most=True))
    return goals


def _rows(engine: str, runs: int, theirs: Times, ours: Times) -> Iterator[str]:
    for name, took in ours.items():
        other = theirs.get(name, theirs[CHART])
        given_up = ">" if other >= PATIENCE_S else ""
        yield (
            f"| {engine} | {runs:,} | {name} | {given_up}{other:.3f} | {took:.3f} "
            f"| {'<' if given_up else ''}{took / other:.3g} |"
        )


# --- MLflow --------------------------------------------------------------------------------------


def _of_mlflow(folder: Path, uri: str, long_run: str) -> Times:
    found: Times = {}
    for question in QUESTIONS:  # a server each: one that was given up goes on working
        with stock_server(folder, uri) as server, httpx.Client(timeout=PATIENCE_S) as client:
            experiment = _experiment(client, server)
            body = _search(experiment, question)
            url = f"{server}/api/2.0/mlflow/runs/search"
            _search_once(client, url, _search(experiment, QUESTIONS[0]))
            found[question.name] = _middle(lambda: _search_once(client, url, body), 3)  # noqa: B023
    with stock_server(folder, uri) as server, httpx.Client(timeout=PATIENCE_S) as client:
        url = f"{server}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
        asked = {"run_ids": long_run, "metric_key": LONG, "max_results": 320}
        found[CHART] = _middle(lambda: client.get(url, params=asked).raise_for_status(), 3)
    return found


def _experiment(client: httpx.Client, server: str) -> str:
    url = f"{server}/api/2.0/mlflow/experiments/get-by-name"
    answer = client.get(url, params={"experiment_name": LARGE}).raise_for_status().json()
    return str(answer["experiment"]["experiment_id"])


def _search(experiment: str, question: Question) -> dict[str, Any]:
    key = question.sort.removeprefix("-")
    key = "attributes.start_time" if key == "start" else f"metrics.`{key.partition('.')[2]}`"
    asked = {"experiment_ids": [experiment], "max_results": SIZE, "order_by": [f"{key} DESC"]}
    token = token_of((question.page - 1) * SIZE)
    return asked | {"filter": question.filter} | ({"page_token": token} if token else {})


def _search_once(client: httpx.Client, url: str, body: dict[str, Any]) -> None:
    client.post(url, json=body).raise_for_status()


def _middle(ask: Callable[[], object], rounds: int) -> float:
    took: list[float] = []
    while len(took) < rounds:
        begun = time.perf_counter()
        try:
            ask()
        except httpx.ReadTimeout:
            return PATIENCE_S
        took.append(time.perf_counter() - begun)
        if took[0] > SLOW_S:
            break
    return statistics.median(took)


# --- ours ----------------------------------------------------------------------------------------


def _of_studio(uri: str, long_run: str) -> Times:
    studio = Studio.make(SLIPWAY_TRACKING_URI=uri, SLIPWAY_ADMIN_PASSWORD=PASSWORD)
    try:
        studio.up()
        with httpx.Client(base_url=studio.url, timeout=60, follow_redirects=True) as client:
            sign_in(client)
            experiment = _linked(client)
            time.sleep(SETTLES_S)
            found = {}
            for question in QUESTIONS:
                url = f"/experiments/{experiment}/?{_state(question)}"
                client.get(url).raise_for_status()
                found[question.name] = _middle(lambda: client.get(url).raise_for_status(), ROUNDS)  # noqa: B023
            chart = f"/runs/{long_run}/metrics/chart/?{urlencode({'key': LONG})}"
            found[CHART] = _middle(lambda: client.get(chart).raise_for_status(), 1)
            found[CHART_AGAIN] = _middle(lambda: client.get(chart).raise_for_status(), ROUNDS)
            return found
    finally:
        studio.close()


def _state(question: Question) -> str:
    state = {"sort": question.sort, "filter": question.filter, "size": SIZE}
    token = token_of((question.page - 1) * SIZE)
    return urlencode(
        {key: value for key, value in (state | {"page_token": token}).items() if value}
    )


def sign_in(client: httpx.Client) -> None:
    """Signs in, and waits until web has loaded MLflow."""
    page = client.get("/login/").raise_for_status().text
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page
    form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": found[1]}
    client.post("/login/", data=form, headers={"referer": str(client.base_url)}).raise_for_status()
    deadline = time.monotonic() + 60
    while client.get("/experiments/").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.5)


def _linked(client: httpx.Client) -> str:
    """The id of the large experiment, from the page of experiments."""
    page = client.get("/experiments/", params={"q": LARGE}).raise_for_status().text
    found = re.search(r"/experiments/(\d+)/", page)
    assert found, page
    return found[1]
