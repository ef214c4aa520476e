"""Quotas as people see and type them: bars of what is used, and a form with memory in GB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from deployments.configuring.configuration import GB
from deployments.configuring.quota_rules import HIGHEST, RESOURCE_FIELDS, SLACK, is_over, quantity
from deployments.pages.forms import number
from deployments.quotas import QuotaState

CONTROLS = {"services": "services", "cpu": "cpu", "memory_mb": "memory"}


@dataclass(frozen=True)
class Bar:
    """One limit of one target. Without a limit `allowed` is "" and there is nothing to draw."""

    label: str
    used: str
    allowed: str
    percent: int  # of the limit; at most 100
    full: bool  # nothing more is accepted
    over: bool  # the limit is below what is used


def bars(state: QuotaState) -> list[Bar]:
    """Services, CPU and memory of a target, in this order."""
    labels = {"services": _("Services"), "cpu": _("CPU"), "memory_mb": _("Memory")}
    return [_bar(state, resource, labels[resource]) for resource in RESOURCE_FIELDS]


def _bar(state: QuotaState, resource: str, label: str) -> Bar:
    used, allowed = getattr(state.used, resource), getattr(state.limits, resource)
    over = is_over(state.limits, state.used, resource)
    share = 0.0 if allowed is None else (used / allowed if allowed else 1.0)
    return Bar(
        label=label,
        used=_shown(resource, used),
        allowed="" if allowed is None else _shown(resource, allowed),
        percent=min(100, round(share * 100)),
        full=allowed is not None and used >= allowed - SLACK,
        over=over,
    )


def _shown(resource: str, value: float) -> str:
    return f"{quantity(value / GB)} GB" if resource == "memory_mb" else quantity(value)


def shown(state: QuotaState) -> dict[str, str]:
    """The controls of the form as they are now; empty is no limit."""
    limits = state.limits
    memory = None if limits.memory_mb is None else limits.memory_mb / GB
    values = {"services": limits.services, "cpu": limits.cpu, "memory": memory}
    return {name: "" if value is None else f"{value:.12g}" for name, value in values.items()}


def posted(data: Mapping[str, str]) -> dict[str, str]:
    """The controls as a person sent them."""
    return {
        control: str(data.get(control, "")).replace("\x00", "").strip()
        for control in CONTROLS.values()
    }


def limits_given(values: Mapping[str, str]) -> dict[str, Any]:
    """What the form says, as `quota_set` takes it; what cannot be read stays text to be refused."""
    memory = number(values["memory"])
    if isinstance(memory, int | float):
        memory = round(memory * GB)
    return {
        "services": number(values["services"]),
        "cpu": number(values["cpu"]),
        "memory_mb": memory,
    }


def by_control(fields: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Sentences at their controls; those about MB are said in the GB that were typed."""
    errors = {CONTROLS.get(name, name): list(texts) for name, texts in fields.items()}
    if "memory" in errors:
        text = _("must be a number of GB from 0 to %(most)s, or empty.")
        errors["memory"] = [text % {"most": HIGHEST["memory_mb"] // GB}]
    return errors
