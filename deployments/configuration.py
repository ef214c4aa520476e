"""Deployment configuration: v1's names and ranges, our defaults, all violations in one message.

Source of names and ranges: Azure ML v1, `LocalWebservice`, `AciWebservice` and `AksWebservice`
`deploy_configuration`. Our own defaults differ where v1's would hurt (CPU 0.1, memory 0.5 GB,
authentication off).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from workspaces.errors import Invalid

KINDS = ("local", "docker", "fake")
MIN_MEMORY_MB = 64
LARGEST = 1e15
GB = 1024  # MB


@dataclass(frozen=True)
class DeploymentConfiguration:
    """What a revision asks of its target. Memory in MB, CPU in cores, times in milliseconds."""

    cpu: float = 1.0
    memory_mb: int = GB
    replicas: int = 1
    port: int | None = None
    auth_enabled: bool = True
    max_concurrent_requests: int = 64
    max_queue_wait_ms: int = 500
    scoring_timeout_ms: int = 60_000
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    description: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_dict(stored: Mapping[str, Any]) -> DeploymentConfiguration:
    """Read back what `as_dict` gave; names of later versions are ignored."""
    known = DeploymentConfiguration.__dataclass_fields__
    return DeploymentConfiguration(**{key: stored[key] for key in known if key in stored})


def defaults(kind: str, memory_mb: float | None = None) -> dict[str, Any]:
    """The configuration a Deploy page starts with, in v1's JSON names.

    Args:
        kind: target kind.
        memory_mb: measured memory of the model, if known.
    """
    memory_gb = max(1.0, round((memory_mb or 0) * 1.5 / GB, 2))
    return {
        "computeType": kind,
        "containerResourceRequirements": {"cpu": 1.0, "memoryInGB": memory_gb},
        "authEnabled": True,
        "maxConcurrentRequestsPerContainer": 64,
        "maxQueueWaitMs": 500,
        "scoringTimeoutMs": 60_000,
    }


class _Reader:
    """Takes values out of a JSON object and collects every violation by field name."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.left = dict(raw)
        self.violations: dict[str, list[str]] = {}

    def fault(self, name: str, text: str) -> None:
        self.violations.setdefault(name, []).append(text)

    def number(
        self, name: str, value: Any, default: float, low: float, high: float, *, whole: bool
    ) -> float:
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(name, _("must be a number, not %(value)r.") % {"value": value})
            return default
        if not -LARGEST < value < LARGEST:  # NaN and infinity as well; formatting needs a float
            self.fault(name, _("must be from %(low)s to %(high)s.") % {"low": low, "high": high})
            return default
        if whole and value != int(value):
            self.fault(name, _("must be a whole number, not %(value)s.") % {"value": value})
            return default
        if not low <= value <= high:
            self.fault(
                name,
                _("must be from %(low)s to %(high)s, not %(value)s.")
                % {"low": f"{low:g}", "high": f"{high:g}", "value": f"{value:g}"},
            )
            return default
        return value

    def take_whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.number(name, self.left.pop(name, None), default, low, high, whole=True)
        return int(value)

    def take_bool(self, name: str, default: bool) -> bool:
        value = self.left.pop(name, None)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(name, _("must be true or false, not %(value)r.") % {"value": value})
            return default
        return value

    def take_text(self, name: str) -> str:
        value = self.left.pop(name, None)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > 10_000 or "\x00" in value:
            self.fault(name, _("must be a text of at most 10,000 characters."))
            return ""
        return value

    def take_pairs(self, name: str) -> dict[str, str]:
        value = self.left.pop(name, None)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(
            isinstance(key, str) and isinstance(item, str) and "\x00" not in key + item
            for key, item in value.items()
        ):
            self.fault(name, _("must be an object of texts."))
            return {}
        return dict(value)


def _resources(reader: _Reader, fallback: DeploymentConfiguration) -> tuple[float, int]:
    key = "containerResourceRequirements"
    raw = reader.left.pop(key, None)
    if raw is None:
        return fallback.cpu, fallback.memory_mb
    if not isinstance(raw, Mapping):
        reader.fault(key, _("must be an object with cpu and memoryInGB."))
        return fallback.cpu, fallback.memory_mb
    for name in raw:
        if name not in {"cpu", "memoryInGB"}:
            reader.fault(f"{key}.{name}", _("is not known here."))
    cpu = reader.number(f"{key}.cpu", raw.get("cpu"), fallback.cpu, 0.1, 1024, whole=False)
    low = MIN_MEMORY_MB / GB
    memory = reader.number(
        f"{key}.memoryInGB", raw.get("memoryInGB"), fallback.memory_mb / GB, low, 4096, whole=False
    )
    return float(cpu), round(memory * GB)


def validate(
    kind: str, raw: Any, fallback: DeploymentConfiguration | None = None
) -> DeploymentConfiguration:
    """Turn v1's JSON into a configuration; omitted values are those of `fallback`.

    Raises:
        Invalid: one message that lists all violations, by field as well.
    """
    if not isinstance(raw, Mapping):
        raise Invalid(_("The deployment configuration must be a JSON object."), fields={})
    base = fallback or DeploymentConfiguration()
    reader = _Reader(raw)
    _check_kind(reader, kind)
    cpu, memory_mb = _resources(reader, base)
    given = set(reader.left)
    configuration = DeploymentConfiguration(
        cpu=cpu,
        memory_mb=memory_mb,
        replicas=reader.take_whole("numReplicas", base.replicas, 1, 1),
        port=_port(reader, kind, base),
        auth_enabled=reader.take_bool("authEnabled", base.auth_enabled),
        max_concurrent_requests=reader.take_whole(
            "maxConcurrentRequestsPerContainer", base.max_concurrent_requests, 1, 10_000
        ),
        max_queue_wait_ms=reader.take_whole("maxQueueWaitMs", base.max_queue_wait_ms, 0, 600_000),
        scoring_timeout_ms=reader.take_whole(
            "scoringTimeoutMs", base.scoring_timeout_ms, 100, 3_600_000
        ),
        tags=reader.take_pairs("tags") if "tags" in given else base.tags,
        properties=reader.take_pairs("properties") if "properties" in given else base.properties,
        description=reader.take_text("description") if "description" in given else base.description,
    )
    for name in reader.left:
        reader.fault(str(name), _("is not known here."))
    if reader.violations:
        raise Invalid(_summary(reader.violations), fields=reader.violations)
    return configuration


def _check_kind(reader: _Reader, kind: str) -> None:
    given = reader.left.pop("computeType", None)
    if given is not None and (not isinstance(given, str) or given.lower() != kind):
        reader.fault("computeType", _("must be %(kind)s for this target.") % {"kind": kind})


def _port(reader: _Reader, kind: str, base: DeploymentConfiguration) -> int | None:
    if "port" not in reader.left:
        return base.port
    value = reader.left.pop("port")
    if value is None:
        return None
    if kind != "local":
        reader.fault("port", _("can be chosen on a local target only."))
        return None
    return int(reader.number("port", value, 0, 1, 65535, whole=True)) or None


def _summary(violations: Mapping[str, list[str]]) -> str:
    lines = [f"{name} {text}" for name, texts in violations.items() for text in texts]
    return _("The deployment configuration cannot be used: ") + " ".join(lines)
