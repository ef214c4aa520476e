"""The best run of an experiment: chosen once, ranked, champion marked, ready to deploy."""

from __future__ import annotations

import math
import re

import pytest
from django.test import Client

from studio.comparing.best import best_choice, best_choose, leaderboard
from studio.comparing.models import BestChoice
from tests.tracking.mlflow_store import Store
from workspaces.errors import Invalid, NotFound
from workspaces.models import Event


@pytest.fixture
def experiment(store: Store) -> str:
    return store.experiment("e")


@pytest.fixture
def runs(store: Store, experiment: str) -> list[str]:
    values = [3.0, 1.0, math.nan, 2.0, 1.0, None]
    return [
        store.run(
            experiment,
            f"r{n}",
            params={"alpha": str(n)},
            metrics={} if value is None else {"rmse": value},
        )
        for n, value in enumerate(values)
    ]


def test_nothing_is_chosen_until_somebody_does(
    person: Client, experiment: str, runs: list[str]
) -> None:
    assert best_choice(experiment) is None
    html = person.get(f"/experiments/{experiment}/leaderboard/").content.decode()
    assert "Choose what is best" in html
    form = person.get(f"/experiments/{experiment}/best/").content.decode()
    assert 'value="min" selected' in form  # the name says so


def test_it_is_chosen_once_for_everybody_and_recorded(
    person: Client, experiment: str, runs: list[str]
) -> None:
    for mode in ("max", "min"):
        answer = person.post(f"/experiments/{experiment}/best/", {"metric": "rmse", "mode": mode})
        assert answer.url == f"/experiments/{experiment}/leaderboard/"
    choice = BestChoice.objects.get()
    assert (choice.word, choice.chosen_by.username) == ("min:rmse", "ada")
    assert Event.objects.filter(kind="experiment.best_chosen").count() == 2


def test_what_no_run_has_cannot_be_chosen(db: None, experiment: str, runs: list[str]) -> None:
    for metric, mode in [("nope", "max"), ("rmse", "up"), ("a`b", "min")]:
        with pytest.raises(Invalid):
            best_choose(experiment_id=experiment, metric=metric, mode=mode, user=None)
    assert not BestChoice.objects.exists()


def test_a_wrong_form_comes_back(person: Client, experiment: str, runs: list[str]) -> None:
    answer = person.post(f"/experiments/{experiment}/best/", {"metric": "x", "mode": "max"})
    assert answer.status_code == 422


def test_an_experiment_that_is_not_there_has_no_best(person: Client, store: Store) -> None:
    for page in ("best", "leaderboard"):
        assert person.get(f"/experiments/987654/{page}/").status_code == 404
    with pytest.raises(NotFound):
        best_choose(experiment_id="987654", metric="m", mode="max", user=None)


def test_runs_are_ranked_with_ties_and_without_those_that_lack_it(
    db: None, experiment: str, runs: list[str]
) -> None:
    choice = best_choose(experiment_id=experiment, metric="rmse", mode="min", user=None)
    found = leaderboard(choice, 10)
    assert [(row.place, row.value, row.gap) for row in found.leaders] == [
        (1, 1.0, 0.0),
        (1, 1.0, 0.0),
        (3, 2.0, 1.0),
        (4, 3.0, 2.0),
    ]
    assert {row.run.id for row in found.leaders} == {runs[1], runs[4], runs[3], runs[0]}
    assert [column.key for column in found.parameters] == ["alpha"]
    assert len(leaderboard(choice, 2).leaders) == 2
    highest = best_choose(experiment_id=experiment, metric="rmse", mode="max", user=None)
    assert leaderboard(highest, 10).leaders[0].run.id == runs[0]


