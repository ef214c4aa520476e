"""The exact packages of an environment's version: resolved by uv, kept in the database, sized."""

from __future__ import annotations

import re
import secrets
import sysconfig
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging import tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from deployments import guarded
from deployments.building import environments
from deployments.building.environments import Builder, EnvironmentFailed
from deployments.building.lock_text import pins
from registry.environments.conda import missing_note
from registry.models import EnvironmentLock, EnvironmentVersion


@dataclass(frozen=True)
class Pinned:
    """A package of a lock.

    Attributes:
        size_bytes: of its wheel; None where the index does not tell it.
        installed_bytes: of its files on disk; None before a build on this machine.
    """

    name: str
    version: str
    size_bytes: int | None
    installed_bytes: int | None = None


def lock_of(row: EnvironmentVersion) -> EnvironmentLock | None:
    """The lock of a version for its Python on this platform; None before it was resolved."""
    return row.locks.filter(python=row.python, platform=sysconfig.get_platform()).first()


def lock_ensure(builder: Builder, row: EnvironmentVersion) -> EnvironmentLock:
    """The same, resolved when there is none yet. A lock never changes.

    Raises:
        EnvironmentFailed: no set of packages satisfies the version; the message names the package.
        processes.Cancelled.
    """
    if (kept := lock_of(row)) is not None:
        builder.log("Using the lock of this version.")
        return kept
    try:
        text = environments.resolve(builder, row.packages, row.python)
    except EnvironmentFailed as error:
        raise EnvironmentFailed(_with_advice(str(error), row.conda)) from error
    found, _made = EnvironmentLock.objects.get_or_create(
        version=row,
        python=row.python,
        platform=sysconfig.get_platform(),
        defaults={
            "text": text,
            "sha256": environments.environment_hash(text, row.python),
            "sizes": wheel_sizes(builder, text, row.python),
        },
    )
    return found


def _with_advice(sentence: str, conda: Iterable[Mapping[str, Any]]) -> str:
    """A name that was taken over from conda may be no package of PyPI at all."""
    match = re.search(r"no package named ([\w.\-]+)", sentence)
    names = {
        canonicalize_name(found[0])
        for item in conda
        if (found := re.match(r"[\w.\-]+", item.get("became", "")))
    }
    if match and canonicalize_name(match[1].rstrip(".")) in names:
        return f"{sentence} {missing_note(match[1].rstrip('.'))}"
    return sentence


def pinned(lock: EnvironmentLock) -> list[Pinned]:
    """The packages of a lock by name, with their sizes as far as they are known."""
    return [
        Pinned(
            name,
            version,
            lock.sizes.get(canonicalize_name(name)),
            lock.installed.get(canonicalize_name(name)),
        )
        for name, version in pins(lock.text)
    ]


def total_size(packages: Iterable[Pinned]) -> int | None:
    """Bytes of all wheels together; None where one is not known."""
    return _sum(item.size_bytes for item in packages)


def total_installed(packages: Iterable[Pinned]) -> int | None:
    """Bytes of all packages on disk; None before a build on this machine."""
    return _sum(item.installed_bytes for item in packages)


def _sum(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else sum(size or 0 for size in known)


def installed_keep(lock: EnvironmentLock, folder: Path) -> None:
    """Write down what each package of a built environment takes on disk."""
    lock.installed = installed_sizes(folder)
    EnvironmentLock.objects.filter(pk=lock.pk).update(installed=lock.installed)


def installed_sizes(folder: Path) -> dict[str, int]:
    """Per package of an environment, the bytes that its own list of files says."""
    found: dict[str, int] = {}
    for path in folder.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        name = canonicalize_name(path.parent.name.partition("-")[0])
        try:
            lines = guarded.file_read(path).decode("utf-8", "replace").splitlines()
        except OSError:  # a package brought something else under that name
            continue
        sizes = (line.rpartition(",")[2] for line in lines)
        found[name] = sum(int(size) for size in sizes if size.isascii() and size.isdigit())
    return found


def wheel_sizes(builder: Builder, lock: str, minor: str) -> dict[str, int]:
    """Per package, the bytes of the wheel for this platform, as far as the index tells them.

    Sizes are for showing: where they cannot be had, the log says so and the answer is empty.
    """
    if not lock.strip():
        return {}
    key = secrets.token_hex(8)
    source = builder.tmp / f"{key}.in"
    source.write_text(lock, encoding="utf-8")
    source.chmod(0o644)
    try:
        with environments.answer_folder(builder) as folder:
            target = folder / "pylock.toml"
            code, _tail = builder.tool(
                *("pip", "compile", str(source), "--output-file", str(target), "--quiet"),
                *("--format", "pylock.toml", "--no-deps", "--no-build", "--no-header"),
                *("--python-version", minor),
                timeout=environments.RESOLVE_TIMEOUT,
            )
            return _sizes(target, minor) if code == 0 else {}
    except EnvironmentFailed as error:
        builder.log(str(error))
        return {}
    finally:
        source.unlink(missing_ok=True)


def _sizes(path: Path, minor: str) -> dict[str, int]:
    packages = tomllib.loads(guarded.file_read(path).decode("utf-8")).get("packages", [])
    found = {
        canonicalize_name(item["name"]): wheel_size(item.get("wheels", []), minor)
        for item in packages
    }
    return {name: size for name, size in found.items() if size is not None}


def wheel_size(wheels: Iterable[Mapping[str, Any]], minor: str) -> int | None:
    """Bytes of the wheel that fits this machine best; None when none fits or it is not told."""
    ranks = _ranks(minor)
    best: tuple[int, int | None] | None = None
    for wheel in wheels:
        name = wheel.get("name") or str(wheel.get("url", "")).rpartition("/")[2]
        try:
            kinds = parse_wheel_filename(name.partition("#")[0])[3]
        except InvalidWheelFilename:
            continue
        rank = min((ranks[kind] for kind in kinds if kind in ranks), default=None)
        if rank is not None and (best is None or rank < best[0]):
            best = (rank, wheel.get("size"))
    return best[1] if best else None


@lru_cache(maxsize=8)
def _ranks(minor: str) -> Mapping[tags.Tag, int]:
    """The tags that this machine takes for a Python minor, the best first."""
    version = tuple(int(part) for part in minor.split("."))
    known = [
        *tags.cpython_tags(version),
        *tags.compatible_tags(version, f"cp{minor.replace('.', '')}"),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(known)))}
