"""What is written beside an uploaded model makes MLflow and the runtime load it, rightly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.formats import wrapping
from registry.formats.recognising import Found, recognise
from registry.incoming.registering import reader
from registry.samples import sample_read
from serving.check import check
from serving.choose import choose
from serving.loaders.mlmodel import read_mlmodel
from tests.registry import made


def wrapped(folder: Path, model: made.Made, **more: Any) -> Found:
    """Write the model's file and all that is made for it."""
    folder.mkdir()
    (folder / model.file_name).write_bytes(model.content)
    paths = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    found = recognise([(path, (folder / path).stat().st_size) for path in paths], reader(folder))
    assert wrapping.why_not(found, paths) == ""
    for path, content in wrapping.wrap(found, paths=paths, **more).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    return found


@pytest.mark.parametrize("kind", made.WRAPPED)
def test_mlflow_loads_it_and_it_answers_rightly(kind: str, tmp_path: Path) -> None:
    import mlflow

    model = made.WRAPPED[kind]()
    wrapped(tmp_path / "m", model, sample=sample_read(model.sample))
    assert (tmp_path / "m" / model.file_name).read_bytes() == model.content
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    given: Any = model.rows
    answer = loaded.predict(given)
    if hasattr(answer, "to_numpy"):
        answer = answer.to_numpy()
    np.testing.assert_allclose(np.asarray(answer).reshape(-1), model.answers, rtol=1e-5)
    assert loaded.metadata.get_input_schema() is not None


@pytest.mark.parametrize("kind", made.WRAPPED)
def test_the_runtime_serves_it_fast_where_it_can(kind: str, tmp_path: Path) -> None:
    model = made.WRAPPED[kind]()
    wrapped(tmp_path / "m", model, sample=sample_read(model.sample))
    loader, reason = choose(read_mlmodel(tmp_path / "m"))
    assert loader == ("plain" if kind == "sklearn-joblib" else "fast"), reason
    found = check(tmp_path / "m")
    assert found["ok"], found["error"]
    assert (found["loader"], found["rows"]) == (loader, 2)


@pytest.mark.parametrize("kind", ["onnx", "xgboost", "lightgbm"])
def test_what_the_file_tells_of_its_input_is_the_signature(kind: str, tmp_path: Path) -> None:
    wrapped(tmp_path / "m", made.WRAPPED[kind]())
    inputs = json.loads(read_mlmodel(tmp_path / "m")["signature"]["inputs"])
    if kind == "onnx":
        assert inputs == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]
    else:
        assert [(item["name"], item["type"]) for item in inputs] == [(n, "double") for n in "abcd"]
    assert check(tmp_path / "m")["ok"]


def test_without_a_sample_a_pickle_has_no_signature(tmp_path: Path) -> None:
    wrapped(tmp_path / "m", made.sklearn_pickle())
    assert "signature" not in read_mlmodel(tmp_path / "m")
    assert check(tmp_path / "m")["ok"]


def test_rows_without_names_are_a_tensor_or_the_files_own_columns(tmp_path: Path) -> None:
    rows = sample_read([[1.0, 2.0, 3.0, 4.0]])
    wrapped(tmp_path / "skl", made.sklearn_pickle(), sample=rows)
    inputs = json.loads(read_mlmodel(tmp_path / "skl")["signature"]["inputs"])
    assert inputs == [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]
    wrapped(tmp_path / "lgb", made.lightgbm(), sample=rows)
    example = json.loads((tmp_path / "lgb" / "serving_input_example.json").read_text())
    assert example == {
        "dataframe_split": {"columns": ["a", "b", "c", "d"], "data": [[1.0, 2.0, 3.0, 4.0]]}
    }


def test_the_requirements_name_the_version_that_saved_it() -> None:
    assert "scikit-learn==1.6.1" in wrapping.requirements(Found("sklearn-pickle", "1.6.1", "m", {}))
    old = Found(
        "xgboost", "", "m", {"serialization": "binary", "model_class": "xgboost.core.Booster"}
    )
    assert wrapping.requirements(old)[0] == "xgboost<3.1"
    assert wrapping.requirements(Found("lightgbm", "4", "m", {}))[0] == "lightgbm>=4,<5"
    nightly = Found("sklearn-pickle", "1.9.dev0", "m", {})
    assert wrapping.requirements(nightly)[0] == "scikit-learn"


def test_an_old_scikit_learn_gets_a_python_that_it_knows() -> None:
    assert wrapping.python_of(Found("sklearn-pickle", "0.24.2", "m")) == "3.9"
    assert wrapping.python_of(Found("sklearn-pickle", "1.6.1", "m")).startswith("3.")


def test_requirements_that_came_along_stay_and_what_loads_is_added(tmp_path: Path) -> None:
    found = Found("sklearn-pickle", "1.6.1", "model.pkl", {"modules": ["own_package"]})
    assert "own_package" in wrapping.why_not(found, {"model.pkl"})
    paths = {"model.pkl", "requirements.txt"}
    assert wrapping.why_not(found, paths) == ""
    given = b"own-package==2\nscikit-learn==1.5.0  # as trained\n"
    files = wrapping.wrap(found, paths=paths, given_requirements=given)
    lines = files["requirements.txt"].decode().splitlines()
    assert lines[:2] == ["own-package==2", "scikit-learn==1.5.0  # as trained"]
    assert [line for line in lines if line.startswith("mlflow-skinny==")]
    assert "scikit-learn==1.6.1" not in lines
    assert files["requirements.uploaded.txt"] == given


def test_nothing_that_is_there_is_overwritten() -> None:
    found = Found("sklearn-joblib", "1.6.1", "model.joblib", {})
    paths = {"model.joblib", "python_env.yaml", "input_example.json"}
    files = wrapping.wrap(found, paths=paths, sample=sample_read([[1.0]]))
    assert files.keys() & paths == set()
    assert wrapping.why_not(found, {"model.joblib", "code"})
    assert wrapping.why_not(found, {"model.joblib", "MLmodel"})


def test_an_onnx_file_in_a_folder_is_not_wrapped() -> None:
    assert wrapping.why_not(Found("onnx", "", "deep/model.onnx", {}), {"deep/model.onnx"})
