"""The metrics tab: groups, search, pages, and thousands of metrics."""

from __future__ import annotations

import re
from html import unescape

from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import Metric

from studio.runs.metrics import PAGE, group_of, metrics_page
from tests.tracking.mlflow_store import Store
from workspaces.tracking.values import Run


def run(*keys: str) -> Run:
    return Run(
        id="r",
        name="r",
        experiment_id="0",
        status="FINISHED",
        deleted=False,
        user="",
        started_at=None,
        ended_at=None,
        artifact_uri="",
        params={},
        metrics=dict.fromkeys(sorted(keys), 1.0),
        tags={},
        steps=dict.fromkeys(keys, 3),
    )


def test_metrics_are_grouped_by_the_words_before_a_slash() -> None:
    page = metrics_page(run("val/loss", "loss", "system/cpu", "train/a/b", "train/acc", "/odd"))
    titles = [(group.title, [metric.label for metric in group.metrics]) for group in page.groups]
    assert titles == [
        ("Metrics", ["odd", "loss"]),
        ("train", ["a/b", "acc"]),
        ("val", ["loss"]),
        ("System metrics", ["cpu"]),
    ]


def test_a_search_wants_every_word_somewhere_in_the_name() -> None:
    page = metrics_page(run("train/loss", "val/loss", "val/acc"), "LOSS val")
    assert [metric.key for metric in page.metrics] == ["val/loss"]


@given(st.sets(st.text("ab/", min_size=1, max_size=5), max_size=200), st.integers(-2, 9))
def test_every_metric_is_on_one_page_once(keys: set[str], number: int) -> None:
    first = metrics_page(run(*keys))
    pages = [metrics_page(run(*keys), number=n + 1) for n in range(first.pages)]
    shown = [metric.key for page in pages for metric in page.metrics]
    assert sorted(shown) == sorted(keys)
    assert all(len(page.metrics) <= PAGE for page in pages)
    assert metrics_page(run(*keys), number=number).number in range(1, first.pages + 1)
    for page in pages:
        names = [group.name for group in page.groups]
        assert len(names) == len(set(names))
        assert all(group_of(m.key) == group.name for group in page.groups for m in group.metrics)


def charts_of(html: str) -> list[str]:
    urls = re.findall(r'data-chart-metric="([^"]*)"', html)
    return [unescape(url) for url in urls]


def test_thousands_of_metrics_are_shown_a_page_at_a_time(person: Client, store: Store) -> None:
    found = store.run(store.experiment("wide"))
    rows = [Metric(f"g{n % 7}/metric {n:04d}", float(n), 0, 5) for n in range(3_000)]
    for start in range(0, len(rows), 1000):
        store.client.log_batch(found, rows[start : start + 1000])
    page = f"/runs/{found}/metrics/"
    html = person.get(page).content.decode()
    assert len(charts_of(html)) == PAGE
    assert "3,000 of 3,000 metrics" in html
    assert len(html) < 400_000
    second = person.get(page, {"page": "2"}).content.decode()
    assert not set(charts_of(html)) & set(charts_of(second))
    one = person.get(page, {"q": "metric 2999"}).content.decode()
    assert charts_of(one) == ["g3/metric 2999"]
    assert "No metric matches" in person.get(page, {"q": "zzz"}).content.decode()


def test_a_metric_with_one_value_is_in_the_table_and_can_be_opened(
    person: Client, store: Store
) -> None:
    found = store.run(store.experiment("one"), metrics={"final: é": 0.5})
    html = person.get(f"/runs/{found}/metrics/").content.decode()
    assert charts_of(html) == []
    assert "final: é" in html
    alone = person.get(f"/runs/{found}/metrics/", {"metric": "final: é"}).content.decode()
    assert charts_of(alone) == ["final: é"]


def test_the_settings_of_the_charts_are_in_the_address(person: Client, store: Store) -> None:
    found = store.run(store.experiment("settings"), metrics={"m": 1.0})
    query = {"axis": "relative", "smooth": "0.6", "log": "1", "band": "1"}
    html = person.get(f"/runs/{found}/metrics/", query).content.decode()
    assert re.search(r'value="relative" checked', html)
    assert re.search(r'name="smooth"[^>]+value="0.6"', html)
    assert len(re.findall(r'type="checkbox"[^>]+checked', html)) == 2


def test_a_run_that_is_going_is_asked_for_news(person: Client, store: Store) -> None:
    experiment = store.experiment("live")
    going = store.run(experiment, end="", metrics={"m": 1.0})
    ended = store.run(experiment, metrics={"m": 1.0})
    attribute = "data-chart-news"
    assert attribute in person.get(f"/runs/{going}/metrics/").content.decode()
    assert attribute not in person.get(f"/runs/{ended}/metrics/").content.decode()
