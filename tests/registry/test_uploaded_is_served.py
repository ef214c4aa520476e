"""From a file that is uploaded to right answers of a service."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth import get_user_model

from registry import files, selectors
from serving.choose import choose
from serving.loaders.mlmodel import read_mlmodel
from tests.registry import made
from tests.registry.asgi import upload
from tests.registry.conftest import Store
from tests.serving.replica import Replica
from workspaces.tokens import token_create

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
SERVED = ("onnx", "sklearn-pickle", "sklearn-joblib", "xgboost", "lightgbm")


@pytest.fixture
def token(store: Store, tmp_path: Path, settings: Any) -> str:
    data = dataclasses.replace(settings.SLIPWAY.data, root=tmp_path / "data")
    root = str(tmp_path / "artifacts")
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, data=data, artifact_root=root)
    user = get_user_model().objects.create_user("ada", password="a-long-password")
    return token_create(user=user, name="test")[1]


def answers(body: Any) -> list[float]:
    """The numbers of an answer, whatever the library calls its output."""
    found = body["predictions"]
    if isinstance(found, dict):
        (found,) = found.values()
    flat = [next(iter(row.values())) if isinstance(row, dict) else row for row in found]
    return [float(value) for value in np.asarray(flat).reshape(-1)]


def question(kind: str, rows: Any) -> dict[str, Any]:
    if kind == "onnx":
        return {"inputs": rows.to_numpy().tolist()}
    return {"dataframe_split": {"columns": list(rows.columns), "data": rows.to_numpy().tolist()}}


@pytest.fixture
def replicas() -> Iterator[list[Replica]]:
    started: list[Replica] = []
    yield started
    for replica in started:
        replica.stop()


@pytest.mark.parametrize("kind", SERVED)
def test_an_uploaded_model_is_served_with_right_answers(
    kind: str, token: str, tmp_path: Path, replicas: list[Replica]
) -> None:
    model = made.WRAPPED[kind]()
    sample = None if kind == "onnx" else model.sample
    answer = upload(token, model.files, name="m", sample_input=sample)
    assert answer.status_code == 201, answer.text
    digest = files.version_materialize(name="m", version="1", destination_root=tmp_path / "models")
    assert selectors.version_get("m", "1").sha256 == digest == answer.json()["sha256"]
    folder = tmp_path / "models" / digest
    loader, _reason = choose(read_mlmodel(folder))
    replica = Replica(tmp_path / "replica", folder, loader=loader)
    replicas.append(replica)
    replica.started()
    scored = replica.post("/invocations", question(kind, model.rows))
    assert scored.status_code == 200, scored.text
    np.testing.assert_allclose(answers(scored.json()), model.answers, rtol=1e-5)
    wrong = replica.post("/invocations", {"inputs": [["no", "numbers"]]})
    assert wrong.status_code == 400, wrong.text
