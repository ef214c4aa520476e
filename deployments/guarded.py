"""Files in folders of the service user, as the studio uses them, which may be root.

The code of models runs as that user: in its folders it can put a link, a pipe or another's file
where a file is meant to be, at any moment. So nothing here follows a link in a file's name, waits
for a pipe, or gives a file away by its name. The name of the folder itself is to be trusted: it
lies in a folder of the studio's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MAX_READ = 64 * 1024 * 1024  # bytes


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def file_open(path: Path, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a plain file that has this one name.

    Args:
        flags: as of `os.open`, without O_TRUNC: what is cut short must be known first.
    Raises:
        OSError: it cannot be opened, or is no such file.
    """
    with _folder(path.parent) as folder:
        descriptor = os.open(path.name, flags | _PLAIN, mode, dir_fd=folder)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.ELOOP, "It is no plain file of its own", str(path))
    return descriptor


def file_read(path: Path, limit: int = MAX_READ) -> bytes:
    """The first bytes of such a file. Raises: OSError."""
    with os.fdopen(file_open(path, os.O_RDONLY), "rb") as stream:
        return stream.read(limit)


def file_write(
    path: Path, data: bytes, mode: int, account: Mapping[str, Any] | None = None
) -> None:
    """Put a new file there, whole, instead of what has the name.

    Args:
        account: whose it becomes, see `pythons.service_account`; else it is the studio's.
    Raises:
        OSError.
    """
    temporary = f".{path.name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN
    with _folder(path.parent) as folder:
        descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                give(descriptor, account or {})
                os.fchmod(descriptor, mode)
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise


def give(descriptor: int, account: Mapping[str, Any]) -> None:
    """Make an open file the account's; nothing happens without one."""
    if account:
        os.fchown(descriptor, account["user"], account["group"])


def folder_take(path: Path) -> None:
    """Make a folder the studio's own again: nobody else adds to it or renames in it any more."""
    with _folder(path) as folder:
        if os.fstat(folder).st_uid != os.geteuid():
            os.fchown(folder, os.geteuid(), os.getegid())


def tree_open_to_all(path: Path) -> None:
    """Let everybody read a folder and all that is in it; links stay as they are."""
    for _place, _folders, names, folder in os.fwalk(path):
        os.fchmod(folder, 0o755)
        for name in names:
            if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                continue
            descriptor = os.open(name, os.O_RDONLY | _PLAIN, dir_fd=folder)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.fchmod(descriptor, 0o644)
            finally:
                os.close(descriptor)
