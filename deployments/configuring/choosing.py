"""The targets of this studio as facts for Help me choose and as cards of the Deploy page."""

from __future__ import annotations

from typing import Any

from deployments import quotas, selectors, targets
from deployments.models import Target
from deployments.pages import wizard_table as table
from deployments.pages.wizard import TargetFacts

MB = 1024 * 1024


def all_facts() -> list[TargetFacts]:
    """Every target as Help me choose weighs it; their number does not change that of queries."""
    return [_facts(state) for state in quotas.states(all_targets())]


def _facts(state: quotas.QuotaState) -> TargetFacts:
    target = state.target
    capacity = target.capacity or {}
    return TargetFacts(
        name=target.name,
        kind=target.kind,
        ready=target.is_ready,
        problems=tuple(map(str, target.problems)),
        cpu_total=capacity.get("cpu_total"),
        cpu_used=capacity.get("cpu_used"),
        memory_total_mb=capacity.get("memory_total_mb"),
        memory_free_mb=capacity.get("memory_free_mb"),
        gpus=capacity.get("gpus") or 0,
        limits=state.limits,
        used=state.used,
    )


def all_targets() -> list[Target]:
    """Every target; those that exist by themselves are made when there is none yet."""
    if found := list(selectors.targets_list()):
        return found
    targets.targets_ensure()
    return list(selectors.targets_list())


def target_cards(found_targets: list[Target]) -> list[dict[str, Any]]:
    """What the page shows of every target and of the kinds that have none here."""
    here = sorted(found_targets, key=lambda item: table.KIND_ORDER.get(item.kind, 99))
    cards = [{"target": item, "kind": table.kind_of(item.kind)} for item in here]
    kinds = {item.kind for item in here}
    missing = [kind for kind in table.KINDS.values() if kind.kind not in kinds]
    return cards + [{"target": None, "kind": kind} for kind in missing]


def capacity_of(target: Target) -> dict[str, Any]:
    """Capacity for showing: memory in bytes, shares in percent; None where it is not known."""
    known = target.capacity or {}
    total, free = known.get("memory_total_mb"), known.get("memory_free_mb")
    cpus, busy = known.get("cpu_total"), known.get("cpu_used")
    return {
        "cpu_total": cpus,
        "cpu_used": busy,
        "cpu_percent": _percent(busy, cpus),
        "memory_total": total * MB if total is not None else None,
        "memory_free": free * MB if free is not None else None,
        "gpus": known.get("gpus") or 0,
        "version": known.get("version") or "",
    }


def _percent(part: float | None, whole: float | None) -> int | None:
    if part is None or not whole:
        return None
    return min(100, max(0, round(part / whole * 100)))
