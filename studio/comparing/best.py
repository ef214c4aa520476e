"""The best run of an experiment: chosen once by metric and direction, shown as a leaderboard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.utils.translation import gettext as _

from registry import selectors as registry
from registry.run_versions import run_versions, versions_with_alias
from studio.comparing.models import LONGEST_METRIC, BestChoice
from studio.comparing.settings import parameters_varied
from studio.experiments.columns import Column
from workspaces import tracking
from workspaces.errors import Invalid
from workspaces.events import event_record
from workspaces.tracking.counts import runs_matching
from workspaces.tracking.many import runs_read
from workspaces.tracking.models.values import StoredVersion
from workspaces.tracking.values import Run

CHAMPION = "champion"  # the alias that MLflow's own texts use for the version in production
TOPS = (10, 25, 50, 100)
SHOWN_PARAMETERS = 5
MOST_PLACES = 100_000  # a place behind so many is not counted


@dataclass(frozen=True)
class Leader:
    """A run in its place. Equal values share a place. `gap`: how much worse than the best."""

    place: int
    run: Run
    value: float
    gap: float
    versions: tuple[StoredVersion, ...]  # registered from it, newest first

    @property
    def champion(self) -> StoredVersion | None:
        """The version of this run that holds the alias champion."""
        return next((item for item in self.versions if CHAMPION in item.aliases), None)

    @property
    def to_deploy(self) -> StoredVersion | None:
        """The champion, else the newest version of this run; None when it has none."""
        return self.champion or next(iter(self.versions), None)


@dataclass(frozen=True)
class Champion:
    """A champion that is not among the leaders. `place` is None where it is not known."""

    version: StoredVersion
    run: Run
    value: float | None
    place: int | None


@dataclass(frozen=True)
class Leaderboard:
    choice: BestChoice
    leaders: tuple[Leader, ...]
    parameters: tuple[Column, ...]  # those that differ between them
    champions: tuple[Champion, ...] = ()  # those of other runs of the experiment


def best_choice(experiment_id: str) -> BestChoice | None:
    """What was chosen for an experiment; None when nobody has chosen."""
    rows = BestChoice.objects.filter(store=tracking.store_id(), experiment_id=experiment_id)
    return rows.first()


def best_word(experiment_ids: Sequence[str]) -> str:
    """ "min:NAME" or "max:NAME" of a single experiment; "" for several, or without a choice."""
    if len(set(experiment_ids)) != 1:
        return ""
    choice = best_choice(experiment_ids[0])
    return choice.word if choice else ""


def best_query(experiment_id: str) -> str:
    """The choice as the query of the panel that registers the best run; "" without one."""
    choice = best_choice(experiment_id)
    return urlencode({"metric": choice.metric, "mode": choice.mode}) if choice else ""


def best_choose(*, experiment_id: str, metric: str, mode: str, user: Any) -> BestChoice:
    """Choose by what the runs of an experiment are ranked, for everybody.

    Raises:
        Invalid: on `metric` or `mode`: no run has it, or it is no such word.
        NotFound: there is no such experiment. Unavailable.
    """
    if len(metric) > LONGEST_METRIC:
        text = _("Name a metric of the experiment's runs.")
        raise Invalid(text, fields={"metric": [text]})
    registry.best_run(experiment_id, metric, mode)
    with transaction.atomic():
        choice, _made = BestChoice.objects.update_or_create(
            store=tracking.store_id(),
            experiment_id=experiment_id,
            defaults={"metric": metric, "mode": mode, "chosen_by": user},
        )
        event_record(
            kind="experiment.best_chosen",
            subject_type="experiment",
            subject=experiment_id,
            message=f"The best run is the one with the {mode} of {metric}.",
            actor=user,
            data={"metric": metric, "mode": mode},
        )
    return choice


def metrics_offered(experiment_id: str, limit: int = 50) -> list[str]:
    """Metrics of the newest runs of an experiment, by name."""
    page = tracking.runs_search(experiment_ids=[experiment_id], limit=limit)
    return sorted({key for run in page.items for key in run.metrics})


def leaderboard(choice: BestChoice, top: int) -> Leaderboard:
    """The best runs of an experiment, at most `top`; those without the metric are in no place.

    Raises:
        Unavailable.
    """
    order = f"metrics.`{choice.metric}` {'DESC' if choice.mode == 'max' else 'ASC'}"
    page = tracking.runs_search(experiment_ids=[choice.experiment_id], order_by=[order], limit=top)
    values = [(run, run.metrics.get(choice.metric)) for run in page.items]
    ranked = [(run, value) for run, value in values if value is not None and not math.isnan(value)]
    versions = run_versions([run.id for run, _value in ranked])
    leaders: list[Leader] = []
    for number, (run, value) in enumerate(ranked, start=1):
        same = bool(leaders) and leaders[-1].value == value
        place = leaders[-1].place if same else number
        gap = 0.0 if value == ranked[0][1] else abs(value - ranked[0][1])
        leaders.append(Leader(place, run, value, gap, versions.get(run.id, ())))
    runs = [run for run, _value in ranked]
    parameters = tuple(parameters_varied(runs)[:SHOWN_PARAMETERS])
    return Leaderboard(choice, tuple(leaders), parameters, _champions(choice, runs))


def _champions(choice: BestChoice, shown: Sequence[Run]) -> tuple[Champion, ...]:
    """The champions of the experiment whose runs are not shown."""
    here = {run.id for run in shown}
    versions = versions_with_alias(CHAMPION, choice.experiment_id)
    others = [item for item in versions if item.run_id not in here]
    runs = {run.id: run for run in runs_read(item.run_id for item in others)}
    found = []
    for version in others:
        run = runs.get(version.run_id)
        if run is not None and run.experiment_id == choice.experiment_id:
            value = run.metrics.get(choice.metric)
            found.append(Champion(version, run, value, _place_of(choice, run)))
    return tuple(found)


def _place_of(choice: BestChoice, run: Run) -> int | None:
    """One more than the runs that are better; None where that is not cheap to know."""
    value = run.metrics.get(choice.metric)
    if value is None or not math.isfinite(value) or run.deleted:
        return None
    number = repr(value).replace("e+", "e")  # MLflow's filters know no "e+16"
    better = f"metrics.`{choice.metric}` {'>' if choice.mode == 'max' else '<'} {number}"
    count = runs_matching([choice.experiment_id], better, most=MOST_PLACES)
    return None if count is None or count >= MOST_PLACES else count + 1
