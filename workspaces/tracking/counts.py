"""What lists say about runs beside the runs: counts, names in use, children.

A part of the gateway to MLflow (`workspaces.tracking`). The built-in store answers from indexes; a
remote server has no calls for counting, so there the answer is None, "not known", or a bounded one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from workspaces.tracking import runs_search
from workspaces.tracking.remembered import Remembered
from workspaces.tracking.sql.runs import matching_count
from workspaces.tracking.sql.search import PARENT, STAGES, View, beginning, tables
from workspaces.tracking.store.database import pieces, reading
from workspaces.tracking.store.indexes import PREFIX
from workspaces.tracking.values import EVERYTHING, Keys, Only, Page, Run

KEYS_KEPT_S = 20.0  # completion asks at every letter
NEWEST, OLDEST = 400, 100  # runs looked at for names, of an experiment that has more
MOST_ROWS = 50_000  # read for the names of one kind
REMOTE_RUNS = 100  # looked at for names over HTTP

MANY_RUNS = 10_000  # take long to count
TOTALS_KEPT_S = 10.0

_totals: Remembered[int] = Remembered(1_000)
_keys: Remembered[Keys] = Remembered(1_000)


def runs_total(experiment_ids: Sequence[str], *, view: View = "active") -> int | None:
    """How many runs experiments have; None with a remote server.

    More than 10,000 are remembered for 10 seconds: PostgreSQL looks at every row to count them.
    Raises: Unavailable.
    """
    if settings.SLIPWAY.tracking_is_remote:
        return None
    about = (tuple(experiment_ids), view)
    known = _totals.find(about, TOTALS_KEPT_S)
    if known is not None:
        return known
    total = _total_counted(_numbers(experiment_ids), view)
    if total > MANY_RUNS:
        _totals.keep(about, total)
    return total


def _total_counted(experiments: list[int], view: View) -> int:
    from sqlalchemy import func, select

    with reading() as session:
        runs = tables().runs.c
        query = select(func.count()).where(
            runs.experiment_id.in_(experiments), runs.lifecycle_stage.in_(STAGES[view])
        )
        return int(session.execute(query).scalar_one())


def runs_matching(
    experiment_ids: Sequence[str], filter: str, *, view: View = "active", most: int = 10_000
) -> int | None:
    """How many runs a filter leaves, no more than `most`; None where that is not cheap to know.

    Raises:
        Invalid: on "filter"; Unavailable.
    """
    if settings.SLIPWAY.tracking_is_remote:
        return None
    return matching_count(experiment_ids, view, filter, most)


def keys_in_use(experiment_ids: Sequence[str], *, view: View = "active") -> Keys:
    """Names of metrics, parameters and tags, for completion and for choosing columns.

    Of more than 500 runs the newest 400 and the oldest 100 are looked at; with a remote server the
    newest 100. Remembered for 20 seconds.
    Raises: Unavailable.
    """
    read = _keys_over_http if settings.SLIPWAY.tracking_is_remote else _keys_from_database
    about = (tuple(experiment_ids), view)
    return _keys.asked(about, KEYS_KEPT_S, lambda: read(list(experiment_ids), view))


def _keys_over_http(experiment_ids: list[str], view: View) -> Keys:
    page = runs_search(experiment_ids=experiment_ids, view=view, limit=REMOTE_RUNS)
    return keys_of(page.items, complete=not page.next_token)


def keys_of(runs: Sequence[Run], *, complete: bool = True) -> Keys:
    """Names in use in runs that are read already."""
    return Keys(
        metrics=tuple(sorted({key for run in runs for key in run.metrics})),
        params=tuple(sorted({key for run in runs for key in run.params})),
        tags=tuple(sorted({key for run in runs for key in run.tags})),
        complete=complete,
    )


def _keys_from_database(experiment_ids: list[str], view: View) -> Keys:
    from sqlalchemy import select

    experiments = _numbers(experiment_ids)
    with reading() as session:
        runs = tables().runs.c
        ids = select(runs.run_uuid).where(
            runs.experiment_id.in_(experiments), runs.lifecycle_stage.in_(STAGES[view])
        )
        newest = ids.order_by(runs.start_time.desc()).limit(NEWEST + OLDEST + 1)
        chosen = list(session.execute(newest).scalars())
        complete = len(chosen) <= NEWEST + OLDEST
        if not complete:
            oldest = session.execute(ids.order_by(runs.start_time).limit(OLDEST)).scalars()
            chosen = [*chosen[:NEWEST], *oldest]
        metrics, all_metrics = _names(session, tables().latest, chosen)
        params, all_params = _names(session, tables().params, chosen)
        tags, all_tags = _names(session, tables().tags, chosen)
    return Keys(metrics, params, tags, complete and all_metrics and all_params and all_tags)


def _names(session: Any, table: Any, run_ids: list[str]) -> tuple[tuple[str, ...], bool]:
    """Distinct keys of these runs, sorted, and whether every row was looked at."""
    from sqlalchemy import func, select

    names: set[str] = set()
    left = MOST_ROWS
    for ids in pieces(run_ids):
        rows = select(table.c.key).where(table.c.run_uuid.in_(ids)).limit(left).subquery()
        for key, count in session.execute(select(rows.c.key, func.count()).group_by(rows.c.key)):
            names.add(key)
            left -= count
        if left <= 0:
            return tuple(sorted(names)), False
    return tuple(sorted(names)), True


def children_counted(run_ids: Sequence[str]) -> dict[str, int] | None:
    """How many active runs name each of these as their parent; None with a remote server.

    Returns: only runs that have children.
    Raises: Unavailable.
    """
    if settings.SLIPWAY.tracking_is_remote:
        return None
    from sqlalchemy import func, select

    found: dict[str, int] = {}
    with reading() as session:
        tags, runs = tables().tags, tables().runs.c
        wanted = [run_id for run_id in dict.fromkeys(run_ids) if len(run_id) < PREFIX]
        for ids in pieces(wanted):
            query = (
                select(tags.c.value, func.count())
                .join(tables().runs, runs.run_uuid == tags.c.run_uuid)
                .where(tags.c.key == PARENT, beginning(tags).in_(ids))
                .where(runs.lifecycle_stage == "active")
                .group_by(tags.c.value)
            )
            found |= dict(session.execute(query).all())
    return found


def runs_children(
    run: Run,
    *,
    order_by: Sequence[str] = (),
    page_token: str = "",
    limit: int = 50,
    only: Only = EVERYTHING,
) -> Page[Run]:
    """Runs of the same experiment that name this one as their parent; see `runs_search`."""
    return runs_search(
        experiment_ids=[run.experiment_id],
        filter=f"tags.`{PARENT}` = '{run.id}'",
        order_by=order_by,
        page_token=page_token,
        limit=limit,
        only=only,
    )


def _numbers(experiment_ids: Sequence[str]) -> list[int]:
    """Ids as the database has them; one that cannot be has no runs."""
    return [int(i) for i in experiment_ids if i.isdecimal() and len(i) < 10]
