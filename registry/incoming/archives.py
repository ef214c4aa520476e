"""Unpacks an uploaded archive into a staging; see `registry.archive_entries`."""

from __future__ import annotations

from pathlib import Path

from django.utils.translation import gettext as _

from registry.archive_entries import Limits, archive_entries
from registry.incoming.staging import StagedFile, Staging
from registry.names import shown_name, too_many
from workspaces.errors import Invalid

MAX_RATIO = 200  # times its own size that an archive may unpack to, beyond the first
FREE_OF_RATIO = 100_000_000  # bytes


def unpack(file: Path, name: str, staging: Staging) -> list[StagedFile]:
    """Unpack an archive into a staging.

    Args:
        name: as it was uploaded; tells zip from tar.
    Returns: the files, in their order in the archive.
    Raises:
        Invalid: an entry is refused, there is too much of it, or it is no such archive.
        Unavailable: the disk is full.
    """
    limits = _limits(file, staging.names.most)
    with file.open("rb") as stream:
        found = [
            staging.add(path, pieces) for path, pieces in archive_entries(stream, name, limits)
        ]
    if not found:
        raise Invalid(_("%(name)s has no files in it.") % {"name": shown_name(name)})
    return found


def _limits(file: Path, most: int) -> Limits:
    text = _(
        "The archive unpacks to more than %(ratio)s times its own size, which no model does; "
        "upload the files themselves."
    )
    return Limits(
        entries=2 * most + 100,  # folders are entries, too
        too_many=too_many(most),
        size=FREE_OF_RATIO + MAX_RATIO * file.stat().st_size,
        too_large=Invalid(text % {"ratio": MAX_RATIO}, code="too_large"),
    )
