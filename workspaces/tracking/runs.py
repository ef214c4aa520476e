"""The one gateway to MLflow for experiments, runs and metrics.

Functions answer the frozen values of `workspaces.tracking.values` and raise only
`workspaces.errors`: Unavailable (MLflow does not answer), NotFound, Invalid. Safe in threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.deadline import in_threads
from workspaces.errors import Invalid, NotFound
from workspaces.tracking.remembered import Remembered
from workspaces.tracking.sql.runs import runs_page
from workspaces.tracking.sql.search import View
from workspaces.tracking.store.opening import (
    mlflow_errors,
    stores,
)
from workspaces.tracking.values import (
    EVERYTHING,
    Activity,
    Experiment,
    Only,
    Page,
    Run,
    experiment_value,
    moment,
    narrowed,
    run_value,
)

LONGEST_FILTER = 5_000
NAMES_KEPT_S = 60.0
RECENT_EXPERIMENTS = 500

_names: Remembered[str] = Remembered(10_000)


def ping() -> float:
    """Asks the store for one experiment.

    Returns: seconds it took.
    Raises: Unavailable.
    """
    started = time.monotonic()
    experiments_search(limit=1)
    return time.monotonic() - started


def experiments_search(
    *, text: str = "", page_token: str = "", order: str = "last_update_time DESC", limit: int = 50
) -> Page[Experiment]:
    """Active experiments whose name contains `text`, whatever its case.

    Args:
        order: MLflow's words: "name ASC", "creation_time DESC", "last_update_time DESC".
    Raises:
        Invalid: on "page_token"; Unavailable.
    """
    store, _registry = stores()  # first: two threads that import MLflow at once lock each other out
    from mlflow.entities import ViewType

    _token_is_known(page_token)
    with mlflow_errors(field="page_token"):
        found = store.search_experiments(
            view_type=ViewType.ACTIVE_ONLY,
            max_results=limit,
            filter_string=_name_filter(text) or None,
            order_by=[order],
            page_token=page_token or None,
        )
    return Page(tuple(experiment_value(row) for row in found), _token(found))


def _name_filter(text: str) -> str:
    """ILIKE over the name; what MLflow cannot quote becomes "any one character"."""
    clean = "".join("_" if char in "'\\" else char for char in text.strip() if char.isprintable())
    return f"name ILIKE '%{clean[:200]}%'" if clean else ""


def experiment_get(experiment_id: str) -> Experiment:
    """One experiment, a deleted one as well. Raises NotFound, Unavailable."""
    store, _registry = stores()
    if not experiment_id.isdigit() and not settings.SLIPWAY.tracking_is_remote:
        raise NotFound(_("This experiment does not exist."))
    try:
        with mlflow_errors(subject=_("This experiment")):
            value = experiment_value(store.get_experiment(experiment_id))
    except Invalid as error:  # an id that no experiment can have
        raise NotFound(_("This experiment does not exist.")) from error
    _names.keep(value.id, value.name)
    return value


def experiment_name(experiment_id: str) -> str:
    """The name for breadcrumbs; remembered for a minute, so that a page needs no second call."""
    known = _names.find(experiment_id, NAMES_KEPT_S)
    return experiment_get(experiment_id).name if known is None else known


def activity_is_cheap() -> bool:
    """Whether `experiments_activity` is one query; if not, a page loads it afterwards."""
    return not settings.SLIPWAY.tracking_is_remote


def experiments_activity(ids: Iterable[str]) -> dict[str, Activity]:
    """Run counts and last starts. Over HTTP one call per experiment, and no counts."""
    wanted = list(ids)
    store, _registry = stores()
    with mlflow_errors():
        if activity_is_cheap():
            return _activity_from_database(store, wanted)
        return dict(zip(wanted, in_threads(_last_run, wanted, at_once=8), strict=True))


def _activity_from_database(store: Any, ids: list[str]) -> dict[str, Activity]:
    from mlflow.store.tracking.dbmodels.models import SqlRun
    from sqlalchemy import func, select

    query = (
        select(SqlRun.experiment_id, func.count(), func.max(SqlRun.start_time))
        .where(SqlRun.experiment_id.in_([int(i) for i in ids]))
        .where(SqlRun.lifecycle_stage == "active")
        .group_by(SqlRun.experiment_id)
    )
    with store.ManagedSessionMaker() as session:
        rows = session.execute(query).all()
    found = {str(row[0]): Activity(row[1], moment(row[2])) for row in rows}
    return {i: found.get(i, Activity(0, None)) for i in ids}


def _last_run(experiment_id: str) -> Activity:
    page = runs_search(experiment_ids=[experiment_id], order_by=["start_time DESC"], limit=1)
    return Activity(None, page.items[0].started_at if page.items else None)


def runs_search(
    *,
    experiment_ids: Sequence[str],
    filter: str = "",
    order_by: Sequence[str] = (),
    page_token: str = "",
    limit: int = 50,
    view: View = "active",
    only: Only = EVERYTHING,
) -> Page[Run]:
    """Runs of experiments, in MLflow's filter and order syntax.

    The built-in store answers by narrow SQL of our own where that can say it; the answers are
    MLflow's, ties and tokens included.
    Args:
        view: "active", "deleted" or "all".
        only: the values that are wanted; the fewer, the quicker.
    Raises:
        Invalid: on "filter" or "order_by" with MLflow's message, on "page_token"; Unavailable.
    """
    stores()  # before any import of MLflow, see experiments_search
    _filter_is_bounded(filter, page_token)
    _token_is_known(page_token)
    _order_is_known(order_by)
    if not settings.SLIPWAY.tracking_is_remote:
        page = runs_page(experiment_ids, view, filter, order_by, page_token, limit, only)
        if page is not None:
            return page
    return _runs_from_mlflow(experiment_ids, view, filter, order_by, page_token, limit, only)


def _filter_is_bounded(filter: str, page_token: str) -> None:
    if len(filter) > LONGEST_FILTER:
        text = _("The filter is longer than %(limit)s characters.") % {"limit": LONGEST_FILTER}
        raise Invalid(text, fields={"filter": [text]})
    if "\x00" in filter + page_token:
        text = _("A NUL character cannot be searched for.")
        raise Invalid(text, fields={"filter": [text]})


def _runs_from_mlflow(
    experiment_ids: Sequence[str],
    view: View,
    filter: str,
    order_by: Sequence[str],
    page_token: str,
    limit: int,
    only: Only,
) -> Page[Run]:
    store, _registry = stores()
    from mlflow.entities import ViewType

    views = {
        "active": ViewType.ACTIVE_ONLY,
        "deleted": ViewType.DELETED_ONLY,
        "all": ViewType.ALL,
    }
    with mlflow_errors(field="filter"):
        found = store.search_runs(
            list(experiment_ids),
            filter,
            views[view],
            limit,
            list(order_by) or None,
            page_token or None,
        )
        runs = tuple(narrowed(run_value(row), only) for row in found)
    return Page(runs, _token(found))


def _order_is_known(order_by: Sequence[str]) -> None:
    """Asks MLflow's parser first: the search itself would not tell which input was wrong."""
    from mlflow.utils.search_utils import SearchUtils

    with mlflow_errors(field="order_by"):
        keys = [SearchUtils.parse_order_by_for_search_runs(order)[:2] for order in order_by]
    if len(set(keys)) < len(keys):
        text = _("Runs cannot be sorted by the same column twice.")
        raise Invalid(text, fields={"order_by": [text]})


