"""The long steps of an operation, run by workers of the `steps` queue.

A step is claimed by compare-and-set, says that it lives while it runs, works in `tmp/` and
publishes by rename. A worker that dies leaves a stale heartbeat; reconcile queues the step anew.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import environments, images, oplog, pythons, runtimes, smoke
from deployments.choices import LONG_STEPS, OperationStatus, StepName, StepState
from deployments.drivers.base import DriverError, TargetUnreachable
from deployments.models import Operation, Revision, Service, Step
from deployments.operations import (
    current_step,
    operation_end,
    step_end,
    step_requeue,
    step_start,
)
from deployments.processes import Cancelled
from deployments.targets import driver_for
from deployments.wake import wake
from registry import files, selectors
from registry.services import VersionInfo
from workspaces.errors import Problem, Unavailable

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
STALE_SECONDS = 10.0


class StepFailed(Exception):
    """The step cannot succeed for this revision; the message is for the service page."""


@dataclass(frozen=True)
class Work:
    """One claimed step with what its handler needs."""

    operation: Operation
    step: Step
    revision: Revision
    log: Callable[[str], None]
    cancelled: Callable[[], bool]

    def builder(self) -> environments.Builder:
        return environments.Builder(
            root=settings.DATA.environments,
            tmp=settings.DATA.tmp,
            user=settings.SLIPWAY.service_user,
            log=self.log,
            cancelled=self.cancelled,
        )


def run_steps(operation_id: str) -> None:
    """Run the operation's long steps, one after the other, until one is not ours to run."""
    while (work := _claim(operation_id)) is not None:
        with _heartbeat(work.step):
            ended = _run(work)
        if not ended:
            break
    Service.objects.filter(operations=operation_id).update(next_check_at=timezone.now())
    wake()


def _claim(operation_id: str) -> Work | None:
    operation = (
        Operation.objects.select_related("service__target", "revision")
        .filter(pk=operation_id, status=OperationStatus.RUNNING, cancel_requested_at=None)
        .first()
    )
    if operation is None or operation.revision is None or operation.service is None:
        return None
    step = current_step(operation)
    if step is None or step.name not in LONG_STEPS or not step_start(step):
        return None
    claim = secrets.token_hex(8)
    Step.objects.filter(pk=step.pk).update(claim=claim)
    step.refresh_from_db()
    return Work(operation, step, operation.revision, oplog.writer(step), _cancel_check(step))


def _cancel_check(step: Step) -> Callable[[], bool]:
    """True once the operation ended, cancel was asked for, or another worker has the step."""

    def check() -> bool:
        return not Step.objects.filter(
            pk=step.pk,
            claim=step.claim,
            state=StepState.RUNNING,
            operation__status=OperationStatus.RUNNING,
            operation__cancel_requested_at=None,
        ).exists()

    return check


@contextmanager
def _heartbeat(step: Step) -> Iterator[None]:
    """Write the step's heartbeat every second from a thread of its own."""
    done = threading.Event()

    def beat() -> None:
        try:
            while not done.wait(HEARTBEAT_SECONDS):
                Step.objects.filter(pk=step.pk, claim=step.claim).update(
                    heartbeat_at=timezone.now()
                )
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name="step-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _run(work: Work) -> bool:
    """Run one claimed step; True when it succeeded and the next may follow."""
    try:
        _check_disk()
        message = _HANDLERS[StepName(work.step.name)](work)
    except (Cancelled, images.BuildCancelled):
        work.log(_("Cancelled."))
        return False
    except (TargetUnreachable, Unavailable) as error:
        _later(work, str(error))
        return False
    except (
        StepFailed,
        smoke.SmokeFailed,
        images.ImageFailed,
        environments.EnvironmentFailed,
        DriverError,
        Problem,
    ) as error:
        _fail(work, str(error))
        return False
    except Exception:
        logger.exception("step %s of %s", work.step.name, work.operation.pk)
        work.log(traceback.format_exc())
        _fail(work, _("Slipway itself failed in this step; the log has the details."))
        return False
    if work.cancelled():
        return False
    return step_end(work.step, StepState.SUCCEEDED, message)


