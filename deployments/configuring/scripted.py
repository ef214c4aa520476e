"""What the long steps do more for a revision with an entry script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.configuring import inference
from deployments.control import smoke
from deployments.models import Revision, Service
from deployments.pages.script_parts import more_models
from registry.facts import Facts
from registry.scripts import folders
from registry.selectors import version_get
from serving.contract import SCORE_PATH

Copy = Callable[[Any, str, str], str]  # (work, name, version) -> sha256


class Work(Protocol):
    """What is needed of `step_handlers.Work`."""

    @property
    def revision(self) -> Revision: ...
    @property
    def service(self) -> Service: ...
    @property
    def log(self) -> Callable[[str], None]: ...
    def keep(self, **values: Any) -> None: ...


def copy(work: Work, copied: Copy) -> None:
    """Copy the models beside the service's own; the source folder is in place already.

    Raises:
        NotFound: the source folder is gone. What `copied` raises. Unavailable: MLflow.
    """
    revision = work.revision
    folders.source_touch(revision.inference["source"])
    prepared = revision.prepared
    if "models" not in prepared:  # else it stays as it is, without asking MLflow
        prepared = {**prepared, "own": _layout(revision.model_name, revision.model_version)}
    known = {(item["name"], item["version"]): item for item in more_models(revision)}
    rows = []
    for name, version in inference.models_of(revision)[1:]:
        row = known.get((name, version))
        if row is None or not (settings.DATA.models / row["sha256"]).is_dir():
            sha256 = copied(work, name, version)
            row = {"name": name, "version": version, "sha256": sha256, **_layout(name, version)}
        rows.append(row)
    work.keep(prepared={**prepared, "models": rows})
    work.log(f"Source folder {revision.inference['source']}")


def _layout(name: str, version: str) -> dict[str, str]:
    return version_get(name, version, read_files=False).layout


def facts(work: Work, found: Facts) -> Facts:
    """The facts of the own model with the packages and the Python of the environment.

    What the environment says is kept with the revision: starting again never changes it.

    Raises:
        NotFound: the environment is gone.
    """
    revision = work.revision
    kept = revision.prepared.get("needs")
    if kept is None:
        wish = inference.needs(revision.inference, found.requirements, found.python_version)
        for line in wish.dropped:
            work.log(f"Left out {line}: the runtime brings what scripts import of it.")
        if (wish.base_image or wish.docker_steps) and work.service.target.kind == "local":
            work.log("The environment's base image and Dockerfile steps count on Docker only.")
        kept = {
            "python": wish.python,
            "packages": wish.packages,
            "base_image": wish.base_image,
            "docker_steps": list(wish.docker_steps),
        }
        work.keep(prepared={**revision.prepared, "needs": kept, "variables": wish.variables})
    return replace(found, requirements=kept["packages"], python_version=kept["python"])


def smoke_test(work: Work, example: dict[str, Any] | None) -> str:
    """Score the sample that was given with the configuration, which must be answered with 200.

    The model's own example was made for the model, not for this script: that it is refused is a
    note.

    Raises:
        SmokeFailed, TargetUnreachable: as `smoke.smoke_test`.
    """
    sample = work.revision.inference.get("sampleInput")
    if sample is not None:
        return smoke.smoke_test(work.service, work.revision, sample, work.log, path=SCORE_PATH)
    try:
        return smoke.smoke_test(work.service, work.revision, example, work.log, path=SCORE_PATH)
    except smoke.SmokeFailed as error:
        note = _("The script does not take the model's own input example; only health was checked.")
        work.log(f"{error} {note}")
        return note
