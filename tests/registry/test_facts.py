"""What is read from a model's own files, broken ones included."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry import facts
from registry.presentation import signature_parts
from workspaces.errors import Problem

MLMODEL = """
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.10.4, env: {conda: conda.yaml}}
  sklearn: {sklearn_version: 1.6.1, code: null}
mlflow_version: 2.9.2
signature:
  inputs: '[{"name": "x", "type": "double", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
  params: null
saved_input_example_info: {artifact_path: input_example.json, pandas_orient: split}
"""


def _read(files: dict[str, str | bytes]) -> facts.Facts:
    def read(path: str, limit: int) -> bytes | None:
        content = files.get(path)
        return content.encode() if isinstance(content, str) else content

    return facts.facts_read(read)


def test_an_older_model_is_understood() -> None:
    found = _read(
        {
            "MLmodel": MLMODEL,
            "requirements.txt": "# made by MLflow\n\nscikit-learn==1.6.1\n -c other.txt\n",
            "python_env.yaml": "python: 3.11.4\n",
            "input_example.json": '{"columns": ["x"], "data": [[NaN], [1e999], [2.5]]}',
        }
    )
    assert found.flavors["sklearn"] == {"sklearn_version": "1.6.1"}
    assert found.signature is not None
    assert found.signature["inputs"] == [{"name": "x", "type": "double", "required": True}]
    assert found.signature["params"] is None
    assert found.requirements == ["scikit-learn==1.6.1", "-c other.txt"]
    assert (found.python_version, found.mlflow_version) == ("3.11", "2.9.2")
    assert found.input_example == {
        "dataframe_split": {"columns": ["x"], "data": [[None], [None], [2.5]]}
    }
    assert found.problem == ""


def test_requirements_and_python_come_from_conda_when_there_is_nothing_better() -> None:
    conda = "dependencies: [python=3.12.1, pip, {pip: [xgboost, 'numpy<2']}]"
    found = _read({"MLmodel": MLMODEL, "conda.yaml": conda})
    assert found.requirements == ["xgboost", "numpy<2"]
    assert found.python_version == "3.12"
    assert _read({"MLmodel": MLMODEL}).python_version == "3.10"  # of the flavor


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ({"dataframe_split": {"data": []}}, {"dataframe_split": {"data": []}}),
        ({"inputs": [1]}, {"inputs": [1]}),
        ([[1, 2]], {"inputs": [[1, 2]]}),
        ("text", {"inputs": "text"}),
    ],
)
def test_an_example_takes_the_shape_that_can_be_sent(example: Any, expected: Any) -> None:
    model = MLMODEL.replace("pandas_orient: split", "type: other")
    found = _read({"MLmodel": model, "input_example.json": json.dumps(example)})
    assert found.input_example == expected


def test_mlflows_own_serving_example_is_preferred() -> None:
    found = _read(
        {
            "MLmodel": MLMODEL,
            "serving_input_example.json": '{"inputs": [2], "params": {"k": 1}}',
            "input_example.json": "[1]",
        }
    )
    assert found.input_example == {"inputs": [2], "params": {"k": 1}}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"MLmodel": "- a\n- b"}, "not a YAML mapping"),
        ({"MLmodel": "a: [b"}, "not valid YAML"),
        ({"MLmodel": b"\xff\xfe\x00"}, "not UTF-8"),
        ({"MLmodel": "flavors: 3"}, "names no flavors"),
        ({"MLmodel": "flavors: {a: {}}\nsignature: {inputs: '['}"}, "not valid JSON"),
        ({"MLmodel": "flavors: {a: {}}\nsignature: {inputs: '{}'}"}, "not a list"),
        ({"MLmodel": "a: " + "[" * 5000 + "]" * 5000}, "not valid YAML"),
        ({"MLmodel": MLMODEL, "input_example.json": "{"}, "input_example.json is not valid"),
        ({"MLmodel": MLMODEL, "input_example.json": "[" * 500 + "]" * 500}, "not valid JSON"),
    ],
)
def test_what_is_broken_is_told_in_words(files: dict[str, str | bytes], words: str) -> None:
    assert words in _read(files).problem


def test_files_without_mlmodel_are_no_problem_but_no_model_of_mlflow() -> None:
    found = _read({"weights.bin": b"w"})
    assert (found.flavors, found.problem) == ({}, "")


def test_a_path_that_leaves_the_folder_is_not_read() -> None:
    asked: list[str] = []
    info = "saved_input_example_info: {serving_input_path: ../../etc/passwd, artifact_path: /etc/x}"

    def read(path: str, limit: int) -> bytes | None:
        asked.append(path)
        return f"flavors: {{a: {{}}}}\n{info}".encode() if path == "MLmodel" else None

    facts.facts_read(read)
    assert not [path for path in asked if ".." in path or path.startswith("/")]


TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
MLMODELS = st.fixed_dictionaries(
    {},
    optional={
        "flavors": TREES | st.dictionaries(st.text(max_size=5), TREES),
        "signature": TREES
        | st.fixed_dictionaries(
            {}, optional={key: TREES | TREES.map(json.dumps) for key in ("inputs", "params")}
        ),
        "saved_input_example_info": TREES | st.dictionaries(st.just("artifact_path"), TREES),
        "mlflow_version": TREES,
    },
)


@given(st.binary(max_size=300) | TREES.map(lambda tree: yaml.safe_dump(tree).encode()))
def test_the_parser_raises_nothing_but_problems(content: bytes) -> None:
    for parse in (facts.mlmodel_parse, facts.yaml_mapping, facts.conda_parse):
        try:
            parse(content)
        except Problem:
            pass
    for parse_more in (facts.requirements_parse, facts.example_parse):
        try:
            parse_more(content)
        except Problem:
            pass


@given(MLMODELS, st.binary(max_size=100), TREES)
def test_whatever_the_files_hold_the_facts_can_be_kept_and_shown(
    mlmodel: Any, noise: bytes, example: Any
) -> None:
    found = _read(
        {
            "MLmodel": yaml.safe_dump(mlmodel),
            "conda.yaml": noise,
            "python_env.yaml": noise,
            "requirements.txt": noise,
            "input_example.json": json.dumps(example),
        }
    )
    text = json.dumps(vars(found), allow_nan=False, ensure_ascii=False)
    text.encode()  # no half surrogate pairs
    assert "\\u0000" not in text
    signature_parts(found.signature)
