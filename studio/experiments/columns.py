"""Columns of the runs table: their names in the query string, their cells and how they sort.

An attribute is named by one word ("start"), the rest by MLflow's own prefixes ("metrics.rmse").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext_lazy as _

from workspaces.tracking.values import NOTE, Only, Run

ATTRIBUTES: dict[str, tuple[Any, str]] = {  # name -> (label, MLflow's key to order by)
    "name": (_("Run"), "attributes.run_name"),
    "status": (_("Status"), "attributes.status"),
    "start": (_("Started"), "attributes.start_time"),
    "ended": (_("Ended"), "attributes.end_time"),
    "duration": (_("Duration"), ""),  # MLflow cannot order by it
    "user": (_("User"), "tags.`mlflow.user`"),
    "source": (_("Source"), "tags.`mlflow.source.name`"),
    "commit": (_("Git commit"), "tags.`mlflow.source.git.commit`"),
    "notes": (_("Notes"), "tags.`mlflow.note.content`"),
    "id": (_("Run id"), "attributes.run_id"),
}
KINDS = ("metrics", "params", "tags")
TAGS_OF = {  # attributes that MLflow keeps as tags
    "user": "mlflow.user",
    "source": "mlflow.source.name",
    "commit": "mlflow.source.git.commit",
    "notes": NOTE,
}
DEFAULT_ATTRIBUTES = ("status", "start", "duration", "user")
DEFAULT_KEYS = 6  # of metrics and of parameters, shown before anyone chooses
MOST_COLUMNS = 60
LONGEST_NAME = 500


@dataclass(frozen=True)
class Column:
    kind: str  # attribute, metrics, params, tags
    key: str

    @property
    def name(self) -> str:
        return self.key if self.kind == "attribute" else f"{self.kind}.{self.key}"

    @property
    def label(self) -> str:
        return str(ATTRIBUTES[self.key][0]) if self.kind == "attribute" else self.key

    @property
    def is_number(self) -> bool:
        return self.kind == "metrics" or self.name == "duration"

    @property
    def order_key(self) -> str:
        """MLflow's words to order by this column; empty when it cannot."""
        if self.kind == "attribute":
            return ATTRIBUTES[self.key][1]
        return "" if set(self.key) & set('`"\\') else f"{self.kind}.`{self.key}`"


def column_parse(name: str) -> Column | None:
    """The column of a name of the query string; None when there is no such column."""
    if name in ATTRIBUTES:
        return Column("attribute", name)
    kind, dot, key = name.partition(".")
    if kind in KINDS and dot and key and len(key) <= LONGEST_NAME and key.isprintable():
        return Column(kind, key)
    return None


def columns_parse(names: Iterable[str]) -> tuple[Column, ...]:
    """Columns in the order given, each once, without the unknown; "name" is always shown."""
    found: dict[str, Column] = {}
    for name in names:
        column = column_parse(name)
        if column is not None and column.name != "name" and len(found) < MOST_COLUMNS:
            found[column.name] = column
    return tuple(found.values())


def columns_default(metrics: Sequence[str], params: Sequence[str]) -> tuple[Column, ...]:
    """Attributes, then the first of these metrics and parameters."""
    return (
        *(Column("attribute", key) for key in DEFAULT_ATTRIBUTES),
        *(Column("metrics", key) for key in metrics[:DEFAULT_KEYS]),
        *(Column("params", key) for key in params[:DEFAULT_KEYS]),
    )


@lru_cache(maxsize=64)
def columns_query(columns: tuple[Column, ...]) -> str:
    """Columns as a part of a query string: `&column=start&column=metrics.loss`."""
    return "".join(f"&column={quote(column.name, safe='')}" for column in columns)


def attributes_left(chosen: Sequence[Column]) -> list[Column]:
    """The attributes that are not among these columns."""
    shown = {column.name for column in chosen}
    every = (Column("attribute", key) for key in ATTRIBUTES if key != "name")
    return [column for column in every if column.name not in shown]


def only_of(columns: Iterable[Column]) -> Only:
    """The values of runs that these columns show."""
    by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for column in columns:
        if column.kind in by_kind:
            by_kind[column.kind].append(column.key)
        elif column.key in TAGS_OF:
            by_kind["tags"].append(TAGS_OF[column.key])
    return Only(*(tuple(dict.fromkeys(by_kind[kind])) for kind in KINDS))


def names_by_count(runs: Sequence[Run], kind: str) -> list[str]:
    """Names of these runs: those that most runs have first, then by name."""
    counts: dict[str, int] = {}
    for run in runs:
        for key in getattr(run, kind):
            counts[key] = counts.get(key, 0) + 1
    return sorted(counts, key=lambda key: (-counts[key], key))


def order_parse(sort: str) -> list[str]:
    """MLflow's order_by of "metrics.rmse" or "-start"; newest first when it cannot be used."""
    column = column_parse(sort.removeprefix("-"))
    if column is None or not column.order_key:
        return ["attributes.start_time DESC"]
    return [f"{column.order_key} {'DESC' if sort.startswith('-') else 'ASC'}"]


def cell(run: Run, column: Column) -> Any:
    """The value of a run in a column; None when the run has none."""
    if column.kind == "attribute":
        return {
            "name": run.name,
            "status": run.status,
            "start": run.started_at,
            "ended": run.ended_at,
            "duration": run.duration,
            "user": run.user,
            "source": run.source,
            "commit": run.commit,
            "notes": run.notes,
            "id": run.id,
        }[column.key]
    return getattr(run, column.kind).get(column.key)
