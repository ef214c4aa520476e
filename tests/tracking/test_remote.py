"""The same gateway over HTTP, against a real `mlflow server` of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.deleted import deleting, keeping, purging, restoring
from studio.experiments import exporting
from studio.experiments.selectors import ListQuery, children_page, runs_table
from tests.tracking.mlflow_store import Store, use
from tests.tracking.stock_server import free_port, stock_server
from workspaces import tracking
from workspaces.errors import Invalid, NotFound, Unavailable
from workspaces.tracking import changes as tracking_changes
from workspaces.tracking import finding as tracking_finding
from workspaces.tracking.artifacts import (
    artifact_open,
    artifacts_list,
    model_card,
    run_models,
)
from workspaces.tracking.history.reading import history_read
from workspaces.tracking.many import runs_read
from workspaces.tracking.models import places as tracking_places
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.files import ModelFolder
from workspaces.tracking.run_edits import run_note_set, run_tag_delete, run_tag_set
from workspaces.tracking.run_versions import versions_aliased, versions_of_runs
from workspaces.tracking.status import run_status
from workspaces.tracking.values import EVERYTHING


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stock_server(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.fixture
def remote(server: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    use(monkeypatch, tracking_uri=server, artifact_root="/nowhere")
    return Store(server, Path("/nowhere"), MlflowClient(server, server))


def _experiment(remote: Store, name: str) -> str:
    return str(remote.client.create_experiment(name))


@pytest.mark.timeout(180)
def test_a_run_is_watched_and_edited_by_http(remote: Store) -> None:
    run_id = remote.run(_experiment(remote, "edited"), end="")
    assert run_status(run_id) == "RUNNING"
    run_tag_set(run_id, "team/é", "blue <b>")
    run_note_set(run_id, "# Why")
    found = tracking.run_get(run_id)
    assert (found.own_tags, found.notes) == ({"team/é": "blue <b>"}, "# Why")
    run_note_set(run_id, "")
    for _twice in range(2):
        run_tag_delete(run_id, "team/é")
    found = tracking.run_get(run_id)
    assert (found.own_tags, found.notes) == ({}, "")
    with pytest.raises(Invalid):
        run_tag_set(run_id, "what?", "x")
    for lost in ("0" * 32, "nope"):
        with pytest.raises(NotFound):
            run_status(lost)
        with pytest.raises(NotFound):
            run_tag_set(lost, "a", "b")


@pytest.mark.timeout(180)
def test_runs_and_metrics_are_read_by_http(remote: Store) -> None:
    experiment = _experiment(remote, "it's 100 %/<b>")
    run_id = remote.run(experiment, "one", metrics={"rmse": 1.5}, params={"a": "x" * 5000})
    remote.run(experiment, "two", metrics={"rmse": 0.5})
    assert tracking.experiments_search(text="s 100 %/<B").items[0].id == experiment
    order = ["metrics.`rmse` ASC"]
    page = tracking.runs_search(experiment_ids=[experiment], order_by=order, limit=1)
    assert [run.name for run in page.items] == ["two"]
    rest = tracking.runs_search(
        experiment_ids=[experiment], order_by=order, limit=1, page_token=page.next_token
    )
    assert [run.id for run in rest.items] == [run_id]
    assert history_read(run_id, "rmse").values.tolist() == [1.5]
    assert tracking.experiments_activity([experiment])[experiment].last_run_at is not None


def test_experiments_and_runs_are_found_and_changed_by_http(remote: Store) -> None:
    experiment = _experiment(remote, "found 50 %")
    remote.client.set_experiment_tag(experiment, "team", "red")
    other = _experiment(remote, "found too")
    parent = remote.run(experiment, "parent it's")
    remote.run(experiment, "child", tags={"mlflow.parentRunId": parent}, metrics={"m": 1.0})
    find = tracking_finding.experiments_find
    assert [row.id for row in find(text="FOUND", order="name", descending=False).items] == [
        experiment,
        other,
    ]
    first = find(text="found", order="activity", limit=1)
    rest = find(text="found", order="activity", limit=1, page_token=first.next_token)
    assert {row.id for row in (*first.items, *rest.items)} == {experiment, other}
    for tags in ((("team", None),), (("team", "red"),)):
        assert [row.id for row in find(tags=tags).items] == [experiment]
    assert not find(tags=(("team", "blue"),)).items
    assert set(tracking_finding.experiments_by_id([experiment, "999999"])) == {experiment}
    assert "team" in tracking_finding.experiment_tag_keys()
    assert [row.id for row in tracking_finding.runs_named("PARENT it's")] == [parent]
    assert [row.id for row in tracking_finding.runs_named(parent[:10])] == [parent]

    table = runs_table(experiment, ListQuery())
    assert ([row.run.id for row in table.rows], table.is_tree) == ([parent], True)
    assert table.rows[0].children is None
    page = children_page(experiment, parent, ListQuery(), EVERYTHING)
    assert [run.name for run in page.items] == ["child"]
    assert [row.run.name for row in runs_table(experiment, ListQuery(sort="-duration")).rows]
    columns = runs_table(experiment, ListQuery(layout="flat")).columns
    assert "metrics.m" in {column.name for column in columns}
    pieces = exporting.runs_of(experiment, ListQuery(sort="metrics.m"), columns)
    assert [run.name for runs in pieces for run in runs] == ["child", "parent it's"]

    assert tracking_changes.runs_tag([parent, "0" * 32], "stage", "x") == 1
    assert tracking.run_get(parent).tags["stage"] == "x"
    assert tracking_changes.runs_untag([parent], "stage") == 1
    assert tracking_changes.runs_archive([parent]) == 1
    assert [row.run.id for row in runs_table(experiment, ListQuery(archived=True)).rows] == [parent]
    assert tracking_changes.runs_restore([parent]) == 1
    tracking_changes.experiment_archive(experiment)
    assert [row.id for row in find(text="found", archived=True).items] == [experiment]
    tracking_changes.experiment_restore(experiment)
    with pytest.raises(NotFound):
        tracking_changes.experiment_archive("424242")


def test_wrong_questions_are_told_apart_by_http(remote: Store) -> None:
    with pytest.raises(Invalid) as caught:
        tracking.runs_search(experiment_ids=["0"], filter="metrics.rmse <")
    assert "metrics.rmse" in caught.value.fields["filter"][0]
    with pytest.raises(NotFound):
        tracking.run_get("0" * 32)
    with pytest.raises(NotFound):
        tracking.experiment_get("424242")


def test_artifacts_and_models_stream_through_the_server(remote: Store) -> None:
    import mlflow
    import pandas as pd
    from sklearn.linear_model import Ridge

    mlflow.set_tracking_uri(remote.uri)
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    with mlflow.start_run(experiment_id=_experiment(remote, "art")) as started:
        mlflow.log_text("hello", "deep/a b#%.txt")
        mlflow.sklearn.log_model(
            Ridge().fit(frame, [1.0, 2.0]),
            name="model",
            input_example=frame,
            pip_requirements=["scikit-learn"],
        )
    run = tracking.run_get(started.info.run_id)
    entries, _ = artifacts_list(run.artifact_uri)
    assert [(e.path, e.is_folder) for e in entries] == [("deep", True)]
    (file,), _ = artifacts_list(run.artifact_uri, "deep")
    assert artifact_open(run.artifact_uri, file.path).read(100) == b"hello"
    (model,) = run_models(run)
    assert model_card(model).has_signature
    with pytest.raises(NotFound):
        artifact_open(run.artifact_uri, "deep/none.txt")


def test_files_of_this_machine_are_not_read_for_a_remote_store(remote: Store) -> None:
    with pytest.raises(Unavailable):
        artifacts_list("file:///etc")
    with pytest.raises(Unavailable):
        artifacts_list("mlflow-artifacts://other.example/1/x")


def test_files_of_no_run_become_a_version_by_http(remote: Store, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a b%.bin").write_bytes(b"w" * 3_000_000)
    (tmp_path / "MLmodel").write_text("flavors: {}")
    place = tracking_places.place_new("from elsewhere: 1/2")
    tracking_places.place_fill(place, tmp_path)
    tracking_places.place_finish(place)
    tracking_models.model_create_if_absent("elsewhere")
    made = tracking_models.version_create(
        name="elsewhere",
        source=place.source,
        run_id="",
        model_id=place.model_id,
        description="",
        tags={},
    )
    folder = ModelFolder(tracking_models.version_location("elsewhere", made.version))
    assert {item.path: item.size for item in folder.files()} == {
        "MLmodel": 11,
        "deep/a b%.bin": 3_000_000,
    }
    tracking_places.place_remove_unless_used(place.source)
    assert folder.read("MLmodel", 100) == b"flavors: {}"


def test_files_that_no_version_uses_are_taken_back_by_http(remote: Store, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b#%.bin").write_bytes(b"x")
    place = tracking_places.place_new("gone")
    with pytest.raises(Invalid, match=r"file name b#%\.bin"):
        tracking_places.place_fill(place, tmp_path)
    tracking_places.place_remove_unless_used(place.source)
    with pytest.raises(NotFound):
        list(ModelFolder(place.source).files())
    tracking_places.place_remove_unless_used(place.source)  # again is nothing


@pytest.mark.django_db
def test_what_was_deleted_is_restored_and_removed_by_http(remote: Store, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    place = tracking_places.place_new("deleted")
    tracking_places.place_fill(place, tmp_path)
    tracking_places.place_finish(place)
    tracking_models.model_create_if_absent("deleted")
    tracking_models.version_create(
        name="deleted",
        source=place.source,
        run_id="",
        model_id=place.model_id,
        description="first",
        tags={"area": "qna"},
    )
    deleting.version_delete(name="deleted", version="1", user=None)
    (row,) = keeping.versions_page("deleted").items
    assert restoring.version_restore(deleted_id=row.pk, user=None).version == "2"
    deleting.model_delete(name="deleted", user=None)
    assert tracking_models.models_living(["deleted", "it's"]) == set()
    found = restoring.model_restore(name="deleted", user=None)
    assert [(item.was, item.version) for item in found.versions] == [("2", "1")]
    assert tracking_models.models_living(["deleted", "it's"]) == {"deleted"}
    stored = tracking_models.version_get("deleted", "1")
    assert (stored.description, stored.tags["area"]) == ("first", "qna")
    assert ModelFolder(stored.source).read("a.bin", 10) == b"x"
    deleting.model_delete(name="deleted", user=None)
    purging.model_purge(name="deleted", user=None)
    with pytest.raises(NotFound):
        list(ModelFolder(place.source).files())
    assert not tracking_places.place_is_own("models:/m-0123456789abcdef0123456789abcdef")


def test_a_server_that_is_down_is_said_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, tracking_uri=f"http://127.0.0.1:{free_port()}")
    started = time.monotonic()
    with pytest.raises(Unavailable):
        tracking.run_get("0" * 32)
    assert time.monotonic() - started < 5


def test_a_server_that_hangs_is_given_up_within_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []
        threading.Thread(target=lambda: held.append(listener.accept()[0]), daemon=True).start()
        use(monkeypatch, tracking_uri=f"http://127.0.0.1:{listener.getsockname()[1]}")
        tracking.stores()
        started = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            tracking.run_get("0" * 32)
        assert time.monotonic() - started < 5
        assert "did not answer" in caught.value.message
        for connection in held:
            connection.close()


def test_many_runs_are_read_by_http(remote: Store) -> None:
    experiments = [_experiment(remote, "many one"), _experiment(remote, "many two")]
    runs = [
        remote.run(experiments[n % 2], f"r{n}", metrics={"m": float(n)}, params={"p": str(n)})
        for n in range(5)
    ]
    remote.client.delete_run(runs[1])
    asked = [runs[3], "0" * 32, *runs]
    found = runs_read(asked)
    assert [run.id for run in found] == [runs[3], runs[0], runs[1], runs[2], runs[4]]
    assert [run.metrics["m"] for run in found] == [3.0, 0.0, 1.0, 2.0, 4.0]
    assert [run.deleted for run in found] == [False, False, True, False, False]
    remote.client.create_registered_model("of many")
    remote.client.create_model_version("of many", f"runs:/{runs[0]}/model", runs[0])
    remote.client.set_registered_model_alias("of many", "champion", "1")
    versions = versions_of_runs(runs)
    assert {run_id: [v.aliases for v in found] for run_id, found in versions.items()} == {
        runs[0]: [("champion",)]
    }


@pytest.mark.timeout(180)
def test_versions_with_an_alias_are_found_by_http(remote: Store) -> None:
    run_id = remote.run(_experiment(remote, "aliased"))
    for name in ("aliased & one", "other"):
        remote.client.create_registered_model(name)
        remote.client.create_model_version(name, f"runs:/{run_id}/model", run_id)
    remote.client.set_registered_model_alias("aliased & one", "best-of-all", "1")
    (version,) = versions_aliased("best-of-all", "0")
    assert (version.name, version.version, version.run_id) == ("aliased & one", "1", run_id)
    assert "best-of-all" in version.aliases
    assert versions_aliased("nobody", "0") == []
