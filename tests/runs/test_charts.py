"""Charts of a run: the figure, the stretch that is looked at, exact values, what is new."""

from __future__ import annotations

import csv
import io
import math
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from mlflow.entities import Metric

from studio.charts import histories
from studio.comparing.models import Pin
from tests.tracking.mlflow_store import Store

KEY = "lo/ss: é 1"


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    histories.forget()


@pytest.fixture
def run_id(store: Store) -> str:
    found = store.run(store.experiment("charts"), end="")
    log(store, found, [0.0, 2.0, 4.0])
    return found


def log(store: Store, run_id: str, values: list[float], first: int = 0, key: str = "loss") -> None:
    for start in range(0, len(values), 1000):
        store.client.log_batch(
            run_id,
            [
                Metric(key, value, 1_700_000_000_000 + 1000 * step, step)
                for step, value in enumerate(values[start : start + 1000], first + start)
            ],
        )


def figure(person: Client, run_id: str, **query: Any) -> dict[str, Any]:
    answer = person.get(f"/runs/{run_id}/metrics/chart/", {"key": "loss", **query})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_a_chart_is_a_figure_of_its_values(person: Client, run_id: str) -> None:
    (line,) = figure(person, run_id)["data"]
    assert (line["x"], line["y"]) == ([0, 1, 2], [0.0, 2.0, 4.0])


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
def test_a_stretch_is_asked_for_in_the_axis_own_measure(
    person: Client, run_id: str, axis: str
) -> None:
    whole = figure(person, run_id, axis=axis)
    meta = {name: whole["meta"][name] for name in ("origin", "unit") if whole["meta"][name]}
    middle = whole["data"][0]["x"][1]
    part = figure(person, run_id, axis=axis, low=middle, high=middle, **meta)
    assert (part["data"][0]["x"], part["data"][0]["y"]) == ([middle], [2.0])


def test_a_long_history_is_refined_where_it_is_looked_at(
    person: Client, store: Store, run_id: str
) -> None:
    log(store, run_id, [math.sin(n / 50) for n in range(8_000)], first=10)
    whole = figure(person, run_id)
    assert whole["meta"]["points"] == 8_003
    assert whole["meta"]["drawn"] < 8_003
    part = figure(person, run_id, low=4_000, high=4_999)
    assert part["data"][0]["x"] == list(range(4_000, 5_000))


def test_what_is_kept_grows_with_the_run(person: Client, store: Store, run_id: str) -> None:
    log(store, run_id, [1.0] * 6_000, first=10)
    assert figure(person, run_id)["meta"]["points"] == 6_003
    log(store, run_id, [9.0], first=7_000)
    assert figure(person, run_id)["meta"]["points"] == 6_004
    assert max(figure(person, run_id, axis="time")["data"][0]["y"]) == 9.0


def test_every_value_is_in_the_csv_to_the_last_digit(person: Client, store: Store) -> None:
    found = store.run(store.experiment("csv"))
    values = [0.1 + 0.2, 1e-300, -math.inf, math.inf, math.nan, 5.0]
    log(store, found, values, key=KEY)
    answer = person.get(f"/runs/{found}/metrics/history.csv", {"key": KEY})
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"].startswith("attachment;")
    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    read = [float(row["value"]) for row in rows]
    assert [repr(value) for value in read] == [repr(value) for value in values]
    assert rows[1]["step"] == "1"
    assert rows[1]["time"] == "2023-11-14T22:13:21.000+00:00"


def test_news_are_the_latest_points_of_what_is_watched(
    person: Client, store: Store, run_id: str
) -> None:
    log(store, run_id, [1.0], key=KEY)
    url = f"/runs/{run_id}/metrics/news/"
    before = person.get(url, {"key": ["loss", "nothing"]}).json()
    assert before["open"]
    assert list(before["latest"]) == ["loss"]
    log(store, run_id, [8.0], first=3)
    after = person.get(url, {"key": ["loss", KEY]}).json()
    assert after["latest"]["loss"]["mark"] != before["latest"]["loss"]["mark"]
    assert after["latest"]["loss"]["text"] == "8"
    assert set(after["latest"]) == {"loss", KEY}
    store.client.set_terminated(run_id)
    assert person.get(url).json() == {"open": False, "latest": {}}


@pytest.mark.parametrize("part", ["chart/?key=x", "history.csv?key=x", "news/?key=x", "table/"])
def test_a_run_that_does_not_exist_has_no_values(person: Client, store: Store, part: str) -> None:
    for run_id in ("nope", "0" * 32):
        assert person.get(f"/runs/{run_id}/metrics/{part}").status_code == 404


def test_a_metric_that_does_not_exist_is_an_empty_chart(person: Client, run_id: str) -> None:
    made = figure(person, run_id, key="other")
    assert made["meta"]["notes"] == ["No value was logged."]


def test_every_chart_can_be_pinned_to_the_board(person: Client, store: Store, run_id: str) -> None:
    log(store, run_id, [1.0, 2.0], key=KEY)
    html = person.get(f"/runs/{run_id}/metrics/").content.decode()
    links = [unescape(url) for url in re.findall(r'href="(/compare/pin/[^"]+)"', html)]
    wanted = [{"run": [run_id], "chart": ["curves"], "metric": [key]} for key in (KEY, "loss")]
    asked = sorted((parse_qs(urlsplit(url).query) for url in links), key=lambda q: q["metric"])
    assert asked == wanted
    assert re.findall(r'hx-get="(/compare/pin/[^"]+)"', html) == re.findall(
        r'href="(/compare/pin/[^"]+)"', html
    )
    form = {
        "title": "t",
        "newest": "0",
        "experiment": store.client.get_run(run_id).info.experiment_id,
    }
    for url in links:
        assert person.post(url, form).status_code == 302
        assert (
            Pin.objects.latest("pk").settings["metric"] == parse_qs(urlsplit(url).query)["metric"]
        )
