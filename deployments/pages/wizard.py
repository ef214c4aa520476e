"""Help me choose: ranks compute targets for a need, with reasons. Pure; the table is beside it.

Nothing is read, asked or stored: callers bring the facts. A target that does not fit is never
hidden; it is ranked below every target that fits and says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from deployments.pages.wizard_table import (
    KIND_ORDER,
    KINDS,
    RULES,
    Answers,
    Case,
    Kind,
    Sizing,
    TargetFacts,
    kind_of,
)

__all__ = ["Answers", "Recommendation", "Sizing", "TargetFacts", "recommend", "size"]

TARGET_UTILISATION = 0.7  # of a replica's time, as v1's autoScaler.targetUtilization
MEMORY_FACTOR = 1.5
LEAST_MEMORY_MB = 1024
MAX_REPLICAS = 100_000


@dataclass(frozen=True)
class Recommendation:
    """One target, or one kind that is not here yet, and what speaks for and against it."""

    kind: Kind
    target: str | None
    fits: bool
    score: int
    rank: int  # 1 is the best
    reasons_for: tuple[str, ...]
    reasons_against: tuple[str, ...]
    replicas: int  # by the formula, also where the target runs fewer
    configuration: dict[str, Any] = field(default_factory=dict)  # v1's JSON names

    @property
    def available(self) -> bool:
        """Whether a person can deploy to it at all."""
        return self.target is not None


def size(answers: Answers) -> Sizing:
    """Replicas = ceil(rps x seconds / utilisation / concurrency), memory = measured x 1.5."""
    busy = answers.requests_per_second * answers.seconds_per_request
    needed = busy / TARGET_UTILISATION / max(answers.concurrency, 1)
    # 1e-9: 0.7 / 0.7 must be one replica, also after rounding
    replicas = max(1, math.ceil(min(needed, MAX_REPLICAS) - 1e-9))
    memory = math.ceil((answers.memory_mb or 0) * MEMORY_FACTOR)
    return Sizing(replicas=replicas, memory_mb=max(LEAST_MEMORY_MB, memory))


def recommend(answers: Answers, targets: Iterable[TargetFacts]) -> list[Recommendation]:
    """Rank every target, and every kind that has none here, for a need.

    Args:
        answers: what the person wants.
        targets: the targets that exist; their names are unique.
    Returns:
        All of them, the best first. One that does not fit is never above one that does. The
        order does not depend on the order of `targets`.
    """
    sizing = size(answers)
    found = list(targets)
    cases = [Case(answers, kind_of(facts.kind), facts, sizing) for facts in found]
    present = {facts.kind for facts in found}
    cases += [
        Case(answers, kind, None, sizing) for kind in KINDS.values() if kind.kind not in present
    ]
    weighed = sorted((_weigh(case) for case in cases), key=_order)
    return [replace(item, rank=rank) for rank, item in enumerate(weighed, start=1)]


def _order(item: Recommendation) -> tuple[bool, bool, int, int, str, str]:
    return (
        not item.fits,
        not item.available,
        -item.score,
        KIND_ORDER.get(item.kind.kind, len(KIND_ORDER)),
        item.kind.kind,
        item.target or "",
    )


def _weigh(case: Case) -> Recommendation:
    fits, score = True, 0
    reasons_for: list[str] = []
    reasons_against = _present(case)
    if reasons_against:
        fits = False
    words = case.words()
    for rule in RULES:
        if not rule.when(case):
            continue
        good = rule.holds(case)
        score += rule.weight if good else -rule.weight
        fits = fits and (good or not rule.decisive)
        sentence = rule.yes if good else rule.no
        if sentence:
            (reasons_for if good else reasons_against).append(str(sentence).format(**words))
    return Recommendation(
        kind=case.kind,
        target=case.target.name if case.target else None,
        fits=fits,
        score=score,
        rank=0,
        reasons_for=tuple(reasons_for),
        reasons_against=tuple(reasons_against),
        replicas=case.sizing.replicas,
        configuration=_configuration(case),
    )


def _present(case: Case) -> list[str]:
    """Why nothing can be deployed there now; empty when it can."""
    if case.target is None and not case.kind.available:
        return [_("Not available here yet. %(needs)s") % {"needs": case.kind.needs}]
    if case.target is None:
        return [_("There is no such target in this studio.")]
    if case.target.ready:
        return []
    return list(case.target.problems) or [_("It was not checked yet.")]


def _configuration(case: Case) -> dict[str, Any]:
    """The deployment configuration that fills in the form."""
    return {
        "containerResourceRequirements": {
            "cpu": case.sizing.cpu,
            "memoryInGB": round(case.sizing.memory_mb / 1024, 2),
        },
        "numReplicas": min(case.sizing.replicas, case.kind.max_replicas),
        "authEnabled": case.answers.authentication != "none",
    }
