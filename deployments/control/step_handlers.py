"""What each long step does. Idempotent: what is there already is used again.

After "Copy model" a revision lives from its own copy in `models/<sha256>/`; MLflow is not asked
again, so a version that vanishes behind our back stops no service.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.building import environments, images, loading, modelcheck, pythons, runtimes
from deployments.building.processes import Cancelled
from deployments.choices import OperationKind, StepName
from deployments.configuring import configuration, scripted
from deployments.control import smoke
from deployments.drivers.docker import DockerDriver
from deployments.models import Operation, Revision, Service, Step
from deployments.pages import script_parts
from deployments.targets import driver_for
from registry import files
from registry.facts import Facts, facts_read
from workspaces.errors import Unavailable


class StepFailed(Exception):
    """The step cannot succeed for this revision; the message is for the service page."""


@dataclass(frozen=True)
class Work:
    """One claimed step with what its handler needs."""

    operation: Operation
    step: Step
    log: Callable[[str], None]
    cancelled: Callable[[], bool]

    @property
    def revision(self) -> Revision:
        return cast(Revision, self.operation.revision)

    @property
    def service(self) -> Service:
        return cast(Service, self.operation.service)

    @property
    def model_dir(self) -> Path:
        folder: Path = settings.DATA.models / self.revision.model_sha256
        return folder

    def keep(self, **values: Any) -> None:
        """Write what this step found out about its revision."""
        Revision.objects.filter(pk=self.revision.pk).update(**values)
        for name, value in values.items():
            setattr(self.revision, name, value)

    def builder(self) -> environments.Builder:
        builder = environments.Builder(
            root=settings.DATA.environments,
            tmp=settings.DATA.tmp,
            user=settings.SLIPWAY.service_user,
            log=self.log,
            cancelled=self.cancelled,
        )
        environments.folders_ready(builder)
        return builder

    def image_builder(self) -> images.Builder:
        return images.Builder(
            driver=cast(DockerDriver, driver_for(self.service.target)),
            base_image=script_parts.base_image(self.revision) or settings.SLIPWAY.base_image,
            log=self.log,
            cancelled=self.cancelled,
            environment=build_arguments(),
        )


def build_arguments() -> dict[str, str]:
    """The person's own package index, by the names uv and pip know; never a credential."""
    keep = re.compile(r"^(UV_(DEFAULT_)?INDEX_URL|UV_(DEFAULT_)?INDEX|PIP_INDEX_URL)$")
    return {
        name: value for name, value in os.environ.items() if keep.match(name) and "@" not in value
    }


def copied_facts(folder: Path) -> Facts:
    """What the copied model's own files say of it."""

    def read(path: str, limit: int) -> bytes | None:
        try:
            with (folder / path).open("rb") as stream:
                return stream.read(limit)
        except OSError:
            return None

    return facts_read(read)


def copy_model(work: Work) -> str:
    """Copy the model's files read-only to models/<sha256>/."""
    revision = work.revision
    if revision.model_sha256 and work.model_dir.is_dir():
        work.log("The model's files are in place.")
    else:
        sha256 = copied(work, revision.model_name, revision.model_version)
        work.keep(model_sha256=sha256)
    if revision.inference:
        scripted.copy(work, copied)
    return ""


def copied(work: Work, name: str, version: str) -> str:
    """Copy a version's files; returns the sha256 that names their folder."""
    work.log(f"Copying models:/{name}/{version}")
    try:
        sha256 = files.version_materialize(
            name=name,
            version=version,
            destination_root=settings.DATA.models,
            needs_mlmodel=not work.revision.inference,
        )
    except Unavailable as error:
        if error.code in files.LASTING:  # to try again at once would not help
            raise StepFailed(error.message) from error
        raise
    work.log(f"sha256 {sha256}")
    return sha256


