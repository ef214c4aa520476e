"""Two versions side by side: what differs between them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from registry.formats.recognising import KINDS
from registry.presentation import type_text
from registry.values import VersionInfo
from workspaces.tracking.values import Run

MAX_ROWS = 500


@dataclass(frozen=True)
class Row:
    """One fact of both; None where a version has none. `change` in per cent, of numbers only."""

    name: str
    left: Any
    right: Any
    change: float | None = None

    @property
    def differs(self) -> bool:
        return bool(self.left != self.right)

    @property
    def change_text(self) -> str:
        return "" if self.change is None or not self.differs else f"{self.change:+.1f} %"


@dataclass(frozen=True)
class Group:
    """Facts of one kind. `is_number`: to be right-aligned."""

    title: str
    rows: tuple[Row, ...]
    is_number: bool = False
    more: int = 0

    @property
    def differing(self) -> int:
        return sum(row.differs for row in self.rows)


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side. `problem`: why not all of their facts are known, in words."""

    groups: list[Group]
    problem: str


def compare(
    left: VersionInfo, right: VersionInfo, left_run: Run | None, right_run: Run | None
) -> list[Group]:
    """Facts of two versions, those that differ first within each group."""
    metrics = [dict(run.metrics) if run else {} for run in (left_run, right_run)]
    params = [dict(run.params) if run else {} for run in (left_run, right_run)]
    return [
        _group(_("Model"), _facts(left), _facts(right), sort=False),
        _group(_("Metrics"), metrics[0], metrics[1], is_number=True),
        _group(_("Parameters"), params[0], params[1]),
        _group(_("Signature"), _signature(left.signature), _signature(right.signature)),
        _group(_("Requirements"), _packages(left.requirements), _packages(right.requirements)),
    ]


def _group(
    title: str,
    left: Mapping[str, Any],
    right: Mapping[str, Any],
    *,
    is_number: bool = False,
    sort: bool = True,
) -> Group:
    keys = list(dict.fromkeys([*left, *right]))
    rows = [_row(key, left.get(key), right.get(key)) for key in keys]
    if sort:
        rows.sort(key=lambda row: (not row.differs, row.name))
    return Group(title, tuple(rows[:MAX_ROWS]), is_number, max(0, len(rows) - MAX_ROWS))


def _row(name: str, left: Any, right: Any) -> Row:
    numbers = all(isinstance(value, float) for value in (left, right))
    change = (right - left) / abs(left) * 100 if numbers and left else None
    return Row(name, left, right, change if change is not None and abs(change) < 1e12 else None)


def _facts(info: VersionInfo) -> dict[str, Any]:
    kind = KINDS.get(info.format)
    return {
        _("Format"): _(kind.title) if kind else None,
        _("Framework"): f"{info.framework} {info.framework_version}".strip() or None,
        _("Python"): info.python_version or None,
        _("Size in bytes"): info.size_bytes,
        _("Files"): len(info.files),
        "SHA-256": info.sha256 or None,
    }


def _signature(signature: Mapping[str, Any] | None) -> dict[str, str]:
    words = {"inputs": _("input"), "outputs": _("output"), "params": _("parameter")}
    found = {}
    for part, word in words.items():
        columns = (signature or {}).get(part)
        for place, column in enumerate(columns if isinstance(columns, list) else []):
            name = column.get("name")
            found[f"{word} {name if name is not None else f'[{place}]'}"] = type_text(column)
    return found


def _packages(lines: Iterable[str]) -> dict[str, str]:
    """Package -> what is asked of it; other lines stand for themselves."""
    found = {}
    for line in lines:
        match = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)(.*)$", line)
        name = re.sub(r"[-_.]+", "-", match[1]).lower() if match else line
        found[name] = (match[2].strip() or _("any")) if match else ""
    return found