def _token_is_known(token: str) -> None:
    """Asks MLflow's parser first: the search itself fails in many ways on a token it cannot read.

    Raises:
        Invalid: on "page_token".
    """
    if not token or settings.SLIPWAY.tracking_is_remote:
        return
    from mlflow.utils.search_utils import SearchUtils

    try:
        known = 0 <= int(SearchUtils.parse_start_offset_from_page_token(token)) < 2**31
    except Exception:  # any failure means that it is not a token
        known = False
    if not known:
        text = _("This page of the list cannot be found. Start again at the first one.")
        raise Invalid(text, fields={"page_token": [text]})


def _token(found: Any) -> str:
    token = found.token or ""
    return token.decode() if isinstance(token, bytes) else str(token)


def run_get(run_id: str) -> Run:
    """One run with its latest metrics. Raises NotFound, Unavailable."""
    store, _registry = stores()
    try:
        with mlflow_errors(subject=_("This run")):
            return run_value(store.get_run(run_id))
    except Invalid as error:  # an id that no run can have
        raise NotFound(_("This run does not exist.")) from error


def runs_recent(limit: int = 5) -> tuple[Run, ...]:
    """The runs that started last, in any active experiment."""
    recent = experiments_search(limit=RECENT_EXPERIMENTS).items
    if not recent:
        return ()
    for experiment in recent:
        _names.keep(experiment.id, experiment.name)
    page = runs_search(
        experiment_ids=[row.id for row in recent], order_by=["start_time DESC"], limit=limit
    )
    return page.items
