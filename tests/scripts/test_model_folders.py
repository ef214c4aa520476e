"""Whatever way a model was registered, an entry script finds its files under their own names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from mlflow import MlflowClient

from deployments.choices import StepName
from deployments.control.instances import instance_spec
from deployments.control.step_handlers import Work, copy_model
from deployments.drivers.docker_layout import inner
from deployments.models import Revision
from registry import services
from registry.incoming.registering import Origin, details_read, version_make
from registry.incoming.staging import staging_open
from serving.script.layout import lay_out, model_path, models_of
from tests.registry import made
from tests.scripts.conftest import Keep
from tests.services.conftest import Create
from workspaces.tracking.store.opening import local_path

pytestmark = pytest.mark.django_db


def uploaded(user: User, name: str, files: dict[str, bytes]) -> str:
    """What `POST /models` makes of files that came as a form; gives the model's URI."""
    tops = {path.partition("/")[0] for path in files}
    with staging_open() as staging:
        given = [staging.add(path, iter([content])) for path, content in files.items()]
        origin = Origin("upload", tops.pop())
        stored = version_make(staging, given, details_read(name=name), origin, user)
    return f"models:/{stored.name}/{stored.version}"


def logged(user: User, name: str, files: dict[str, bytes]) -> str:
    """The same of a run's artifacts `outputs/…`."""
    uri = settings.SLIPWAY.tracking_uri
    client = MlflowClient(uri, uri)
    place = Path(settings.SLIPWAY.artifact_root) / "runs"
    run = client.create_run(client.create_experiment("trained", artifact_location=str(place)))
    folder = local_path(run.info.artifact_uri)
    assert folder is not None
    for path, content in files.items():
        (folder / "outputs" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "outputs" / path).write_bytes(content)
    (top,) = {path.partition("/")[0] for path in files}
    info = services.model_register_from_run(
        run_id=run.info.run_id, path=f"outputs/{top}", name=name, user=user
    )
    return info.uri


def revision_of(create: Create, source: str, *models: str) -> Revision:
    wish = {"entryScript": "score.py", "source": source, "environment": {"packages": []}}
    operation = create(model=models[0], inference={**wish, "models": list(models)})
    step = operation.steps.get(name=StepName.COPY_MODEL)
    work = Work(operation, step, lambda _line: None, lambda: False)
    copy_model(work)
    copy_model(work)  # again is the same
    revision: Revision = work.revision
    return revision


@pytest.fixture
def find(create: Create, keep: Keep, tmp_path: Path) -> Callable[..., Path]:
    """Serve models with a script; gives the folder for AZUREML_MODEL_DIR."""

    def ask(*models: str) -> Path:
        revision = revision_of(create, keep(), *models)
        config = instance_spec(revision.service, revision).config
        outside = [{**item, "path": ""} for item in config["models"]]
        assert [{**item, "path": ""} for item in inner(config)["models"]] == outside
        return lay_out(models_of(config), tmp_path / "replica")

    return ask


NET = {"net/weights.bin": b"w", "net/deep/words.txt": b"t"}


@pytest.mark.parametrize("register", [uploaded, logged])
@pytest.mark.parametrize(
    ("files", "entry"), [({"net.pt": b"w"}, "net.pt"), (NET, "net")], ids=["file", "folder"]
)
def test_a_file_and_a_folder_keep_their_name(
    find: Any, user: User, register: Any, files: dict[str, bytes], entry: str, tmp_path: Path
) -> None:
    top = find(register(user, "m", files))
    assert top.parts[-3:] == ("azureml-models", "m", "1")
    assert [path.name for path in top.iterdir()] == [entry]
    assert {path: (top / path).read_bytes() for path in files} == files
    assert model_path("m", None, [tmp_path / "replica"]) == str(top / entry)


@pytest.mark.parametrize("register", [uploaded, logged])
@pytest.mark.parametrize("folder", ["", "kept/"], ids=["file", "folder"])
def test_what_became_a_model_of_mlflow_keeps_its_name_too(
    find: Any, user: User, register: Any, folder: str, tmp_path: Path
) -> None:
    model = made.lightgbm()
    path = f"{folder}{model.file_name}"
    top = find(register(user, "m", {path: model.content}))
    assert (top / path).read_bytes() == model.content
    assert (top / "MLmodel").is_file()
    entry = folder.rstrip("/") or model.file_name
    assert model_path("m", 1, [tmp_path / "replica"]) == str(top / entry)


def test_of_two_models_each_has_a_folder_of_its_own(find: Any, user: User, tmp_path: Path) -> None:
    model = made.lightgbm()
    one = uploaded(user, "one", {f"kept/{model.file_name}": model.content})
    top = find(one, logged(user, "two", NET))
    assert top.name == "azureml-models"
    assert (top / "one/1/kept" / model.file_name).read_bytes() == model.content
    assert (top / "two/1/net/deep/words.txt").read_bytes() == b"t"
    roots = [tmp_path / "replica"]
    assert model_path("one", None, roots) == str(top / "one/1/kept")
    assert model_path("two", None, roots) == str(top / "two/1/net")


def test_a_revision_that_was_prepared_before_stays_as_it_was(
    create: Create, keep: Keep, user: User
) -> None:
    """Its digest would change, and an upgrade would restart what serves."""
    models = [uploaded(user, name, NET) for name in ("m", "n")]
    revision = revision_of(create, keep(), *models)
    revision.prepared.pop("own")
    for row in revision.prepared["models"]:
        row.pop("entry")
    revision.save()
    before = instance_spec(revision.service, revision).digest
    operation = revision.service.operations.get()
    step = operation.steps.get(name=StepName.COPY_MODEL)
    copy_model(Work(operation, step, lambda _line: None, lambda: False))
    revision.refresh_from_db()
    assert instance_spec(revision.service, revision).digest == before
