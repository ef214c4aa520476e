"""Trying versions for real: a store with models, a data folder, and a hand that runs the steps."""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from django.conf import settings
from mlflow import MlflowClient
from mlflow.models import infer_signature

from config.paths import DataFolder
from deployments import targets
from deployments.building import environments, pythons, runtimes
from deployments.configuring.check_values import Check, check_from
from deployments.control import wake
from deployments.drivers.base import Driver
from deployments.models import Operation
from deployments.trying.at_hand import operation_follow
from deployments.trying.preflight_steps import CHECKS
from deployments.trying.trials import preflight_ask
from tests.factories import TargetFactory
from tests.local_engine import CACHE, PINS, USER, open_folder
from tests.tracking.mlflow_store import make_template

AMOUNTS = pd.DataFrame({"amount": [1.0, 2.0, 3.0]})
CODE = """
import mlflow
{top}
class Twice(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        {load}
    def predict(self, context, model_input, params=None):
        {predict}
        return (model_input["amount"] * 2).tolist()
mlflow.models.set_model(Twice())
"""


def code_of(*, top: str = "", load: str = "pass", predict: str = "pass") -> str:
    """A model that doubles, with a line of a test's own in one of its places."""
    return CODE.format(top=top, load=load, predict=predict)


@dataclass
class Trying:
    """One data folder with its store of models, and one target."""

    data: DataFolder
    client: MlflowClient
    target: str
    lines: list[str] = field(default_factory=list)

    def files(self, name: str) -> Path:
        return self.data.artifacts / "made" / name

    def code_model(self, name: str, pins: list[str] = PINS, **places: str) -> str:
        """Register a model with code of its own; the URI of its version."""
        folder, script = self.files(name), self.data.artifacts / "twice.py"
        if not folder.exists():
            script.write_text(code_of())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MLflow's advice on type hints
                mlflow.pyfunc.save_model(
                    str(folder),
                    python_model=str(script),
                    signature=infer_signature(AMOUNTS, [2.0]),
                    input_example=AMOUNTS,
                    pip_requirements=pins,
                )
        (folder / "twice.py").write_text(code_of(**places))
        return self.register(name)

    def register(self, name: str) -> str:
        self.client.create_registered_model(name)
        made = self.client.create_model_version(name, str(self.files(name)))
        return f"models:/{name}/{made.version}"

    def runtime(self) -> None:
        """Install the runtime now, for a test that lets no package index answer."""
        environment = environments.Builder(
            root=self.data.environments,
            tmp=self.data.tmp,
            user=USER,
            log=self.lines.append,
            cancelled=lambda: False,
        )
        environments.folders_ready(environment)
        python = pythons.available(USER)[pythons.own_minor()]
        runtimes.install(environment, self.data.runtimes, python)

    def tried(self, uri: str, **more: Any) -> Operation:
        """Ask for a trial and see it to its end."""
        operation = preflight_ask(model=uri, target=self.target, user=None, **more)
        return operation_follow(operation, self.lines.append)


def checks_of(operation: Operation) -> dict[str, Check]:
    found = [check_from(item) for item in operation.found[CHECKS]]
    return {check.name: check for check in found}


def failed_of(operation: Operation) -> dict[str, str]:
    """The failed checks: name and sentence."""
    found = checks_of(operation).values()
    return {check.name: check.sentence for check in found if check.result == "failed"}


@dataclass(frozen=True)
class Place:
    """What tests of one module share: environments that were built stay built."""

    data: DataFolder
    template: Path


def place_made(prefix: str) -> Iterator[Place]:
    """For a fixture of a module."""
    data = DataFolder(open_folder(prefix))
    for folder in (data.models, data.artifacts, data.run, data.tmp, data.services):
        folder.mkdir(mode=0o755)
    yield Place(data, make_template(data.run))
    shutil.rmtree(data.root, ignore_errors=True)


def trying_made(
    place: Place, monkeypatch: pytest.MonkeyPatch, kind: str, driver: Driver, **changes: Any
) -> Trying:
    """For a fixture of a test: an empty store on that place, a target with this driver."""
    data = place.data
    store = data.run / "mlflow.db"
    shutil.copy(place.template, store)
    shutil.rmtree(data.artifacts / "made", ignore_errors=True)
    uri = f"sqlite:///{store}"
    own = {"tracking_uri": uri, "artifact_root": str(data.artifacts), "min_free_bytes": 0}
    monkeypatch.setattr(settings, "DATA", data)
    slipway = dataclasses.replace(settings.SLIPWAY, **{**own, **changes})
    monkeypatch.setattr(settings, "SLIPWAY", slipway)
    monkeypatch.setenv("UV_CACHE_DIR", str(CACHE))
    monkeypatch.setattr(targets, "_driver", lambda *_: driver)
    monkeypatch.setattr(wake, "_send", lambda publish: None)
    TargetFactory(name=kind)
    return Trying(data, MlflowClient(uri, uri), kind)
