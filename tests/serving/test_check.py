"""`python -m serving check`: one JSON line about a model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from serving.check import check
from tests.serving.replica import BOOT


def run_check(model: Path) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, str(BOOT), "check", "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_a_good_model_is_measured(diabetes_model: Path) -> None:
    found = check(diabetes_model, "plain")

    assert (found["ok"], found["error"]) == (True, None)
    assert found["rows"] == 3
    assert found["load_seconds"] > 0
    assert found["ms_per_row"] > 0
    assert found["memory_mb"] > 20


def test_a_model_that_prints_leaves_the_json_alone(scripted_model: Path) -> None:
    code, found = run_check(scripted_model)

    assert (code, found["ok"], found["rows"]) == (0, True, None)


def test_a_broken_model_says_why(broken_model: Path) -> None:
    found = check(broken_model)

    assert not found["ok"]
    assert found["error"] == "ModuleNotFoundError: No module named 'no_such_library'"
