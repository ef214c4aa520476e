"""A process that takes more memory than it may is ended, with what it started."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from deployments.building import processes
from deployments.trying.trial import MemoryWatch, TooMuchMemory


def run(program: str, limit_mb: float) -> tuple[int, list[str]]:
    usual: dict[str, Any] = {"environment": {}, "cwd": "/", "account": {}, "timeout": 30}
    return processes.run(
        [sys.executable, "-c", program],
        log=lambda line: None,
        cancelled=lambda: False,
        watch=MemoryWatch(limit_mb),
        **usual,
    )


def test_within_its_limit_it_is_left_alone() -> None:
    assert run("x = bytearray(20 << 20); print(len(x))", 512) == (0, ["20971520"])


@pytest.mark.parametrize(
    "program",
    [
        "import time; x = bytearray(b'x' * (200 << 20)); time.sleep(30)",
        "import subprocess, sys; subprocess.run([sys.executable, '-c',"
        " 'import time; x = bytearray(b\"x\" * (200 << 20)); time.sleep(30)'])",
    ],
    ids=["itself", "its child"],
)
def test_beyond_its_limit_it_is_ended(program: str) -> None:
    with pytest.raises(TooMuchMemory) as caught:
        run(program, 100)
    assert caught.value.measured_mb > 100
