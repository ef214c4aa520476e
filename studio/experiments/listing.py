"""The list of experiments: its state in the query string, and the rows of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from studio.experiments.selectors import SIZES
from studio.experiments.services import starred_ids
from workspaces import tracking
from workspaces.tracking import finding as tracking_finding
from workspaces.tracking.offsets import offset_of, page_of
from workspaces.tracking.values import Activity, Experiment, Page

TABS = ("all", "starred", "archived")
ORDERS = {
    "name": "name",
    "created": "creation_time",
    "updated": "last_update_time",
    "activity": "activity",
}
SHOWN_TAGS = 3
MOST_STARS = 500


def tag_pairs(tags: Iterable[str]) -> tuple[tuple[str, str | None], ...]:
    """Keys and values of "key" and "key=value"; None is any value."""
    pairs = (tag.partition("=") for tag in tags)
    return tuple((key.strip(), value if equals else None) for key, equals, value in pairs)


@dataclass(frozen=True)
class ExperimentsQuery:
    """The list's state; what cannot be used falls back to the default."""

    tab: str = "all"
    text: str = ""
    tags: tuple[str, ...] = ()  # "key" or "key=value"
    sort: str = ""
    token: str = ""
    size: int = 50

    @classmethod
    def of(cls, parameters: QueryDict) -> ExperimentsQuery:
        size, tab, sort = (parameters.get(key, "") for key in ("size", "tab", "sort"))
        return cls(
            tab=tab if tab in TABS else "all",
            text=parameters.get("q", "").strip(),
            tags=tuple(dict.fromkeys(tag for tag in parameters.getlist("tag") if tag))[:20],
            sort=sort if sort.removeprefix("-") in ORDERS else "",
            token=parameters.get("page_token", ""),
            size=int(size) if size in {str(n) for n in SIZES} else 50,
        )

    @property
    def order(self) -> str:
        return ORDERS.get(self.sort.removeprefix("-"), "") or default_order()

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-") or not self.sort

    @property
    def tag_pairs(self) -> tuple[tuple[str, str | None], ...]:
        return tag_pairs(self.tags)

    @property
    def narrowed(self) -> bool:
        return bool(self.text or self.tags or self.token)


@dataclass(frozen=True)
class ExperimentRow:
    experiment: Experiment
    activity: Activity | None  # None: not loaded yet
    starred: bool = False

    @property
    def shown_tags(self) -> list[tuple[str, str]]:
        return list(self.experiment.own_tags.items())[:SHOWN_TAGS]

    @property
    def summary(self) -> str:
        return plain(self.experiment.description)

    @property
    def hidden_tags(self) -> int:
        return max(len(self.experiment.own_tags) - SHOWN_TAGS, 0)


def plain(notes: str) -> str:
    """The beginning of notes in Markdown, without its marks, for a line of a list."""
    text = re.sub(r"[*`#>]+", "", re.sub(r"\[([^\[\]]*)\]\([^()]*\)", r"\1", notes[:1000]))
    return " ".join(text.split())[:200]


def default_order() -> str:
    """By what happened last, where the store can tell."""
    return "activity" if tracking_finding.order_is_known("activity") else "last_update_time"


def experiments_page(
    query: ExperimentsQuery, user: Any, *, with_activity: bool
) -> tuple[list[ExperimentRow], Page[Experiment]]:
    """Experiments of one page, with run counts when that is cheap or asked for.

    Raises: Invalid (page_token), Unavailable.
    """
    stars = starred_ids(user)
    page = _starred(query, stars) if query.tab == "starred" else _searched(query)
    counted: Mapping[str, Activity] = {}
    if with_activity:
        counted = _activity([row.id for row in page.items], archived=query.tab == "archived")
    marked = set(stars)
    rows = [ExperimentRow(row, counted.get(row.id), row.id in marked) for row in page.items]
    return rows, page


def _activity(ids: list[str], *, archived: bool) -> Mapping[str, Activity]:
    return (
        tracking_finding.archived_activity(ids) if archived else tracking.experiments_activity(ids)
    )


def _searched(query: ExperimentsQuery) -> Page[Experiment]:
    return tracking_finding.experiments_find(
        text=query.text,
        tags=query.tag_pairs,
        archived=query.tab == "archived",
        order=query.order,
        descending=query.descending,
        page_token=query.token,
        limit=query.size,
    )


def _starred(query: ExperimentsQuery, stars: list[str]) -> Page[Experiment]:
    """The starred ones: few enough to be narrowed and sorted here."""
    found = tracking_finding.experiments_by_id(stars[:MOST_STARS])
    rows = [row for row in found.values() if not row.deleted and _fits(row, query)]
    rows = _sorted(rows, query)
    offset = offset_of(query.token)
    return page_of(rows[offset : offset + query.size + 1], offset, query.size)


def _fits(row: Experiment, query: ExperimentsQuery) -> bool:
    if query.text.lower() not in row.name.lower():
        return False
    return all(
        key in row.tags and (value is None or row.tags[key] == value)
        for key, value in query.tag_pairs
    )


def _sorted(rows: Iterable[Experiment], query: ExperimentsQuery) -> list[Experiment]:
    listed = sorted(rows, key=lambda row: int(row.id) if row.id.isdigit() else 0)
    if query.order == "activity":
        last = tracking.experiments_activity([row.id for row in listed])
        moments = {key: one.last_run_at for key, one in last.items()}
        stamps = {key: at.timestamp() if at else 0.0 for key, at in moments.items()}
        return sorted(listed, key=lambda row: stamps.get(row.id, 0.0), reverse=query.descending)
    if query.order == "name":
        return sorted(listed, key=lambda row: row.name, reverse=query.descending)
    field = "created_at" if query.order == "creation_time" else "updated_at"
    return sorted(
        listed,
        key=lambda row: at.timestamp() if (at := getattr(row, field)) else 0.0,
        reverse=query.descending,
    )
