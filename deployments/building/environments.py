"""Model environments on disk: `environments/<hash>/`, shared by every revision of equal needs.

An environment holds the model's requirements and nothing of ours. Its hash is (lock, Python
minor, platform), so an upgrade of Slipway rebuilds nothing. Only wheels are installed: building
from source runs foreign code.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments import guarded
from deployments.building.processes import run
from deployments.building.pythons import Python, service_account, uv_binary

BUILD_TIMEOUT = 1800.0
RESOLVE_TIMEOUT = 300.0
DONE_FILE = ".slipway-complete"


class EnvironmentFailed(Exception):
    """The environment cannot be made; the message says why in plain words."""


@dataclass(frozen=True)
class Builder:
    """How tools run for environments on this node.

    `log` takes lines; `cancelled` is asked while a tool runs; `user` is the unprivileged account.
    """

    root: Path  # DATA.environments
    tmp: Path  # DATA.tmp, same file system as root; the studio's own, as is `root`
    user: str
    log: Callable[[str], None]
    cancelled: Callable[[], bool]

    def tool(self, *arguments: str, timeout: float) -> tuple[int, list[str]]:
        """Run uv; its exit code and last lines. Raises: EnvironmentFailed: it took too long."""
        self.log("$ uv " + " ".join(arguments))
        try:
            return run(
                [uv_binary(), *arguments],
                log=self.log,
                cancelled=self.cancelled,
                timeout=timeout,
                environment=tool_environment(self.root, self.user),
                cwd="/",  # below a project, uv would heed its .venv and its settings
                account=service_account(self.user),
            )
        except TimeoutError:
            raise EnvironmentFailed(
                f"The packages were not there after {timeout:g} s; check the network and try again."
            ) from None


def tool_environment(root: Path, user: str) -> dict[str, str]:
    """Environment of uv: the person's network settings, none of the studio's secrets."""
    keep = re.compile(r"^(UV_|PIP_|SSL_CERT|REQUESTS_CA|https?_proxy$|no_proxy$|LANG)", re.I)
    values = {key: value for key, value in os.environ.items() if keep.match(key)}
    values["PATH"] = os.environ.get("PATH", os.defpath)
    if service_account(user):  # root's cache and home are closed to the service user
        cache = root / ".cache"
        values["HOME"] = str(cache)
        values.setdefault("UV_CACHE_DIR", str(cache / "uv"))
    else:
        values["HOME"] = os.environ.get("HOME", str(root))
    if "PIP_INDEX_URL" in values:
        values.setdefault("UV_INDEX_URL", values["PIP_INDEX_URL"])
    return values | {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}


def folder_ready(path: Path, user: str) -> None:
    """Make a folder that the service user may write, closed to others' writing.

    It has to lie in a folder of the studio's: else that user could put a link in its place.
    """
    path.mkdir(parents=True, exist_ok=True)
    account = service_account(user)
    if account and path.lstat().st_uid != account["user"]:
        os.chown(path, account["user"], account["group"], follow_symlinks=False)


def folders_ready(builder: Builder) -> None:
    """Make what a builder works in. Of all that, the service user owns uv's cache alone.

    Folders that earlier versions gave to that user become the studio's again.
    """
    for path in (builder.root, builder.root / "locks", builder.tmp):
        path.mkdir(parents=True, exist_ok=True)
        guarded.folder_take(path)
        if service_account(builder.user):  # who passes through, whatever the umask is
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o111)
    folder_ready(builder.root / ".cache", builder.user)


@contextmanager
def answer_folder(builder: Builder) -> Iterator[Path]:
    """A folder below `tmp/` that a tool may write into; gone afterwards."""
    folder = builder.tmp / f"answer-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    try:
        folder_ready(folder, builder.user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock; one builder of an environment at a time, released by the kernel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600), "a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def working_folder(builder: Builder, name: str) -> Path:
    """A path in `tmp/` of this build alone: the tool of a killed worker may still be writing.

    What killed workers left under the same name goes; the caller holds the lock of what it builds.
    """
    for left in builder.tmp.glob(f"{name}-*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:  # a list of requirements
            left.unlink(missing_ok=True)
    return builder.tmp / f"{name}-{secrets.token_hex(4)}"


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def resolve(builder: Builder, requirements: Sequence[str], minor: str) -> str:
    """A lock (`name==version` lines) for these requirements on this platform, wheels only.

    Equal requirements resolve once; the answer is kept under `environments/locks/`.

    Raises:
        EnvironmentFailed: no set of packages satisfies them. processes.Cancelled.
    """
    _refuse_sources(requirements)
    text = "\n".join(requirements) + "\n"
    key = _key(text, minor, sysconfig.get_platform())
    kept = builder.root / "locks" / f"{key}.txt"
    if kept.exists():
        builder.log("Requirements were resolved before; using the kept lock.")
        return kept.read_text(encoding="utf-8")
    source = builder.tmp / f"{key}-{os.getpid()}.in"
    source.write_text(text, encoding="utf-8")
    source.chmod(0o644)
    try:
        with answer_folder(builder) as folder:
            code, tail = builder.tool(
                *("pip", "compile", str(source), "--output-file", str(folder / "lock.txt")),
                *("--quiet", "--python-version", minor),
                *("--no-build", "--no-header", "--no-annotate"),
                timeout=RESOLVE_TIMEOUT,
            )
            if code != 0:
                raise EnvironmentFailed(
                    explain([line.replace(str(source), "the requirements") for line in tail])
                )
            found = guarded.file_read(folder / "lock.txt")
    finally:
        source.unlink(missing_ok=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    guarded.file_write(kept, found, 0o644)
    return found.decode("utf-8")


def _refuse_sources(requirements: Sequence[str]) -> None:
    """A model's requirements must not make uv read files of this machine or fetch any address."""
    for line in requirements:
        if re.search(r"^(-|[./~]|[a-z+]+:)|@ *[a-zA-Z+]+:", line.strip()):
            raise EnvironmentFailed(
                f"The requirement {line[:200]} names a file, an address or an option; only "
                "packages of the package index can be installed."
            )


