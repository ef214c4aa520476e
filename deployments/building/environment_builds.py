"""Environments that are built: folders on disk, images on Docker, who uses them; removing them."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from deployments.building import environment_images, environments, image_removal
from deployments.building.environment_requests import build_targets
from deployments.choices import OperationStatus, StepName, StepState
from deployments.drivers.base import TargetUnreachable
from deployments.drivers.docker import DockerDriver
from deployments.models import Revision, Service, Step, Target
from deployments.targets import driver_for
from registry.models import EnvironmentLock
from workspaces.errors import Conflict, NotFound, Unavailable
from workspaces.events import event_record
from workspaces.paging import token_close, token_open, token_strange

HASH = re.compile(r"[0-9a-f]{64}")
_BUILDING = (StepName.PREPARE_ENVIRONMENT, StepName.BUILD_IMAGE, StepName.TRY_MODEL)


@dataclass(frozen=True)
class Build:
    """One built environment at one place.

    Attributes:
        hash: of lock, Python and platform; equal ones serve every model with these packages.
        image: tag on a Docker host; "" for a folder.
        size_bytes: of a folder, all its files; of an image, all its layers, shared ones too.
        used_at: when a deployment or a build last asked for it.
        services: those whose present or wanted revision runs in it.
        environments: `NAME:VERSION` of those that came to this lock, archived ones too.
        kept: whether one of them is not archived, so that the sweep leaves it alone.
        foreign: an image that nothing of this studio knows: another studio of the same Docker host
            made it, or this one long ago.
    """

    hash: str
    target: str
    image: str
    size_bytes: int
    built_at: datetime
    used_at: datetime
    services: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    kept: bool = False
    foreign: bool = False

    @property
    def place(self) -> str:
        """Where it stands in the list, and in page tokens."""
        return f"{self.hash}|{self.target}|{self.image}"


@dataclass(frozen=True)
class Builds:
    """What there is; `problems` has a sentence for every target that did not answer."""

    items: list[Build]
    problems: list[str]


def builds_list() -> Builds:
    """Every built environment of this node's targets, by hash; four queries for any number."""
    found: list[Build] = []
    problems: list[str] = []
    for target in build_targets():
        try:
            found += _on(target)
        except TargetUnreachable as error:
            problems.append(f"{target.name}: {error}")
    return Builds(sorted(_told(found), key=lambda item: item.place), problems)


def builds_of(digest: str) -> Builds:
    """Those of one hash."""
    found = builds_list()
    return replace(found, items=[item for item in found.items if item.hash == digest])


def builds_page(builds: Builds, token: str, size: int) -> tuple[list[Build], str]:
    """The builds that follow a token's, and the token of the next page.

    Raises:
        Invalid: the token is none of this list.
    """
    after = token_open(token) if token else ""
    if after and not re.fullmatch(rf"{HASH.pattern}\|[^|]*\|[^|]*", after):
        raise token_strange()
    rest = [item for item in builds.items if item.place > after]
    return rest[:size], token_close(rest[size - 1].place) if len(rest) > size else ""


def _on(target: Target) -> list[Build]:
    driver = driver_for(target)
    if isinstance(driver, DockerDriver):
        listed = environment_images.environment_images(driver)
        return [_image(target, item) for item in listed if HASH.fullmatch(item["hash"])]
    return [] if driver.builds_image else _folders(target)


def _folders(target: Target) -> list[Build]:
    found = []
    for path in settings.DATA.environments.glob("*"):
        if not HASH.fullmatch(path.name):
            continue
        try:
            size = environments.installed_size(path)
            built, used = path.stat().st_mtime, (path / environments.DONE_FILE).stat().st_mtime
        except OSError:
            continue  # not complete, or gone meanwhile
        found.append(Build(path.name, target.name, "", size, _moment(built), _moment(used)))
    return found


def _image(target: Target, listed: dict[str, Any]) -> Build:
    made = _moment(float(listed["Created"]))
    return Build(listed["hash"], target.name, listed["tag"], int(listed["Size"]), made, made)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _told(builds: list[Build]) -> list[Build]:
    """The same with who uses them, in three queries."""
    hashes = {item.hash for item in builds}
    services = services_in(hashes)
    last = {
        (digest, target): at
        for digest, target, at in Revision.objects.filter(environment_hash__in=hashes)
        .values_list("environment_hash", "service__target__name")
        .annotate(at=Max("created_at"))
        .order_by()
    }
    known = {digest for digest, _target in last}
    locks: dict[str, list[EnvironmentLock]] = {}
    rows = EnvironmentLock.objects.filter(sha256__in=hashes)
    for lock in rows.select_related("version__environment").order_by("pk"):
        locks.setdefault(lock.sha256, []).append(lock)
    return [
        replace(
            item,
            services=tuple(services.get((item.hash, item.target), ())),
            used_at=max(item.used_at, last.get((item.hash, item.target), item.used_at)),
            environments=tuple(str(lock.version) for lock in locks.get(item.hash, ())),
            kept=any(not lock.version.archived for lock in locks.get(item.hash, ())),
            foreign=bool(item.image) and not (item.hash in known or item.hash in locks),
        )
        for item in builds
    ]