def prepare_environment(work: Work) -> str:
    """Resolve the requirements and, on a target without images, build the environment."""
    facts = facts_wanted(work)
    if not work.revision.inference and not facts.requirements:
        raise StepFailed(_("The model lists no requirements; log it again with pip_requirements."))
    try:
        if driver_for(work.service.target).builds_image:
            _prepare_for_image(work, facts)
        else:
            _prepare_here(work, facts)
    except environments.EnvironmentFailed as error:
        raise StepFailed(str(error)) from error
    return ""


def facts_wanted(work: Work) -> Facts:
    """What the model's files say, its environment where there is an entry script, and on which
    Python the deployment configuration wants it run."""
    facts = copied_facts(work.model_dir)
    if work.revision.inference:
        facts = scripted.facts(work, facts)
    python = configuration.from_dict(work.revision.deployment).python
    if python and python != facts.python_version:
        own = facts.python_version or pythons.own_minor()
        work.log(f"Runs on Python {python}, as was asked, not on the model's {own}.")
        facts = replace(facts, python_version=python)
    return facts


def _prepare_here(work: Work, facts: Facts) -> None:
    builder = work.builder()
    python = _python(facts.python_version)
    runtime = runtimes.install(builder, settings.DATA.runtimes, python)

    def ready(requirements: Sequence[str], *, anew: bool) -> None:
        lock = _lock(work, builder, requirements, python.minor, anew=anew)
        folder = environments.build(builder, lock, python)
        work.keep(python=python.minor, environment_hash=folder.name, runtime=runtime.name)

    def check(loader: str) -> Sequence[str]:
        environment = settings.DATA.environments / work.revision.environment_hash
        return modelcheck.run_here(
            builder, environment=environment, runtime=runtime, model=work.model_dir, loader=loader
        )

    loading.choose(work, facts)
    ready(loading.requirements(work, facts), anew=False)
    loading.settle(work, check, lambda: ready(facts.requirements, anew=True))


def _prepare_for_image(work: Work, facts: Facts) -> None:
    wanted = facts.python_version or pythons.own_minor()
    builder = work.image_builder()
    try:
        found = images.base_image_ready(builder)
    except images.BuildCancelled as error:
        raise Cancelled from error
    if found != wanted:
        raise StepFailed(
            _("The model needs Python %(wanted)s, the base image %(image)s has %(found)s.")
            % {"wanted": wanted, "image": builder.base_image, "found": found}
        )
    loading.choose(work, facts)
    _lock_for_image(work, loading.requirements(work, facts), found, anew=False)


def _lock_for_image(work: Work, requirements: Sequence[str], minor: str, *, anew: bool) -> None:
    lock = _lock(work, work.builder(), requirements, minor, anew=anew)
    work.keep(python=minor, environment_hash=environments.environment_hash(lock, minor))


def _lock(
    work: Work,
    builder: environments.Builder,
    requirements: Sequence[str],
    minor: str,
    *,
    anew: bool,
) -> str:
    """The revision's own lock once it has one, so that starting again never changes packages.

    Args:
        anew: whether the revision shall have another one from now on.
    """
    kept = None if anew else _lock_file(work.revision.environment_hash)
    if kept is not None and kept.exists() and work.revision.python == minor:
        work.log("Using this revision's own lock.")
        return kept.read_text(encoding="utf-8")
    lock = environments.resolve(builder, requirements, minor)
    place = cast(Path, _lock_file(environments.environment_hash(lock, minor)))
    temporary = place.with_name(f".{place.name}.{os.getpid()}")
    temporary.write_text(lock, encoding="utf-8")
    temporary.replace(place)
    return lock


def _lock_file(environment_hash: str) -> Path | None:
    if not environment_hash:
        return None
    folder: Path = settings.DATA.environments / "locks"
    return folder / f"{environment_hash}.lock.txt"