def environment_hash(lock: str, minor: str) -> str:
    return _key(lock, minor, sysconfig.get_platform(), platform.libc_ver()[0])


def build(builder: Builder, lock: str, python: Python) -> Path:
    """The folder of the environment for this lock, built when it is not there yet.

    Works in `tmp/` and publishes by rename; a kill leaves nothing that looks complete.

    Raises:
        EnvironmentFailed: a package cannot be installed. processes.Cancelled.
    """
    digest = environment_hash(lock, python.minor)
    final = builder.root / digest
    if (final / DONE_FILE).exists():
        builder.log(f"Environment {digest[:12]} is built already.")
        # its time says when the environment was last asked for
        os.utime(final / DONE_FILE, follow_symlinks=False)
        return final
    with locked(builder.root / "locks" / f"{digest}.lock"):
        if (final / DONE_FILE).exists():
            return final
        working = working_folder(builder, f"environment-{digest}")
        try:
            _install(builder, lock, python, working)
            shutil.rmtree(final, ignore_errors=True)
            working.rename(final)
        finally:
            shutil.rmtree(working, ignore_errors=True)
    return final


def _install(builder: Builder, lock: str, python: Python, working: Path) -> None:
    folder_ready(working, builder.user)
    code, tail = builder.tool(
        *("venv", "--relocatable", "--allow-existing", "--python", python.path, str(working)),
        timeout=120,
    )
    if code != 0:
        raise EnvironmentFailed(explain(tail))
    requirements = builder.tmp / f"{working.name}.txt"
    requirements.write_text(lock, encoding="utf-8")
    requirements.chmod(0o644)
    try:
        code, tail = builder.tool(
            *("pip", "install", "--python", str(working / "bin" / "python"), "--no-build"),
            *("--requirement", str(requirements)),
            timeout=BUILD_TIMEOUT,
        )
    finally:
        requirements.unlink(missing_ok=True)
    if code != 0:
        raise EnvironmentFailed(explain(tail))
    guarded.file_write(working / "requirements.lock", lock.encode(), 0o644)
    guarded.file_write(working / DONE_FILE, str(folder_size(working)).encode(), 0o644)


def installed_size(folder: Path) -> int:
    """Bytes of a built environment; counted once, when it was built."""
    written = guarded.file_read(folder / DONE_FILE, 100).decode("ascii", "replace")
    return int(written) if written.isdecimal() else folder_size(folder)


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder; what is linked with uv's cache counts in full."""
    found = 0
    for place, _folders, names in os.walk(folder):
        for name in names:
            try:
                found += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 (many files)
            except OSError:
                continue  # gone meanwhile
    return found


_CAUSES: Mapping[str, str] = {
    r"No space left on device": "The disk is full; free some space and try again.",
    r"network was disabled|(Could not|Failed to) (connect|fetch|resolve)|dns error|timed out"
    r"|Connection refused": "The package index does not answer; check the network and try again.",
    r"([\w.\-]+(?:==[\w.\-+!]+)?) has no (?:usable )?wheels": (
        "{0} has no wheel for this Python and platform; only wheels are installed."
    ),
    r"building.*disabled|--no-build": (
        "A package has no wheel for this Python and platform; only wheels are installed."
    ),
    r"([\w.\-\[\]]+) was not found in the (?:package registry|provided package locations|cache)": (
        "There is no package named {0}."
    ),
    r"there (?:is|are) no versions? of ([\w.\-\[\]<>=!~, ]+?)(?: and|,? we)": (
        "There is no version of {0}."
    ),
}
_NOISE = re.compile(
    r"^error: |No solution found when resolving dependencies:?|cause:"
    r"|in `[0-9a-f]{64}-\d+\.in` "
)


def explain(tail: Sequence[str]) -> str:
    """Why uv failed, in plain words, with uv's own sentence where it names the package."""
    text = " ".join(re.sub(r"[×╰─▶├│]+", " ", " ".join(tail)).split())
    for pattern, sentence in _CAUSES.items():
        if found := re.search(pattern, text):
            return sentence.format(*found.groups())
    words = " ".join(_NOISE.sub(" ", text).split())
    return "The model's requirements cannot be installed: " + (words[-600:] or "uv said nothing.")
