"""What earlier trials say to the quick checks of pre-flight. Nothing here blocks a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.building.base_images import minor_by_name
from deployments.configuring.check_values import Check
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.models import Finding, Revision, Target
from deployments.trying import findings


def same_script(rows: Sequence[Finding], inference: Mapping[str, Any]) -> list[Finding]:
    """The findings that were made with this entry script and environment, or without any."""
    wanted = findings.script_of(inference)
    return [row for row in rows if findings.script_of(row.asked.get("inference") or {}) == wanted]


def trial_check(
    place: Target,
    rows: Sequence[Finding],
    inference: Mapping[str, Any],
    wish: DeploymentConfiguration | None,
) -> Check:
    """Whether the version was tried here as it shall be deployed, and what came of it.

    Args:
        rows: trials of the version on this target, the newest first.
        wish: the resources that are asked for now; None when they cannot be used.
    """
    values = {"target": place.name}
    known = same_script(rows, inference)
    step = _("Try it first: that takes a while in the background and makes no service.")
    if not known:
        text = _("It was not tried on %(target)s yet: nobody knows whether it loads and answers.")
        if rows:
            text = _("It was tried on %(target)s with another entry script or environment only.")
        return Check("trial", "warning", text % values, step)
    latest = known[0]
    if latest.result == "failed":
        return _failed(latest, values)
    text = _("It was tried on %(target)s, loads and answers.") % values
    now = None if wish is None else findings.situation(wish, inference)
    changes = findings.changes_since(latest, now) if now else []
    return Check("trial", "passed", " ".join([text, *changes]))


def _failed(latest: Finding, values: Mapping[str, str]) -> Check:
    failed = [check for check in findings.checks_of(latest) if check.result == "failed"]
    why = failed[0].sentence if failed else _("The log says why.")
    text = _("When it was tried on %(target)s, it failed: %(why)s") % {**values, "why": why}
    steps = [failed[0].next_step if failed else "", _("Then try it again.")]
    return Check("trial", "warning", text, " ".join(filter(None, steps)))


def image_python_check(
    place: Target, rows: Sequence[Finding], minor: str, base_image: str
) -> Check:
    """Whether the base image has the Python that is needed, as far as is known without asking.

    Args:
        rows: trials of the version on this target with this script, the newest first.
        minor: what is needed.
        base_image: of the environment; "" is the studio's own.
    """
    image = base_image or settings.SLIPWAY.base_image
    values = {"minor": minor, "image": image}
    passed = Check("python", "passed", _("Runs on Python %(minor)s.") % values)
    for check in findings.checks_of(rows[0]) if rows else []:
        if check.name == "python" and check.result == "failed":
            step = check.next_step or _("Choose an environment with another base image.")
            return Check("python", "warning", check.sentence, step)
        if check.name == "python":
            return passed
    named = minor_by_name(image)
    if named == minor or (not base_image and _has_run(place, minor)):
        return passed
    if named:
        text = _("By its name the base image %(image)s has Python %(named)s, not %(minor)s.")
        step = _("Choose an environment with a base image that has it, or log the model with that.")
        return Check("python", "warning", text % {**values, "named": named}, step)
    text = _("Whether the base image %(image)s has Python %(minor)s is known once it was tried.")
    return Check("python", "warning", text % values, _("Try it first."))


def _has_run(place: Target, minor: str) -> bool:
    """Whether an image of this Python was made there on the studio's own base image."""
    rows = Revision.objects.filter(service__target=place, python=minor, inference={})
    return rows.exclude(image="").exists()
