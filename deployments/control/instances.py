"""The instance a revision wants on its target: spec, digest, name and folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, cast

from django.conf import settings

from deployments.access import keys
from deployments.configuring import configuration
from deployments.control import ports
from deployments.drivers.base import InstanceSpec
from deployments.models import Revision, Service
from deployments.pages import script_parts
from serving.contract import MAX_BATCH_ROWS, MAX_QUEUE, Loader, ReplicaConfig

RUNTIME_DEFAULTS = {
    "batch": False,
    "max_batch_rows": MAX_BATCH_ROWS,
    "max_queue": MAX_QUEUE,
    "access_log": True,
}


def instance_name(service: str, revision: int, replica: int = 0) -> str:
    return f"{service}-{revision}-{replica}"


def parse_instance_name(name: str) -> tuple[str, int, int]:
    """Service, revision and replica of an instance name.

    Raises:
        ValueError: it is not one of ours.
    """
    service, revision, replica = name.rsplit("-", 2)
    return service, int(revision), int(replica)


def replica_folder(service: str, revision: int, replica: int = 0) -> Path:
    folder: Path = settings.DATA.replica(service, revision, replica)
    return folder


def instance_spec(service: Service, revision: Revision) -> InstanceSpec:
    """What the driver shall converge to.

    Raises:
        NoCapacity: there is no free port.
    """
    wish = configuration.from_dict(revision.deployment)
    port = ports.port_for(revision, wanted=wish.port)
    config = replica_config(service, revision, wish, port)
    digest = _digest(service, revision, config)
    config["digest"] = digest
    image = revision.image
    return InstanceSpec(
        name=instance_name(service.name, revision.number),
        service=service.name,
        revision=revision.number,
        replica=0,
        digest=digest,
        port=port,
        config=config,
        auth=keys.auth_document(service, revision),
        folder=replica_folder(service.name, revision.number),
        model_dir=settings.DATA.models / revision.model_sha256,
        environment_dir=settings.DATA.environments / revision.environment_hash,
        runtime_dir=settings.DATA.runtimes / revision.runtime,
        image=image,
    )


def replica_config(
    service: Service, revision: Revision, wish: configuration.DeploymentConfiguration, port: int
) -> ReplicaConfig:
    """What a replica of a revision is told; its digest is still missing."""
    config: ReplicaConfig = {
        "service": service.name,
        "revision": revision.number,
        "replica": 0,
        "digest": "",
        "host": "127.0.0.1",
        "port": port,
        "model_dir": str(settings.DATA.models / revision.model_sha256),
        "model_name": revision.model_name,
        "model_version": revision.model_version,
        "workers": wish.workers,
        "cpu": wish.cpu,
        "memory_mb": wish.memory_mb,
        "max_concurrent": wish.max_concurrent_requests,
        "max_queue_wait_ms": wish.max_queue_wait_ms,
        "scoring_timeout_ms": wish.scoring_timeout_ms,
        "max_body_bytes": wish.max_body_bytes,
        "verbose_errors": wish.verbose_errors,
        "loader": cast(Loader, revision.loader),
    }
    options = {
        "batch": batches(revision, wish),
        "max_batch_rows": wish.max_batch_rows,
        "max_queue": wish.max_queue,
        "access_log": wish.access_log,
    }
    # what is the runtime's own default stays unsaid: then the digest of a revision made by an
    # earlier version is what it was, and an upgrade restarts nothing
    config.update({key: value for key, value in options.items() if value != RUNTIME_DEFAULTS[key]})  # type: ignore[typeddict-item]
    config.update(script_parts.replica_config(revision))  # type: ignore[typeddict-item]
    if wish.app_insights_enabled:
        config["trace_endpoint"] = wish.telemetry_endpoint
        config["trace_sample"] = wish.telemetry_sample
    return config


def batches(revision: Revision, wish: configuration.DeploymentConfiguration) -> bool:
    """Whether requests that wait together are scored together: shown to be safe, and wanted."""
    return bool(revision.row_wise) and wish.batching == "auto"


def _digest(service: Service, revision: Revision, config: ReplicaConfig) -> str:
    """Equal digests mean equal processes. A restart asked for by a person is part of the wish."""
    asked = service.restart_generation if revision.pk == service.wanted_id else 0
    wish: dict[str, Any] = {
        "config": dict(config),
        "environment": revision.environment_hash,
        "image": revision.image,
        # not the runtime: an upgrade of Slipway must not restart what serves
        "python": revision.python,
        "restart": asked,
    }
    return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()[:24]


def is_prepared(revision: Revision, *, builds_image: bool) -> bool:
    """True when the long steps have left everything that starting needs."""
    if builds_image:
        return bool(revision.image)
    return bool(revision.model_sha256 and revision.environment_hash)
