"""Finding experiments and runs in a store on PostgreSQL: the same answers as on SQLite."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.experiments import exporting
from studio.experiments.columns import Column
from studio.experiments.selectors import ListQuery, runs_table
from tests.tracking.made_stores import postgres_database
from tests.tracking.mlflow_store import Store, use
from workspaces.tracking import finding as tracking_finding
from workspaces.tracking import run_lists as tracking_run_lists
from workspaces.tracking.store.opening import stores

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    from mlflow import MlflowClient

    with postgres_database(postgres_url, "finding") as url:
        use(monkeypatch, tracking_uri=url, artifact_root=str(tmp_path))
        opened, _registry = stores()
        uri = url.replace("postgres://", "postgresql+psycopg://")
        yield Store(uri, tmp_path, MlflowClient(uri, uri))
        opened.engine.dispose()


@pytest.mark.timeout(180)
def test_lists_and_search_answer_from_postgresql(store: Store) -> None:
    first, second = store.experiment("Ünder 50 %", team="red"), store.experiment("other")
    store.experiment("without runs")
    now = int(time.time() * 1000)
    ids = {}
    for name, seconds in (("b", 20), ("a", 10), ("going", None)):
        run = store.client.create_run(first, start_time=now - 60_000, run_name=name).info.run_id
        store.client.log_metric(run, "m", 1.0)
        if seconds:
            store.client.set_terminated(run, end_time=now - 60_000 + seconds * 1000)
        ids[name] = run
    gone = store.client.create_run(second, start_time=now - 90_000, run_name="gone").info.run_id
    find = tracking_finding.experiments_find
    assert [row.id for row in find(text="ÜNDER 50 %").items] == [first]
    assert [row.id for row in find(order="activity").items][:2] == [first, second]
    assert [row.id for row in find(tags=(("team", "red"),)).items] == [first]
    page = find(order="name", descending=False, limit=2)
    rest = find(order="name", descending=False, limit=2, page_token=page.next_token)
    assert len({row.id for row in (*page.items, *rest.items)}) == 4
    assert tracking_finding.experiment_tag_keys() == ["team"]
    assert [row.id for row in tracking_finding.runs_named(ids["a"][:12])] == [ids["a"]]
    assert [row.id for row in tracking_finding.runs_named("GOI")] == [ids["going"]]
    store.client.delete_experiment(second)
    assert tracking_finding.runs_named(gone[:12]) == []
    assert tracking_finding.archived_activity([second])[second].runs == 1

    for sort, wanted in {"duration": ["a", "b", "going"], "-duration": ["going", "b", "a"]}.items():
        query = ListQuery(sort=sort, filter="metrics.m > 0")
        assert [row.run.name for row in runs_table(first, query).rows] == wanted
        pieces = exporting.runs_of(first, query, [Column("metrics", "m")])
        assert [run.name for runs in pieces for run in runs] == wanted
    names = tracking_run_lists.commonest_names(list(ids.values()), 5)
    assert names == {"metrics": ["m"], "params": []}
