"""What a trial scores and compares when nobody types a sample: what was registered."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.trying.samples import plan_samples
from registry.values import VersionInfo

SCRIPT = {"entryScript": "score.py"}
TABLE = [{"type": "double", "name": "a"}, {"type": "double", "name": "b"}]
EXAMPLE = {"inputs": [[1.0, 2.0]]}


def version(**changes: Any) -> VersionInfo:
    """Weights that need a script, registered with both samples."""
    usual: dict[str, Any] = {
        **{"name": "m", "version": "1", "store": "s", "run_id": "", "source": "/m"},
        **{"created_at": None, "updated_at": None, "description": "", "tags": {}, "aliases": ()},
        **{"status": "READY", "registered_by": "ada", "format": "pytorch"},
        **{"sample_input": {"data": [1]}, "sample_output": [2]},
    }
    return VersionInfo(**{**usual, **changes})


def wrapped(**changes: Any) -> VersionInfo:
    flavors: dict[str, Any] = {"python_function": {}}
    usual: dict[str, Any] = {
        **{"flavors": flavors, "format": "sklearn-pickle"},
        **{"sample_input": [[1.0, 2.0]], "signature": {"inputs": TABLE}},
    }
    return version(**{**usual, **changes})


def test_a_script_is_scored_and_compared_with_what_was_registered() -> None:
    assert plan_samples({}, SCRIPT, version()) == {"input": {"data": [1]}, "output": [2]}


def test_the_sample_of_the_script_comes_first_and_is_compared_where_it_is_the_same() -> None:
    other = {**SCRIPT, "sampleInput": {"data": [5]}}
    assert plan_samples({}, other, version()) == {"input": {"data": [5]}}
    same = {**SCRIPT, "sampleInput": {"data": [1]}}
    assert plan_samples({}, same, version())["output"] == [2]


def test_what_is_typed_comes_before_all() -> None:
    typed = {"sample_input": {"data": [7]}}
    assert plan_samples(typed, SCRIPT, version()) == {"input": {"data": [7]}}
    answer = {"sample_output": [9]}
    assert plan_samples(answer, SCRIPT, version()) == {"input": {"data": [1]}, "output": [9]}


def test_a_file_that_was_wrapped_scores_the_example_made_of_its_sample() -> None:
    assert plan_samples({}, {}, wrapped(input_example=EXAMPLE)) == {"output": [2]}


@pytest.mark.parametrize("example", [EXAMPLE, None])
def test_an_mlflow_model_scores_the_registered_sample_as_a_request(example: Any) -> None:
    found = plan_samples({}, {}, wrapped(format="mlflow", input_example=example))
    split = {"columns": ["a", "b"], "data": [[1.0, 2.0]]}
    assert found == {"input": {"dataframe_split": split}, "output": [2]}


def test_a_script_for_a_model_that_needs_none_is_not_scored_with_the_models_sample() -> None:
    assert plan_samples({}, SCRIPT, wrapped(input_example=EXAMPLE)) == {}


def test_nothing_registered_is_nothing_planned() -> None:
    bare = wrapped(sample_input=None, sample_output=None)
    assert plan_samples({}, {}, bare) == {}
    assert plan_samples({}, SCRIPT, version(sample_input=None, sample_output=None)) == {}
