"""Libraries of the system that wheels take for granted: asked for, installed, or said."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deployments.building.system_packages import system_steps

LOCK = "numpy==2.4.0\nlightgbm==4.6.0 \\\n    --hash=sha256:00\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder for the only programs of a pretended machine; `ldconfig` knows no library."""
    program(tmp_path, "ldconfig", "true")
    program(tmp_path, "grep", 'exec /bin/grep "$@"')
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(machine: Path) -> subprocess.CompletedProcess[str]:
    [step] = system_steps(LOCK)
    command = ["/bin/sh", "-c", step.removeprefix("RUN ")]
    environment = {**os.environ, "PATH": str(machine)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("lock", ["", "numpy==2.4.0\n", "my-lightgbm==1\n", "# lightgbm==4\n"])
def test_nothing_is_done_for_packages_that_bring_everything(lock: str) -> None:
    assert system_steps(lock) == ()


@pytest.mark.parametrize("name", ["lightgbm", "LightGBM"])
def test_a_package_is_known_however_its_name_is_written(name: str) -> None:
    [step] = system_steps(f"{name}==4.6.0\n")
    assert "\n" not in step
    assert step.startswith("RUN ")


def test_a_library_that_is_there_is_left_alone(machine: Path) -> None:
    program(machine, "ldconfig", "echo '\tlibgomp.so.1 (libc6,x86-64) => /usr/lib/libgomp.so.1'")
    assert run(machine).returncode == 0


def test_a_missing_library_is_installed(machine: Path) -> None:
    program(machine, "apt-get", 'echo "apt-get $*"')
    program(machine, "rm", "true")
    done = run(machine)
    assert done.returncode == 0, done.stderr
    assert "apt-get install -y --no-install-recommends libgomp1" in done.stdout


def test_a_failed_install_fails(machine: Path) -> None:
    program(machine, "apt-get", "exit 100")
    assert run(machine).returncode == 100


def test_without_apt_get_it_says_what_to_do(machine: Path) -> None:
    done = run(machine)
    assert done.returncode == 1
    assert "lightgbm needs libgomp.so.1" in done.stderr
    assert "choose another base image" in done.stderr
