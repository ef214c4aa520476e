"""`python -m serving try`: one JSON line about what a replica would load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.contract import ReplicaConfig, TrialPlan
from serving.trial import trial
from tests.serving.replica import BOOT

SCRIPT = """
import json
def init():
    {init}
def run(data):
    {run}
    return json.loads(data)["data"]
"""


def config(**changes: Any) -> ReplicaConfig:
    usual: Any = {
        **{"service": "trial", "revision": 0, "replica": 0, "digest": "", "host": "", "port": 0},
        **{"model_dir": "", "model_name": "m", "model_version": "1", "workers": 1, "cpu": 1.0},
        **{"memory_mb": 512, "max_concurrent": 1, "max_queue_wait_ms": 1, "loader": "plain"},
        **{"scoring_timeout_ms": 1000, "max_body_bytes": 1000, "verbose_errors": True},
    }
    made: ReplicaConfig = {**usual, **changes}
    return made


def tried(plan: TrialPlan, folder: Path) -> dict[str, Any]:
    """Run it as pre-flight does, in a process of its own."""
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    command = [sys.executable, str(BOOT), "try", "--plan", str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=folder
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    assert done.returncode == (0 if found["ok"] else 1)
    return found


def scripted(folder: Path, init: str = "pass", run: str = "pass") -> ReplicaConfig:
    source, model = folder / "source", folder / "model"
    source.mkdir()
    model.mkdir()
    (source / "score.py").write_text(SCRIPT.format(init=init, run=run))
    place = {"entry_script": "score.py", "source_dir": str(source)}
    return config(loader="script", model_dir=str(model), **place)


def test_a_model_is_scored_with_its_example_and_measured(
    diabetes_model: Path, tmp_path: Path
) -> None:
    found = trial({"config": config(model_dir=str(diabetes_model), loader="fast")}, tmp_path)
    assert (found["ok"], found["stage"], found["error"]) == (True, "", "")
    assert (found["sample"], found["rows"], found["row_wise"]) == ("example", 3, True)
    assert found["load_seconds"] > 0
    assert found["ms_per_row"] > 0
    assert 0 < found["rest_mb"] <= found["peak_mb"] * 1.1
    assert found["output_equal"] is None


def test_a_sample_is_scored_instead_and_its_answer_compared(
    diabetes_model: Path, tmp_path: Path
) -> None:
    example = json.loads((diabetes_model / "serving_input_example.json").read_text())
    plan: TrialPlan = {"config": config(model_dir=str(diabetes_model), loader="fast")}
    answer = json.loads(trial({**plan, "input": example}, tmp_path)["answer"])
    same = trial({**plan, "input": example, "output": answer["predictions"]}, tmp_path)
    assert (same["ok"], same["sample"], same["output_equal"]) == (True, "given", True)
    other = trial({**plan, "input": example, "output": [1, 2, 3]}, tmp_path)
    assert (other["ok"], other["stage"], other["output_equal"]) == (False, "output", False)
    assert "1 was expected at [0]" in other["error"]


def test_a_sample_that_does_not_fit_is_named(diabetes_model: Path, tmp_path: Path) -> None:
    plan: TrialPlan = {
        "config": config(model_dir=str(diabetes_model), loader="fast"),
        "input": {"dataframe_split": {"columns": ["age"], "data": [[1.0]]}},
    }
    found = trial(plan, tmp_path)
    assert (found["ok"], found["stage"]) == (False, "signature")
    assert "Missing columns 'sex'" in found["error"]


def test_a_broken_model_says_why_with_its_traceback(broken_model: Path, tmp_path: Path) -> None:
    found = tried({"config": config(model_dir=str(broken_model))}, tmp_path)
    assert (found["ok"], found["stage"]) == (False, "load")
    assert found["error"] == "ModuleNotFoundError: No module named 'no_such_library'"
    assert "Traceback" in found["traceback"]


def test_an_entry_script_is_tried_as_it_would_run(tmp_path: Path) -> None:
    plan: TrialPlan = {"config": scripted(tmp_path), "input": {"data": [1, 2]}, "output": [1, 2]}
    found = tried(plan, tmp_path)
    assert (found["ok"], found["output_equal"], found["row_wise"]) == (True, True, None), found


@pytest.mark.parametrize(
    ("place", "line", "stage"),
    [
        ("init", "raise ValueError('not today')", "load"),
        ("init", "import sys; sys.exit('not today')", "load"),
        ("run", "raise ValueError('not today')", "score"),
    ],
)
def test_what_a_script_raises_is_shown(tmp_path: Path, place: str, line: str, stage: str) -> None:
    made = scripted(tmp_path, **{place: line})
    found = tried({"config": made, "input": {"data": []}}, tmp_path)
    assert (found["ok"], found["stage"]) == (False, stage)
    assert "not today" in found["error"]
    assert "score.py" in found["traceback"]


def test_a_script_without_a_sample_is_loaded_alone(tmp_path: Path) -> None:
    found = tried({"config": scripted(tmp_path)}, tmp_path)
    assert (found["ok"], found["sample"], found["ms_per_row"]) == (True, "none", None)
