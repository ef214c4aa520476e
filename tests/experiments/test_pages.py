"""Pages of experiments and runs, over a real MLflow store."""

from __future__ import annotations

import math
import re
from html import unescape

import pytest
from django.test import Client
from sqlalchemy import event

from tests.tracking.mlflow_store import Store, use

TABS = ("", "metrics/", "parameters/", "artifacts/", "model/")
ODD = '<u>"50 %" / it\'s</u> 実験'


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html))


def names_of(html: str) -> list[str]:
    """Names in the first column of the list, in order."""
    return [
        text_of(cell).strip() for cell in re.findall(r'<td class="name">(.*?)</td>', html, re.S)
    ]


@pytest.mark.parametrize(
    "path", ["/experiments/", "/experiments/0/", "/runs/x/", "/runs/x/metrics/"]
)
def test_nobody_sees_them_without_signing_in(client: Client, store: Store, db, path: str) -> None:
    assert client.get(path).status_code == 302


def test_an_empty_studio_says_how_to_log(person: Client, store: Store) -> None:
    store.client.delete_experiment("0")
    html = person.get("/experiments/").content.decode()
    assert "No experiments yet" in html
    assert "mlflow.set_tracking_uri(&quot;" in html or 'mlflow.set_tracking_uri("' in html


def test_odd_names_are_text_everywhere(person: Client, store: Store) -> None:
    experiment = store.experiment(ODD, **{"mlflow.note.content": "<script>x</script>"})
    run_id = store.run(
        experiment, ODD, params={"p": ODD}, tags={"t": ODD}, metrics={"a/b c.d": 1.0}
    )
    store.file(run_id, "d/it's 100%.txt", ODD.encode())
    pages = ["/experiments/", f"/experiments/{experiment}/"]
    pages += [f"/runs/{run_id}/{tab}" for tab in TABS]
    pages += [f"/runs/{run_id}/artifacts/tree/?path=d"]
    pages += [f"/runs/{run_id}/artifacts/preview/?path=d/it%27s%20100%25.txt"]
    for page in pages:
        html = person.get(page).content.decode()
        assert "<script>x" not in html
        assert "<u>" not in html, page
    assert ODD in names_of(person.get("/experiments/").content.decode())


def test_search_finds_a_part_of_the_name(person: Client, store: Store) -> None:
    store.experiment("Wine quality")
    store.experiment("diabetes")
    assert names_of(person.get("/experiments/?q=WINE").content.decode()) == ["Wine quality"]
    assert "No experiment has such a name" in person.get("/experiments/?q=zzz").content.decode()


def test_runs_sort_by_any_column_and_filter(person: Client, store: Store) -> None:
    experiment = store.experiment("e")
    for name, value in (("b", 2.0), ("c", 3.0), ("a", 1.0)):
        store.run(experiment, name, metrics={"my rmse": value}, params={"p": name})
    page = f"/experiments/{experiment}/"
    for sort, wanted in {
        "metrics.my rmse": "abc",
        "-metrics.my rmse": "cba",
        "-params.p": "cba",
        "name": "abc",
        "start": "bca",
        "": "acb",
        "nonsense": "acb",
    }.items():
        assert "".join(names_of(person.get(page, {"sort": sort}).content.decode())) == wanted, sort
    html = person.get(page, {"filter": "metrics.`my rmse` > 1.5"}).content.decode()
    assert sorted(names_of(html)) == ["b", "c"]


def test_a_wrong_filter_is_shown_at_its_field(person: Client, store: Store) -> None:
    answer = person.get("/experiments/0/", {"filter": "metrics.rmse <"})
    assert answer.status_code == 422
    html = answer.content.decode()
    assert re.search(r'id_filter_error">.*?<div class="error".*?Invalid clause', html, re.S)
    assert "At character 15:" in html
    assert re.search(r"rmse &lt;<mark> </mark>", html)
    assert 'value="metrics.rmse &lt;"' in html


@pytest.mark.parametrize("token", ["x", "e30=", "eyJvZmZzZXQiOiAtNX0="])
def test_a_wrong_page_is_no_500(person: Client, store: Store, token: str) -> None:
    assert person.get("/experiments/0/", {"page_token": token}).status_code == 422
    assert person.get("/experiments/", {"page_token": token}).status_code in {200, 400}


def test_pages_follow_each_other_and_back(person: Client, store: Store) -> None:
    experiment = store.experiment("many")
    for number in range(60):
        store.run(experiment, f"r{number}")
    page = f"/experiments/{experiment}/"
    first = person.get(page, {"size": "25"}).content.decode()
    assert "1–25 of 60" in first
    link = re.search(r'href="(\?[^"]+)" rel="next"', first).group(1).replace("&amp;", "&")
    second = person.get(page + link).content.decode()
    assert "26–50 of 60" in second
    assert not set(names_of(first)) & set(names_of(second))
    back = re.search(r'href="(\?[^"]+)" rel="prev"', second).group(1).replace("&amp;", "&")
    assert names_of(person.get(page + back).content.decode()) == names_of(first)


