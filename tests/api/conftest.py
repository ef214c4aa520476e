"""A studio with something behind every address: models, runs, services, operations, targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone

from deployments.choices import OperationStatus
from deployments.control import wake
from deployments.models import Operation, Service
from registry import uses
from registry.environments.services import environment_archive, environment_create
from registry.models import DeletedModel, DeletedVersion
from registry.scripts.folders import SourceFile, source_create
from studio.comparing.boards import pin_add
from studio.comparing.settings import settings_parse
from studio.models import SavedView
from tests.factories import RevisionFactory, ServiceFactory, deploying
from tests.tracking.mlflow_store import make_template, open_store
from workspaces.tokens import token_create
from workspaces.tracking.store.opening import store_id

SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
MLMODEL = """
artifact_path: model
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
  sklearn: {pickled_model: model.pkl}
mlflow_version: 3.17.2
"""


@dataclass(frozen=True)
class Logged:
    """What the MLflow store holds: one experiment, one run with a model, one registered model."""

    experiment_id: str
    run_id: str
    model: str = "diabetes"


@dataclass(frozen=True)
class Studio:
    """A token, and for every parameter of a path the values that lead somewhere."""

    headers: dict[str, str]
    places: dict[str, list[Any]]
    body: dict[str, Any]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    """One MLflow store for all tests of a module: opening one takes longer than a test."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("store")
        store = open_store(make_template(tmp_path_factory.mktemp("template")), folder, patch)
        experiment = store.experiment("diabetes")
        store.run(experiment, "first")
        run = store.run(experiment, "ridge", metrics={"rmse": 0.5}, params={"alpha": "1"})
        store.file(run, "model/MLmodel", MLMODEL.encode())
        store.file(run, "model/requirements.txt", b"scikit-learn==1.6.1\n")
        store.client.create_registered_model("diabetes")
        source = Path(store.client.get_run(run).info.artifact_uri) / "model"
        store.client.create_model_version("diabetes", str(source), run)
        store.client.create_registered_model("second")
        yield Logged(experiment, run)


@pytest.fixture
def kept_connection(db: None) -> Iterator[None]:
    """Requests leave the connection of the test open, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def studio(
    logged: Logged, kept_connection: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Studio:
    """Rows in many states; no broker runs, so every wake-up is lost."""
    monkeypatch.setattr(wake, "_send", lambda publish: None)
    user = User.objects.create_user("ada", is_staff=True)
    row, plain = token_create(user=user, name="fuzz")
    view = SavedView.objects.create(
        owner=user, store=store_id(), experiment_id=logged.experiment_id, name="best"
    )
    healthy = ServiceFactory(name="healthy", state="Healthy")
    revision = RevisionFactory(service=healthy, model_store=store_id())
    Service.objects.filter(pk=healthy.pk).update(wanted=revision, active=revision)
    uses.use_add(store=store_id(), name=logged.model, version="1", service="healthy")
    moving, failed = deploying("moving"), deploying("failed")
    Service.objects.filter(name="failed").update(state="Failed")
    Operation.objects.filter(pk=failed.pk).update(status=OperationStatus.FAILED, error="x")
    for name in ("tools", "gone"):
        environment_create(name=name, packages=["numpy"], user=None)
    environment_archive(name="gone", version="1", user=None)
    gone = {"store": store_id(), "name": "gone", "gone": True, "deleted_at": timezone.now()}
    DeletedModel.objects.create(**gone)
    deleted = DeletedVersion.objects.create(
        **gone, version="1", identity="x", source=str(tmp_path / "gone")
    )
    source = source_create(files=[SourceFile.text("score.py", SCRIPT)], user=user)
    pin = pin_add(
        experiment_id=logged.experiment_id,
        settings=settings_parse({"chart": ["box"]}),
        run_ids=[logged.run_id],
        user=user,
    )
    return Studio(
        headers={"Authorization": f"Bearer {plain}"},
        places={
            "services": ["healthy", "moving", "failed"],
            "operation_id": [str(moving.pk), str(failed.pk)],
            "models": [logged.model],
            "version": ["1"],
            "targets": ["fake"],
            "quotas": ["fake"],
            "environments": ["tools", "gone"],
            "hash": ["a" * 64],
            "experiment_id": [logged.experiment_id],
            "run_id": [logged.run_id],
            "token_id": [row.pk],
            "view_id": [view.pk],
            "pin_id": [pin.pk],
            "deleted-models": ["gone"],
            "deleted_id": [deleted.pk],
            "sha256": [source.sha256],
        },
        body={
            "name": "fresh-name",
            "model": f"models:/{logged.model}/1",
            "target": "fake",
            "run_id": logged.run_id,
            "run_ids": [logged.run_id],
        },
    )


@pytest.fixture
def many_services(db: None) -> Callable[[int], None]:
    """Make services with an operation each, named from `n-000` on."""

    def make(count: int) -> None:
        for number in range(count):
            deploying(f"n-{number:03d}")

    return make
