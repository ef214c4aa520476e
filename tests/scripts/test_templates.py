"""The entry scripts that people start from: checked, and run where their library is installed.

PyTorch, TensorFlow and Keras are not installed here: their templates are checked by parsing alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.scripts.parsing import script_check
from registry.scripts.templates import TITLES, templates
from tests.serving.replica import Replica

ROWS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.0, 0.0, 1.0], [5.0, 1.0, 2.0]])
TARGET = np.array([1.0, 2.0, 3.0, 4.0])
TEXTS = {item.name: item.text for item in templates()}
Serve = Callable[..., Replica]


@pytest.mark.parametrize("name", sorted(TITLES))
def test_each_can_be_an_entry_script(name: str) -> None:
    assert script_check(TEXTS[name]) == []
    assert all(len(line) <= 100 for line in TEXTS[name].splitlines())


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a template as the entry script of these models, each a folder of files."""
    made: list[Replica] = []

    def begin(name: str, *models: Path) -> Replica:
        source = tmp_path / "source"
        source.mkdir()
        (source / "score.py").write_text(TEXTS[name])
        listed = [{"name": path.name, "version": "1", "path": str(path)} for path in models]
        model = models[0] if models else source
        replica = Replica(
            tmp_path / "replica",
            model,
            loader="script",
            source_dir=str(source),
            entry_script="score.py",
            models=listed,
        )
        made.append(replica)
        return replica.started()

    yield begin
    for replica in made:
        replica.stop()


def folder(tmp_path: Path, name: str = "mine") -> Path:
    path = tmp_path / "models" / name
    path.mkdir(parents=True)
    return path


def predictions(replica: Replica, **more: Any) -> Any:
    answer = replica.post("/score", json.dumps({"data": ROWS.tolist(), **more}))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_echo(serve: Serve) -> None:
    assert serve("echo").post("/score", '{"a": 1}').json() == {"echo": {"a": 1}}


def test_rawhttp(serve: Serve) -> None:
    replica = serve("rawhttp")
    assert replica.post("/score", b"\x00\xff\x00").json() == {"bytes": 3}
    assert replica.get("/score?a=1").json() == {"query": {"a": "1"}}


def test_schema(serve: Serve) -> None:
    replica = serve("schema")
    assert replica.post("/score", '{"data": [[1, 2, 3]]}').json() == [6.0]
    assert replica.post("/score", '{"rows": []}').status_code == 400


def test_sklearn(serve: Serve, tmp_path: Path) -> None:
    import joblib
    from sklearn.linear_model import Ridge

    model = Ridge().fit(ROWS, TARGET)
    joblib.dump(model, folder(tmp_path) / "model.joblib")
    found = predictions(serve("sklearn", tmp_path / "models" / "mine"))["predictions"]
    assert found == pytest.approx(model.predict(ROWS).tolist())


def test_two_models(serve: Serve, tmp_path: Path) -> None:
    import joblib
    from sklearn.linear_model import Ridge

    models = {name: Ridge().fit(ROWS, TARGET * sign) for name, sign in (("up", 1), ("down", -1))}
    for name, model in models.items():
        joblib.dump(model, folder(tmp_path, name) / "model.pkl")
    replica = serve("two_models", *(tmp_path / "models" / name for name in models))
    for name, model in models.items():
        found = predictions(replica, model=name)["predictions"]
        assert found == pytest.approx(model.predict(ROWS).tolist())
    assert "up" in predictions(replica, model="gone")["error"]


def test_onnx(serve: Serve, tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import Ridge

    model = Ridge().fit(ROWS, TARGET)
    made = to_onnx(model, ROWS[:1].astype(np.float32))
    (folder(tmp_path) / "model.onnx").write_bytes(made.SerializeToString())
    found = predictions(serve("onnx", tmp_path / "models" / "mine"))
    assert np.ravel(next(iter(found.values()))) == pytest.approx(model.predict(ROWS), rel=1e-4)


def test_xgboost(serve: Serve, tmp_path: Path) -> None:
    import xgboost

    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(ROWS, TARGET), 3)
    booster.save_model(folder(tmp_path) / "model.ubj")
    found = predictions(serve("xgboost", tmp_path / "models" / "mine"))["predictions"]
    assert found == pytest.approx(booster.predict(xgboost.DMatrix(ROWS)).tolist())


def test_lightgbm(serve: Serve, tmp_path: Path) -> None:
    import lightgbm

    settings = {"min_data_in_leaf": 1, "min_data_in_bin": 1, "verbosity": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(ROWS, TARGET), 3)
    booster.save_model(folder(tmp_path) / "model.txt")
    found = predictions(serve("lightgbm", tmp_path / "models" / "mine"))["predictions"]
    assert found == pytest.approx(booster.predict(ROWS).tolist())
