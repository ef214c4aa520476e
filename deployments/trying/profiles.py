"""Asking for a version to be measured: how big should its service be?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from deployments.choices import OperationKind
from deployments.control.background import background_open
from deployments.models import Operation
from deployments.trying.draft_values import subject_of
from deployments.trying.profile_plan import CLIENTS
from deployments.trying.trials import draft_read
from workspaces.errors import Invalid, Problem

# name -> lowest, highest, default (None: not asked for)
NUMBERS: dict[str, tuple[float, float, float | None]] = {
    "requests_per_second": (0.001, 1_000_000, None),
    "p99_ms": (0.01, 3_600_000, None),
    "time_limit_seconds": (10, 1500, 120),  # v1 allows 25 minutes
    "max_clients": (1, CLIENTS[-1], 64),
}


def profile_ask(
    *,
    model: Any,
    target: Any,
    user: User | None,
    deployment: Any = None,
    inference: Any = None,
    sample: Mapping[str, Any] | None = None,
    wanted: Mapping[str, Any] | None = None,
) -> Operation:
    """Measure a version on a target with the resources of a deployment, in the background.

    Args:
        model: `models:/NAME/VERSION`.
        deployment: a deployment configuration in v1's JSON names; what is left out is ours.
        sample: `sample_input`, a request's JSON; without one as `preflight_ask`.
        wanted: `requests_per_second` and `p99_ms` to serve, `time_limit_seconds` of measuring,
            `max_clients` at once; each may be absent or None.
    Raises:
        Invalid: with every field that is wrong. NotFound: there is no such version.
        Conflict: another profile of this version on this target is going on.
    """
    numbers, problems = _numbers(wanted or {})
    place, asked = draft_read(model, target, deployment, inference, sample or {}, *problems)
    return background_open(
        kind=OperationKind.PROFILE,
        subject=subject_of(place, asked["model"], asked["version"]),
        asked=asked | {"wanted": numbers},
        user=user,
    )


def _numbers(given: Mapping[str, Any]) -> tuple[dict[str, float | None], list[Problem]]:
    found: dict[str, float | None] = {}
    problems: list[Problem] = []
    for name, (low, high, default) in NUMBERS.items():
        value = given.get(name)
        found[name] = default if value is None else value
        if value is not None and not _within(value, low, high):
            text = _("must be a number from %(low)s to %(high)s.")
            words = text % {"low": f"{low:g}", "high": f"{high:,g}"}
            problems.append(Invalid(f"{name} {words}", fields={name: [words]}))
    for name in set(given) - set(NUMBERS):
        text = _("is not known here.")
        problems.append(Invalid(f"{name} {text}", fields={name: [text]}))
    return found, problems


def _within(value: Any, low: float, high: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and low <= value <= high  # NaN is not