def test_the_champion_is_marked_and_can_be_deployed(
    person: Client, store: Store, experiment: str, runs: list[str]
) -> None:
    best_choose(experiment_id=experiment, metric="rmse", mode="min", user=None)
    store.client.create_registered_model("wine & more")
    for run_id in (runs[3], runs[0], runs[0]):
        store.client.create_model_version("wine & more", f"runs:/{run_id}/model", run_id)
    store.client.set_registered_model_alias("wine & more", "champion", "2")
    html = person.get(f"/experiments/{experiment}/leaderboard/?top=25").content.decode()
    rows = re.findall(r"<tr[^>]*>.*?</tr>", html, re.S)
    champion = [row for row in rows if "Champion" in row]
    assert len(champion) == 1
    assert f"/runs/{runs[0]}/" in champion[0]
    links = re.findall(r'href="(/deploy/[^"]+)"', html)
    assert links == [
        "/deploy/?model=wine%20%26%20more&amp;version=1",
        "/deploy/?model=wine%20%26%20more&amp;version=2",  # the champion's, not the newest
    ]
    assert html.count("No model logged") == 2


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-7, 1e300])
def test_a_champion_below_the_list_is_named_with_its_place(
    person: Client, store: Store, experiment: str, scale: float
) -> None:
    ids = [
        store.run(experiment, f"r{n}", metrics={"rmse: ü": scale * n, "other": n})
        for n in (1, 2, 3, 4)
    ]
    elsewhere = store.run(store.experiment("other"), metrics={"rmse: ü": 1.0})
    mode = "min" if scale > 0 else "max"
    choice = best_choose(experiment_id=experiment, metric="rmse: ü", mode=mode, user=None)
    for name, run_id in {"wine <b>": ids[3], "near": ids[0], "far": elsewhere}.items():
        store.client.create_registered_model(name)
        store.client.create_model_version(name, f"runs:/{run_id}/model", run_id)
        store.client.set_registered_model_alias(name, "champion", "1")
    (champion,) = leaderboard(choice, 2).champions
    assert (champion.version.name, champion.run.id) == ("wine <b>", ids[3])
    assert (champion.place, champion.value) == (4, scale * 4)
    assert leaderboard(choice, 4).champions == ()


def test_champions_without_the_metric_and_of_no_leader_are_named_on_the_page(
    person: Client, store: Store, experiment: str
) -> None:
    run_id, other = store.run(experiment, "odd <i>"), store.run(experiment, metrics={"m": 1.0})
    best_choose(experiment_id=experiment, metric="m", mode="max", user=None)
    store.client.create_registered_model("w & m")
    store.client.create_model_version("w & m", f"runs:/{run_id}/model", run_id)
    store.client.set_registered_model_alias("w & m", "champion", "1")
    html = person.get(f"/experiments/{experiment}/leaderboard/").content.decode()
    below = html.split("Champions that are not in this list", 1)[1]
    assert f"/runs/{run_id}/" in below
    assert "odd &lt;i&gt;" in below
    assert "/deploy/?model=w%20%26%20m&amp;version=1" in below
    assert f"/runs/{other}/" not in below
    found = person.get(f"/api/v1/experiments/{experiment}/leaderboard").json()
    (champion,) = found["champions"]
    assert (champion["place"], champion["value"]) == (None, None)
    assert champion["version"] == {"name": "w & m", "version": "1", "aliases": ["champion"]}
    store.client.delete_registered_model_alias("w & m", "champion")
    html = person.get(f"/experiments/{experiment}/leaderboard/").content.decode()
    assert "Champions that are not" not in html


def test_the_panel_of_the_registry_offers_the_same_choice(
    person: Client, experiment: str, runs: list[str]
) -> None:
    best_choose(experiment_id=experiment, metric="rmse", mode="min", user=None)
    for page in (f"/experiments/{experiment}/leaderboard/", f"/experiments/{experiment}/"):
        html = person.get(page).content.decode()
        assert f"/experiments/{experiment}/register-best/?metric=rmse&amp;mode=min" in html, page
    form = person.get(f"/experiments/{experiment}/register-best/?metric=rmse&mode=min")
    assert 'value="min" selected' in form.content.decode()


def test_a_sorted_table_asks_for_its_own_order_first(
    person: Client, experiment: str, runs: list[str]
) -> None:
    best_choose(experiment_id=experiment, metric="rmse", mode="min", user=None)
    html = person.get(f"/experiments/{experiment}/?sort=-metrics.rmse").content.decode()
    assert "register-best/?metric=rmse&amp;mode=max" in html


def test_a_metric_that_runs_lost_says_so(person: Client, store: Store, experiment: str) -> None:
    run_id = store.run(experiment, metrics={"m": 1.0})
    best_choose(experiment_id=experiment, metric="m", mode="max", user=None)
    store.client.delete_run(run_id)
    html = person.get(f"/experiments/{experiment}/leaderboard/").content.decode()
    assert "No run has this metric" in html
