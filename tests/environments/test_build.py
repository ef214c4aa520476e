"""An environment is built once per lock, and after any end of a build the next one succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from deployments.building.environments import EnvironmentFailed, build, environment_hash
from deployments.building.processes import Cancelled
from deployments.building.pythons import Python, service_account
from tests.drivers.cases import in_a_killed_process, until
from tests.environments.conftest import Site
from tests.environments.index import Index
from tests.local_engine import USER

LOCK = "alpha==2.0\nbeta==1.0\n"


def uv_processes(site: Site) -> list[psutil.Process]:
    """Every process with this site's folder in its command."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(site.folder) in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_its_python_imports_the_packages_as_the_service_user(site: Site, python: Python) -> None:
    folder = build(site.builder(), LOCK, python)
    assert folder.name == environment_hash(LOCK, python.minor)
    done = subprocess.run(
        [folder / "bin" / "python", "-I", "-c", "import alpha; print(alpha.VERSION)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        timeout=30,
        **service_account(USER),
    )
    assert done.stdout == "2.0\n"
    assert (folder / "requirements.lock").read_text() == LOCK


def test_equal_locks_share_one_environment(site: Site, python: Python, index: Index) -> None:
    first = build(site.builder(), LOCK, python)
    before = len(index.asked)
    assert build(site.builder(), LOCK, python) == first
    assert len(index.asked) == before
    assert build(site.builder(), "beta==1.0\n", python) != first


def test_two_at_once_build_once(site: Site, python: Python) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: build(site.builder(), LOCK, python), range(4)))
    assert len(folders) == 1
    assert site.commands("venv") == 1


def test_a_killed_worker_leaves_nothing_that_looks_complete(
    site: Site, python: Python, index: Index
) -> None:
    index.holds.set()  # uv downloads for as long as we like

    def die_while_installing(line: str) -> None:
        if line.startswith("$ uv pip install"):
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()

    in_a_killed_process(lambda: build(site.builder(log=die_while_installing), LOCK, python))
    left = uv_processes(site)
    assert left, "uv was to be under way"
    assert site.complete() == []

    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(build, site.builder(), LOCK, python)
        until(lambda: site.commands("pip install"))
        index.holds.clear()  # the killed worker's uv and the new one go on side by side
        folder = again.result(60)
    psutil.wait_procs(left, timeout=20)
    assert site.complete() == [folder]
    assert (folder / "lib" / f"python{python.minor}" / "site-packages" / "alpha.py").exists()


def test_cancel_ends_the_tool_and_what_it_started(site: Site, python: Python, index: Index) -> None:
    index.holds.set()
    asked = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(build, site.builder(cancelled=asked.is_set), LOCK, python)
        until(lambda: any("/files/" in path for path in index.asked))
        assert uv_processes(site)
        asked.set()
        with pytest.raises(Cancelled):
            under_way.result(10)
    assert uv_processes(site) == []
    assert site.complete() == []
    assert list((site.folder / "tmp").iterdir()) == []


def test_a_package_that_vanished_from_the_index_is_named(
    site: Site, python: Python, index: Index
) -> None:
    index.files.clear()
    with pytest.raises(EnvironmentFailed, match="There is no package named alpha"):
        build(site.builder(), LOCK, python)
    assert site.complete() == []
    assert list((site.folder / "tmp").iterdir()) == []


def test_a_half_removed_environment_is_built_anew(site: Site, python: Python) -> None:
    folder = build(site.builder(), LOCK, python)
    (folder / ".slipway-complete").unlink()
    (folder / "bin" / "python").unlink()
    assert build(site.builder(), LOCK, python) == folder
    assert (folder / "bin" / "python").exists()
