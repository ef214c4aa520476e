"""Deployment configuration: v1's names and ranges, our defaults, all violations in one message.

Source of names and ranges: Azure ML v1, `LocalWebservice`, `AciWebservice` and `AksWebservice`
`deploy_configuration`. Our own defaults differ where v1's would hurt (CPU 0.1, memory 0.5 GB,
authentication off, one request at a time). What v1 has no name for is named in the same manner.
Every field with its range and default: docs/reference/deployment-configuration.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.configuring.configuration_reader import Reader, endpoint
from serving.contract import MAX_BATCH_ROWS, MAX_BODY_BYTES, MAX_QUEUE
from workspaces.errors import Invalid

KINDS = ("local", "docker", "fake")
MIN_MEMORY_MB = 64
GB = 1024  # MB
BATCHING = ("auto", "exact")
RESOURCES = "containerResourceRequirements"
Batching = Literal["auto", "exact"]
PYTHON = "pythonVersion"
_MINOR = re.compile(r"3\.(?:[7-9]|[1-9]\d)")

# field of DeploymentConfiguration -> JSON name, lowest and highest value of whole numbers
WHOLE: dict[str, tuple[str, int, int]] = {
    "replicas": ("numReplicas", 1, 1),
    "workers": ("workers", 1, 32),
    "max_concurrent_requests": ("maxConcurrentRequestsPerContainer", 1, 10_000),
    "max_queue": ("maxQueue", 0, 100_000),
    "max_queue_wait_ms": ("maxQueueWaitMs", 0, 600_000),
    "scoring_timeout_ms": ("scoringTimeoutMs", 100, 3_600_000),
    "max_batch_rows": ("maxBatchRows", 1, 100_000),
    "max_body_bytes": ("maxBodyBytes", 1024, 2 * 1024**3),
}
SWITCHES: dict[str, str] = {
    "auth_enabled": "authEnabled",
    "token_auth_enabled": "tokenAuthEnabled",
    "verbose_errors": "verboseErrors",
    "access_log": "accessLog",
}


@dataclass(frozen=True)
class DeploymentConfiguration:
    """What a revision asks of its target. Memory in MB, CPU in cores, times in milliseconds."""

    cpu: float = 1.0
    memory_mb: int = GB
    replicas: int = 1
    port: int | None = None
    auth_enabled: bool = True
    max_concurrent_requests: int = 64  # per worker
    max_queue_wait_ms: int = 500
    scoring_timeout_ms: int = 60_000
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    description: str = ""
    workers: int = 1
    max_queue: int = MAX_QUEUE  # waiting requests per worker
    batching: Batching = "auto"
    max_batch_rows: int = MAX_BATCH_ROWS
    verbose_errors: bool = True
    access_log: bool = True
    cors_origins: list[str] = field(default_factory=list)
    max_body_bytes: int = MAX_BODY_BYTES
    token_auth_enabled: bool = False
    app_insights_enabled: bool = False
    telemetry_endpoint: str = ""  # of an OTLP collector; used while app_insights_enabled
    telemetry_sample: float = 0.01  # share of requests that leave a trace
    python: str = ""  # minor to run on instead of the model's; empty: the model's

    def as_dict(self) -> dict[str, Any]:
        """As it is stored with a revision."""
        return asdict(self)

    def as_json(self) -> dict[str, Any]:
        """In the JSON names that `validate` takes; it gives this configuration back."""
        return {
            RESOURCES: {"cpu": self.cpu, "memoryInGB": self.memory_mb / GB},
            **{name: getattr(self, key) for key, (name, _low, _high) in WHOLE.items()},
            **{name: getattr(self, key) for key, name in SWITCHES.items()},
            **({} if self.port is None else {"port": self.port}),
            "batching": self.batching,
            PYTHON: self.python or None,
            "corsOrigins": self.cors_origins,
            "appInsightsEnabled": self.app_insights_enabled,
            "telemetry": {
                "endpoint": self.telemetry_endpoint or None,
                "sample": self.telemetry_sample,
            },
            "tags": self.tags,
            "properties": self.properties,
            "description": self.description,
        }


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
        RESOURCES: {"cpu": 1.0, "memoryInGB": memory_gb},
        "authEnabled": True,
        "maxConcurrentRequestsPerContainer": 64,
        "maxQueueWaitMs": 500,
        "scoringTimeoutMs": 60_000,
    }


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
    reader = Reader(raw)
    _check_kind(reader, kind)
    whole: dict[str, Any] = {
        key: reader.take_whole(name, getattr(base, key), low, high)
        for key, (name, low, high) in WHOLE.items()
    }
    switches: dict[str, Any] = {
        key: reader.take_bool(name, getattr(base, key)) for key, name in SWITCHES.items()
    }
    configuration = DeploymentConfiguration(
        **whole,
        **switches,
        **_resources(reader, base),
        **_telemetry(reader, base),
        port=_port(reader, kind, base),
        python=_python(reader, base),
        batching=cast(Batching, reader.take_choice("batching", base.batching, BATCHING)),
        cors_origins=reader.take_origins("corsOrigins", base.cors_origins),
        tags=reader.take_pairs("tags", base.tags),
        properties=reader.take_pairs("properties", base.properties),
        description=reader.take_text("description", base.description),
    )
    for name in reader.left:
        reader.fault(str(name), _("is not known here."))
    if reader.violations:
        raise Invalid(_summary(reader.violations), fields=reader.violations)
    return configuration


def _check_kind(reader: Reader, kind: str) -> None:
    given = reader.left.pop("computeType", None)
    if given is not None and (not isinstance(given, str) or given.lower() != kind):
        reader.fault("computeType", _("must be %(kind)s for this target.") % {"kind": kind})


def _resources(reader: Reader, base: DeploymentConfiguration) -> dict[str, Any]:
    given = reader.take_object(RESOURCES, ("cpu", "memoryInGB"))
    cpu = reader.number(f"{RESOURCES}.cpu", given.get("cpu"), base.cpu, 0.1, 1024, whole=False)
    low, before = MIN_MEMORY_MB / GB, base.memory_mb / GB
    name = f"{RESOURCES}.memoryInGB"
    memory = reader.number(name, given.get("memoryInGB"), before, low, 4096, whole=False)
    return {"cpu": float(cpu), "memory_mb": round(memory * GB)}


def _telemetry(reader: Reader, base: DeploymentConfiguration) -> dict[str, Any]:
    """v1's switch and where the traces go; the studio's own collector when nothing is named."""
    alias = reader.take_bool("enableAppInsights", base.app_insights_enabled)
    enabled = reader.take_bool("appInsightsEnabled", alias)
    given = reader.take_object("telemetry", ("endpoint", "sample"))
    address = base.telemetry_endpoint
    if "endpoint" in given:
        asked = given["endpoint"]
        address = "" if asked in (None, "") else endpoint(asked)
        if asked not in (None, "") and not address:
            text = _("must be an http or https address such as http://collector:4318.")
            reader.fault("telemetry.endpoint", text)
    if enabled and not address and "telemetry.endpoint" not in reader.violations:
        address = settings.SLIPWAY.otlp_endpoint
        if not address:
            text = _("is needed for telemetry, as SLIPWAY_OTLP_ENDPOINT names no collector here.")
            reader.fault("telemetry.endpoint", text)
    sample = reader.number(
        "telemetry.sample", given.get("sample"), base.telemetry_sample, 0, 1, whole=False
    )
    return {
        "app_insights_enabled": enabled,
        "telemetry_endpoint": address,
        "telemetry_sample": float(sample),
    }


def _port(reader: Reader, kind: str, base: DeploymentConfiguration) -> int | None:
    if "port" not in reader.left:
        return base.port
    value = reader.left.pop("port")
    if value is None:
        return None
    if kind != "local":
        reader.fault("port", _("can be chosen on a local target only."))
        return None
    return int(reader.number("port", value, 0, 1, 65535, whole=True)) or None


def _python(reader: Reader, base: DeploymentConfiguration) -> str:
    given = reader.take_text(PYTHON, base.python).strip()
    if given and not _MINOR.fullmatch(given):
        reader.fault(PYTHON, _("must be a minor version such as 3.11, or empty for the model's."))
    return given


def _summary(violations: Mapping[str, list[str]]) -> str:
    lines = [f"{name} {text}" for name, texts in violations.items() for text in texts]
    return _("The deployment configuration cannot be used: ") + " ".join(lines)
