"""The steps of a profile, run by workers: copy, environment, measuring at rising load."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from deployments.building.processes import Cancelled
from deployments.choices import StepName
from deployments.configuring.check_values import Check
from deployments.control.background import found_keep
from deployments.control.step_handlers import StepFailed, Work, copied_facts, with_room
from deployments.trying import profile_load, profile_replica
from deployments.trying.drafts import Draft, draft_of
from deployments.trying.findings import finding_keep, version_measured
from deployments.trying.preflight_steps import MEASURED, copy, judged, prepare
from deployments.trying.profile_plan import (
    CLIENTS,
    Level,
    Wanted,
    level_of,
    profile_result,
    stop_reason,
)
from deployments.trying.profile_replica import Replica
from registry import selectors as registry
from serving.contract import INVOCATIONS_PATH, SCORE_PATH

LEVEL_SECONDS = 3.0  # of each level; longer where answers are slow
SLOWEST_LEVEL = 30.0
LEAST_LEVEL = 1.0  # less than this left: no further level


def measure(work: Work) -> str:
    """Score the sample with more and more clients; keep percentiles, usage and what to ask for."""
    draft = draft_of(work)
    asked = draft.operation.asked["wanted"]
    wanted = Wanted(asked["requests_per_second"], asked["p99_ms"])
    with judged(draft, "profile", _("The log of the step says more; try it first.")):
        body, path = _sample(draft)
        with profile_replica.replica(draft) as running:
            target = profile_load.target_of(
                running.endpoint + path,
                body,
                {"content-type": "application/json", "authorization": f"Bearer {running.key}"},
            )
            levels, stopped = _climb(draft, running, target, wanted, asked)
        _answered(levels, stopped)
    result = profile_result(
        levels, wanted, cpu=draft.wish.cpu, memory_mb=draft.wish.memory_mb, stopped=stopped
    )
    found_keep(draft.operation, **{MEASURED: result})
    finding_keep(draft, [_summary(result, wanted)], result)
    _remember(draft, levels)
    return ""


HANDLERS: dict[StepName, Callable[[Work], str]] = {
    StepName.COPY_MODEL: with_room(copy),
    StepName.PREPARE_ENVIRONMENT: with_room(prepare),
    StepName.MEASURE: with_room(measure),
}


def _sample(draft: Draft) -> tuple[bytes, str]:
    asked = draft.operation.asked
    if "input" in asked:
        given = asked["input"]
        return (given if isinstance(given, str) else json.dumps(given)).encode(), SCORE_PATH
    example = copied_facts(draft.model_dir).input_example
    if example is None:
        text = _("The model has no input example; give a sample to score.")
        raise StepFailed(text)
    return json.dumps(example).encode(), INVOCATIONS_PATH


def _climb(
    draft: Draft,
    running: Replica,
    target: profile_load.Target,
    wanted: Wanted,
    asked: dict[str, Any],
) -> tuple[list[Level], str]:
    """Level after level; returns them and why there was no further one. Raises: Cancelled."""
    end = time.monotonic() + asked["time_limit_seconds"]
    levels: list[Level] = []
    for clients in [number for number in CLIENTS if number <= asked["max_clients"]]:
        left = end - time.monotonic()
        if left < LEAST_LEVEL:
            return levels, _("The time was over.")
        level, failure = _level(draft, running, target, clients, left)
        levels.append(level)
        found_keep(draft.operation, levels=[vars(item) for item in levels])
        draft.log(_line(level) + (f" ({failure})" if failure else ""))
        if reason := stop_reason(levels, wanted):
            return levels, f"{reason} {failure}".strip()
    return levels, _("That many clients were asked for.")


def _level(
    draft: Draft, running: Replica, target: profile_load.Target, clients: int, left: float
) -> tuple[Level, str]:
    before = [running.usage()]
    measured = profile_load.run_level(
        target,
        clients,
        seconds=min(LEVEL_SECONDS, left),
        most_seconds=min(SLOWEST_LEVEL, left),
        cancelled=draft.cancelled,
        began=lambda: before.append(running.usage()),
    )
    after = running.usage()
    if draft.cancelled():
        raise Cancelled
    cpu = None
    if after.cpu_seconds is not None and before[-1].cpu_seconds is not None:
        spent = max(after.at - before[-1].at, 0.001)
        cpu = round(max(0.0, after.cpu_seconds - before[-1].cpu_seconds) / spent, 2)
    memory = None if after.memory_mb is None else round(after.memory_mb, 1)
    found = level_of(
        *(clients, measured.seconds, measured.times_ms, measured.failed), cpu=cpu, memory_mb=memory
    )
    return found, measured.failure


def _answered(levels: list[Level], stopped: str) -> None:
    if not any(level.succeeded for level in levels):
        raise StepFailed(_("No request was answered with 200. %(why)s") % {"why": stopped})


def _line(level: Level) -> str:
    used = "" if level.cpu is None else f", {level.cpu:g} CPU"
    used += "" if level.memory_mb is None else f", {level.memory_mb:.0f} MB"
    return (
        f"{level.clients} clients: {level.rate:,.0f} requests/s, p50 {level.p50_ms:g} ms, "
        f"p99 {level.p99_ms:g} ms{used}"
    )


def _summary(result: dict[str, Any], wanted: Wanted) -> Check:
    """The recommendation in a sentence."""
    values = {
        "rate": f"{result['measuredQueriesPerSecond']:,.0f}",
        "p99": f"{result['latencyPercentile99InMs']:g}",
        "cpu": f"{result['recommendedCpu']:g}",
        "memory": f"{result['recommendedMemoryInGB']:g}",
        "replicas": result["recommendedReplicas"],
        "wanted": f"{wanted.p99_ms or 0:g}",
    }
    if result["recommendedReplicas"] is None:
        text = _("No load keeps 99 % of the requests within %(wanted)s ms; the best took %(p99)s.")
        step = _("Allow more time, or give it more CPU.")
        return Check("profile", "warning", text % values, step)
    text = _("%(rate)s requests/s at a p99 of %(p99)s ms: ask for %(cpu)s CPU, %(memory)s GB, ")
    text += _("%(replicas)s replica(s).")
    return Check("profile", "passed", text % values)


def _remember(draft: Draft, levels: list[Level]) -> None:
    """Memory for the defaults of the next deploy: its peak, never less than was known."""
    name, version = draft.revision.model_name, draft.revision.model_version
    known = registry.measured_memory_mb(name, version)
    peak = max([level.memory_mb or 0.0 for level in levels] + [known or 0.0])
    version_measured(name, version, memory_mb=peak or None)
