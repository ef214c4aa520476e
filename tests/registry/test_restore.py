"""What was deleted comes back as the next version, with its files and all that was known of it."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from registry import selectors, services
from registry.deleted import claiming, keeping, restoring
from registry.models import DeletedModel, DeletedVersion, VersionRecord
from tests.registry.conftest import Store
from workspaces.errors import Conflict, NotFound, Problem
from workspaces.models import Event
from workspaces.tracking.models import registry as tracking_models


@pytest.fixture
def registered(store: Store, user: Any) -> str:
    """Version 1 has everything that a version can have."""
    services.model_register_from_run(
        run_id=store.run_id,
        name="diabetes",
        description="first",
        tags={"area": "qna"},
        properties={"owner": "ada"},
        sample_input=[{"bmi": 1.0}],
        user=user,
    )
    services.version_update(
        name="diabetes", version="1", aliases=["champion"], notes="# Notes", user=user
    )
    VersionRecord.objects.update(memory_mb=100.0, checked_at=timezone.now())
    return "diabetes"


def _deleted(version: str = "1") -> DeletedVersion:
    return DeletedVersion.objects.get(name="diabetes", version=version)


def _delete(user: Any, version: str = "1") -> int:
    services.version_delete(name="diabetes", version=version, user=user)
    return int(_deleted(version).pk)


def _restore(deleted_id: int, user: Any) -> restoring.Restored:
    return restoring.version_restore(deleted_id=deleted_id, user=user)


# --- one version ---------------------------------------------------------------------------------


def test_a_restored_version_is_the_next_one_with_all_that_it_had(
    registered: str, user: Any
) -> None:
    before = selectors.version_get(registered, "1")
    found = _restore(_delete(user), user)
    assert (found.version, found.was, found.aliases_lost) == ("2", "1", ())
    after = selectors.version_get(registered, "2")
    origin = {**before.origin, "restored": {"version": "1", "by": "ada"}}
    changed = {"version": "2", "origin": origin}
    changed |= {"created_at": after.created_at, "updated_at": after.updated_at}
    assert dataclasses.asdict(after) == {**dataclasses.asdict(before), **changed}
    assert before.notes == "# Notes"
    assert selectors.measured_memory_mb(registered, "2") == 100.0
    assert VersionRecord.objects.get(name=registered).checked_at is not None
    assert not DeletedVersion.objects.exists()


def test_the_event_names_the_old_and_the_new_version(registered: str, user: Any) -> None:
    _restore(_delete(user), user)
    event = Event.objects.get(kind="version.restored")
    assert event.data == {"name": registered, "version": "2", "was": "1"}
    assert (event.actor, event.subject) == (user, registered)


def test_a_restored_version_can_be_deleted_and_restored_again(registered: str, user: Any) -> None:
    _restore(_delete(user), user)
    assert _restore(_delete(user, "2"), user).version == "3"
    info = selectors.version_get(registered, "3")
    assert (info.notes, info.aliases, info.tags) == ("# Notes", ("champion",), {"area": "qna"})


def test_an_alias_that_another_version_has_meanwhile_stays_there(
    registered: str, store: Store, user: Any
) -> None:
    services.version_update(name=registered, version="1", aliases=["champion", "old"], user=user)
    deleted = _delete(user)
    services.model_register_from_run(run_id=store.run_id, name=registered, user=user)
    services.version_update(name=registered, version="2", aliases=["champion"], user=user)
    found = _restore(deleted, user)
    assert found.aliases_lost == ("champion",)
    assert selectors.model_get(registered).aliases == {"champion": "2", "old": "3"}


def test_a_version_whose_run_was_deleted_for_good_is_refused(
    registered: str, store: Store, tmp_path: Path, user: Any
) -> None:
    shutil.copytree(store.artifacts / "1" / "models", tmp_path / "models")
    folder = next((tmp_path / "models").iterdir()) / "artifacts"
    version = store.version_make(registered, folder)
    deleted = _delete(user, version)
    shutil.rmtree(folder)
    for _again in range(2):
        with pytest.raises(Conflict, match="files of version 2 are gone") as error:
            _restore(deleted, user)
        assert error.value.code == "files_gone"
    assert [item.version for item in selectors.versions_list(registered)] == ["1"]


def test_a_version_of_a_logged_model_that_is_gone_is_refused(
    registered: str, store: Store, user: Any
) -> None:
    deleted = _delete(user)
    store.client.delete_logged_model(_deleted().model_id)
    with pytest.raises(Conflict, match="gone"):
        _restore(deleted, user)
    assert DeletedVersion.objects.filter(pk=deleted, claim="").exists()


def test_what_is_not_there_cannot_be_restored(registered: str, user: Any) -> None:
    deleted = _delete(user)
    for number in (deleted + 1, 0, 10**30):
        with pytest.raises(NotFound):
            _restore(number, user)
    DeletedVersion.objects.update(store="elsewhere")
    with pytest.raises(NotFound):
        _restore(deleted, user)
    assert keeping.versions_page(registered).items == []


# --- once only -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_at_once_restore_it_once(registered: str, user: Any) -> None:
    deleted, together, ends = _delete(user), threading.Barrier(4), []

    def restore() -> None:
        together.wait()
        try:
            ends.append(_restore(deleted, user).version)
        except Problem as problem:
            ends.append(type(problem).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=restore) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ends.count("2") == 1
    assert set(ends) <= {"2", "Conflict", "NotFound"}
    assert [item.version for item in selectors.versions_list(registered)] == ["2"]


def test_while_somebody_restores_it_nobody_else_does(registered: str, user: Any) -> None:
    row = DeletedVersion.objects.get(pk=_delete(user))
    with claiming.claimed(row), pytest.raises(Conflict) as error:
        _restore(row.pk, user)
    assert error.value.code == "busy"
    assert _restore(row.pk, user).version == "2"


def test_a_restore_that_was_killed_half_way_is_ended_by_the_next(
    registered: str, user: Any
) -> None:
    row = DeletedVersion.objects.get(pk=_delete(user))
    tags = {**row.tags, restoring.RESTORED: row.identity}
    tracking_models.version_create(
        name=registered,
        source=row.source,
        run_id=row.run_id,
        model_id=row.model_id,
        description=row.description,
        tags=tags,
    )
    long_ago = timezone.now() - 2 * claiming.LONGEST
    DeletedVersion.objects.update(claim="killed", claimed_at=long_ago, attempts=1)
    assert _restore(row.pk, user).version == "2"
    assert [item.version for item in selectors.versions_list(registered)] == ["2"]
    assert selectors.version_get(registered, "2").notes == "# Notes"


# --- a delete that was killed --------------------------------------------------------------------


def _about_to_delete(user: Any) -> None:
    keeping.versions_keep([tracking_models.version_get("diabetes", "1")], user)


def test_what_mlflow_still_has_is_not_listed_as_deleted(registered: str, user: Any) -> None:
    _about_to_delete(user)
    assert keeping.versions_page(registered).items == []
    assert selectors.version_get(registered, "1").notes == "# Notes"
    assert _restore(_delete(user), user).version == "2"  # the next delete takes the same row


def test_a_row_of_a_delete_that_never_came_goes_after_a_while(registered: str, user: Any) -> None:
    _about_to_delete(user)
    DeletedVersion.objects.update(deleted_at=timezone.now() - 2 * keeping.STALE)
    keeping.settle()
    assert not DeletedVersion.objects.exists()


def test_what_mlflow_had_deleted_when_the_process_was_killed_can_be_restored(
    registered: str, user: Any
) -> None:
    _about_to_delete(user)
    tracking_models.version_delete(registered, "1")
    (row,) = keeping.versions_page(registered).items
    assert not VersionRecord.objects.exists()
    assert Event.objects.filter(kind="version.deleted", actor=user).count() == 1
    _restore(row.pk, user)
    assert selectors.version_get(registered, "2").properties == {"owner": "ada"}


def test_a_model_that_was_gone_when_the_process_was_killed_can_be_restored(
    registered: str, user: Any
) -> None:
    keeping.model_keep(tracking_models.model_get(registered), user)
    assert keeping.models_page()[0].items == []
    tracking_models.model_delete(registered)
    page, counts = keeping.models_page()
    assert ([item.name for item in page.items], counts) == ([registered], {registered: 1})
    assert Event.objects.filter(kind="model.deleted").count() == 1
    restoring.model_restore(name=registered, user=user)
    assert selectors.version_get(registered, "1").notes == "# Notes"


# --- whole models --------------------------------------------------------------------------------


def test_a_deleted_model_comes_back_with_its_versions_in_their_order(
    registered: str, store: Store, user: Any
) -> None:
    for number in range(2, 13):
        services.model_register_from_run(
            run_id=store.run_id, name=registered, description=f"v{number}", user=user
        )
    services.model_update(name=registered, description="Model", tags={"team": "red"}, user=user)
    services.version_delete(name=registered, version="3", user=user)  # one by itself, before
    services.model_delete(name=registered, user=user)
    found = restoring.model_restore(name=registered, user=user)
    assert [item.was for item in found.versions] == [str(number) for number in range(1, 13)]
    assert [item.version for item in found.versions] == [item.was for item in found.versions]
    model = selectors.model_get(registered)
    assert (model.description, dict(model.tags)) == ("Model", {"team": "red"})
    assert model.aliases == {"champion": "1"}
    assert selectors.version_get(registered, "12").description == "v12"
    assert not DeletedModel.objects.exists()
    assert Event.objects.filter(kind="model.restored", subject=registered).count() == 1


def test_one_version_of_a_deleted_model_makes_the_model_again(registered: str, user: Any) -> None:
    services.model_update(name=registered, description="Model", user=user)
    services.model_delete(name=registered, user=user)
    assert _restore(_deleted().pk, user).version == "1"
    assert selectors.model_get(registered).description == "Model"
    assert keeping.models_page()[0].items == []


def test_a_model_made_anew_keeps_what_it_says_of_itself(
    registered: str, store: Store, user: Any
) -> None:
    services.model_update(name=registered, description="old", tags={"a": "b"}, user=user)
    services.model_delete(name=registered, user=user)
    services.model_register_from_run(run_id=store.run_id, name=registered, user=user)
    services.model_update(name=registered, description="new", user=user)
    assert keeping.models_page()[0].items == []
    assert _restore(_deleted().pk, user).version == "2"
    model = selectors.model_get(registered)
    assert (model.description, dict(model.tags)) == ("new", {})


def test_versions_whose_files_are_gone_are_named_and_the_others_come_back(
    registered: str, store: Store, tmp_path: Path, user: Any
) -> None:
    store.version_make(registered, tmp_path / "nothing")
    services.model_delete(name=registered, user=user)
    found = restoring.model_restore(name=registered, user=user)
    assert [item.was for item in found.versions] == ["1"]
    assert "Version 2: The files of version 2 are gone" in found.problems[0]
    assert [row.version for row in keeping.versions_page(registered).items] == ["2"]


def test_a_model_of_which_no_files_are_left_stays_deleted(
    store: Store, tmp_path: Path, user: Any
) -> None:
    store.version_make("lost", tmp_path / "nothing")
    services.model_delete(name="lost", user=user)
    with pytest.raises(Conflict, match="gone"):
        restoring.model_restore(name="lost", user=user)
    with pytest.raises(NotFound):
        selectors.model_get("lost")
    assert [row.name for row in keeping.models_page()[0].items] == ["lost"]


def test_a_model_without_versions_comes_back_with_its_description(store: Store, user: Any) -> None:
    store.client.create_registered_model("empty", {"a": "b"}, "Nothing yet")
    services.model_delete(name="empty", user=user)
    assert restoring.model_restore(name="empty", user=user).versions == ()
    assert selectors.model_get("empty").description == "Nothing yet"


def test_a_model_that_was_never_deleted_cannot_be_restored(registered: str, user: Any) -> None:
    for name in (registered, "nothing", "\x00", "a" * 600, 'it\'s "odd"'):
        with pytest.raises(NotFound):
            restoring.model_restore(name=name, user=user)


@pytest.mark.parametrize("name", ["it's", "both ' and \"", "ünïcode", "a" * 250])
def test_a_model_of_any_name_comes_back(store: Store, user: Any, name: str) -> None:
    source = str(next((store.artifacts / "1" / "models").iterdir()) / "artifacts")
    store.client.create_registered_model(name)
    for _number in range(2):
        store.client.create_model_version(name, source)
    services.model_delete(name=name, user=user)
    assert [row.name for row in keeping.models_page()[0].items] == [name]
    found = restoring.model_restore(name=name, user=user)
    assert [item.version for item in found.versions] == ["1", "2"]


def test_a_copy_outlives_the_version_that_it_was_copied_from(
    registered: str, store: Store, user: Any
) -> None:
    store.client.copy_model_version(f"models:/{registered}/1", "copy")
    services.model_delete(name="copy", user=user)
    services.model_delete(name=registered, user=user)
    restoring.model_restore(name="copy", user=user)
    assert selectors.version_get("copy", "1").problem == ""


def test_more_versions_than_are_written_at_once_are_all_kept(
    store: Store, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "TOGETHER", 3)
    source = str(next((store.artifacts / "1" / "models").iterdir()) / "artifacts")
    store.client.create_registered_model("many")
    for _number in range(10):
        store.client.create_model_version("many", source)
    services.model_delete(name="many", user=user)
    rows = keeping.versions_kept("many")
    assert sorted(int(row.version) for row in rows) == list(range(1, 11))
