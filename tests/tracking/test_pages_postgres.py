"""Pages over a store in PostgreSQL: the list of runs, a history, a comparison, a leaderboard."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from studio.charts import histories
from studio.comparing.best import best_choose
from tests.tracking.made_stores import postgres_database
from tests.tracking.mlflow_store import Store, use
from workspaces.tracking.store.opening import stores

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]
KEY = "loss: ü/50"
CHART = {"chart": "curves", "metric": KEY}


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    with postgres_database(postgres_url, "pages") as url:
        yield url


@pytest.fixture
def store(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    from mlflow import MlflowClient

    use(monkeypatch, tracking_uri=database, artifact_root=str(tmp_path))
    stores()
    histories.forget()
    uri = database.replace("postgres://", "postgresql+psycopg://")
    return Store(uri, tmp_path, MlflowClient(uri, uri))


@pytest.fixture
def person(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_user("ada", password="x"))
    return client


@pytest.fixture
def runs(store: Store, request: pytest.FixtureRequest) -> list[str]:
    experiment = store.experiment(request.node.name)
    ids = []
    for number in range(3):
        run_id = store.run(experiment, f"run {number} %", params={"α": str(number)}, end="")
        for step, value in enumerate([4.0 - number, math.nan, 2.0 - number]):
            store.client.log_metric(run_id, KEY, value, step=step)
        ids.append(run_id)
    return ids


def experiment_of(store: Store, run_id: str) -> str:
    return str(store.client.get_run(run_id).info.experiment_id)


def body_of(answer: object) -> str:
    return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]


def test_the_list_of_runs_is_filtered_sorted_and_exported(
    person: Client, store: Store, runs: list[str]
) -> None:
    page = f"/experiments/{experiment_of(store, runs[0])}/"
    query = {"sort": f"metrics.{KEY}", "filter": "params.`α` != '0'"}
    html = person.get(page, query).content.decode()
    assert f"/runs/{runs[0]}/" not in html
    assert html.index(f"/runs/{runs[2]}/") < html.index(f"/runs/{runs[1]}/")
    rows = body_of(person.get(f"{page}runs/export/", {**query, "format": "csv"})).splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == [runs[2], runs[1]]


def test_a_history_is_drawn_and_saved(person: Client, runs: list[str]) -> None:
    figure = person.get(f"/runs/{runs[0]}/metrics/chart/", {"key": KEY}).json()
    assert figure["data"][0]["y"] == [4.0, None, 2.0]
    news = person.get(f"/runs/{runs[0]}/metrics/news/", {"key": KEY}).json()
    assert (news["open"], news["latest"][KEY]["text"]) == (True, "2")
    rows = body_of(person.get(f"/runs/{runs[0]}/metrics/history.csv", {"key": KEY})).splitlines()
    assert [row.rpartition(",")[2] for row in rows] == ["value", "4.0", "NaN", "2.0"]


def test_runs_are_compared(person: Client, runs: list[str]) -> None:
    html = person.get("/compare/", {"run": runs}).content.decode()
    assert all(f"/runs/{run_id}/" in html for run_id in runs)
    lines = person.get(
        "/compare/chart/", {"run": runs, **CHART}, headers={"accept": "application/json"}
    )
    assert [line["y"] for line in lines.json()["figure"]["data"]] == [
        [4.0 - number, None, 2.0 - number] for number in range(3)
    ]
    rows = body_of(person.get("/compare/chart.csv", {"run": runs, **CHART})).splitlines()
    assert len(rows) == 1 + 9


def test_the_leaderboard_names_the_champion_below(
    person: Client, store: Store, runs: list[str]
) -> None:
    experiment = experiment_of(store, runs[0])
    for number in range(10):
        store.run(experiment, metrics={KEY: -5.0 - number})
    best_choose(experiment_id=experiment, metric=KEY, mode="min", user=None)
    store.client.create_registered_model("wine")
    store.client.create_model_version("wine", f"runs:/{runs[0]}/model", runs[0])
    store.client.set_registered_model_alias("wine", "champion", "1")
    found = person.get(f"/api/v1/experiments/{experiment}/leaderboard").json()
    assert len(found["leaders"]) == 10
    (champion,) = found["champions"]
    assert (champion["run"]["id"], champion["place"], champion["value"]) == (runs[0], 13, 2.0)
