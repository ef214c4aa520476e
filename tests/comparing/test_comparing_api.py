"""Comparisons, boards and leaderboards by API: the same as on the pages."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.test import Client

from studio.comparing.models import BestChoice, Pin
from tests.tracking.mlflow_store import Store


@pytest.fixture
def experiment(store: Store) -> str:
    return store.experiment("e")


@pytest.fixture
def runs(store: Store, experiment: str) -> list[str]:
    return [
        store.run(
            experiment,
            f"r{n}",
            params={"alpha": str(n % 3), "same": "1"},
            metrics={"rmse": float(n % 3), "bad": math.nan},
        )
        for n in range(9)
    ]


def send(person: Client, method: str, path: str, body: Any = None) -> Any:
    call = getattr(person, method)
    return call(f"/api/v1/{path}", body, content_type="application/json")


def test_a_comparison_names_what_differs_and_the_best(person: Client, runs: list[str]) -> None:
    found = person.get("/api/v1/compare", {"run": [*runs[:4], "nope"]}).json()
    assert [run["id"] for run in found["runs"]] == runs[:4]
    assert found["unknown"] == ["nope"]
    assert found["differing"] == {"params": ["alpha"], "metrics": ["rmse"], "tags": []}
    assert found["best"] == {"rmse": sorted([runs[0], runs[3]])}
    assert person.get("/api/v1/compare", {"run": runs[:1]}).json()["fields"]["run"]


def test_importance_is_told_for_enough_runs(person: Client, runs: list[str]) -> None:
    found = person.get("/api/v1/compare/importance", {"run": runs, "metric": "rmse"}).json()
    assert found["parameters"][0]["parameter"] == "alpha"
    assert found["parameters"][0]["importance"] == 1.0
    few = person.get("/api/v1/compare/importance", {"run": runs[:5], "metric": "rmse"}).json()
    assert few["parameters"] == []
    wrong = person.get("/api/v1/compare/importance", {"run": runs, "metric": "no"})
    assert wrong.status_code == 400


def test_what_is_best_is_chosen_and_ranks(person: Client, experiment: str, runs: list[str]) -> None:
    base = f"experiments/{experiment}"
    assert person.get(f"/api/v1/{base}/best").status_code == 404
    assert person.get(f"/api/v1/{base}/leaderboard").status_code == 404
    body = {"metric": "rmse", "mode": "min"}
    assert send(person, "put", f"{base}/best", body).json() == body
    assert person.get(f"/api/v1/{base}/best").json() == body
    assert BestChoice.objects.get().word == "min:rmse"
    found = person.get(f"/api/v1/{base}/leaderboard", {"top": 4}).json()
    assert [leader["place"] for leader in found["leaders"]] == [1, 1, 1, 4]
    assert send(person, "put", f"{base}/best", {"metric": "no", "mode": "min"}).status_code == 400
    assert send(person, "put", f"{base}/best", {"metric": "rmse"}).status_code == 400
    assert person.get(f"/api/v1/{base}/leaderboard", {"top": 101}).status_code == 400
    assert person.get("/api/v1/experiments/987654/best").status_code == 404


def test_a_board_is_filled_changed_and_emptied(
    person: Client, experiment: str, runs: list[str]
) -> None:
    base = f"experiments/{experiment}/board"
    for title in ("a", "b"):
        body = {"chart": "box", "settings": {"y": ["metrics.rmse"]}, "runs": runs, "title": title}
        assert send(person, "post", base, body).status_code == 201
    pins = person.get(f"/api/v1/{base}").json()["pins"]
    assert [pin["title"] for pin in pins] == ["a", "b"]
    assert pins[0]["settings"] == {"y": ["metrics.rmse"]}
    change = {"title": "A", "size": 3, "move": 1}
    assert send(person, "patch", f"{base}/{pins[0]['id']}", change).json()["size"] == 3
    assert [pin["title"] for pin in person.get(f"/api/v1/{base}").json()["pins"]] == ["b", "A"]
    assert person.delete(f"/api/v1/{base}/{pins[0]['id']}").status_code == 204
    assert person.delete(f"/api/v1/{base}/{pins[0]['id']}").status_code == 404
    assert person.delete(f"/api/v1/{base}/{10**30}").status_code == 404
    assert Pin.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {"chart": "pie"},
        {"chart": "box"},
        {"chart": "box", "newest": 7},
        {"chart": "box", "newest": 10, "settings": {"y": "metrics.m"}},
        {"chart": "box", "newest": 10, "title": "x" * 121},
    ],
)
def test_wrong_pins_are_refused(person: Client, experiment: str, body: dict[str, Any]) -> None:
    answer = send(person, "post", f"experiments/{experiment}/board", body)
    assert answer.status_code == 400
    assert answer.json()["fields"]
    assert not Pin.objects.exists()
