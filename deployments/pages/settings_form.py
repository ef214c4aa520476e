"""The configuration of a service as the form on its Settings tab, and back.

One table of controls: the page draws it, reads it, and finds the control of each violation in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext_lazy as _

from deployments.configuring.configuration import RESOURCES, DeploymentConfiguration
from deployments.pages.forms import number

MB = 1024 * 1024


@dataclass(frozen=True)
class Control:
    """One control, and in `value` and `errors` what it holds now.

    Args:
        json: name in the deployment configuration; a dot leads into an object.
        kind: "number", "switch", "choice", "text" or "lines".
        scale: what is typed times this is the value, for units that people read.
    """

    name: str
    json: str
    label: Any
    kind: str = "number"
    help: Any = ""
    unit: Any = ""
    scale: int = 1
    choices: tuple[tuple[str, Any], ...] = ()
    value: Any = ""
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    title: Any
    controls: tuple[Control, ...]


GROUPS = (
    Group(
        _("Resources"),
        (
            Control("cpu", f"{RESOURCES}.cpu", _("CPU"), unit=_("cores")),
            Control("memory", f"{RESOURCES}.memoryInGB", _("Memory"), unit="GB"),
            Control(
                *("workers", "workers", _("Workers")),
                help=_("Processes that each hold the model; they share CPU and memory."),
            ),
            Control(
                *("python", "pythonVersion", _("Python"), "text"),
                help=_("A minor version such as 3.11; empty: the model's."),
            ),
        ),
    ),
    Group(
        _("Requests"),
        (
            Control(
                *("max_concurrent", "maxConcurrentRequestsPerContainer"),
                label=_("Concurrent requests"),
                help=_("In the model at once, per worker; more wait."),
            ),
            Control(
                *("max_queue", "maxQueue", _("Queue")),
                help=_("Requests that may wait, per worker; more get 503 at once."),
            ),
            Control(
                *("queue_wait", "maxQueueWaitMs", _("Queue wait")),
                help=_("Then a waiting request gets 503."),
                unit="ms",
            ),
            Control(
                *("timeout", "scoringTimeoutMs", _("Scoring timeout")),
                help=_("Longest time for one request."),
                unit="s",
                scale=1000,
            ),
            Control(
                *("max_body", "maxBodyBytes", _("Largest body")),
                help=_("A larger request gets 413."),
                unit="MB",
                scale=MB,
            ),
        ),
    ),
    Group(
        _("Batching"),
        (
            Control(
                *("batching", "batching", _("Batching"), "choice"),
                help=_("Automatic scores what waits together, where that is safe; exact never."),
                choices=(("auto", _("Automatic")), ("exact", _("Exact"))),
            ),
            Control("max_batch_rows", "maxBatchRows", _("Rows of a batch"), help=_("At most.")),
        ),
    ),
    Group(
        _("Access"),
        (
            Control("auth", "authEnabled", _("Callers may use a key"), "switch"),
            Control("token_auth", "tokenAuthEnabled", _("Callers may use a token"), "switch"),
            Control(
                *("cors", "corsOrigins", _("Allowed origins (CORS)"), "lines"),
                help=_("Web pages that may call the service, one origin per line; * for all."),
            ),
        ),
    ),
    Group(
        _("Errors, logs and telemetry"),
        (
            Control(
                *("verbose_errors", "verboseErrors", _("Callers see the model's errors"), "switch"),
                help=_("Off: only the log has them. Wrong input is always named."),
            ),
            Control("access_log", "accessLog", _("A log line for each request"), "switch"),
            Control("telemetry", "appInsightsEnabled", _("Send traces (OpenTelemetry)"), "switch"),
            Control(
                *("endpoint", "telemetry.endpoint", _("Collector"), "text"),
                help=_("Address of OTLP over HTTP. Empty: the studio's own, where it has one."),
            ),
            Control(
                *("sample", "telemetry.sample", _("Share of requests traced")),
                help=_("From 0 to 1."),
            ),
        ),
    ),
)


def shown(wish: DeploymentConfiguration) -> tuple[Group, ...]:
    """The form filled with a configuration."""
    stored = wish.as_json()

    def fill(control: Control) -> Control:
        value: Any = stored
        for part in control.json.split("."):
            value = value[part]
        if control.kind == "number":
            value = f"{value / control.scale:.12g}"
        elif control.kind == "lines":
            value = "\n".join(value)
        return replace(control, value="" if value is None else value)

    return _each(fill)


def posted(data: Mapping[str, str]) -> tuple[Group, ...]:
    """The form as a person sent it; a switch that is absent is off."""

    def fill(control: Control) -> Control:
        text = str(data.get(control.name, "")).replace("\x00", "").strip()
        return replace(control, value=bool(text) if control.kind == "switch" else text)

    return _each(fill)


def deployment(groups: tuple[Group, ...]) -> dict[str, Any]:
    """What the form says, in the JSON names; what cannot be read stays text to be refused."""
    raw: dict[str, Any] = {}
    for group in groups:
        for control in group.controls:
            first, _dot, second = control.json.partition(".")
            if second:
                raw.setdefault(first, {})[second] = _read(control)
            else:
                raw[first] = _read(control)
    return raw


def with_problem(
    groups: tuple[Group, ...], fields: Mapping[str, list[str]]
) -> tuple[tuple[Group, ...], dict[str, list[str]]]:
    """The form with each sentence at its control, and those that no control belongs to."""
    left = dict(fields)

    def fill(control: Control) -> Control:
        return replace(control, errors=tuple(left.pop(control.json, ())))

    return _each(fill, groups), left


def _each(fill: Any, groups: tuple[Group, ...] = GROUPS) -> tuple[Group, ...]:
    return tuple(replace(group, controls=tuple(map(fill, group.controls))) for group in groups)


def _read(control: Control) -> Any:
    if control.kind == "lines":
        return [line.strip() for line in str(control.value).splitlines() if line.strip()]
    if control.kind != "number":
        return control.value
    value = number(str(control.value))
    if control.scale == 1 or not isinstance(value, int | float):
        return value
    scaled = value * control.scale
    return round(scaled) if abs(scaled - round(scaled)) < 1e-3 else scaled
