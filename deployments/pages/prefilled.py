"""What the Deploy page holds before anybody has typed, and what of it follows another version."""

from __future__ import annotations

from dataclasses import fields, replace

from deployments.configuring import configuration
from deployments.configuring.choosing import all_facts
from deployments.pages.forms import DeployInput, free_name, service_name
from deployments.pages.script_form import with_version
from deployments.pages.wizard import Answers, recommend
from registry import selectors as registry
from registry.values import VersionInfo


def prefilled(version: VersionInfo) -> DeployInput:
    """The page's controls for a model version: the target that fits best, and its defaults."""
    model, number = version.name, str(version.version)
    memory_mb = registry.measured_memory_mb(model, number)
    ranked = recommend(Answers(memory_mb=memory_mb), all_facts())
    best = ranked[0] if ranked and ranked[0].fits else None
    kind = best.kind.kind if best else "local"
    raw = configuration.defaults(kind, memory_mb)
    resources = raw["containerResourceRequirements"]
    values = DeployInput(
        model=model,
        version=number,
        name=free_name(service_name(model, number)),
        target=(best.target or "") if best else "",
        kind=kind,
        cpu=f"{resources['cpu']:g}",
        memory=f"{resources['memoryInGB']:g}",
        auth=raw["authEnabled"],
        max_concurrent=str(raw["maxConcurrentRequestsPerContainer"]),
        queue_wait=str(raw["maxQueueWaitMs"]),
        timeout=f"{raw['scoringTimeoutMs'] / 1000:g}",
    )
    return replace(values, script=with_version(values.script, version))


def following(values: DeployInput, before: VersionInfo, after: VersionInfo) -> DeployInput:
    """The controls after another version was chosen: what was typed stays, the rest follows.

    Args:
        values: the page as it was posted.
        before, after: the version that it was filled for, and the one that is chosen now.
    """
    old, new = prefilled(before), prefilled(after)
    untouched = {
        field.name: getattr(new, field.name)
        for field in fields(values)
        if getattr(values, field.name) == getattr(old, field.name)
    }
    moved = replace(values, **untouched)
    return replace(moved, script=with_version(moved.script, after))
