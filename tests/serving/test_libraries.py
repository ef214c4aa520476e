"""Real models of the four libraries answer as under MLflow, alone and scored together."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.loaders.base import NoCode
from tests.serving.library_models import CITIES, MODELS, SINGLE, table
from tests.serving.mlflow_server import MlflowServer, ask, loaded
from tests.serving.test_same_as_mlflow import SOME, assert_same

FEW = settings(SOME, max_examples=6)
MANY = settings(SOME, max_examples=500)
LOADERS = ["fast", "plain"]
EACH = [(name, "fast") for name in MODELS]
EACH += [(name, "plain") for name in ("ridge", "pipeline", "onnx_tensor")]  # all: in the soak

FLOATS = st.floats(-1e3, 1e3, allow_nan=False) | st.integers(-9, 9)
ODD = st.sampled_from([None, 1e300, -1e40, "1.5", "x", True, [], 2**64])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Save each model once, when it is first asked for."""
    root, made = tmp_path_factory.mktemp("models"), {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = MODELS[name](root / name)
        return made[name]

    return folder


@pytest.fixture(scope="module")
def servers(folders: Callable[[str], Path]) -> Callable[[str], MlflowServer]:
    made: dict[str, MlflowServer] = {}

    def server(name: str) -> MlflowServer:
        if name not in made:
            made[name] = MlflowServer(folders(name))
        return made[name]

    return server


@pytest.fixture(scope="module")
def ours(folders: Callable[[str], Path]) -> Callable[..., NoCode]:
    made: dict[tuple[str, str, bool], NoCode] = {}

    def model(name: str, loader: str, *, batch: bool = False) -> NoCode:
        key = (name, loader, batch)
        if key not in made:
            made[key] = loaded(folders(name), loader, batch=batch)
        return made[key]

    return model


def row(name: str, odd: int) -> st.SearchStrategy[list[Any]]:
    """A row of a model's cells, each an odd one now and then."""

    def cell(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.integers(0, odd).flatmap(lambda draw: ODD if draw == 0 else usual)

    if name == "pipeline":
        cities = st.sampled_from([*CITIES, "Nowhere", ""])
        return st.tuples(cell(cities), cell(FLOATS), cell(st.integers(0, 9))).map(list)
    return st.lists(cell(FLOATS), min_size=4, max_size=4)


def names_of(name: str) -> list[str]:
    return ["city", "age", "count"] if name == "pipeline" else ["a", "b", "c", "d"]


@st.composite
def bodies(draw: Any, name: str) -> bytes:
    rows = draw(st.lists(row(name, draw(st.sampled_from([20, 10_000]))), min_size=0, max_size=4))
    if name.endswith("tensor"):
        return json.dumps({draw(st.sampled_from(["inputs", "instances"])): rows}).encode()
    names = names_of(name)
    form = draw(st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs"]))
    records = [dict(zip(names, cells, strict=True)) for cells in rows]
    columns = {n: [cells[place] for cells in rows] for place, n in enumerate(names)}
    values: dict[str, Any] = {
        "dataframe_split": {"columns": names, "data": rows},
        "inputs": columns,
    }
    return json.dumps({form: values.get(form, records)}).encode()


def check_alone(name: str, loader: str, server: MlflowServer, model: NoCode, body: bytes) -> None:
    (found,) = ask(model, body)
    assert_same(found, server.answer(body))


@pytest.mark.parametrize(("name", "loader"), EACH)
@FEW
@given(data=st.data())
def test_alone_the_answer_is_mlflows_to_the_last_bit(
    servers: Callable[[str], MlflowServer],
    ours: Callable[..., NoCode],
    name: str,
    loader: str,
    data: Any,
) -> None:
    check_alone(name, loader, servers(name), ours(name, loader), data.draw(bodies(name)))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("name", MODELS)
@MANY
@given(data=st.data())
def test_alone_the_answer_is_mlflows_for_long(
    servers: Callable[[str], MlflowServer],
    ours: Callable[..., NoCode],
    name: str,
    loader: str,
    data: Any,
) -> None:
    check_alone(name, loader, servers(name), ours(name, loader), data.draw(bodies(name)))


def check_together(
    name: str, loader: str, server: MlflowServer, model: NoCode, asked: list[bytes]
) -> None:
    found = ask(model, *asked)
    for body, answer in zip(asked, found, strict=True):
        single, terms = name in SINGLE, max(1.0, added_up(json.loads(body)))
        assert_same(answer, server.answer(body), 4, single=single, terms=terms)


def added_up(value: Any) -> float:
    """The sum of the sizes of all finite numbers in a document."""
    if isinstance(value, (int, float)):
        return abs(value) if math.isfinite(value) else 0.0
    inside = value.values() if isinstance(value, dict) else value
    return sum(map(added_up, inside)) if isinstance(inside, (list, type({}.values()))) else 0.0


@pytest.mark.parametrize(("name", "loader"), EACH)
@FEW
@given(data=st.data())
def test_together_each_answer_is_mlflows_within_4_ulp_and_bad_ones_fail_alone(
    servers: Callable[[str], MlflowServer],
    ours: Callable[..., NoCode],
    name: str,
    loader: str,
    data: Any,
) -> None:
    asked = data.draw(st.lists(bodies(name), min_size=2, max_size=6))
    check_together(name, loader, servers(name), ours(name, loader, batch=True), asked)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("name", MODELS)
@MANY
@given(data=st.data())
def test_together_each_answer_is_mlflows_for_long(
    servers: Callable[[str], MlflowServer],
    ours: Callable[..., NoCode],
    name: str,
    loader: str,
    data: Any,
) -> None:
    asked = data.draw(st.lists(bodies(name), min_size=2, max_size=6))
    check_together(name, loader, servers(name), ours(name, loader, batch=True), asked)


def test_100_000_rows_are_answered_as_by_mlflow(
    servers: Callable[[str], MlflowServer], ours: Callable[..., NoCode]
) -> None:
    rows, _ = table()
    data = (rows.to_numpy().tolist() * 1667)[:100_000]
    body = json.dumps({"dataframe_split": {"columns": list(rows.columns), "data": data}}).encode()

    (found,) = ask(ours("ridge", "fast"), body)

    assert len(found[1]["predictions"]) == 100_000
    assert_same(found, servers("ridge").answer(body))


@pytest.mark.parametrize("name", ["ridge", "pipeline"])
def test_csv_and_parquet_are_answered_as_by_mlflow(
    servers: Callable[[str], MlflowServer], ours: Callable[..., NoCode], name: str
) -> None:
    import io

    import pandas

    frame = (
        pandas.DataFrame([["Rom", 1.5, 2]], columns=names_of(name))
        if name == "pipeline"
        else (table()[0].head(3))
    )
    parquet = io.BytesIO()
    frame.to_parquet(parquet)
    sent = {
        "text/csv": frame.to_csv(index=False).encode(),
        "application/vnd.apache.parquet": parquet.getvalue(),
    }

    for kind, body in sent.items():
        (found,) = ask(ours(name, "fast"), body, content_type=kind)
        assert found[0]
        assert_same(found, servers(name).answer(body, kind))


NO_MLFLOW = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from serving.loaders import load
from serving.scoring import ScoreRequest
for folder in sys.argv[2:]:
    config = {"service": "s", "revision": 1, "model_dir": folder, "model_name": "m",
              "model_version": "1", "verbose_errors": True, "loader": "fast"}
    model = load(config, pathlib.Path("."))
    body = json.dumps(model.example()).encode()
    (answer,) = model.answer([ScoreRequest(body, None, "score", "")])
    assert answer.status == 200, answer
    if "onnx" in folder:
        assert "pandas" not in sys.modules, "an ONNX model of numbers imported pandas"
    assert not [name for name in sys.modules if name.partition(".")[0] == "mlflow"]
print("no MLflow")
"""


def test_the_fast_loader_never_imports_mlflow(folders: Callable[[str], Path]) -> None:
    root = Path(__file__).resolve().parents[2]
    names = ["onnx_columns", "onnx_tensor", "ridge", "pipeline", "xgb", "lgb", "lgb_booster"]
    command = [sys.executable, "-c", NO_MLFLOW, str(root), *(str(folders(n)) for n in names)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    assert done.stdout.strip() == "no MLflow", done.stderr
