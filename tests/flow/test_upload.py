"""Files that are uploaded to a whole studio are served, and any MLflow client gets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.flow.api import Api
from tests.registry import made
from tests.registry.test_uploaded_is_served import SERVED, answers, question

pytestmark = [pytest.mark.redis, pytest.mark.timeout(600)]
KINDS = {"mlflow-folder": made.mlflow_folder, **{kind: made.WRAPPED[kind] for kind in SERVED}}
CASES = [
    ("lightgbm", "local"),
    *(pytest.param(kind, "local", marks=pytest.mark.soak) for kind in KINDS if kind != "lightgbm"),
    *(pytest.param(kind, "docker", marks=[pytest.mark.docker, pytest.mark.soak]) for kind in KINDS),
]


def uploaded(api: Api, kind: str) -> str:
    """URI of a version made of an uploaded file."""
    model = KINDS[kind]()
    name = f"up-{kind}"
    answer = api.call(
        "POST", "/models", data={"name": name}, files={"files": (model.file_name, model.content)}
    )
    assert answer.status_code == 201, answer.text
    return f"models:/{name}/{answer.json()['version']}"


@pytest.mark.parametrize(("kind", "target"), CASES)
def test_an_uploaded_file_is_deployed_and_answers_rightly(api: Api, kind: str, target: str) -> None:
    name = f"up-{kind}-{target}"
    api.models[name] = uploaded(api, kind)
    api.deploy(name, kind=name, target=target)
    api.healthy(name, 500)
    model = KINDS[kind]()
    rows = api.score(name, json=question(kind, model.rows), headers=api.key(name))
    assert rows.status_code == 200, rows.text
    np.testing.assert_allclose(answers(rows.json()), model.answers, rtol=1e-5)
    api.gone(name)
    assert not list(api.studio.data.incoming.glob("*"))


def test_an_mlflow_client_loads_it_from_the_studio(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    uri = uploaded(api, "sklearn-pickle")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", api.token)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"{api.studio.url}/mlflow")
    try:
        model = made.sklearn_pickle()
        loaded = mlflow.pyfunc.load_model(uri, dst_path=str(tmp_path))
        found = np.asarray(loaded.predict(model.rows)).reshape(-1)
        np.testing.assert_allclose(found, model.answers, rtol=1e-6)
    finally:
        mlflow.set_tracking_uri(before)
