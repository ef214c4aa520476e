"""The wheel brings its templates and assets, installs into an empty environment, and starts."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.studio_process import ROOT, Studio, eventually

pytestmark = [pytest.mark.redis, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release is, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Iterator[Studio]:
    """A studio whose program is the wheel's `slipway`, in an environment made for it.

    The packages that Slipway needs are those of the environment that runs the tests: what is
    tested is the wheel, and the lock file has its own test in `make up`.
    """
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--offline", "--no-deps", "--python", str(python)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True, timeout=120)
    [site_packages] = venv.glob("lib/python*/site-packages")
    (site_packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    studio = Studio.make().with_store()
    studio.program = (str(venv / "bin" / "slipway"),)
    try:
        yield studio
    finally:
        studio.close()


def test_the_wheel_holds_templates_assets_and_the_lock_of_the_runtime(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        "config/bundled/templates/base.html",
        "config/bundled/static/vendor/tabler/tabler.min.css",
        "config/bundled/static/vendor/plotly/plotly-cartesian.min.js",
        "serving/requirements.lock",
        "studio/supervisor/up.py",
        "studio/demo_data/train.py",
    }
    assert wanted <= names
    tops = {name.split("/", 1)[0] for name in names if ".dist-info" not in name}
    assert tops == {"config", "studio", "deployments", "registry", "workspaces", "serving"}


def test_the_installed_studio_starts_and_shows_its_pages(installed: Studio) -> None:
    installed.up()
    status, page = installed.get("/login/")
    assert status == 200
    assert "tabler" in page
    [asset] = [part for part in page.split('"') if part.startswith("/static/vendor/tabler/t")][:1]
    assert installed.get(asset)[0] == 200
    assert eventually(lambda: installed.get("/api/v1/health")[0] == 200), installed.logs()
    assert installed.manage("down").returncode == 0
    assert installed.alive() == {}
