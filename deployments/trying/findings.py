"""What was found out about a version by trying or measuring it: kept, read back, compared."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, F, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments.building import runtimes
from deployments.choices import OperationKind
from deployments.configuring import configuration
from deployments.configuring.check_values import Check, check_from, worst
from deployments.models import Finding, Operation
from deployments.trying.draft_values import known_environment
from registry.models import VersionRecord
from registry.records import record_write
from workspaces.tracking.store.opening import store_id

if TYPE_CHECKING:  # only workers load what makes drafts
    from deployments.trying.drafts import Draft

logger = logging.getLogger(__name__)


def finding_keep(
    draft: Draft, checks: Iterable[Check], measured: Mapping[str, Any]
) -> Finding | None:
    """Keep what an operation found with the version; it replaces the one of an equal trial.

    Args:
        measured: JSON-able; of a trial its answer, of a profile its result.
    Returns:
        None when the version has been deleted meanwhile.
    """
    record = _record(draft.revision.model_name, draft.revision.model_version)
    if record is None:
        logger.info("%s is gone; what was found is not kept", draft.revision.model_uri)
        return None
    found = list(checks)
    operation = draft.operation
    finding, _made = Finding.objects.update_or_create(
        record=record,
        kind=operation.kind,
        target=draft.target.name,
        environment_hash=known_environment(operation),
        defaults={
            "identity": record.identity,
            "target_kind": draft.target.kind,
            "python": draft.revision.python,
            "loader": draft.revision.loader,
            "runtime": runtimes.version(),
            "asked": _asked(operation.asked),
            "checks": [check.as_dict() for check in found],
            "measured": dict(measured),
            "result": worst(found),
            "operation": operation.pk,
            "made_by": operation.requested_by,
            "created_at": timezone.now(),
        },
    )
    return finding


def _asked(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked, without samples: they may be large, and somebody's data."""
    kept = {key: asked[key] for key in ("deployment", "inference", "wanted") if key in asked}
    return kept | {"sample": "input" in asked, "compared": "output" in asked}


def _record(name: str, version: str) -> VersionRecord | None:
    rows = VersionRecord.objects.filter(store=store_id(), name=name, version=version)
    return rows.first()


def version_measured(
    name: str,
    version: str,
    *,
    memory_mb: float | None = None,
    load_seconds: float | None = None,
    ms_per_row: float | None = None,
) -> None:
    """Write what was measured to the version's record, where defaults are made from it."""
    record = _record(name, version)
    given = {"memory_mb": memory_mb, "load_seconds": load_seconds, "ms_per_row": ms_per_row}
    values = {key: value for key, value in given.items() if value is not None}
    if record is not None and values:
        record_write(record, **values, checked_at=timezone.now())


@dataclass(frozen=True)
class Measured:
    """What is known of a version's needs; None: nobody measured it."""

    memory_mb: float | None
    milliseconds: float | None  # of one request alone


def measured_of(name: str, version: str) -> Measured:
    """For Help me choose: memory, and the time of a request at the lightest load of a profile."""
    if "\x00" in name + version:
        return Measured(None, None)
    record = _record(name, version)
    if record is None:
        return Measured(None, None)
    for finding in findings_of(name, version, OperationKind.PROFILE):
        levels = finding.measured.get("levels") or []
        if levels and levels[0].get("p50_ms"):
            return Measured(record.memory_mb, float(levels[0]["p50_ms"]))
    return Measured(record.memory_mb, record.ms_per_row)


def findings_of(
    name: str, version: str, kind: OperationKind, target: str | None = None
) -> list[Finding]:
    """What is kept of a version, the newest first. One query.

    Each has `has_log`: whether its operation is still there.
    """
    if "\x00" in name + version:
        return []
    rows = Finding.objects.filter(
        record__store=store_id(),
        record__name=name,
        record__version=version,
        identity=F("record__identity"),
        kind=kind,
    ).select_related("made_by")
    rows = rows.annotate(has_log=Exists(Operation.objects.filter(pk=OuterRef("operation"))))
    return list(rows.filter(target=target) if target is not None else rows)


def latest_by_target(findings: Iterable[Finding]) -> list[Finding]:
    """The newest finding of each target, the newest first."""
    kept: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda item: item.created_at, reverse=True):
        kept.setdefault(finding.target, finding)
    return list(kept.values())


def checks_of(finding: Finding) -> list[Check]:
    return [check_from(item) for item in finding.checks]


@dataclass(frozen=True)
class Situation:
    """What a new trial would be made with."""

    runtime: str
    deployment: configuration.DeploymentConfiguration
    inference: Mapping[str, Any]


def situation(
    deployment: configuration.DeploymentConfiguration, inference: Mapping[str, Any] | None = None
) -> Situation:
    return Situation(runtimes.version(), deployment, dict(inference or {}))


def situation_of(finding: Finding) -> Situation:
    """The one it was found in, today: only what nobody asked for can differ."""
    asked = finding.asked
    return situation(configuration.from_dict(asked.get("deployment", {})), asked.get("inference"))


def script_of(inference: Mapping[str, Any]) -> dict[str, Any]:
    """An inference configuration without its sample, which changes nothing that is made of it."""
    return {key: value for key, value in inference.items() if key != "sampleInput"}


def changes_since(finding: Finding, now: Situation) -> list[str]:
    """What is another thing now than when this was found, as sentences; empty: nothing is."""
    before = configuration.from_dict(finding.asked.get("deployment", {}))
    found = []
    if finding.runtime != now.runtime:
        found.append(_("Slipway was updated since."))
    values: dict[str, object]
    if before.memory_mb != now.deployment.memory_mb:
        text = _("It had %(before)s MB of memory then; %(now)s MB are asked for now.")
        values = {"before": before.memory_mb, "now": now.deployment.memory_mb}
        found.append(text % values)
    if before.cpu != now.deployment.cpu:
        text = _("It had %(before)s CPU then; %(now)s are asked for now.")
        values = {"before": f"{before.cpu:g}", "now": f"{now.deployment.cpu:g}"}
        found.append(text % values)
    if script_of(finding.asked.get("inference") or {}) != script_of(now.inference):
        found.append(_("The entry script or its environment was another one."))
    return found
