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
from registry.scripts.templates import TITLES, template_for, templates
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


def test_skops(serve: Serve, tmp_path: Path) -> None:
    import skops.io
    from sklearn.linear_model import Ridge

    model = Ridge().fit(ROWS, TARGET)
    skops.io.dump(model, folder(tmp_path) / "model.skops")
    found = predictions(serve("skops", tmp_path / "models" / "mine"))["predictions"]
    assert found == pytest.approx(model.predict(ROWS).tolist())


def test_skops_names_the_types_that_nobody_has_trusted_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    model = FunctionTransformer(predictions)  # a function of this module
    skops.io.dump(model, folder(tmp_path) / "model.skops")
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path / "models"))
    script: dict[str, Any] = {}
    exec(TEXTS["skops"], script)
    with pytest.raises(ValueError, match=r"TRUSTED.*test_templates\.predictions"):
        script["init"]()
    script["TRUSTED"].append(f"{predictions.__module__}.predictions")
    script["init"]()
    assert type(script["model"]) is FunctionTransformer


@pytest.mark.parametrize(
    ("format", "paths", "name"),
    [
        ("keras", ["model.keras"], "keras"),
        ("keras", ["net/saved_model.pb", "net/keras_metadata.pb"], "tensorflow"),
        ("tensorflow", ["saved_model.pb"], "tensorflow"),
        ("sklearn-skops", ["a.skops", "b.skops"], "skops"),
        ("custom", ["weights.bin"], "echo"),
    ],
)
def test_files_have_the_template_that_loads_them(format: str, paths: list[str], name: str) -> None:
    assert template_for(format, paths).name == name


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
