"""What people type on the Deploy page and in Settings, as the values services take.

Numbers that cannot be read are passed on as the text they are: the service functions name every
violation at once, so there is one place that knows the ranges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.configuring.configuration import RESOURCES
from deployments.models import Service
from deployments.pages import carried, script_form
from deployments.pages import wizard_table as table
from deployments.pages.script_form import ScriptInput, script_input
from deployments.pages.wizard import Answers
from registry.models import VersionRecord
from workspaces.errors import Invalid

NAME_LIMIT = 32
LARGEST = 1e15

# names of the configuration -> names of the form's controls, and what a person calls them
CONTROLS: dict[str, str] = {
    "name": "name",
    "model": "version",
    "target": "target",
    "containerResourceRequirements.cpu": "cpu",
    "containerResourceRequirements.memoryInGB": "memory",
    "containerResourceRequirements": "cpu",
    "authEnabled": "auth",
    "tokenAuthEnabled": "token_auth",
    "maxConcurrentRequestsPerContainer": "max_concurrent",
    "maxQueueWaitMs": "queue_wait",
    "scoringTimeoutMs": "timeout",
    "port": "port",
    "pythonVersion": "python",
    "tags": "tags",
    "description": "description",
    **script_form.CONTROLS,
}
LABELS = {
    "name": gettext_lazy("Name"),
    "version": gettext_lazy("Model version"),
    "target": gettext_lazy("Where"),
    "cpu": gettext_lazy("CPU"),
    "memory": gettext_lazy("Memory"),
    "auth": gettext_lazy("Key authentication"),
    "token_auth": gettext_lazy("Token authentication"),
    carried.FIELD: gettext_lazy("Also taken from the file"),
    "max_concurrent": gettext_lazy("Concurrent requests"),
    "queue_wait": gettext_lazy("Queue wait"),
    "timeout": gettext_lazy("Scoring timeout"),
    "port": gettext_lazy("Port"),
    "python": gettext_lazy("Python"),
    "tags": gettext_lazy("Tags"),
    "description": gettext_lazy("Description"),
    **script_form.LABELS,
}


@dataclass(frozen=True)
class DeployInput:
    """The Deploy page's controls as text, and what was wrong with them."""

    model: str
    version: str = ""
    name: str = ""
    target: str = ""
    kind: str = ""
    cpu: str = "1"
    memory: str = "1"
    auth: bool = True
    token_auth: bool = False
    max_concurrent: str = "64"
    queue_wait: str = "500"
    timeout: str = "60"  # seconds; the configuration counts milliseconds
    port: str = ""
    python: str = ""
    description: str = ""
    tags: str = ""
    carried: str = ""  # JSON of what no control has, from an imported file
    script: ScriptInput = field(default_factory=ScriptInput)
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def model_uri(self) -> str:
        return f"models:/{self.model}/{self.version}"

    @property
    def advanced_errors(self) -> bool:
        """Whether the collapsed part holds an error, and must be open."""
        hidden = {"max_concurrent", "queue_wait", "timeout", "port", "python"}
        return bool(hidden & set(self.errors))

    def deployment(self) -> dict[str, Any]:
        """The deployment configuration in v1's JSON names; a control wins over what is carried."""
        raw: dict[str, Any] = {
            **carried.carried_read(self.carried),
            RESOURCES: {
                "cpu": number(self.cpu),
                "memoryInGB": number(self.memory),
            },
            "authEnabled": self.auth,
            "tokenAuthEnabled": self.token_auth,
            "maxConcurrentRequestsPerContainer": number(self.max_concurrent),
            "maxQueueWaitMs": number(self.queue_wait),
            "scoringTimeoutMs": _milliseconds(self.timeout),
        }
        if self.kind == "local" and self.port.strip():
            raw["port"] = number(self.port)
        if self.python:
            raw["pythonVersion"] = self.python
        return raw

    @property
    def carried_lines(self) -> list[str]:
        """What no control has, for people."""
        return carried.carried_lines(self.carried)

    def with_problem(self, fields: Mapping[str, list[str]]) -> DeployInput:
        """The same input with the sentences of a Problem at their controls."""
        errors: dict[str, list[str]] = {name: list(texts) for name, texts in self.errors.items()}
        for name, texts in fields.items():
            control = CONTROLS.get(name) or CONTROLS.get(".".join(name.split(".")[:2]), name)
            known = errors.setdefault(control, [])
            known.extend(text for text in texts if text not in known)
        return replace(self, errors=errors)

    def labelled_errors(self) -> dict[str, list[str]]:
        """The errors under the names that people see."""
        return {str(LABELS.get(name, name)): texts for name, texts in self.errors.items()}


def number(text: str) -> Any:
    """A number from text; empty is None (the default), anything else stays text to be refused."""
    stripped = text.strip().replace(",", ".")
    if not stripped:
        return None
    for read in (int, float):
        try:
            value = read(stripped)
        except ValueError:
            continue
        return value if abs(value) < LARGEST else text  # NaN and infinity stay text too
    return text


def _milliseconds(seconds: str) -> Any:
    value = number(seconds)
    if not isinstance(value, int | float):
        return value
    scaled = value * 1000
    return round(scaled) if abs(scaled - round(scaled)) < 1e-3 else scaled


