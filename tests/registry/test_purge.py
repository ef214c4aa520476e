"""What was deleted is removed for good: after a while, at once, and never what others need."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from registry import selectors, services
from registry.deleted import keeping, purging, restoring
from registry.models import DeletedModel, DeletedVersion
from tests.registry.conftest import Store
from workspaces.errors import Conflict, NotFound, Unavailable
from workspaces.models import Event


@pytest.fixture
def place(store: Store, tmp_path: Path, settings: Any) -> Path:
    """Where uploads of this test are kept."""
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "weights.bin").write_bytes(b"w")
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY,
        model_paths=(tmp_path / "server",),
        artifact_root=str(tmp_path / "artifacts"),
    )
    return tmp_path / "artifacts" / "registered"


@pytest.fixture
def uploaded(place: Path, tmp_path: Path, user: Any) -> str:
    """The source of version 1 of the model "net", whose files belong to no run."""
    info = services.model_register_path(
        server_path=str(tmp_path / "server" / "weights.bin"), name="net", user=user
    )
    return info.source


def _delete(user: Any) -> DeletedVersion:
    services.version_delete(name="net", version="1", user=user)
    return DeletedVersion.objects.get(name="net", version="1")


def _days_pass(days: int) -> None:
    past = timezone.now() - timedelta(days=days)
    DeletedVersion.objects.update(deleted_at=past)
    DeletedModel.objects.update(deleted_at=past)


def _files(place: Path) -> int:
    return sum(path.is_file() for path in place.rglob("*"))


def test_files_of_an_upload_stay_as_long_as_it_can_be_restored(
    uploaded: str, place: Path, user: Any
) -> None:
    row = _delete(user)
    assert (row.kept_until - row.deleted_at).days == 30
    _days_pass(29)
    purging.sweep()
    found = restoring.version_restore(deleted_id=row.pk, user=user)
    assert [item.path for item in selectors.version_get("net", found.version).files] == [
        "weights.bin"
    ]


def test_after_that_the_sweep_removes_row_and_files(uploaded: str, place: Path, user: Any) -> None:
    row = _delete(user)
    _days_pass(31)
    assert keeping.versions_page("net").items == []
    with pytest.raises(NotFound):
        restoring.version_restore(deleted_id=row.pk, user=user)
    assert _files(place) == 1
    purging.sweep()
    assert (_files(place), DeletedVersion.objects.count()) == (0, 0)
    assert Event.objects.get(kind="version.purged").actor is None


def test_a_deleted_model_leaves_the_record_with_its_last_version(
    uploaded: str, place: Path, user: Any
) -> None:
    services.model_delete(name="net", user=user)
    _days_pass(31)
    purging.sweep()
    assert (_files(place), DeletedVersion.objects.count()) == (0, 0)
    assert DeletedModel.objects.count() == 0


def test_files_that_a_living_version_has_stay(
    uploaded: str, store: Store, place: Path, user: Any
) -> None:
    store.client.create_registered_model("other")
    store.client.create_model_version("other", uploaded)
    _delete(user)
    _days_pass(31)
    purging.sweep()
    assert (_files(place), DeletedVersion.objects.count()) == (1, 0)
    services.model_delete(name="other", user=user)  # and go with the last that has them
    _days_pass(31)
    purging.sweep()
    assert _files(place) == 0


def test_files_that_a_copy_of_mlflow_has_stay(
    uploaded: str, store: Store, place: Path, user: Any
) -> None:
    store.client.copy_model_version("models:/net/1", "copy")
    _delete(user)
    _days_pass(31)
    purging.sweep()
    assert _files(place) == 1
    services.model_delete(name="copy", user=user)
    _days_pass(31)
    purging.sweep()
    assert _files(place) == 0


def test_files_that_a_copy_has_stay_though_its_original_has_another_number_now(
    uploaded: str, store: Store, place: Path, user: Any
) -> None:
    store.client.copy_model_version("models:/net/1", "copy")
    restored = restoring.version_restore(deleted_id=_delete(user).pk, user=user)
    services.version_delete(name="net", version=restored.version, user=user)
    _days_pass(31)
    purging.sweep()
    assert (_files(place), DeletedVersion.objects.count()) == (1, 0)


def test_files_that_a_copy_has_stay_though_its_original_has_another_name_now(
    uploaded: str, store: Store, place: Path, user: Any
) -> None:
    store.client.copy_model_version("models:/net/1", "copy")
    store.client.rename_registered_model("net", "net2")
    services.model_delete(name="net2", user=user)
    _days_pass(31)
    purging.sweep()
    assert (_files(place), DeletedVersion.objects.count()) == (1, 0)


def _place_removal_dies(place: Path) -> None:
    """What a kill in the middle of removing leaves: the place renamed, some of its files gone."""
    (folder,) = place.iterdir()
    folder.rename(folder.with_name(f".removing-{folder.name}"))


def test_a_version_whose_files_were_half_removed_is_not_restored(
    uploaded: str, place: Path, user: Any
) -> None:
    row = _delete(user)
    _place_removal_dies(place)
    with pytest.raises(Conflict, match="are gone"):
        restoring.version_restore(deleted_id=row.pk, user=user)
    purging.sweep()
    assert _files(place) == 0


def test_a_place_is_renamed_before_anything_in_it_is_removed(
    uploaded: str, place: Path, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _delete(user)

    def killed(path: Path, **_more: Any) -> None:
        if path.exists():
            raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        purging.version_purge(deleted_id=row.pk, user=user)
    monkeypatch.undo()
    assert [path.name[:10] for path in place.iterdir()] == [".removing-"]
    assert DeletedVersion.objects.filter(pk=row.pk).exists()


def test_files_that_cannot_be_removed_are_not_said_to_be_gone(
    uploaded: str, place: Path, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _delete(user)

    def refuse(path: Path, **more: Any) -> None:
        if not more.get("ignore_errors"):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(Unavailable, match="cannot be removed"):
        purging.version_purge(deleted_id=row.pk, user=user)
    assert not Event.objects.filter(kind="version.purged").exists()
    monkeypatch.undo()
    purging.version_purge(deleted_id=row.pk, user=user)
    assert (_files(place), DeletedVersion.objects.count()) == (0, 0)


def test_files_that_another_deleted_version_has_stay(
    uploaded: str, store: Store, place: Path, user: Any
) -> None:
    store.client.create_registered_model("other")
    store.client.create_model_version("other", uploaded)
    row = _delete(user)
    services.model_delete(name="other", user=user)
    purging.version_purge(deleted_id=row.pk, user=user)
    assert _files(place) == 1
    assert restoring.model_restore(name="other", user=user).problems == ()


def test_files_of_runs_are_never_removed(store: Store, user: Any) -> None:
    services.model_register_from_run(run_id=store.run_id, name="diabetes", user=user)
    before = sorted(store.artifacts.rglob("*"))
    services.model_delete(name="diabetes", user=user)
    purging.model_purge(name="diabetes", user=user)
    assert sorted(store.artifacts.rglob("*")) == before
    assert not DeletedVersion.objects.exists()


def test_deleting_for_good_removes_at_once(uploaded: str, place: Path, user: Any) -> None:
    row = _delete(user)
    purging.version_purge(deleted_id=row.pk, user=user)
    assert (_files(place), DeletedVersion.objects.count()) == (0, 0)
    assert Event.objects.get(kind="version.purged").data == {"name": "net", "version": "1"}
    for call in (purging.version_purge, restoring.version_restore):
        with pytest.raises(NotFound):
            call(deleted_id=row.pk, user=user)


def test_a_model_is_removed_for_good_with_all_its_versions(
    uploaded: str, tmp_path: Path, place: Path, user: Any
) -> None:
    services.model_register_path(
        server_path=str(tmp_path / "server" / "weights.bin"), name="net", user=user
    )
    services.model_delete(name="net", user=user)
    purging.model_purge(name="net", user=user)
    assert (_files(place), DeletedVersion.objects.count()) == (0, 0)
    assert not DeletedModel.objects.exists()
    with pytest.raises(NotFound):
        purging.model_purge(name="net", user=user)


def test_what_is_being_restored_is_not_removed(uploaded: str, place: Path, user: Any) -> None:
    row = _delete(user)
    DeletedVersion.objects.update(claim="somebody", claimed_at=timezone.now())
    with pytest.raises(Conflict):
        purging.version_purge(deleted_id=row.pk, user=user)
    _days_pass(31)
    purging.sweep()
    assert _files(place) == 1


def test_files_removed_behind_our_back_end_in_a_sentence(
    uploaded: str, place: Path, user: Any
) -> None:
    row = _delete(user)
    for path in place.rglob("*.bin"):
        path.unlink()
    with pytest.raises(Conflict, match="files of version 1 are gone"):
        restoring.version_restore(deleted_id=row.pk, user=user)


def test_with_no_days_nothing_is_kept(uploaded: str, place: Path, user: Any, settings: Any) -> None:
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, keep_deleted_days=0)
    services.version_delete(name="net", version="1", user=user)
    assert (_files(place), DeletedVersion.objects.count()) == (0, 0)
    services.model_delete(name="net", user=user)
    assert not DeletedModel.objects.exists()
    assert "cannot be restored" in keeping.promise()


def test_what_another_store_has_is_left_alone(uploaded: str, place: Path, user: Any) -> None:
    _delete(user)
    DeletedVersion.objects.update(store="elsewhere")
    _days_pass(31)
    purging.sweep()
    assert (_files(place), DeletedVersion.objects.count()) == (1, 1)
