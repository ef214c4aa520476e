"""System checks: `manage.py check` says what is missing and the command that mends it."""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error

NEEDED = (
    "vendor/tabler/tabler.min.css",
    "vendor/tabler/tabler.min.js",
    "vendor/plotly/plotly-cartesian.min.js",
)


def assets_are_there(**_: Any) -> list[CheckMessage]:
    """slipway.E001: third-party browser assets come from npm packages and are not committed."""
    missing = [name for name in NEEDED if finders.find(name) is None]
    if not missing:
        return []
    return [
        Error(
            f"Browser assets are missing: {', '.join(missing)}.",
            hint="Run: python scripts/vendor.py",
            id="slipway.E001",
        )
    ]
