"""All runs of a view as CSV, Parquet and as a snippet that makes the same list."""

from __future__ import annotations

import ast
import csv
import io
import math
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client

from studio.experiments import exporting
from tests.tracking.mlflow_store import Store
from workspaces.errors import Unavailable

ODD = '<u>"50 %" / it\'s,\n</u> 実験'
COLUMNS = ("metrics.m", "metrics.nan", "params.p", "status", "start", "duration")


@pytest.fixture
def experiment(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """Seven runs, read three at a time."""
    monkeypatch.setattr(exporting, "RUNS_AT_ONCE", 3)
    found = store.experiment("ex/port: 50 %")
    for number in range(7):
        store.run(found, f"r{number}", metrics={"m": number / 3}, params={"p": ODD})
    store.run(found, "odd", metrics={"m": math.inf, "nan": math.nan})
    return found


def export(person: Client, experiment: str, kind: str, **query: Any) -> bytes:
    asked = {"format": kind, "column": COLUMNS, "sort": "metrics.m", **query}
    answer = person.get(f"/experiments/{experiment}/runs/export/", asked)
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"]
    return b"".join(answer.streaming_content)


def test_csv_has_every_run_with_exact_values(person: Client, experiment: str) -> None:
    rows = list(csv.DictReader(io.StringIO(export(person, experiment, "csv").decode())))
    assert list(rows[0]) == ["id", "name", *COLUMNS]
    assert [row["name"] for row in rows] == [f"r{n}" for n in range(7)] + ["odd"]
    assert [float(row["metrics.m"]) for row in rows] == [n / 3 for n in range(7)] + [math.inf]
    assert rows[0]["params.p"] == ODD
    assert rows[-1]["params.p"] == ""
    assert rows[-1]["metrics.nan"] == "nan"
    assert rows[0]["start"].endswith("+00:00")


def test_a_formula_is_text_in_a_spreadsheet_and_a_number_stays_one(
    person: Client, store: Store
) -> None:
    experiment = store.experiment("formulas")
    formula = '=HYPERLINK("http://example.org";"x")'
    store.run(
        experiment,
        formula,
        metrics={"m": -1.5},
        params={"f": "@SUM(A1)", "n": "-1.5e-3", "d": "-x"},
    )
    columns = ["metrics.m", "params.f", "params.n", "params.d"]
    (row,) = csv.DictReader(io.StringIO(export(person, experiment, "csv", column=columns).decode()))
    assert row["name"] == f"'{formula}"
    assert [row[name] for name in columns] == ["-1.5", "'@SUM(A1)", "-1.5e-3", "'-x"]


def test_parquet_has_types(person: Client, experiment: str) -> None:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(export(person, experiment, "parquet")))
    assert file.num_row_groups == 3
    table = file.read()
    types = dict(zip(table.column_names, map(str, table.schema.types), strict=True))
    assert types["metrics.m"] == "double"
    assert types["start"] == "timestamp[ms, tz=UTC]"
    assert types["params.p"] == "string"
    assert table["metrics.m"].to_pylist() == [n / 3 for n in range(7)] + [math.inf]
    assert table["params.p"].to_pylist() == [ODD] * 7 + [None]


def test_the_filter_and_the_archive_are_part_of_it(
    person: Client, experiment: str, store: Store
) -> None:
    some = export(person, experiment, "csv", filter="metrics.m < 1").decode()
    assert len(list(csv.reader(io.StringIO(some)))) == 1 + 3
    store.client.delete_run(store.run(experiment, "gone"))
    old = export(person, experiment, "csv", stage="archived").decode()
    assert [row["name"] for row in csv.DictReader(io.StringIO(old))] == ["gone"]


def test_an_empty_list_is_a_file_without_rows(person: Client, store: Store) -> None:
    import pyarrow.parquet as pq

    experiment = store.experiment("empty")
    assert export(person, experiment, "csv").decode().splitlines()[1:] == []
    assert pq.read_table(io.BytesIO(export(person, experiment, "parquet"))).num_rows == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [({"format": "xls"}, 400), ({}, 400), ({"format": "csv", "filter": "nonsense"}, 400)],
)
def test_a_wrong_question_is_told_before_anything_is_sent(
    person: Client, experiment: str, query: dict, status: int
) -> None:
    assert person.get(f"/experiments/{experiment}/runs/export/", query).status_code == status
    assert person.get("/experiments/999/runs/export/?format=csv").status_code == 404


def test_mlflow_that_goes_away_breaks_the_file_off(
    person: Client, experiment: str, store: Store
) -> None:
    answer = person.get(f"/experiments/{experiment}/runs/export/", {"format": "csv"})
    chunks = iter(answer.streaming_content)
    next(chunks)
    Path(store.uri.removeprefix("sqlite:///")).unlink()
    with pytest.raises(Unavailable, match="is gone"):
        list(chunks)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a notebook's code sets for the whole process, MLflow's address and token, ends here."""
    import mlflow

    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "set back by pytest")
    yield
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # back to its default


@pytest.mark.usefixtures("notebook")
def test_the_snippet_makes_the_same_list(person: Client, experiment: str, store: Store) -> None:
    query = {
        "filter": 'metrics.m < 1 AND params.p LIKE "%it\'s%"',
        "sort": "-metrics.m",
        "column": ["metrics.m", "params.p", "start"],
    }
    html = person.get(f"/experiments/{experiment}/runs/snippet/", query).content.decode()
    code = unescape(html.partition('<code id="view-snippet">')[2].partition("</code>")[0])
    ast.parse(code)
    code = code.replace("'http://testserver/mlflow'", repr(store.uri))
    names: dict[str, Any] = {}
    exec(code, names)
    frame = names["runs"]
    assert list(frame.columns) == [
        "run_id", "tags.mlflow.runName", "metrics.m", "params.p", "start_time",
    ]  # fmt: skip
    assert list(frame["tags.mlflow.runName"]) == ["r2", "r1", "r0"]


@pytest.mark.django_db(transaction=True)
async def test_the_server_sends_it_piece_by_piece(experiment: str) -> None:
    person = await sync_to_async(get_user_model().objects.create_user)("ada", password="x")
    browser = AsyncClient()
    await browser.aforce_login(person)
    answer = await browser.get(
        f"/experiments/{experiment}/runs/export/?format=csv&column=metrics.m&sort=metrics.m"
    )
    assert answer.is_async
    pieces = [piece async for piece in answer.streaming_content]
    assert len(pieces) == 3
    assert len(b"".join(pieces).decode().splitlines()) == 1 + 8
