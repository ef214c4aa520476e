"""Archived runs are deleted for good, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from tests.tracking.mlflow_store import Store, use
from workspaces.models import Event

JSON = "application/json"


@pytest.fixture
def runs(store: Store) -> dict[str, str]:
    """Three runs with a file each; "kept" is not archived."""
    experiment = store.experiment("e")
    found = {name: store.run(experiment, name, metrics={"m": 1.0}) for name in ("a", "b", "kept")}
    for run in found.values():
        store.file(run, "folder/file.txt")
    for name in ("a", "b"):
        store.client.delete_run(found[name])
    return {"experiment": experiment, **found}


def delete(person: Client, runs: dict[str, str], *names: str) -> str:
    posted = {"action": "purge", "run": [runs[name] for name in names]}
    url = f"/experiments/{runs['experiment']}/runs/"
    return person.post(url, posted, follow=True).content.decode()


def folder(store: Store, run: str) -> Path:
    return Path(store.client.get_run(run).info.artifact_uri)


def test_rows_and_files_go_and_those_of_others_stay(
    person: Client, store: Store, runs: dict
) -> None:
    gone, kept = folder(store, runs["a"]), folder(store, runs["kept"])
    assert gone.exists()
    assert "1 run was deleted" in delete(person, runs, "a")
    assert not gone.exists()
    assert (kept / "folder/file.txt").exists()
    assert person.get(f"/runs/{runs['a']}/").status_code == 404
    assert person.get(f"/runs/{runs['b']}/").status_code == 200
    event = Event.objects.get(kind="runs.deleted")
    assert event.data == {"run_ids": [runs["a"]]}
    assert "0 runs were deleted" in delete(person, runs, "a")


def test_a_run_that_is_not_archived_stops_all_of_it(
    person: Client, store: Store, runs: dict
) -> None:
    html = delete(person, runs, "a", "kept")
    assert "Archive the run “kept”" in html
    assert folder(store, runs["a"]).exists()


@pytest.mark.parametrize("names_its_run", [True, False])
def test_a_run_that_a_model_version_comes_from_stays(
    person: Client, store: Store, runs: dict, names_its_run: bool
) -> None:
    store.client.create_registered_model("diabetes")
    source = str(folder(store, runs["b"]) / "model")
    store.client.create_model_version("diabetes", source, runs["b"] if names_its_run else None)
    html = delete(person, runs, "a", "b")
    assert "Version 1 of model “diabetes”" in html
    assert folder(store, runs["a"]).exists()
    answer = person.post("/api/v1/runs/delete", {"run_ids": [runs["b"]]}, content_type=JSON)
    assert answer.status_code == 409


def test_a_remote_server_is_not_asked(
    person: Client, runs: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tracking_uri="http://127.0.0.1:9")
    answer = person.post("/api/v1/runs/delete", {"run_ids": [runs["a"]]}, content_type=JSON)
    assert answer.status_code == 409
    assert "mlflow gc" in answer.json()["message"]


def test_the_api_deletes_archives_and_restores(person: Client, runs: dict) -> None:
    def ask(act: str, *names: str) -> tuple[int, int]:
        ids = [runs[name] for name in names]
        answer = person.post(f"/api/v1/runs/{act}", {"run_ids": ids}, content_type=JSON)
        return answer.status_code, answer.json().get("count", -1)

    assert ask("archive", "kept") == (200, 1)
    assert ask("restore", "kept", "a") == (200, 2)
    assert ask("delete", "b") == (200, 1)
    assert ask("delete", "kept")[0] == 409
    for wrong in ([], ["a b"], [[]], "x"):
        answer = person.post("/api/v1/runs/archive", {"run_ids": wrong}, content_type=JSON)
        assert answer.status_code == 400, wrong
