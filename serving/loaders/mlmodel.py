"""The MLmodel file."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """Return the parsed MLmodel document; raises OSError, or ValueError for what is none."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load((folder / "MLmodel").read_bytes(), Loader=loader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ValueError(f"MLmodel cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("MLmodel holds no document.")  # noqa: TRY004
    return document
