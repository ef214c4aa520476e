"""A real MLflow store of one test: a SQLite file and a folder of artifacts."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings


@dataclass
class Store:
    """Where a test logs: `client` is MLflow's own."""

    uri: str
    artifacts: Path
    client: Any

    def experiment(self, name: str, **tags: str) -> str:
        place = self.artifacts / f"e{abs(hash(name))}"
        return str(self.client.create_experiment(name, artifact_location=str(place), tags=tags))

    def run(
        self, experiment_id: str, name: str = "run", end: str = "FINISHED", **values: Any
    ) -> str:
        """A run with `params`, `metrics` and `tags`; end="" leaves it going on."""
        from mlflow.entities import Metric, Param, RunTag

        run = self.client.create_run(experiment_id, run_name=name)
        self.client.log_batch(
            run.info.run_id,
            [Metric(k, v, 1, 0) for k, v in values.get("metrics", {}).items()],
            [Param(k, v) for k, v in values.get("params", {}).items()],
            [RunTag(k, v) for k, v in values.get("tags", {}).items()],
        )
        if end:
            self.client.set_terminated(run.info.run_id, end)
        return str(run.info.run_id)

    def file(self, run_id: str, path: str, content: bytes = b"text") -> Path:
        """An artifact written where MLflow would put it."""
        file = Path(self.client.get_run(run_id).info.artifact_uri) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


def make_template(folder: Path, artifacts: str = "") -> Path:
    """An empty store to be copied.

    Args:
        artifacts: where the runs of the first experiment keep theirs; default: the folder.
    """
    file = folder / "template.db"
    shutil.copy(_made_once(), file)
    with closing(sqlite3.connect(file)) as database, database:
        place = f"{(artifacts or str(folder)).rstrip('/')}/0"
        database.execute("UPDATE experiments SET artifact_location = ?", [place])
    return file


@cache
def _made_once() -> Path:
    """MLflow needs a second to make its tables, and at each opening of a store reads its thirty
    migrations for the name of the last one, which here is remembered."""
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    utils._get_latest_schema_revision = cache(utils._get_latest_schema_revision)
    folder = Path(tempfile.mkdtemp(prefix="slipway-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "made.db"
    SqlAlchemyStore(f"sqlite:///{file}", str(folder)).engine.dispose()
    return file


def use(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Points the studio at another store for one test."""
    monkeypatch.setattr(settings, "SLIPWAY", replace(settings.SLIPWAY, **changes))


def open_store(template: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    from mlflow import MlflowClient

    shutil.copy(template, folder / "mlflow.db")
    artifacts = folder / "artifacts"
    artifacts.mkdir()
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    use(monkeypatch, tracking_uri=uri, artifact_root=str(artifacts))
    return Store(uri, artifacts, MlflowClient(tracking_uri=uri, registry_uri=uri))
