"""Parameters: searched, and beside those of another run."""

from __future__ import annotations

import re
from html import unescape

from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from studio.runs.parameters import parameter_table
from tests.tracking.mlflow_store import Store

params = st.dictionaries(st.text("abAB", max_size=3), st.text("xyXY", max_size=3), max_size=8)


def rows(html: str) -> list[list[str]]:
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.S)
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", body[1] if body else "", re.S)
    return [
        [
            unescape(re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<td.*?</td>", row, re.S)
        ]
        for row in found
    ]


@given(params, params)
def test_only_differences_are_all_differences(one: dict[str, str], other: dict[str, str]) -> None:
    table = parameter_table(one, other, only_different=True)
    expected = {key for key in {*one, *other} if one.get(key) != other.get(key)}
    assert {row.key for row in table.rows} == expected
    assert table.different == len(expected)
    assert table.all == len({*one, *other})


@given(params, st.text("abAB", max_size=2))
def test_search_finds_names_and_values_in_any_case(one: dict[str, str], text: str) -> None:
    found = {row.key for row in parameter_table(one, text=text).rows}
    low = text.lower()
    assert found == {k for k, v in one.items() if low in k.lower() or low in v.lower()}


def test_two_runs_are_shown_side_by_side(person: Client, store: Store) -> None:
    experiment = store.experiment("diff")
    one = store.run(experiment, "one", params={"lr": "0.1", "same": "1", "mine": "<b>"})
    two = store.run(experiment, "two", params={"lr": "0.2", "same": "1", "theirs": "x"})
    url = f"/runs/{one}/parameters/"
    html = person.get(url, {"with": two}).content.decode()
    assert rows(html) == [
        ["lr", "0.1", "0.2"],
        ["mine", "<b>", "not set"],
        ["same", "1", "1"],
        ["theirs", "not set", "x"],
    ]
    assert html.count('<tr class="differs">') == 3
    differ = person.get(url, {"with": two, "differ": "1"}).content.decode()
    assert [row[0] for row in rows(differ)] == ["lr", "mine", "theirs"]
    panel = person.get(f"/runs/{one}/parameters/runs/").content.decode()
    assert f"/runs/{one}/parameters/?with={two}" in panel
    assert f"?with={one}" not in panel


def test_a_run_to_compare_with_that_does_not_exist_is_said(person: Client, store: Store) -> None:
    run_id = store.run(store.experiment("alone"), params={"a": "1"})
    answer = person.get(f"/runs/{run_id}/parameters/", {"with": "nope"})
    assert answer.status_code == 200
    assert "This run does not exist." in answer.content.decode()
    assert rows(answer.content.decode()) == [["a", "1"]]


def test_thousands_of_parameters_are_cut_and_can_be_searched(person: Client, store: Store) -> None:
    from mlflow.entities import Param

    run_id = store.run(store.experiment("many"))
    for start in range(0, 1_200, 100):
        batch = [Param(f"p{n:04d}", str(n)) for n in range(start, start + 100)]
        store.client.log_batch(run_id, params=batch)
    url = f"/runs/{run_id}/parameters/"
    html = person.get(url).content.decode()
    assert len(rows(html)) == 500
    assert "The first 500 are shown" in html
    assert rows(person.get(url, {"q": "p1199"}).content.decode()) == [["p1199", "1199"]]
