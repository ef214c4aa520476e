"""Environments that Slipway makes itself: for the libraries that models mostly need.

The ranges are those that Slipway's own tests run with, see docs/reference/environments.md. A new
Slipway with other ranges adds a version; what services run in stays as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_noop

from registry.environments.rules import CURATED_PREFIX
from registry.environments.services import is_same, version_add
from registry.models import Environment, EnvironmentVersion


@dataclass(frozen=True)
class Curated:
    """An environment of ours; Python is always the studio's own minor."""

    name: str
    description: str
    packages: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


_TABLES = ("numpy~=2.4", "pandas~=3.1", "scipy~=1.17")
CURATED = (
    Curated(
        f"{CURATED_PREFIX}minimal",
        gettext_noop("NumPy alone: for entry scripts that need little else."),
        ("numpy~=2.4",),
    ),
    Curated(
        f"{CURATED_PREFIX}scikit-learn",
        gettext_noop("scikit-learn with pandas, joblib and skops."),
        ("scikit-learn~=1.9.1", "joblib~=1.5", "skops~=0.16", *_TABLES),
    ),
    Curated(
        f"{CURATED_PREFIX}onnxruntime",
        gettext_noop("ONNX Runtime on CPUs, with NumPy and pandas."),
        ("onnxruntime~=1.31", "numpy~=2.4", "pandas~=3.1"),
    ),
    Curated(
        f"{CURATED_PREFIX}xgboost-lightgbm",
        gettext_noop("XGBoost without its GPU part, LightGBM, and scikit-learn beside them."),
        ("xgboost-cpu~=3.2", "lightgbm~=4.7", "scikit-learn~=1.9.1", *_TABLES),
    ),
    Curated(
        f"{CURATED_PREFIX}pytorch-cpu",
        gettext_noop(
            "PyTorch. CPU-only wheels come from PyTorch's own index or a folder, see UV_INDEX and "
            "UV_FIND_LINKS in the docs; else Linux gets PyPI's, which run on CPUs too but bring "
            "gigabytes for GPUs."
        ),
        ("torch~=2.13.0", "numpy~=2.4"),
    ),
)
FORMATS = {  # format of a version's files -> the name that loads them
    "sklearn-pickle": "scikit-learn",
    "sklearn-joblib": "scikit-learn",
    "sklearn-skops": "scikit-learn",
    "onnx": "onnxruntime",
    "xgboost": "xgboost-lightgbm",
    "lightgbm": "xgboost-lightgbm",
    "pytorch": "pytorch-cpu",
}


def curated_ensure() -> None:
    """Make what is missing of them, and the next version of those whose ranges have changed."""
    latest: dict[str, EnvironmentVersion] = {}
    rows = EnvironmentVersion.objects.filter(environment__curated=True).order_by("pk")
    for row in rows.select_related("environment"):
        latest[row.environment.name] = row
    for item in CURATED:
        wanted = _values(item)
        if item.name not in latest or not is_same(latest[item.name], wanted):
            version_add(item.name, wanted, description=item.description, user=None, curated=True)


def curated_for(format: str) -> str:
    """NAME:VERSION of the newest that can load files of a format; "" where none can, or is made."""
    name = f"{CURATED_PREFIX}{FORMATS.get(format, '')}"
    rows = EnvironmentVersion.objects.filter(environment__name=name, archived=False)
    row = rows.select_related("environment").order_by("-pk").first()
    return "" if row is None else str(row)


def curated_missing() -> bool:
    """Whether this studio has none of them yet. One query."""
    return not Environment.objects.filter(curated=True).exists()


def _values(item: Curated) -> dict[str, Any]:
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "packages": list(item.packages),
        "variables": dict(item.variables),
    }