def test_chosen_columns_are_remembered_until_reset(person: Client, store: Store) -> None:
    experiment = store.experiment("columns")
    store.run(experiment, metrics={"kept": 1.0, "other": 2.0})
    page = f"/experiments/{experiment}/"

    def heads(query: str = "") -> str:
        html = person.get(page + query).content.decode()
        return text_of(re.search(r"<thead>(.*?)</thead>", html, re.S).group(1))

    assert "other" in heads()
    assert "other" not in heads("?column=metrics.kept")
    assert "other" not in heads()
    assert "other" in heads("?reset=1")


def test_sorting_moves_the_question_for_the_best_run_along(person: Client, store: Store) -> None:
    experiment = store.experiment("e")
    store.run(experiment, metrics={"auc": 1.0, "rmse": 1.0})
    page = f"/experiments/{experiment}/"
    part = {"HX-Request": "true", "HX-Target": "runs"}
    html = person.get(page, {"sort": "metrics.rmse"}, headers=part).content.decode()
    command = re.search(r'<div id="best-run" hx-swap-oob="true">(.*?)</div>', html, re.S)
    assert command
    assert "register-best/?metric=rmse&amp;mode=min" in command[1]
    html = person.get(page, {"sort": "name"}, headers=part).content.decode()
    assert "register-best/" in html
    assert "metric=" not in re.search(r'<div id="best-run".*?</div>', html, re.S)[0]
    whole = person.get(page, {"sort": "-metrics.auc"}).content.decode()
    assert whole.count('id="best-run"') == 1
    assert "register-best/?metric=auc&amp;mode=max" in whole
    assert "hx-swap-oob" not in whole


def test_htmx_gets_the_table_alone_and_history_the_page(person: Client, store: Store) -> None:
    part = {"HX-Request": "true", "HX-Target": "runs"}
    answer = person.get("/experiments/0/", headers=part)
    assert "<html" not in answer.content.decode()
    assert "HX-Request" in answer["Vary"]
    whole = {**part, "HX-History-Restore-Request": "true"}
    assert "<html" in person.get("/experiments/0/", headers=whole).content.decode()


def _statements(person: Client, store: Store, page: str) -> int:
    from workspaces import tracking

    engine = tracking.stores()[0].engine
    seen: list[str] = []
    listener = lambda *args: seen.append(args[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    try:
        assert person.get(page).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", listener)
    return len(seen)


def test_lists_ask_the_store_as_often_for_many_as_for_few(person: Client, store: Store) -> None:
    experiment = store.experiment("few")
    store.run(experiment, metrics={"m": 1.0}, params={"p": "1"})
    few = [_statements(person, store, p) for p in ("/experiments/", f"/experiments/{experiment}/")]
    for number in range(30):
        store.experiment(f"more {number}")
        store.run(experiment, metrics={"m": 1.0, f"m{number}": 2.0}, params={"p": "1"})
    many = [_statements(person, store, p) for p in ("/experiments/", f"/experiments/{experiment}/")]
    assert many == few


@pytest.mark.parametrize(
    "path", ["/runs/nope/", "/experiments/abc/", "/runs/nope/metrics/chart/?key=x"]
)
def test_what_does_not_exist_is_404(person: Client, store: Store, path: str) -> None:
    assert person.get(path).status_code == 404


def test_mlflow_down_is_a_page_with_a_way_on(
    person: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tracking_uri="http://127.0.0.1:9")
    for path in ("/experiments/", "/experiments/1/", "/runs/abc/"):
        answer = person.get(path)
        assert answer.status_code == 503
        assert "Try again" in answer.content.decode()


def test_the_api_lists_experiments_and_runs(person: Client, store: Store) -> None:
    experiment = store.experiment("api")
    run_id = store.run(experiment, metrics={"nan": math.nan, "x": 1.0})
    store.run(experiment, metrics={"x": 2.0})
    found = person.get("/api/v1/experiments", {"search": "api"}).json()
    assert [row["id"] for row in found["items"]] == [experiment]
    url = f"/api/v1/experiments/{experiment}/runs"
    query = {"order_by": "metrics.x ASC", "limit": 1}
    page = person.get(url, query).json()
    assert [row["id"] for row in page["items"]] == [run_id]
    rest = person.get(url, {**query, "page_token": page["next_page_token"]}).json()
    assert (len(rest["items"]), rest["next_page_token"]) == (1, "")
    one = person.get(f"/api/v1/runs/{run_id}").json()
    assert one["metrics"] == {"nan": None, "x": 1.0}
    assert one["models"] == []


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/api/v1/experiments?limit=0", 400, "limit"),
        ("/api/v1/experiments?page_token=x", 400, "page_token"),
        ("/api/v1/experiments/0/runs?filter=x", 400, "filter"),
        ("/api/v1/experiments/0/runs?page_token=x", 400, "page_token"),
        ("/api/v1/experiments/0/runs?order_by=nonsense", 400, "order_by"),
        ("/api/v1/experiments/none/runs", 404, ""),
        ("/api/v1/runs/none", 404, ""),
    ],
)
def test_the_api_blames_the_field(
    person: Client, store: Store, path: str, status: int, field: str
) -> None:
    answer = person.get(path)
    assert answer.status_code == status
    assert (not field) or field in answer.json()["fields"]