def _check_disk() -> None:
    free = shutil.disk_usage(settings.DATA.root).free
    if free < settings.SLIPWAY.min_free_bytes:
        raise StepFailed(
            _("Only %(free)s MB of disk are free; free some space and try again.")
            % {"free": free // (1024 * 1024)}
        )


def _later(work: Work, message: str) -> None:
    """An engine is away: the step waits, reconcile queues it again."""
    work.log(message)
    step_requeue(work.step, message)


def _fail(work: Work, message: str) -> None:
    work.log(message)
    if not work.cancelled():
        operation_end(work.operation, OperationStatus.FAILED, message)


def _version(revision: Revision) -> VersionInfo:
    return selectors.version_get(revision.model_name, revision.model_version)


def copy_model(work: Work) -> str:
    """Copy the model's files read-only to models/<sha256>/; the revision runs from there alone."""
    revision = work.revision
    if revision.model_sha256 and (settings.DATA.models / revision.model_sha256).is_dir():
        work.log("The model's files are in place.")
        return ""
    work.log(f"Copying {revision.model_uri}")
    sha256 = files.version_materialize(
        name=revision.model_name,
        version=revision.model_version,
        destination_root=settings.DATA.models,
    )
    Revision.objects.filter(pk=revision.pk).update(model_sha256=sha256)
    revision.model_sha256 = sha256
    work.log(f"sha256 {sha256}")
    return ""


def prepare_environment(work: Work) -> str:
    """Resolve the requirements and, on a target without images, build the environment."""
    revision = work.revision
    version = _version(revision)
    if driver_for(work.operation.service.target).builds_image:  # type: ignore[union-attr]
        return _prepare_for_image(work, version)
    builder = work.builder()
    environments.folder_ready(builder.root, builder.user)
    environments.folder_ready(builder.tmp, builder.user)
    python = _python(version.python_version)
    lock = environments.resolve(builder, _requirements(version), python.minor)
    folder = environments.build(builder, lock, python)
    runtimes.install(builder, settings.DATA.runtimes, python)
    _keep(revision, python=python.minor, environment_hash=folder.name)
    return ""


def _prepare_for_image(work: Work, version: VersionInfo) -> str:
    builder = work.builder()
    environments.folder_ready(builder.root, builder.user)
    environments.folder_ready(builder.tmp, builder.user)
    wanted = version.python_version or pythons.own_minor()
    found = images.base_image_python(settings.SLIPWAY.base_image)
    if found != wanted:
        raise StepFailed(
            _("The model needs Python %(wanted)s, the base image %(image)s has %(found)s.")
            % {"wanted": wanted, "image": settings.SLIPWAY.base_image, "found": found}
        )
    lock = environments.resolve(builder, _requirements(version), found)
    digest = environments.environment_hash(lock, found)
    _keep(work.revision, python=found, environment_hash=digest)
    (builder.root / "locks" / f"{digest}.lock.txt").write_text(lock, encoding="utf-8")
    return ""


def _keep(revision: Revision, **values: str) -> None:
    Revision.objects.filter(pk=revision.pk).update(**values)
    for name, value in values.items():
        setattr(revision, name, value)


def _requirements(version: VersionInfo) -> list[str]:
    if not version.requirements:
        raise StepFailed(_("The model lists no requirements; log it again with pip_requirements."))
    return version.requirements


def _python(minor: str) -> pythons.Python:
    found = pythons.available(settings.SLIPWAY.service_user)
    wanted = minor or pythons.own_minor()
    if wanted not in found:
        raise StepFailed(
            _("The model needs Python %(wanted)s; this machine has %(found)s. Install it, or log ")
            % {"wanted": wanted, "found": ", ".join(sorted(found)) or _("none")}
            + _("the model with one of those.")
        )
    return found[wanted]


def build_image(work: Work) -> str:
    """Build the service's image: base, environment (reused by hash), runtime, model."""
    revision = work.revision
    lock_file = settings.DATA.environments / "locks" / f"{revision.environment_hash}.lock.txt"
    common = {"log": work.log, "cancelled": work.cancelled}
    environment = images.environment_image(
        base_image=settings.SLIPWAY.base_image,
        lock_text=lock_file.read_text(encoding="utf-8"),
        env_hash=revision.environment_hash,
        **common,
    )
    image = images.service_image(
        environment_image=environment,
        model_dir=settings.DATA.models / revision.model_sha256,
        model_sha256=revision.model_sha256,
        node=settings.DATA.node_id,
        **common,
    )
    _keep(revision, image=image)
    return ""


def smoke_test(work: Work) -> str:
    """Score the model's own input example through the new revision's endpoint."""
    return smoke.smoke_test(work.operation.service, work.revision, work.log)  # type: ignore[arg-type]


_HANDLERS: dict[StepName, Callable[[Work], str]] = {
    StepName.COPY_MODEL: copy_model,
    StepName.PREPARE_ENVIRONMENT: prepare_environment,
    StepName.BUILD_IMAGE: build_image,
    StepName.SMOKE_TEST: smoke_test,
}
