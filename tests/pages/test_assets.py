"""Browser assets: from locked npm packages, never committed, missed with a helpful command."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from plotly import offline

from studio import checks


@pytest.fixture(scope="module")
def vendor(request):
    root = Path(__file__).resolve().parents[2]
    spec = importlib.util.spec_from_file_location("vendor", root / "scripts" / "vendor.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_check_names_the_command_when_assets_are_missing(monkeypatch):
    monkeypatch.setattr(checks, "NEEDED", ("vendor/tabler/nothing.css",))
    (error,) = checks.assets_are_there()
    assert error.id == "slipway.E001"
    assert "python scripts/vendor.py" in error.hint


def test_the_check_is_content_when_they_are_there():
    assert checks.assets_are_there() == []
    assert finders.find("vendor/plotly/plotly-cartesian.min.js")


def test_the_lock_file_names_hashes_and_no_host(source_root):
    lock = json.loads((source_root / "package-lock.json").read_text("utf-8"))
    packages = [row for name, row in lock["packages"].items() if name]
    assert packages
    for row in packages:
        assert row["integrity"].startswith("sha512-")
        assert "resolved" not in row


def test_the_chart_library_is_the_one_that_plotly_for_python_speaks(source_root):
    lock = json.loads((source_root / "package-lock.json").read_text("utf-8"))
    pinned = lock["packages"]["node_modules/plotly.js-cartesian-dist-min"]["version"]
    assert pinned == offline.get_plotlyjs_version()


def test_a_second_run_does_nothing(vendor, monkeypatch):
    assert vendor.is_current(vendor.VENDOR), "run python scripts/vendor.py"
    monkeypatch.setattr(vendor.subprocess, "run", lambda *a, **k: pytest.fail("npm was run"))
    monkeypatch.setattr("sys.argv", ["vendor.py"])
    assert vendor.main() == 0


def test_without_node_the_npm_of_a_python_package_is_used(vendor, monkeypatch):
    monkeypatch.setattr(vendor.shutil, "which", lambda name: None)
    command = vendor.npm_command()
    assert command[1:3] == ["-m", "uv"]
    assert vendor.NODE in command
    assert command[-1] == "npm"


def test_nothing_third_party_is_committed(source_root):
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", "static/vendor/tabler/tabler.min.css"], cwd=source_root
    )
    assert ignored.returncode == 0


def test_templates_hold_no_inline_script_handler_or_foreign_host(source_root):
    forbidden = re.compile(
        r"<script(?![^>]*\bsrc=)|\son(click|load|error|submit|change|input)=|(src|href)=\"(https?:)?//"
    )
    for path in (source_root / "templates").rglob("*.html"):
        found = forbidden.search(path.read_text("utf-8"))
        assert not found, f"{path.relative_to(source_root)}: {found[0]}"