def services_in(hashes: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Per hash and target, the services whose present or wanted revision runs in it. One query."""
    wanted = set(hashes)
    found: dict[tuple[str, str], list[str]] = {}
    rows = Service.objects.filter(
        Q(wanted__environment_hash__in=wanted) | Q(active__environment_hash__in=wanted)
    )
    for service in rows.select_related("wanted", "active", "target").order_by("name"):
        both = {item.environment_hash for item in (service.wanted, service.active) if item}
        for digest in both & wanted:
            found.setdefault((digest, service.target.name), []).append(service.name)
    return found


def build_remove(*, digest: str, target: str = "", user: User | None) -> int:
    """Remove the builds of a hash, at one target or everywhere; returns how many there were.

    It is made again when it is needed again.

    Raises:
        NotFound: there is none.
        Conflict: a service runs in it, or something is preparing an environment just now.
        Unavailable: the Docker host does not answer.
    """
    builds = builds_of(digest)
    chosen = [item for item in builds.items if not target or item.target == target]
    if not chosen:
        if builds.problems:
            raise Unavailable(" ".join(builds.problems))
        raise NotFound(_("There is no such build."))
    used = sorted({name for item in chosen for name in item.services})
    if used:
        text = _("%(services)s runs in it. Delete these services first.")
        raise Conflict(
            text % {"services": ", ".join(used)}, fields={"services": used}, code="in_use"
        )
    if _somebody_prepares():
        raise _busy()
    for item in chosen:
        _remove(item)
    _removed_event(chosen, user)
    return len(chosen)


def builds_remove_unused(*, user: User | None) -> int:
    """Remove every build of this studio that no service and no environment needs; how many."""
    unused = [item for item in builds_list().items if is_unused(item)]
    if unused and _somebody_prepares():
        raise _busy()
    for item in unused:
        _remove(item)
    if unused:
        _removed_event(unused, user)
    return len(unused)


def is_unused(build: Build) -> bool:
    """Whether nothing needs a build, as far as this studio knows; it knows of no other's needs."""
    return not (build.services or build.kept or build.foreign)


def _remove(build: Build) -> None:
    if not build.image:
        folder_remove(settings.DATA.environments / build.hash, settings.DATA.tmp, _is_taken)
        return
    driver = driver_for(Target.objects.get(name=build.target))
    assert isinstance(driver, DockerDriver)
    if not image_removal.image_remove(driver, build.image):
        raise Conflict(_("A container uses this image."), code="in_use")


def folder_remove(folder: Path, tmp: Path, is_taken: Callable[[str], bool]) -> None:
    """Remove a built environment, all of it at once, unless somebody builds or takes it.

    A deployment may have found it complete without having written down yet that it runs in it:
    so it is moved away, looked for once more, and put back.

    Raises:
        Conflict: it is being built, or taken.
    """
    locks = folder.parent / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"{folder.name}.lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy() from None
        tmp.mkdir(parents=True, exist_ok=True)
        gone = tmp / f"unused-{folder.name}"
        shutil.rmtree(gone, ignore_errors=True)
        try:
            folder.rename(gone)
        except FileNotFoundError:
            return  # somebody else removed it
        if is_taken(folder.name):
            gone.rename(folder)
            raise _busy()
    shutil.rmtree(gone, ignore_errors=True)


def _is_taken(digest: str) -> bool:
    return _somebody_prepares() or bool(services_in([digest]))


def _somebody_prepares() -> bool:
    """Whether a worker is in a step that may take any environment."""
    return Step.objects.filter(
        name__in=_BUILDING,
        state=StepState.RUNNING,
        operation__status=OperationStatus.RUNNING,
    ).exists()


def _busy() -> Conflict:
    text = _("An environment is being prepared just now. Try again when that has ended.")
    return Conflict(text, code="open")


def _removed_event(builds: list[Build], user: User | None) -> None:
    freed = sum(item.size_bytes for item in builds)
    text = _("Removed %(count)s builds of environments, %(freed)s MB.")
    event_record(
        kind="environment.build_removed",
        subject_type="environment",
        subject=builds[0].environments[0] if builds[0].environments else builds[0].hash,
        message=text % {"count": len(builds), "freed": freed // 2**20},
        actor=user,
        data={"hashes": sorted({item.hash for item in builds})},
    )
