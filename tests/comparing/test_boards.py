"""Boards: pinning, what a pin shows, renaming, ordering, widths, removing."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from studio.comparing import boards
from studio.comparing.models import Pin
from studio.comparing.settings import settings_parse
from tests.tracking.mlflow_store import Store
from workspaces.errors import Conflict, Invalid, NotFound

SETTINGS = {"chart": ["scatter"], "x": ["params.alpha"], "y": ["metrics.rmse"]}


@pytest.fixture
def experiment(store: Store) -> str:
    return store.experiment("e")


@pytest.fixture
def runs(store: Store, experiment: str) -> list[str]:
    return [
        store.run(experiment, f"r{n}", params={"alpha": str(n)}, metrics={"rmse": float(n)})
        for n in range(3)
    ]


@pytest.fixture
def pins(experiment: str, runs: list[str], db: None) -> list[Pin]:
    return [
        boards.pin_add(
            experiment_id=experiment,
            settings=settings_parse(SETTINGS),
            run_ids=runs,
            title=title,
            user=None,
        )
        for title in "abc"
    ]


def titles(experiment: str) -> str:
    return "".join(pin.title for pin in boards.pins_of(experiment))


def figure_of(html: str) -> dict:
    return json.loads(unescape(re.search(r'data-figure="([^"]+)"', html)[1]))  # type: ignore[index]


def test_a_chart_is_pinned_from_its_own_address(
    person: Client, experiment: str, runs: list[str]
) -> None:
    chart = "&".join(f"run={run_id}" for run_id in runs) + "&chart=scatter&y=metrics.rmse"
    part = person.get(f"/compare/chart/?{chart}").content.decode()
    url = unescape(re.search(r'hx-get="(/compare/pin/[^"]+)"', part)[1])  # type: ignore[index]
    panel = person.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in panel
    answer = person.post(url, {"title": "Mine <b>", "newest": "0", "experiment": experiment})
    assert answer.url == f"/experiments/{experiment}/board/"
    pin = Pin.objects.get()
    assert (pin.title, pin.kind, pin.runs, pin.newest) == ("Mine <b>", "scatter", runs, 0)
    assert pin.created_by == get_user_model().objects.get()
    page = person.get(answer.url).content.decode()
    assert "Mine &lt;b&gt;" in page
    assert figure_of(
        person.get(f"/experiments/{experiment}/board/{pin.pk}/chart/").content.decode()
    )


def test_with_htmx_a_toast_says_so_and_the_panel_closes(
    person: Client, experiment: str, runs: list[str]
) -> None:
    url = f"/compare/pin/?run={runs[0]}&chart=curves&metric=rmse"
    data = {"title": "", "newest": "20", "experiment": experiment}
    answer = person.post(url, data, headers={"HX-Request": "true"})
    assert answer.content == b""
    assert "Curves: rmse" in json.loads(answer["HX-Trigger"])["toast"]["text"]
    assert (Pin.objects.get().newest, Pin.objects.get().runs) == (20, [])


def test_a_pin_that_follows_shows_runs_made_later(
    person: Client, store: Store, experiment: str, runs: list[str]
) -> None:
    pin = boards.pin_add(
        experiment_id=experiment,
        settings=settings_parse(SETTINGS),
        run_ids=[],
        newest=10,
        user=None,
    )
    url = f"/experiments/{experiment}/board/{pin.pk}/chart/"
    assert len(figure_of(person.get(url).content.decode())["data"][0]["x"]) == 3
    store.run(experiment, "late", params={"alpha": "9"}, metrics={"rmse": 9.0}, end="")
    html = person.get(url).content.decode()
    assert len(figure_of(html)["data"][0]["x"]) == 4
    assert f'data-live="{url}"' in html
    answer = person.get(url, headers={"Accept": "application/json"}).json()
    assert answer["open"] is True


def test_pins_are_renamed_resized_moved_and_removed(
    person: Client, experiment: str, pins: list[Pin]
) -> None:
    base = f"/experiments/{experiment}/board"
    assert person.post(f"{base}/{pins[0].pk}/edit/", {"title": " A "}).status_code == 302
    assert person.post(f"{base}/{pins[0].pk}/size/", {"size": "3"}).status_code == 302
    assert person.post(f"{base}/{pins[0].pk}/move/", {"to": "end"}).status_code == 302
    assert titles(experiment) == "bAc"
    assert person.post(f"{base}/{pins[2].pk}/move/", {"to": "end"}).status_code == 302
    assert titles(experiment) == "bAc"  # it stops at the end
    assert person.post(f"{base}/{pins[1].pk}/remove/").status_code == 302
    assert titles(experiment) == "Ac"
    assert boards.pins_of(experiment)[0].size == 3
    assert person.post(f"{base}/{pins[1].pk}/remove/").status_code == 404


@pytest.mark.parametrize(
    ("path", "data"),
    [("edit", {"title": ""}), ("edit", {"title": "x" * 121}), ("size", {"size": "4"})],
)
def test_wrong_changes_are_refused_and_change_nothing(
    person: Client, experiment: str, pins: list[Pin], path: str, data: dict[str, str]
) -> None:
    answer = person.post(f"/experiments/{experiment}/board/{pins[0].pk}/{path}/", data)
    assert answer.status_code in {400, 422}
    assert (titles(experiment), boards.pins_of(experiment)[0].size) == ("abc", 1)


def test_a_pin_belongs_to_its_experiment(person: Client, store: Store, pins: list[Pin]) -> None:
    other = store.experiment("other")
    for path in ("chart/", "edit/"):
        assert person.get(f"/experiments/{other}/board/{pins[0].pk}/{path}").status_code == 404
    assert person.post(f"/experiments/{other}/board/{pins[0].pk}/remove/").status_code == 404


def test_wrong_pins_are_refused_with_every_reason(
    db: None, experiment: str, runs: list[str]
) -> None:
    settings = settings_parse(SETTINGS)
    with pytest.raises(Invalid) as caught:
        boards.pin_add(
            experiment_id=experiment,
            settings=settings,
            run_ids=["no'id"],
            title="x" * 200,
            user=None,
        )
    assert set(caught.value.fields) == {"runs", "title"}
    with pytest.raises(Invalid):
        boards.pin_add(
            experiment_id=experiment, settings=settings, run_ids=runs, newest=7, user=None
        )
    with pytest.raises(NotFound):
        boards.pin_add(experiment_id="987654", settings=settings, run_ids=runs, user=None)
    assert not Pin.objects.exists()


def test_a_board_has_an_end(
    db: None, experiment: str, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "MOST_PINS", 1)
    wanted = {"experiment_id": experiment, "settings": settings_parse(SETTINGS), "run_ids": runs}
    boards.pin_add(**wanted, user=None)
    with pytest.raises(Conflict):
        boards.pin_add(**wanted, user=None)


def test_a_pin_whose_runs_are_gone_says_so(
    person: Client, experiment: str, pins: list[Pin]
) -> None:
    Pin.objects.filter(pk=pins[0].pk).update(runs=["0" * 32], settings={"odd": [1, None]}, kind="?")
    html = person.get(f"/experiments/{experiment}/board/{pins[0].pk}/chart/").content.decode()
    assert "data-figure" not in html


def test_the_board_asks_as_often_for_many_pins_as_for_few(
    person: Client, experiment: str, pins: list[Pin], django_assert_max_num_queries: object
) -> None:
    url = f"/experiments/{experiment}/board/"
    person.get(url)
    with django_assert_max_num_queries(8) as few:  # type: ignore[operator]
        person.get(url)
    for number in range(20):
        Pin.objects.create(board=pins[0].board, title=str(number), kind="box")
    with django_assert_max_num_queries(len(few)):  # type: ignore[operator]
        assert person.get(url).content.decode().count("pin-card-") >= 23


def test_an_empty_board_says_how_to_fill_it(person: Client, experiment: str) -> None:
    assert (
        "Nothing is pinned yet" in person.get(f"/experiments/{experiment}/board/").content.decode()
    )
    assert person.get("/experiments/987654/board/").status_code == 404
