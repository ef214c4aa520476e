"""The list of runs: pills, mistakes, columns, density, live rows, tree, ticked runs."""

from __future__ import annotations

import csv
import io
import re
import time
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from tests.tracking.mlflow_store import Store
from workspaces.models import Event

PART = {"HX-Request": "true", "HX-Target": "runs"}
NESTED = "mlflow.parentRunId"
ODD = '<u>"50 %" / it\'s</u> 実験'


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html))


def names(html: str) -> list[str]:
    cells = re.findall(r'<td class="name">.*?href="/runs/[^"]+"[^>]*>(.*?)</a>', html, re.S)
    return [unescape(cell).strip() for cell in cells]


def pills(html: str) -> list[tuple[str, str]]:
    """What each pill says, and the filter of the link that takes it away."""
    found = re.findall(r'<span class="filter-pill">(.*?)<a href="([^"]*)"', html, re.S)
    return [
        (" ".join(text_of(label).split()), "".join(parse_qs(unescape(link)[1:]).get("filter", "")))
        for label, link in found
    ]


@pytest.fixture
def experiment(store: Store) -> str:
    found = store.experiment("e")
    store.run(found, "a", metrics={"my rmse": 1.0}, params={"model": "Ridge"}, tags={"t": ODD})
    store.run(found, "b", metrics={"my rmse": 2.0}, params={"model": "it's"})
    return found


# --- filter --------------------------------------------------------------------------------------


def test_each_condition_is_a_pill_that_can_be_taken_away(person: Client, experiment: str) -> None:
    text = "metrics.`my rmse` < 1.5 and params.model = 'Ridge'"
    html = person.get(f"/experiments/{experiment}/", {"filter": text}).content.decode()
    assert names(html) == ["a"]
    assert pills(html) == [
        ("metrics.my rmse: < 1.5", "params.model = 'Ridge'"),
        ("params.model: = Ridge", "metrics.`my rmse` < 1.5"),
    ]


def test_a_condition_is_added_to_the_filter_and_keeps_the_rest(
    person: Client, experiment: str
) -> None:
    page = f"/experiments/{experiment}/"
    added = {"add_kind": "params", "add_key": "model", "add_op": "=", "add_value": "it's"}
    state = {"filter": "metrics.`my rmse` > 1", "sort": "name", "column": ["params.model"]}
    answer = person.get(page, {**state, **added, "page_token": "x"})
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert query == {
        "filter": ['metrics.`my rmse` > 1 AND params.`model` = "it\'s"'],
        "sort": ["name"],
        "column": ["params.model"],
    }
    assert names(person.get(answer["Location"]).content.decode()) == ["b"]


def test_a_condition_that_cannot_be_is_blamed_at_its_field(person: Client, experiment: str) -> None:
    added = {"add_kind": "metrics", "add_key": "my rmse", "add_op": ">", "add_value": "much"}
    answer = person.get(f"/experiments/{experiment}/", added, headers=PART)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "data-open-popover" in html
    assert "A number is needed" in html
    assert 'value="much"' in html
    assert names(html) == ["b", "a"]  # the list itself is right


@pytest.mark.parametrize(
    ("text", "wrong", "at"),
    [
        ("metrcs.rmse < 1", "metrcs", 1),
        ("metrics.a > 1 OR metrics.b > 1", "OR", 15),
        ("params.model = Ridge", "Ridge", 16),
        ("tags.<b> = 'x'", "tags.", 1),
    ],
)
def test_a_mistake_is_underlined(
    person: Client, experiment: str, text: str, wrong: str, at: int
) -> None:
    answer = person.get(f"/experiments/{experiment}/", {"filter": text})
    html = answer.content.decode()
    assert answer.status_code == 422
    mark = re.search(r"<mark>(.*?)</mark>", html)
    assert mark is not None
    assert unescape(mark[1]).startswith(wrong[:3])
    assert f"At character {at}:" in html
    assert f'data-wrong-from="{at - 1}"' in html
    assert "<b>" not in html.partition('class="filter-echo"')[2].partition("</div>")[0]


