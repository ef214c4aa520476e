"""Registering from any artifact of a run, from the server's own folders, and the best run."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registry import selectors, services
from registry.incoming import staging
from registry.metric_names import mode_of
from tests.registry import made
from tests.registry.conftest import Store
from workspaces.errors import Invalid
from workspaces.tokens import token_create
from workspaces.tracking.store.opening import local_path


@pytest.fixture(autouse=True)
def nothing_left(store: Store) -> Iterator[None]:
    yield
    assert list(staging.staging_root().glob("*")) == []


def artifact(store: Store, path: str, content: bytes) -> None:
    """An artifact of the run that logged no model."""
    store.client.log_text(store.empty_run_id, "", "made.txt")
    folder = local_path(store.client.get_run(store.empty_run_id).info.artifact_uri)
    assert folder is not None
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)


# --- artifacts of runs ---------------------------------------------------------------------------


def test_a_file_of_a_run_is_registered_and_wrapped(store: Store, user: Any) -> None:
    model = made.onnx()
    artifact(store, "outputs/model.onnx", model.content)
    info = services.model_register_from_run(
        run_id=store.empty_run_id, path="outputs/model.onnx", name="m", user=user
    )
    assert (info.format, info.needs_script, info.run_id) == ("onnx", False, store.empty_run_id)
    assert info.origin == {"kind": "run", "by": "ada", "path": "outputs/model.onnx", "folder": ""}
    assert {"MLmodel", "model.onnx"} <= {item.path for item in info.files}


def test_a_folder_of_a_run_keeps_its_name(store: Store, user: Any) -> None:
    artifact(store, "outputs/net/weights.bin", b"w")
    artifact(store, "outputs/net/deep/words.txt", b"t")
    info = services.model_register_from_run(
        run_id=store.empty_run_id, path="outputs/net/", name="m", user=user
    )
    assert [item.path for item in info.files] == ["net/deep/words.txt", "net/weights.bin"]
    assert info.needs_script
    assert "entry script" in info.why_script


def test_a_model_among_the_artifacts_is_registered_where_it_is(store: Store, user: Any) -> None:
    info = services.model_register_from_run(
        run_id=store.artifact_run_id, path="old/model", name="m", user=user
    )
    assert info.source.endswith("/artifacts/old/model")
    assert (info.origin["folder"], info.format) == ("model", "mlflow")


def test_what_the_run_does_not_have_is_said(store: Store, user: Any) -> None:
    for path in ("nothing", "outputs/none.bin", "/"):
        with pytest.raises(Invalid) as error:
            services.model_register_from_run(
                run_id=store.empty_run_id, path=path, name="m", user=user
            )
        assert set(error.value.fields) == {"path"}
    assert selectors.models_list().items == ()


# --- the server's own folders --------------------------------------------------------------------


@pytest.fixture
def allowed(tmp_path: Path, settings: Any, store: Store) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, model_paths=(folder,))
    return folder


def test_a_file_of_the_server_is_copied(allowed: Path, user: Any) -> None:
    model = made.lightgbm()
    (allowed / "lgb.txt").write_bytes(model.content)
    info = services.model_register_path(server_path=str(allowed / "lgb.txt"), name="m", user=user)
    assert info.format == "lightgbm"
    assert info.origin["path"] == str(allowed / "lgb.txt")
    assert (allowed / "lgb.txt").read_bytes() == model.content


def test_a_folder_of_the_server_keeps_its_name(allowed: Path, user: Any) -> None:
    (allowed / "net").mkdir()
    (allowed / "net" / "a").write_bytes(b"x")
    (allowed / "net" / "same").symlink_to("a")
    info = services.model_register_path(server_path=str(allowed / "net"), name="m", user=user)
    assert [item.path for item in info.files] == ["net/a", "net/same"]


def test_nothing_outside_is_read(allowed: Path, tmp_path: Path, user: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    (allowed / "link").symlink_to(secret)
    (allowed / "deep").mkdir()
    (allowed / "deep" / "link").symlink_to(secret)
    (allowed / "up").symlink_to("..")
    (allowed / "folders").mkdir()
    (allowed / "folders" / "up").symlink_to(tmp_path)
    (allowed / "gone").mkdir()
    (allowed / "gone" / "link").symlink_to("nowhere")
    (allowed / "pipes").mkdir()
    os.mkfifo(allowed / "pipes" / "pipe")
    (allowed / "empty").mkdir()
    outside = [str(secret), f"{allowed}/../secret", "/etc/passwd", "etc/passwd", "", "/", "a\x00b"]
    inside = ["link", "deep", "up", "up/secret", "folders", "gone", "pipes", "empty", "absent"]
    for path in [*outside, *(str(allowed / name) for name in inside)]:
        with pytest.raises(Invalid) as error:
            services.model_register_path(server_path=path, name="m", user=user)
        assert set(error.value.fields) == {"server_path"}, path
    assert selectors.models_list().items == ()


def test_without_the_setting_no_path_is_taken(store: Store, user: Any) -> None:
    with pytest.raises(Invalid, match="SLIPWAY_MODEL_PATHS"):
        services.model_register_path(server_path="/etc/passwd", name="m", user=user)


# --- the best run --------------------------------------------------------------------------------


@pytest.fixture
def scored(store: Store) -> str:
    """The experiment, its runs with a model measured: 1.0 and 3.0; the one without: 2.0."""
    for run, value in (
        (store.run_id, 1.0),
        (store.two_models_run_id, 3.0),
        (store.empty_run_id, 2.0),
        (store.artifact_run_id, float("nan")),
    ):
        store.client.log_metric(run, "r2", value)
    return str(store.client.get_run(store.run_id).info.experiment_id)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_best_run_is_registered(scored: str, store: Store, user: Any, mode: str) -> None:
    info = services.model_register_best(
        experiment_id=scored, metric="r2", mode=mode, name="m", user=user
    )
    assert info.run_id == (store.two_models_run_id if mode == "max" else store.run_id)


@pytest.mark.parametrize(
    ("metrics", "mode"),
    [
        ("rmse val_loss MSELoss training_mean_squared_error mae logLoss log_loss WER ms", "min"),
        ("r2 auc accuracy f1_score neg_mean_squared_error training_score glossary epochs", "max"),
    ],
)
def test_the_name_of_a_metric_tells_what_is_best(metrics: str, mode: str) -> None:
    for metric in metrics.split():
        assert mode_of(metric) == mode, metric


def test_the_form_starts_with_the_direction_of_its_metric(
    scored: str, store: Store, admin_client: Client
) -> None:
    url = reverse("registry:register-best", args=[scored])

    def chosen(**query: str) -> list[str]:
        html = admin_client.get(url, query, headers={"HX-Request": "true"}).content.decode()
        assert f'hx-get="{url}"' in html
        return re.findall(r'<option value="(.*?)" selected>', html)

    assert chosen() == ["r2", "max"]
    assert chosen(metric="rmse") == ["rmse", "min"]
    assert chosen(metric="rmse", mode="max") == ["rmse", "max"]
    assert chosen(metric="gone", mode="min") == ["r2", "max"]


def test_a_best_run_that_cannot_be_is_said(scored: str, store: Store, user: Any) -> None:
    store.client.log_metric(store.empty_run_id, "r2", 9.0)
    store.client.log_metric(store.empty_run_id, "nan", float("nan"))
    cases = {"r2": "path", "none": "metric", "": "metric", "`": "metric", "nan": "metric"}
    for metric, field in cases.items():
        with pytest.raises(Invalid) as error:
            services.model_register_best(
                experiment_id=scored, metric=metric, mode="max", name="m", user=user
            )
        assert field in error.value.fields or error.value.code == "no_model"
    with pytest.raises(Invalid) as error:
        services.model_register_best(
            experiment_id=scored, metric="r2", mode="median", name="m", user=user
        )
    assert set(error.value.fields) == {"mode"}


def test_it_is_one_call_and_one_click(
    scored: str, store: Store, admin_user: Any, admin_client: Client
) -> None:
    _row, plain = token_create(user=admin_user, name="test")
    body = {"experiment_id": scored, "metric": "r2", "mode": "max", "name": "m"}
    answer = admin_client.post(
        "/api/v1/models", body, "application/json", headers={"Authorization": f"Bearer {plain}"}
    )
    assert (answer.status_code, answer.json()["run_id"]) == (201, store.two_models_run_id)
    page = reverse("studio:experiment", args=[scored])
    text = admin_client.get(page, {"sort": "-metrics.r2"}).content.decode()
    url = reverse("registry:register-best", args=[scored])
    assert f'hx-get="{url}?metric=r2&amp;mode=max"' in text
    panel = admin_client.get(f"{url}?metric=r2&mode=max", headers={"HX-Request": "true"})
    assert '<option value="r2" selected>' in panel.content.decode()
    made_ = admin_client.post(
        url, {"metric": "r2", "mode": "min", "name": "m"}, headers={"HX-Request": "true"}
    )
    assert made_["HX-Redirect"] == reverse("registry:version", args=["m", "2"])


def test_only_one_source_is_named(
    scored: str, store: Store, admin_user: Any, client: Client
) -> None:
    _row, plain = token_create(user=admin_user, name="test")
    body = {"experiment_id": scored, "run_id": store.run_id, "server_path": "/x", "name": "m"}
    answer = client.post(
        "/api/v1/models", body, "application/json", headers={"Authorization": f"Bearer {plain}"}
    )
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == {"experiment_id", "server_path"}