def deploy_input(posted: Mapping[str, str], kind: str = "") -> DeployInput:
    """Read a posted Deploy page. `kind` is that of the chosen target, "" when there is none."""
    texts: dict[str, Any] = {
        name: str(posted.get(name, "")).strip()
        for name in (
            *("model", "version", "name", "target", "cpu", "memory", "max_concurrent"),
            *("queue_wait", "timeout", "port", "python", "description", "tags", carried.FIELD),
        )
    }
    script = script_input(posted)
    return DeployInput(
        **texts,
        kind=kind,
        auth=bool(posted.get("auth")),
        token_auth=bool(posted.get("token_auth")),
        script=script,
    )


def with_deployment(values: DeployInput, raw: Mapping[str, Any]) -> DeployInput:
    """The form with an imported configuration: controls where they can say it, else carried.

    What the file leaves out stays as it was typed, but for who may call: keys where it says
    nothing, and no tokens, so that no file opens what another one has closed.

    Args:
        raw: what `deployment_import` gave.
    """
    left = {name: value for name, value in raw.items() if value is not None}
    resources = left.pop(RESOURCES, {})
    timeout = left.pop("scoringTimeoutMs", None)
    found: dict[str, Any] = {
        "cpu": resources.get("cpu"),
        "memory": resources.get("memoryInGB"),
        "max_concurrent": left.pop("maxConcurrentRequestsPerContainer", None),
        "queue_wait": left.pop("maxQueueWaitMs", None),
        "timeout": None if timeout is None else timeout / 1000,
        "port": left.pop("port", None),
        "python": left.pop("pythonVersion", None),
    }
    texts: dict[str, Any] = {
        name: f"{value:.12g}" if isinstance(value, float) else str(value)
        for name, value in found.items()
        if value is not None
    }
    if "description" in left:
        fits = carried.is_line(left["description"])
        texts["description"] = left.pop("description") if fits else ""
    if "tags" in left:
        fit, others = carried.tags_split(left.pop("tags"))
        texts["tags"] = ", ".join(f"{key}={value}" for key, value in fit.items())
        left |= {"tags": others} if others else {}
    auth, token = left.pop("authEnabled", True), left.pop("tokenAuthEnabled", False)
    rest = carried.carried_text(left)
    return replace(values, **texts, auth=auth, token_auth=token, carried=rest)


def service_name(model: str, version: str) -> str:
    """`<model>-v<version>` made to fit the rule of service names."""
    suffix = "-v" + (re.sub(r"[^a-z0-9]+", "", version.lower()) or "1")
    base = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-").lstrip("0123456789-")
    base = base or "model"
    return base[: NAME_LIMIT - len(suffix)].rstrip("-") + suffix


def free_name(wanted: str) -> str:
    """`wanted`, or `wanted-2`, `wanted-3`, … while a service of that name exists. One query."""
    stem = wanted[: NAME_LIMIT - 5]
    taken = set(Service.objects.filter(name__startswith=stem).values_list("name", flat=True))
    if wanted not in taken:
        return wanted
    for count in range(2, len(taken) + 3):
        suffix = f"-{count}"
        name = wanted[: NAME_LIMIT - len(suffix)].rstrip("-") + suffix
        if name not in taken:
            return name
    return wanted


def measured(store: str, model: str, version: str) -> VersionRecord | None:
    """What was measured of a version, if anything."""
    return VersionRecord.objects.filter(store=store, name=model, version=version).first()


def answers_read(
    posted: Mapping[str, str], memory_mb: float | None, milliseconds: float | None = None
) -> Answers:
    """The questions of Help me choose from a posted form.

    Args:
        memory_mb, milliseconds: measured; used where nothing was typed.
    Raises:
        Invalid: by question; no answer that exists is missing from its choices.
    """
    errors: dict[str, list[str]] = {}
    choices = {
        "mode": table.MODES,
        "callers": table.CALLERS,
        "accelerator": table.ACCELERATORS,
        "survive": table.SURVIVALS,
        "purpose": table.PURPOSES,
        "authentication": table.AUTHENTICATIONS,
    }
    read: dict[str, Any] = {}
    for name, allowed in choices.items():
        value = posted.get(name)
        if value in (None, ""):
            continue
        if value not in dict(allowed):
            words = ", ".join(key for key, _label in allowed)
            errors[name] = [_("must be one of %(words)s.") % {"words": words}]
        read[name] = value
    rate = _positive(posted, "requests_per_second", 1.0, 1_000_000, errors)
    usual = milliseconds or table.DEFAULT_SECONDS * 1000
    millis = _positive(posted, "milliseconds", usual, 3_600_000, errors)
    gigabytes = _positive(posted, "memory", None, 4096, errors)
    if errors:
        raise Invalid(_("Some answers cannot be used."), fields=errors)
    assert rate is not None
    assert millis is not None
    return Answers(
        **read,
        requests_per_second=rate,
        seconds_per_request=millis / 1000,
        memory_mb=gigabytes * 1024 if gigabytes is not None else memory_mb,
        trusted=str(posted.get("trusted", "yes")) not in {"no", "False", "false"},
    )


def _positive(
    posted: Mapping[str, Any],
    name: str,
    default: float | None,
    high: float,
    errors: dict[str, list[str]],
) -> float | None:
    raw = posted.get(name)
    value = number(str(raw)) if raw is not None else None
    if value is None:
        return default
    if isinstance(value, str) or not 0 < value <= high:
        errors[name] = [_("must be a number above 0, at most %(high)s.") % {"high": f"{high:g}"}]
        return default
    return float(value)
