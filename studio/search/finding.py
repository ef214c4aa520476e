"""What the global search finds, by group. A group that is slow or fails holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.selectors import services_list, targets_list
from registry.environments.selectors import environments_page
from studio.experiments.filters import clause_text
from workspaces.errors import NotFound, Problem
from workspaces.tracking import finding as tracking_finding
from workspaces.tracking.finding import FoundRun
from workspaces.tracking.models import registry as tracking_models

SHOWN = 6  # of a group
MOST_RUNS = 200  # on their own page
MOST_LISTS = 12  # experiments with such runs that a link leads to
LONGEST = 200
PATIENCE_S = 0.8  # what is not there by then is asked for by itself
_pool = ThreadPoolExecutor(max_workers=6, thread_name_prefix="search")


@dataclass(frozen=True)
class Hit:
    """Something that was found and its page."""

    name: str
    hint: str
    url: str


@dataclass(frozen=True)
class Group:
    """What was found of one kind. `late`: it is asked for by itself; `problem`: why there is none.

    `more` is the address of a list with all of them, when there are more.
    """

    key: str
    label: Any
    icon: str
    hits: tuple[Hit, ...] = ()
    more: str = ""
    problem: str = ""
    late: bool = False


def _experiments(text: str) -> tuple[list[Hit], str]:
    page = tracking_finding.experiments_find(
        text=text, order=_last_changed(), limit=SHOWN, descending=True
    )
    hits = [
        Hit(row.name, _("Experiment %(id)s") % {"id": row.id}, _url("studio:experiment", row.id))
        for row in page.items
    ]
    return hits, _more("studio:experiments", text) if page.next_token else ""


def _last_changed() -> str:
    return "activity" if tracking_finding.order_is_known("activity") else "last_update_time"


def _runs(text: str) -> tuple[list[Hit], str]:
    found = tracking_finding.runs_named(text, SHOWN + 1)
    names = _experiment_names(found)
    more = f"{reverse('studio:search')}?{urlencode({'q': text, 'kind': 'runs'})}"
    return _run_hits(found, names), more if len(found) > SHOWN else ""


def _experiment_names(runs: Sequence[FoundRun]) -> dict[str, str]:
    found = tracking_finding.experiments_by_id({row.experiment_id for row in runs})
    return {key: row.name for key, row in found.items()}


def _run_hits(runs: Sequence[FoundRun], names: Mapping[str, str]) -> list[Hit]:
    return [
        Hit(row.name, names.get(row.experiment_id, row.id), _url("studio:run", row.id))
        for row in runs
    ]


@dataclass(frozen=True)
class RunsFound:
    """The runs of a search on a page of their own.

    `lists`: experiments that have some, as their list of runs with the same filter.
    `cut`: there are more than these.
    """

    hits: tuple[Hit, ...]
    lists: tuple[Hit, ...]
    cut: bool


def runs_find(text: str) -> RunsFound:
    """The newest MOST_RUNS runs of this name or id. Raises: Unavailable."""
    found = tracking_finding.runs_named(text, MOST_RUNS + 1)
    shown = found[:MOST_RUNS]
    names = _experiment_names(shown)
    named = (row.experiment_id for row in shown if text.lower() in row.name.lower())
    places = list(dict.fromkeys(key for key in named if key in names))
    lists = [Hit(names[key], "", url) for key in places[:MOST_LISTS] if (url := _list(key, text))]
    return RunsFound(tuple(_run_hits(shown, names)), tuple(lists), len(found) > len(shown))


def _list(experiment_id: str, text: str) -> str:
    """An experiment's runs of that name; "" for a text that MLflow's filter cannot hold."""
    try:
        condition = clause_text("attributes", "run_name", "ILIKE", f"%{text}%")
    except ValueError:
        return ""
    return f"{_url('studio:experiment', experiment_id)}?{urlencode({'filter': condition})}"


def _models(text: str) -> tuple[list[Hit], str]:
    page = tracking_models.models_search(search=text, max_results=SHOWN)
    hits = [
        Hit(row.name, _version(row.latest_version), _url("registry:model", row.name))
        for row in page.items
    ]
    return hits, _more("registry:models", text) if page.next_token else ""


def _version(number: object) -> str:
    return _("Version %(number)s") % {"number": number} if number else ""


def _services(text: str) -> tuple[list[Hit], str]:
    rows = list(services_list().filter(name__icontains=text).order_by("name")[: SHOWN + 1])
    hits = [Hit(row.name, row.state, _url("deployments:service", row.name)) for row in rows]
    return hits, _more("deployments:services", text) if len(rows) > SHOWN else ""


def _targets(text: str) -> tuple[list[Hit], str]:
    rows = list(targets_list().filter(name__icontains=text)[: SHOWN + 1])
    hits = [Hit(row.name, row.kind, _url("deployments:target", row.name)) for row in rows]
    return hits, reverse("deployments:targets") if len(rows) > SHOWN else ""


def _environments(text: str) -> tuple[list[Hit], str]:
    page = environments_page(search=text, size=SHOWN)
    hits = [
        Hit(
            row.environment.name,
            _version(row.latest.version if row.latest else ""),
            _url("deployments:environment", row.environment.name),
        )
        for row in page.items
    ]
    return hits, _more("deployments:environments", text) if page.next_token else ""


def _url(view: str, name: str) -> str:
    return reverse(view, args=[name])


def _more(view: str, text: str) -> str:
    return f"{reverse(view)}?{urlencode({'q': text})}"


Finder = Callable[[str], tuple[list[Hit], str]]
KINDS: Mapping[str, tuple[Any, str, Finder, bool]] = {  # label, icon, finder, asks MLflow
    "experiments": (gettext_lazy("Experiments"), "flask-conical", _experiments, True),
    "runs": (gettext_lazy("Runs"), "play", _runs, True),
    "models": (gettext_lazy("Models"), "box", _models, True),
    "services": (gettext_lazy("Services"), "rocket", _services, False),
    "targets": (gettext_lazy("Compute targets"), "server", _targets, False),
    "environments": (gettext_lazy("Environments"), "layers", _environments, False),
}


def text_clean(text: str) -> str:
    """What is looked for: one line, without what no name can have."""
    return "".join(char for char in text if char.isprintable()).strip()[:LONGEST]


def group_find(key: str, text: str) -> Group:
    """One group, however long it takes. Raises: NotFound when there is no such group."""
    if key not in KINDS:
        raise NotFound(_("There is nothing of this kind to search for."))
    label, icon, finder, _asks = KINDS[key]
    try:
        hits, more = finder(text) if text else ([], "")
    except Problem as problem:
        return Group(key, label, icon, problem=problem.message)
    return Group(key, label, icon, tuple(hits[:SHOWN]), more)


def groups_find(text: str) -> list[Group]:
    """All groups. Those that ask MLflow get PATIENCE_S together; the others never wait for them."""
    if not text:
        return []
    waiting = {key: _later(key, text) for key, row in KINDS.items() if row[3]}
    found = {key: group_find(key, text) for key in KINDS if key not in waiting}
    wait(waiting.values(), timeout=PATIENCE_S)
    for key, future in waiting.items():
        if future.done() and not future.cancelled():
            found[key] = future.result()
        else:
            future.cancel()
            found[key] = Group(key, KINDS[key][0], KINDS[key][1], late=True)
    return [found[key] for key in KINDS]


def _later(key: str, text: str) -> Future[Group]:
    """In the language and within the limit of this page."""
    return _pool.submit(copy_context().run, group_find, key, text)


def count_of(groups: Sequence[Group]) -> int:
    return sum(len(group.hits) for group in groups)