def test_completion_offers_names_that_were_logged(person: Client, experiment: str) -> None:
    url = f"/experiments/{experiment}/filter/complete/"
    found = person.get(url, {"text": "metrics.", "at": "8"}).json()
    assert [item["insert"] for item in found["items"]] == ["metrics.`my rmse` "]
    found = person.get(url, {"text": "mod"}).json()
    assert [item["insert"] for item in found["items"]] == ["params.`model` "]
    for at in ("-1", "x", "99999999999"):
        assert person.get(url, {"text": "metrics.a", "at": at}).status_code == 200
    html = person.get(f"/experiments/{experiment}/filter/names/?add_kind=params").content.decode()
    assert '<option value="model">' in html


@pytest.mark.parametrize(
    "query",
    ["x=1&" * 900, "column=" + "a" * 3000, "filter=%00", "sort=%00&density=%00&layout=x", "saved=²",
     "page_token=%00", "filter=" + "(" * 4000, "filter=" + "%27" * 999, "add_kind=%00&add_key=x"],
)  # fmt: skip
def test_whatever_the_address_says_is_no_500(person: Client, experiment: str, query: str) -> None:
    page = f"/experiments/{experiment}/"
    for path in (page, f"{page}filter/complete/", f"{page}columns/", f"{page}runs/export/"):
        assert person.get(f"{path}?{query}").status_code in {200, 400, 422}, path
    assert person.get(f"/experiments/?{query}").status_code in {200, 400}


# --- columns and density -------------------------------------------------------------------------


def test_the_column_chooser_finds_any_name(person: Client, store: Store) -> None:
    experiment = store.experiment("wide")
    store.run(experiment, metrics={f"m{n:03}": 1.0 for n in range(400)})
    url = f"/experiments/{experiment}/columns/"
    html = person.get(url, {"find": "39", "column": ["metrics.m139"]}).content.decode()
    assert re.findall(r'value="metrics\.(m\d+)"', html) == ["m039", "m239", "m339"] + [
        f"m39{n}" for n in range(10)
    ]
    everything = person.get(url).content.decode()
    assert everything.count("form-check-input") == 200
    assert "Only the first 200" in everything


def test_a_run_of_thousands_of_metrics_stays_a_short_page(person: Client, store: Store) -> None:
    from mlflow.entities import Metric

    experiment = store.experiment("huge")
    run = store.run(experiment)
    for start in range(0, 3000, 1000):
        store.client.log_batch(run, [Metric(f"m{start + n}", 1.0, 1, 0) for n in range(1000)])
    page = person.get(f"/experiments/{experiment}/?column=metrics.m7").content
    assert len(page) < 120_000


def test_the_density_is_in_the_address_and_remembered(person: Client, experiment: str) -> None:
    page = f"/experiments/{experiment}/"
    assert 'class="details-list compact"' not in person.get(page).content.decode()
    assert 'class="details-list compact"' in person.get(f"{page}?density=compact").content.decode()
    assert 'class="details-list compact"' in person.get(page).content.decode()
    assert (
        'class="details-list compact"'
        not in person.get(f"{page}?density=comfortable").content.decode()
    )


def test_the_link_to_share_holds_the_columns_that_are_remembered(
    person: Client, experiment: str
) -> None:
    page = f"/experiments/{experiment}/"
    person.get(f"{page}?column=params.model&density=compact")
    html = person.get(f"{page}?filter=metrics.`my rmse`>1").content.decode()
    link = unescape(re.search(r'data-copy="(http[^"]+)"', html)[1])
    query = parse_qs(urlsplit(link).query)
    assert query["column"] == ["params.model"]
    assert query["density"] == ["compact"]
    assert query["filter"] == ["metrics.`my rmse`>1"]


