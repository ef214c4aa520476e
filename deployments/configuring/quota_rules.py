"""What a quota allows: pure rules about limits, what services ask, and the sentences to say.

Nothing is read or stored here: callers bring the limits and what is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deployments.configuring.configuration import RESOURCES, DeploymentConfiguration

RESOURCE_FIELDS = {  # resource -> field of a request that asks for it
    "services": "target",
    "cpu": f"{RESOURCES}.cpu",
    "memory_mb": f"{RESOURCES}.memoryInGB",
}
HIGHEST = {"services": 1_000_000, "cpu": 1_000_000, "memory_mb": 1_000_000_000}
SLACK = 1e-6  # of a core: ten times 0.1 CPU are 1 CPU
NEXT_STEP = gettext_lazy(
    "Stop a service, ask for less, or ask an administrator to raise it (Admin > Quotas)."
)

_SENTENCES = {
    "cpu": gettext_lazy(
        "Target %(target)s allows %(allowed)s CPU for all services; the others take %(taken)s and "
        "this one asks for %(asked)s."
    ),
    "memory_mb": gettext_lazy(
        "Target %(target)s allows %(allowed)s MB of memory for all services; the others take "
        "%(taken)s MB and this one asks for %(asked)s MB."
    ),
}


@dataclass(frozen=True)
class Ask:
    """What one service asks of its target, or many of them together. CPU in cores."""

    services: int = 0
    cpu: float = 0.0
    memory_mb: int = 0

    def __add__(self, other: Ask) -> Ask:
        return Ask(
            self.services + other.services,
            self.cpu + other.cpu,
            self.memory_mb + other.memory_mb,
        )

    def most(self, other: Ask) -> Ask:
        """The larger of the two, resource by resource."""
        return Ask(
            max(self.services, other.services),
            max(self.cpu, other.cpu),
            max(self.memory_mb, other.memory_mb),
        )


@dataclass(frozen=True)
class Limits:
    """The most that all services of one target may ask for together. None: no limit."""

    services: int | None = None
    cpu: float | None = None
    memory_mb: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is any limit at all."""
        return any(getattr(self, resource) is not None for resource in RESOURCE_FIELDS)

    def as_dict(self) -> dict[str, Any]:
        return {resource: getattr(self, resource) for resource in RESOURCE_FIELDS}


@dataclass(frozen=True)
class Shortage:
    """One limit that an ask would pass: what is allowed, what the others take, what was asked."""

    resource: str  # a key of RESOURCE_FIELDS
    allowed: float
    taken: float
    asked: float


def ask_of(wish: DeploymentConfiguration) -> Ask:
    """What one service with this configuration asks of its target, all replicas together."""
    return Ask(1, wish.cpu * wish.replicas, wish.memory_mb * wish.replicas)


def shortages(limits: Limits, others: Ask, asked: Ask, held: Ask | None = None) -> list[Shortage]:
    """The limits that there is no room below; empty when the ask is allowed.

    Args:
        others: what all other services of the target ask for.
        asked: what this one asks for from now on.
        held: what this one asks for so far, when it counts already. Asking for no more than
            that is always allowed, also where the limit was lowered below what is used.
    """
    before = held or Ask()
    found = []
    for resource in RESOURCE_FIELDS:
        allowed = getattr(limits, resource)
        wish, taken = getattr(asked, resource), getattr(others, resource)
        if allowed is None or wish <= getattr(before, resource):
            continue
        if taken + wish > allowed + SLACK:
            found.append(Shortage(resource, allowed, taken, wish))
    return found


def is_over(limits: Limits, used: Ask, resource: str) -> bool:
    """Whether more is used than is allowed: the limit was lowered since."""
    allowed = getattr(limits, resource)
    return allowed is not None and getattr(used, resource) > allowed + SLACK


def sentence(target: str, shortage: Shortage) -> str:
    """One shortage for people; `NEXT_STEP` says what to do."""
    values = {
        "target": target,
        "allowed": quantity(shortage.allowed),
        "taken": quantity(shortage.taken),
        "asked": quantity(shortage.asked),
    }
    if shortage.resource in _SENTENCES:
        return str(_SENTENCES[shortage.resource]) % values
    if shortage.allowed == 0:
        return _("Target %(target)s allows no services.") % values
    text = ngettext(
        "Target %(target)s allows %(allowed)s service; the others are %(taken)s already.",
        "Target %(target)s allows %(allowed)s services; the others are %(taken)s already.",
        int(shortage.allowed),
    )
    return text % values


def sentences(target: str, found: Iterable[Shortage]) -> str:
    """All shortages as one text, without the next step; "" for none."""
    return " ".join(sentence(target, shortage) for shortage in found)


def quantity(value: float) -> str:
    """3.0 as "3", and the rounding of a sum of tenths not shown."""
    rounded = round(value, 3)
    return str(int(rounded)) if rounded == int(rounded) else f"{rounded:.10g}"
