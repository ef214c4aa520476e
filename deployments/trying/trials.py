"""Asking for a version to be tried: pre-flight's second part, before anything is deployed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from deployments.choices import OperationKind, OperationStatus
from deployments.configuring import configuration
from deployments.configuring.checks import (
    Problems,
    base_configuration,
    inference_check,
    script_check,
    target_get,
    version_get,
)
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.control.background import background_open
from deployments.models import Operation, Target
from deployments.trying.draft_values import asked_of, subject_of
from deployments.trying.samples import SAMPLE as SAMPLE
from deployments.trying.samples import plan_samples
from workspaces.errors import Invalid, Problem

MAX_SAMPLE = 1_000_000  # bytes of JSON


def preflight_ask(
    *,
    model: Any,
    target: Any,
    user: User | None,
    deployment: Any = None,
    inference: Any = None,
    sample: Mapping[str, Any] | None = None,
) -> Operation:
    """Try a version on a target with the resources of a deployment, in the background.

    Args:
        model: `models:/NAME/VERSION`.
        deployment: a deployment configuration in v1's JSON names; what is left out is ours.
        sample: `sample_input`, a request's JSON, and `sample_output`, what it must answer; each
            may be absent. Without an input that of the script or of the version is scored, else
            the model's own example.
    Raises:
        Invalid: with every field that is wrong. NotFound: there is no such version.
        Conflict: another trial of this version on this target is going on.
    """
    place, asked = draft_read(model, target, deployment, inference, sample or {})
    return background_open(
        kind=OperationKind.PREFLIGHT,
        subject=subject_of(place, asked["model"], asked["version"]),
        asked=asked,
        user=user,
    )


def draft_read(
    model: Any,
    target: Any,
    deployment: Any,
    inference: Any,
    sample: Mapping[str, Any],
    *more: Problem,
) -> tuple[Target, dict[str, Any]]:
    """What shall be tried or measured, as its operation holds it, and where.

    Args:
        more: what else was found wrong.
    Raises:
        Invalid: with every field that is wrong. NotFound: there is no such version.
    """
    problems = Problems(*more, *_sample_problems(sample))
    place = problems.part(_usable, target)
    version = problems.part(version_get, model)
    script = problems.part(inference_check, inference, model)
    if version is not None:
        problems.part(script_check, version, inference)
    wish = problems.part(_resources, place, model, deployment) if place else None
    problems.raise_all()
    assert place is not None
    assert version is not None
    assert wish is not None
    asked = asked_of(place, version.name, version.version, wish, script)
    return place, asked | plan_samples(sample, script or {}, version)


def _usable(name: Any) -> Target:
    # PostgreSQL refuses to look for a NUL character, which a form can carry
    place = target_get(name.replace("\x00", "\ufffd") if isinstance(name, str) else name)
    if place.problems:
        text = " ".join(map(str, place.problems))
        raise Invalid(text, fields={"target": [text]})
    return place


def _resources(place: Target, model: Any, deployment: Any) -> DeploymentConfiguration:
    """The configuration without what matters to a service only: a port is not used."""
    asked = {} if deployment is None else deployment
    if isinstance(asked, Mapping):
        asked = {key: value for key, value in asked.items() if key != "port"}
    return configuration.validate(place.kind, asked, base_configuration(place, model))


def _sample_problems(sample: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    for name, value in sample.items():
        if len(json.dumps(value)) > MAX_SAMPLE:
            text = _("must have at most %(most)s bytes.") % {"most": f"{MAX_SAMPLE:,}"}
            problems.append(Invalid(f"{name} {text}", fields={name: [text]}))
    return problems


def open_operation(kind: OperationKind, place: Target, name: str, version: str) -> Operation | None:
    """The operation of this kind that is at work on a version on a target."""
    rows = Operation.objects.filter(
        kind=kind, subject=subject_of(place, name, version), status=OperationStatus.RUNNING
    )
    return rows.prefetch_related("steps").first()