def test_runs_sort_by_how_long_they_took(person: Client, store: Store) -> None:
    experiment = store.experiment("long")
    now = int(time.time() * 1000)
    for name, seconds in (("b", 20), ("a", 10), ("c", 30), ("going", None)):
        run = store.client.create_run(experiment, start_time=now - 60_000, run_name=name)
        if seconds:
            ended = now - 60_000 + seconds * 1000
            store.client.set_terminated(run.info.run_id, end_time=ended)
    page = f"/experiments/{experiment}/"
    assert names(person.get(page, {"sort": "duration"}).content.decode()) == [*"abc", "going"]
    html = person.get(page, {"sort": "-duration"}).content.decode()
    assert names(html) == ["going", *"cba"]
    assert 'aria-sort="descending"><a href="?sort=duration">Duration' in html
    narrowed = {"sort": "duration", "filter": "attributes.status = 'FINISHED'"}
    assert names(person.get(page, narrowed).content.decode()) == list("abc")
    assert person.get(page, {"sort": "duration", "page_token": "x"}).status_code == 422
    assert person.get(page, {"sort": "duration", "filter": "nonsense"}).status_code == 422
    file = b"".join(
        person.get(f"{page}runs/export/?format=csv&sort=-duration").streaming_content
    ).decode()
    assert [row["name"] for row in csv.DictReader(io.StringIO(file))] == ["going", *"cba"]


# --- live ----------------------------------------------------------------------------------------


def test_running_rows_are_asked_for_until_the_last_has_ended(person: Client, store: Store) -> None:
    experiment = store.experiment("live")
    done = store.run(experiment, "done")
    going = store.run(experiment, "going", end="")
    html = person.get(f"/experiments/{experiment}/?column=metrics.x&column=status").content.decode()
    url = unescape(re.search(r'hx-get="([^"]+live[^"]+)" hx-trigger="every 3s"', html)[1])
    assert going in url
    assert done not in url
    store.client.log_metric(going, "x", 0.25)
    answer = person.get(url)
    part = answer.content.decode()
    assert answer.status_code == 200
    assert f'<tr id="row-{going}" hx-swap-oob="true"' in part
    assert "0.25" in part
    assert "every 3s" in part
    store.client.set_terminated(going)
    answer = person.get(url)
    assert answer.status_code == 286
    assert "Finished" in answer.content.decode()
    assert "every 3s" not in answer.content.decode()
    assert "every 3s" not in person.get(f"/experiments/{experiment}/").content.decode()


def test_a_run_that_is_gone_ends_the_poll(person: Client, store: Store) -> None:
    experiment = store.experiment("live")
    run = store.run(experiment, end="")
    store.client.delete_run(run)
    assert person.get(f"/experiments/{experiment}/runs/live/?run={run}").status_code == 286
    assert person.get(f"/experiments/{experiment}/runs/live/?run=a' OR").status_code == 400
    assert person.get(f"/experiments/{experiment}/runs/live/").status_code == 400


# --- tree ----------------------------------------------------------------------------------------


@pytest.fixture
def family(store: Store) -> dict[str, str]:
    experiment = store.experiment("nested")
    parent = store.run(experiment, "parent")
    child = store.run(experiment, "child", tags={NESTED: parent}, metrics={"m": 2.0})
    store.run(experiment, "sibling", tags={NESTED: parent}, metrics={"m": 1.0})
    store.run(experiment, "grandchild", tags={NESTED: child})
    store.run(experiment, "alone", metrics={"m": 3.0})
    return {"experiment": experiment, "parent": parent, "child": child}


def test_nested_runs_are_below_their_parents(person: Client, family: dict) -> None:
    page = f"/experiments/{family['experiment']}/"
    html = person.get(page).content.decode()
    assert names(html) == ["alone", "parent"]
    url = unescape(re.search(r'hx-get="([^"]+/children/[^"]*)"', html)[1])
    part = person.get(url).content.decode()
    assert names(part) == ["sibling", "child"]
    assert part.count(f'data-parent="{family["parent"]}"') == 2
    assert "<table" not in part
    deeper = unescape(re.search(r'hx-get="([^"]+/children/[^"]*)"', part)[1])
    assert "depth=2" in deeper
    assert names(person.get(deeper).content.decode()) == ["grandchild"]


def test_flat_shows_all_of_them_and_so_do_a_filter_and_an_order(
    person: Client, family: dict
) -> None:
    page = f"/experiments/{family['experiment']}/"
    assert len(names(person.get(page, {"layout": "flat"}).content.decode())) == 5
    html = person.get(page, {"sort": "metrics.m"}).content.decode()
    assert names(html)[:3] == ["sibling", "child", "alone"]
    assert names(person.get(page, {"filter": "metrics.m < 2.5"}).content.decode()) == [
        "sibling",
        "child",
    ]
    tree = {"layout": "tree", "filter": "metrics.m > 0"}
    assert names(person.get(page, tree).content.decode()) == ["alone"]


