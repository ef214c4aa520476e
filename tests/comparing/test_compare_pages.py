"""The compare page over a real store: what it shows, what it says no to, odd data, downloads."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html import unescape
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client

from studio.comparing import downloads
from tests.comparing.made import statements
from tests.tracking.mlflow_store import Store, use

ODD = '<u>"50 %" / it\'s</u> 実験'
KEY = "a/b c.d: 実験"  # all that MLflow allows in a name
KINDS = ("", "curves", "scatter", "parallel", "box", "contour", "importance", "images")


def query(runs: list[str], **more: str) -> str:
    pairs = [f"run={run_id}" for run_id in runs]
    return "&".join([*pairs, *(f"{key}={value}" for key, value in more.items())])


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html))


def charts_of(html: str) -> list[str]:
    """Addresses of the charts that a page loads."""
    return [unescape(url) for url in re.findall(r'hx-get="(/compare/chart/[^"]+)"', html)]


def figure_of(html: str) -> dict[str, Any]:
    found = re.search(r'data-figure="([^"]+)"', html)
    assert found, text_of(html)
    figure: dict[str, Any] = json.loads(unescape(found[1]))
    return figure


def rows_of(response: object) -> list[list[str]]:
    body = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(body)))


@pytest.fixture
def experiment(store: Store) -> str:
    return store.experiment(ODD)


@pytest.fixture
def runs(store: Store, experiment: str) -> list[str]:
    return [
        store.run(
            experiment,
            f"{ODD} {number}",
            params={"alpha": str(number / 10), "same": "1", KEY: ODD + str(number)},
            metrics={"rmse": 9.0 - number, "r2": number / 10, "same": 1.0, "bad": math.nan},
            tags={"t": ODD},
        )
        for number in range(8)
    ]


def test_nobody_sees_it_without_signing_in(client: Client, db: None) -> None:
    for path in ("/compare/", "/compare/chart/", "/compare/pin/", "/experiments/0/board/"):
        assert client.get(path).status_code == 302
    assert client.get("/experiments/0/leaderboard/").status_code == 302


def test_only_what_differs_is_shown_until_all_is_asked_for(person: Client, runs: list[str]) -> None:
    few = text_of(person.get(f"/compare/?{query(runs)}").content.decode())
    assert "alpha" in few
    assert "2 of 4 differ" in few  # rmse and r2
    row = '<th scope="row" title="same">'
    assert row not in person.get(f"/compare/?{query(runs)}").content.decode()
    assert row in person.get(f"/compare/?{query(runs, rows='all')}").content.decode()


def test_the_best_of_each_metric_is_marked(person: Client, runs: list[str]) -> None:
    html = person.get(f"/compare/?{query(runs)}").content.decode()
    cells = re.findall(r'<td class="num best"[^>]*>(.*?)<', html)
    assert sorted(cells) == ["0.7", "2"]  # the highest r2, the lowest rmse
    turned = person.get(f"/compare/?{query(runs, high='rmse', low='r2')}").content.decode()
    assert sorted(re.findall(r'<td class="num best"[^>]*>(.*?)<', turned)) == ["0", "9"]


def test_odd_names_are_text_in_every_view(person: Client, runs: list[str]) -> None:
    for kind in KINDS:
        html = person.get(f"/compare/?{query(runs, chart=kind, rows='all')}").content.decode()
        assert "<u>" not in html, kind
        for url in re.findall(r'hx-get="(/compare/[^"]+)"', html):
            part = person.get(unescape(url))
            assert part.status_code == 200, kind
            assert "<u>" not in part.content.decode(), kind


def test_charts_load_by_themselves_with_their_settings(person: Client, runs: list[str]) -> None:
    page = person.get(f"/compare/?{query(runs, chart='scatter', x='metrics.r2', log='y')}")
    urls = charts_of(page.content.decode())
    assert len(urls) == 1
    assert "x=metrics.r2" in urls[0]
    assert "log=y" in urls[0]
    figure = figure_of(person.get(urls[0]).content.decode())
    assert figure["data"][0]["x"] == [n / 10 for n in range(8)]
    assert figure["layout"]["yaxis"]["type"] == "log"


def test_curves_are_fetched_only_for_chosen_metrics(person: Client, runs: list[str]) -> None:
    page = person.get(f"/compare/?{query(runs, chart='curves')}&metric=r2&metric=nope")
    urls = charts_of(page.content.decode())
    assert len(urls) == 1
    bars = figure_of(person.get(urls[0]).content.decode())["data"][0]
    assert bars["y"] == [n / 10 for n in range(8)]  # each run has logged it once


def test_too_few_too_many_and_unknown_runs_are_told(person: Client, runs: list[str]) -> None:
    def said(path: str, status: int = 400) -> str:
        response = person.get(path)
        assert response.status_code == status
        return text_of(response.content.decode())

    assert "at least two" in said("/compare/", 200)
    assert "This is one run" in said(f"/compare/?{query(runs[:1])}")
    assert "This is one run" in said(f"/compare/?{query(runs[:1] * 3)}")
    many = [f"{number:032x}" for number in range(101)]
    assert "These are 101 runs, and at most 100" in said(f"/compare/?{query(many)}")
    gone = said(f"/compare/?{query(['nope', *runs[:1]])}")
    assert "This run does not exist: nope" in gone
    some = said(f"/compare/?{query([*runs[:2], 'nope', many[0]])}", 200)
    assert "2 of these runs do not exist" in some
    assert person.get("/compare/chart/?run=").status_code == 400
    assert person.get(f"/compare/chart.csv?{query(many)}").status_code == 400


def test_ids_may_come_with_commas(person: Client, runs: list[str]) -> None:
    page = person.get(f"/compare/?run={','.join(runs[:3])}").content.decode()
    assert "Compare 3 runs" in page


def test_deleted_runs_and_several_experiments_are_told(
    person: Client, store: Store, runs: list[str]
) -> None:
    other = store.run(store.experiment("other"), "elsewhere")
    store.client.delete_run(runs[0])
    text = text_of(person.get(f"/compare/?{query([*runs[:2], other])}").content.decode())
    assert "1 of these runs was deleted" in text
    assert "of several experiments" in text
    assert "other" in text


def test_a_store_that_does_not_answer_is_told(
    person: Client, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tracking_uri="http://127.0.0.1:9")
    response = person.get(f"/compare/?{query(runs)}")
    assert response.status_code == 503


def test_the_csv_of_a_table_is_whole_and_exact(person: Client, runs: list[str]) -> None:
    header, *rows = rows_of(person.get(f"/compare/table.csv?{query(runs)}"))
    assert [row[0] for row in rows] == runs
    place = header.index("metrics.rmse")
    assert [float(row[place]) for row in rows] == [9.0 - n for n in range(8)]
    assert rows[0][header.index("metrics.bad")] == "nan"
    assert rows[3][header.index(f"params.{KEY}")] == f"{ODD}3"


def test_every_chart_has_its_numbers_as_csv(person: Client, runs: list[str]) -> None:
    for kind in set(KINDS) - {"", "images"}:
        response = person.get(f"/compare/chart.csv?{query(runs, chart=kind)}")
        assert response["Content-Type"].startswith("text/csv")
        header, *rows = rows_of(response)
        assert rows, kind
        assert all(len(row) == len(header) for row in rows)


def test_the_csv_of_curves_has_every_point(person: Client, store: Store, runs: list[str]) -> None:
    values = [0.1 + 0.2, 1e-17, -math.inf, 12345678.123456789]
    for step, value in enumerate(values, start=2):
        store.client.log_metric(runs[0], "m", value, step=step)
    _header, *rows = rows_of(
        person.get(f"/compare/chart.csv?{query(runs, chart='curves', metric='m')}")
    )
    assert [float(row[-1]) for row in rows] == values


def test_a_spreadsheet_runs_nothing_of_it(person: Client, store: Store, experiment: str) -> None:
    runs = [store.run(experiment, "=1+1", params={"p": text}) for text in ("@cmd", "-5")]
    header, *rows = rows_of(person.get(f"/compare/table.csv?{query(runs)}"))
    assert [row[1] for row in rows] == ["'=1+1"] * 2
    assert [row[header.index("params.p")] for row in rows] == ["'@cmd", "-5"]


def test_a_live_chart_is_asked_for_again_and_stops(
    person: Client, store: Store, experiment: str
) -> None:
    runs = [store.run(experiment, metrics={"m": 1.0}, end="") for _ in range(2)]
    url = f"/compare/chart/?{query(runs, chart='curves', metric='m')}"
    assert "data-live=" in person.get(url).content.decode()
    store.client.log_metric(runs[0], "m", 5.0, step=9)
    body = person.get(url, headers={"Accept": "application/json"}).json()
    assert body["open"] is True
    assert body["figure"]["data"][0]["y"] == [1.0, 5.0]
    for run_id in runs:
        store.client.set_terminated(run_id)
    assert person.get(url, headers={"Accept": "application/json"}).json()["open"] is False
    assert "data-live=" not in person.get(url).content.decode()


def test_images_of_one_name_stand_beside_each_other(
    person: Client, store: Store, experiment: str
) -> None:
    runs = [store.run(experiment, f"r{n}") for n in range(3)]
    for run_id in runs[:2]:
        store.file(run_id, "plots/roc curve.png", b"\x89PNG")
    store.file(runs[0], "images/a~b+step+3+timestamp+17+0a-1f.png", b"\x89PNG")
    store.file(runs[1], "images/a~b+step+3+timestamp+99+0b-2f.png", b"\x89PNG")
    store.file(runs[1], "images/a~b+step+3+timestamp+99+0b-2f+compressed.webp", b"RIFF")
    store.file(runs[2], "images/old%step%3%timestamp%1%aa.png", b"\x89PNG")
    store.file(runs[2], "notes.txt")
    html = person.get(f"/compare/images/?{query(runs)}").content.decode()
    names = [unescape(name) for name in re.findall(r'<option value="([^"]+)"', html)]
    assert names == ["a/b · 3", "plots/roc curve.png", "old · 3"]
    assert html.count("<img") == 2
    assert "This run has no such image" in html
    chosen = person.get(f"/compare/images/?{query(runs)}&image=plots/roc%20curve.png")
    sources = re.findall(r'<img src="([^"]+)"', chosen.content.decode())
    assert [person.get(unescape(url)).status_code for url in sources] == [200, 200]


def test_runs_without_images_say_how_to_log_one(person: Client, runs: list[str]) -> None:
    assert "mlflow.log_image" in person.get(f"/compare/images/?{query(runs)}").content.decode()


def test_empty_runs_can_be_compared(person: Client, store: Store, experiment: str) -> None:
    runs = [store.run(experiment), store.run(experiment)]
    for kind in KINDS:
        assert person.get(f"/compare/?{query(runs, chart=kind)}").status_code == 200


def test_a_view_of_many_runs_asks_as_often_as_one_of_two(person: Client, runs: list[str]) -> None:
    person.get(f"/compare/?{query(runs)}")  # what is read once and kept
    for kind in KINDS:
        counts = []
        for few in (runs[:2], runs):
            with statements() as asked:
                page = person.get(f"/compare/?{query(few, chart=kind)}").content.decode()
                for url in charts_of(page)[:1]:
                    person.get(url)
            counts.append(len(asked))
        assert counts[0] == counts[1], kind


@pytest.mark.django_db(transaction=True)
async def test_the_server_sends_long_curves_piece_by_piece(
    store: Store, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "ROWS_AT_ONCE", 2)
    browser = AsyncClient()
    await browser.aforce_login(
        await sync_to_async(get_user_model().objects.create_user)("eve", password="x")
    )
    for number in range(5):
        store.client.log_metric(runs[0], "long", number, step=number)
    answer = await browser.get(f"/compare/chart.csv?{query(runs, chart='curves', metric='long')}")
    assert answer.is_async
    pieces = [piece async for piece in answer.streaming_content]
    assert [piece.count(b"\r\n") for piece in pieces] == [2, 2, 2]
