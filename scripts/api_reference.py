#!/usr/bin/env python3
"""Writes the list of calls in docs/reference/api.md from the OpenAPI document: `make docs`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "api.md"
MARK = "<!-- from here on: written by `make docs` -->"


def calls() -> str:
    """One heading and one sentence per call."""
    from drf_spectacular.generators import SchemaGenerator

    lines: list[str] = []
    for path, methods in SchemaGenerator().get_schema(request=None, public=True)["paths"].items():
        for method, call in methods.items():
            said = call.get("description") or call.get("summary") or ""
            lines += [f"### {method.upper()} {path}", "", " ".join(said.split()), ""]
    return "\n".join(lines)


def main() -> int:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with tempfile.TemporaryDirectory() as data:
        os.environ["SLIPWAY_DATA_DIR"] = data
        import django

        django.setup()
        written = calls()
    head = PAGE.read_text("utf-8").split(MARK)[0].rstrip()
    PAGE.write_text(f"{head}\n\n{MARK}\n\n{written.rstrip()}\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
