"""Source folders out of zip and tar archives; see `registry.archive_entries`.

What is left out and all limits are those of any source folder; a bomb costs what a folder of twice
the size costs.
"""

from __future__ import annotations

from typing import IO, Any

from registry.archive_entries import Limits, archive_entries
from registry.scripts import folders
from workspaces.errors import Invalid


def source_unpack(*, name: str, stream: IO[bytes], user: Any) -> folders.SourceInfo:
    """Keep the files of an archive as a source folder, without the one folder that holds them all.

    That folder stays when it is a Python package.

    Args:
        name: tells zip from tar.
        stream: can be sought in.
    Raises:
        Invalid: on field `files`: it cannot be read, holds links or devices, or too much.
        Unavailable: the disk is full.
    """
    limits = Limits(
        entries=10 * folders.MAX_FILES,  # folders and what is left out count too
        too_many=folders.too_many(),
        size=2 * folders.MAX_BYTES,
        too_large=folders.too_large(),
    )
    entries = archive_entries(stream, name, limits)
    files = (folders.SourceFile(path, pieces) for path, pieces in entries)
    try:
        return folders.source_create(files=files, user=user, unwrap=True)
    except Invalid as problem:
        if problem.fields:
            raise
        raise folders.refused(problem.message) from problem
