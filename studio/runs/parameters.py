"""Parameters of a run, searched, alone or beside those of another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PAGE = 500


@dataclass(frozen=True)
class Parameter:
    """One row. `other` is the other run's value; None where a run has none."""

    key: str
    value: str | None
    other: str | None = None

    @property
    def differs(self) -> bool:
        return self.value != self.other


@dataclass(frozen=True)
class ParameterTable:
    """`rows` are at most 500 of `found`; `all` are all there are; `different` counts those."""

    rows: tuple[Parameter, ...]
    found: int
    all: int
    different: int


def parameter_table(
    params: Mapping[str, str],
    other: Mapping[str, str] | None = None,
    *,
    text: str = "",
    only_different: bool = False,
) -> ParameterTable:
    """The parameters whose name or value contains `text`, whatever the case.

    Args:
        other: of the run they are compared with; None: they are not compared.
        only_different: leave out what both runs have alike.
    """
    keys = sorted({*params, *(other or {})})
    rows = [Parameter(key, params.get(key), (other or {}).get(key)) for key in keys]
    different = sum(row.differs for row in rows) if other is not None else 0
    low = text.lower()
    found = [
        row
        for row in rows
        if any(low in words.lower() for words in (row.key, row.value or "", row.other or ""))
        and (row.differs or not only_different or other is None)
    ]
    return ParameterTable(tuple(found[:PAGE]), len(found), len(rows), different)
