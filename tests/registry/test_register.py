"""Registering the model of a run."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from registry import selectors, services
from tests.registry.conftest import Store
from workspaces.errors import Invalid, NotFound
from workspaces.models import Event


def test_the_only_model_of_a_run_becomes_version_one(store: Store, user: Any) -> None:
    info = services.model_register_from_run(
        run_id=store.run_id, name="diabetes", description="A ridge.", tags={"a": "b"}, user=user
    )
    assert (info.name, info.version, info.run_id) == ("diabetes", "1", store.run_id)
    assert (info.description, info.tags, info.registered_by) == ("A ridge.", {"a": "b"}, "ada")
    assert info.source.startswith("models:/m-")


def test_its_facts_come_from_its_files(store: Store, user: Any) -> None:
    info = services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
    assert info.problem == ""
    assert {"sklearn", "python_function"} <= info.flavors.keys()
    assert [column["name"] for column in info.signature["inputs"]][:2] == ["age", "sex"]
    assert info.requirements == ["scikit-learn==1.6.1", "mlflow"]
    assert info.python_version == "3.11" or info.python_version.startswith("3.")
    assert len(info.input_example["dataframe_split"]["data"]) == 2
    assert info.size_bytes == sum(item.size for item in info.files) > 1000
    assert "MLmodel" in [item.path for item in info.files]
    assert all(len(item.sha256) == 64 for item in info.files)


def test_it_is_the_same_to_mlflow_as_its_own_registering(store: Store, user: Any) -> None:
    services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
    found = store.client.get_model_version("diabetes", "1")
    model_id = found.source.removeprefix("models:/")
    assert found.run_id == store.run_id
    assert "diabetes" in store.client.get_logged_model(model_id).tags["mlflow.modelVersions"]


def test_the_same_name_again_gives_version_two(store: Store, user: Any) -> None:
    for expected in ("1", "2"):
        info = services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
        assert info.version == expected


def test_without_a_path_the_most_recent_model_is_taken(store: Store, user: Any) -> None:
    choices = selectors.run_choices(_run(store.two_models_run_id))
    assert [choice.path for choice in choices] == ["second", "first"]
    run = store.two_models_run_id
    newest = services.model_register_from_run(run_id=run, name="m", user=user)
    named = services.model_register_from_run(run_id=run, name="m", path="first", user=user)
    assert newest.source == choices[0].source
    assert named.source == choices[1].source


def test_a_path_is_also_a_folder_among_the_artifacts(store: Store, user: Any) -> None:
    info = services.model_register_from_run(
        run_id=store.artifact_run_id, name="older", path="old/model", user=user
    )
    assert info.problem == ""
    assert info.source.endswith("/artifacts/old/model")


@pytest.mark.parametrize("path", ["", "model", "../..", "nothing/here", "\x00"])
def test_a_run_without_a_model_says_why_not(store: Store, user: Any, path: str) -> None:
    with pytest.raises(Invalid) as error:
        services.model_register_from_run(
            run_id=store.empty_run_id, name="diabetes", path=path, user=user
        )
    assert error.value.message
    with pytest.raises(NotFound):
        selectors.model_get("diabetes")  # and changes nothing


def test_a_run_that_is_not_there_is_not_found(store: Store, user: Any) -> None:
    for run_id in ("0" * 32, "x'--", "\x00"):
        with pytest.raises(NotFound):
            services.model_register_from_run(run_id=run_id, name="diabetes", user=user)


def test_all_violations_come_in_one_answer(store: Store, user: Any) -> None:
    with pytest.raises(Invalid) as error:
        services.model_register_from_run(
            run_id=store.run_id,
            name="-no",
            description="x" * 5001,
            tags={"": "v", "mlflow.user": "me", "good": "\ud800"},
            user=user,
        )
    assert set(error.value.fields) == {"name", "description", "tags"}
    assert len(error.value.fields["tags"]) == 3


def test_an_event_says_who_registered_what(store: Store, user: Any) -> None:
    services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
    event = Event.objects.get(kind="model.registered")
    assert (event.subject, event.actor, event.data["version"]) == ("diabetes", user, "1")


@pytest.mark.django_db(transaction=True)
def test_many_at_the_same_time_all_get_versions_of_their_own(store: Store) -> None:
    start, versions, errors = threading.Barrier(6), [], []

    def register() -> None:
        start.wait()
        try:
            info = services.model_register_from_run(run_id=store.run_id, name="busy", user=None)
            versions.append(info.version)
        except Exception as error:  # the thread must not swallow it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=register) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    assert sorted(versions) == ["1", "2", "3", "4", "5", "6"]


def _run(run_id: str) -> Any:
    from workspaces import tracking

    return tracking.run_get(run_id)