def test_children_come_in_the_order_of_the_list(person: Client, family: dict) -> None:
    url = f"/experiments/{family['experiment']}/runs/{family['parent']}/children/"
    assert names(person.get(url, {"sort": "metrics.m"}).content.decode()) == ["sibling", "child"]
    assert names(person.get(url, {"sort": "-metrics.m"}).content.decode()) == ["child", "sibling"]
    assert person.get(url.replace(family["parent"], "it's")).status_code == 400


# --- ticked runs ---------------------------------------------------------------------------------


def test_ticked_runs_are_archived_and_restored(
    person: Client, experiment: str, store: Store
) -> None:
    page = f"/experiments/{experiment}/"
    ids = [run.info.run_id for run in store.client.search_runs([experiment])]
    answer = person.post(f"{page}runs/", {"action": "archive", "run": ids, "next": page})
    assert answer["Location"] == page
    assert names(person.get(page).content.decode()) == []
    archived = person.get(page, {"stage": "archived"}).content.decode()
    assert sorted(names(archived)) == ["a", "b"]
    assert 'value="restore"' in archived
    person.post(f"{page}runs/", {"action": "restore", "run": ids[:1]})
    assert len(names(person.get(page).content.decode())) == 1
    kinds = list(Event.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["runs.archived", "runs.restored"]


def test_archived_runs_are_filtered_and_paged(person: Client, store: Store) -> None:
    experiment = store.experiment("old")
    for number in range(30):
        store.client.delete_run(store.run(experiment, f"r{number}", metrics={"n": number * 1.0}))
    page, query = f"/experiments/{experiment}/", {"stage": "archived", "size": "25", "sort": "name"}
    first = person.get(page, query).content.decode()
    link = unescape(re.search(r'href="(\?[^"]+)" rel="next"', first)[1])
    assert len(names(first) + names(person.get(page + link).content.decode())) == 30
    narrowed = person.get(page, {**query, "filter": "metrics.n > 27"}).content.decode()
    assert sorted(names(narrowed)) == ["r28", "r29"]
    assert person.get(page, {**query, "filter": "nonsense"}).status_code == 422
    assert person.get(page, {**query, "page_token": "x"}).status_code == 422


def test_ticked_runs_are_tagged(person: Client, experiment: str, store: Store) -> None:
    url = f"/experiments/{experiment}/runs/"
    ids = [run.info.run_id for run in store.client.search_runs([experiment])]
    person.post(url, {"action": "tag", "run": ids, "key": "stage", "value": ODD})
    assert {store.client.get_run(one).data.tags["stage"] for one in ids} == {ODD}
    person.post(url, {"action": "untag", "run": ids, "key": "stage"})
    assert all("stage" not in store.client.get_run(one).data.tags for one in ids)


@pytest.mark.parametrize(
    ("posted", "says"),
    [
        ({"action": "archive"}, "Tick at least one run"),
        ({"action": "nonsense", "run": "abc"}, "Choose what to do"),
        ({"action": "tag", "run": "abc", "key": ""}, "1 to 250"),
        ({"action": "tag", "run": "abc", "key": "mlflow.user", "value": "x"}, "own"),
        ({"action": "archive", "run": "a b"}, "not the id"),
        ({"action": "archive", "run": ["x"] + [f"r{n}" for n in range(300)]}, "At most 200"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    person: Client, experiment: str, store: Store, posted: dict, says: str
) -> None:
    html = person.post(f"/experiments/{experiment}/runs/", posted, follow=True).content.decode()
    assert says in text_of(html)
    assert len(store.client.search_runs([experiment])) == 2


def test_comparing_leads_to_the_page_of_that(person: Client, experiment: str) -> None:
    posted = {"action": "compare", "run": ["a1", "b2"]}
    answer = person.post(f"/experiments/{experiment}/runs/", posted)
    assert answer["Location"] == "/compare/?run=a1&run=b2"
