"""Interpreters that services can run on, and what tools get to see."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployments.building import pythons
from deployments.building.environments import tool_environment
from tests.local_engine import USER


def test_every_interpreter_starts_as_the_service_user_and_is_what_it_says() -> None:
    found = pythons.available(USER)
    assert found
    for minor, python in found.items():
        done = subprocess.run(
            [python.path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            cwd="/",
            **pythons.service_account(USER),
        )
        assert done.stdout.strip() == minor == python.minor


def test_an_interpreter_found_before_is_taken_while_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    minor, python = next(iter(pythons.available(USER).items()))
    gone = pythons.Python("3.0", "/nowhere/python3.0")
    monkeypatch.setattr(pythons, "_answers", {USER: (-1e9, {minor: python, "3.0": gone})})
    asked: list[str] = []
    monkeypatch.setattr(pythons, "_ask", lambda user: asked.append(user) or {minor: python})

    assert pythons.find(USER, minor) == python
    assert not asked
    assert pythons.find(USER, "3.0") is None
    assert asked == [USER]


def test_the_studios_own_virtual_environment_is_no_base() -> None:
    import sys

    own = {python.path for python in pythons.available(USER).values()}
    assert not any(path.startswith(sys.prefix + "/") for path in own)


def test_tools_see_the_index_but_no_setting_of_the_studio(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = ("SLIPWAY_SECRET_KEY", "DATABASE_URL", "REDIS_URL", "SLIPWAY_TRACKING_TOKEN")
    for name in secrets:
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.delenv("UV_INDEX_URL", raising=False)
    seen = tool_environment(tmp_path, USER)
    assert "hidden" not in seen.values()
    assert seen["UV_INDEX_URL"] == "https://index.example/simple"
    assert seen["UV_PYTHON_DOWNLOADS"] == "never"