def _python(minor: str) -> pythons.Python:
    wanted = minor or pythons.own_minor()
    python = pythons.find(settings.SLIPWAY.service_user, wanted)
    if python is None:
        found = pythons.available(settings.SLIPWAY.service_user)
        raise StepFailed(
            _("The model needs Python %(wanted)s; this machine has %(found)s.")
            % {"wanted": wanted, "found": ", ".join(sorted(found)) or _("none")}
            + " "
            + _("Install it, or log the model with one of those.")
        )
    return python


def build_image(work: Work) -> str:
    """Build the service's image and check the model in it."""
    wish = configuration.from_dict(work.revision.deployment)
    builder = work.image_builder()

    def check(loader: str) -> Sequence[str]:
        return modelcheck.run_in_image(
            builder.driver,
            work.revision.image,
            loader=loader,
            cpu=wish.cpu,
            memory_mb=wish.memory_mb,
            log=work.log,
            cancelled=work.cancelled,
        )

    def with_mlflow() -> None:
        facts = copied_facts(work.model_dir)
        _lock_for_image(work, facts.requirements, work.revision.python, anew=True)
        _image(work, builder)

    _image(work, builder)
    loading.settle(work, check, with_mlflow)
    return ""


def _image(work: Work, builder: images.Builder) -> None:
    """Build the service's image: base, environment (reused by hash), runtime, model."""
    revision = work.revision
    lock = cast(Path, _lock_file(revision.environment_hash)).read_text(encoding="utf-8")
    try:
        environment = images.environment_image(
            builder,
            lock_text=lock,
            environment_hash=revision.environment_hash,
            steps=script_parts.docker_steps(revision),
        )
        image = images.service_image(
            builder,
            environment=environment,
            runtime_root=runtimes.SOURCE.parent,
            model_dir=work.model_dir,
            model_sha256=revision.model_sha256,
            more=script_parts.image_parts(revision),
        )
    except images.BuildCancelled as error:
        raise Cancelled from error
    work.keep(image=image)


def smoke_test(work: Work) -> str:
    """Score the model's own input example through the new revision's endpoint."""
    example = copied_facts(work.model_dir).input_example
    try:
        if work.revision.inference:
            return scripted.smoke_test(work, example)
        return smoke.smoke_test(work.service, work.revision, example, work.log)
    except smoke.SmokeFailed as error:
        raise StepFailed(str(error)) from error


def with_room(handler: Callable[[Work], str]) -> Callable[[Work], str]:
    """Below SLIPWAY_MIN_FREE nothing new is written; what serves goes on serving."""

    def run(work: Work) -> str:
        free = shutil.disk_usage(settings.DATA.root).free
        if free < settings.SLIPWAY.min_free_bytes:
            raise StepFailed(
                _("Only %(free)s MB of disk are free; free some space and try again.")
                % {"free": free // (1024 * 1024)}
            )
        return handler(work)

    return run


HANDLERS: dict[StepName, Callable[[Work], str]] = {
    StepName.COPY_MODEL: with_room(copy_model),
    StepName.PREPARE_ENVIRONMENT: with_room(prepare_environment),
    StepName.BUILD_IMAGE: with_room(build_image),
    StepName.SMOKE_TEST: smoke_test,
}

# kind of work that belongs to no service -> module with its own HANDLERS, loaded by workers alone
BACKGROUND_HANDLERS: dict[OperationKind, str] = {
    OperationKind.PREFLIGHT: "deployments.trying.preflight_steps",
    OperationKind.PROFILE: "deployments.trying.profile_steps",
    OperationKind.BUILD: "deployments.building.environment_steps",
}


def handler_of(work: Work) -> Callable[[Work], str]:
    """Return what runs this step."""
    name = StepName(work.step.name)
    if not work.operation.subject:
        return HANDLERS[name]
    module = importlib.import_module(BACKGROUND_HANDLERS[OperationKind(work.operation.kind)])
    return cast(Callable[[Work], str], module.HANDLERS[name])
