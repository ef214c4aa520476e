"""Logs of containers, kept in the replica's folder because they go with their container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deployments.drivers.base import Driver
from serving.contract import LOG_FILE

KEPT_LOG = 5 * 1024 * 1024  # characters kept, the latest
POSITION_FILE = "kept-until"  # position in the driver's log up to which it was kept


def log_chunks(
    driver: Driver, name: str, folder: Path, since: int = 0
) -> Iterator[tuple[str, int]]:
    """The instance's log from a position to what there is now, with the position after each."""
    while True:
        chunk, following = driver.logs(name, folder, since=since)
        if following == since:
            return
        yield chunk, following
        since = following


def log_keep(driver: Driver, name: str, folder: Path) -> None:
    """Add what an instance has written since the last call to the log kept of its revision.

    Only where logs go with the instance; positions there grow from one life to the next.
    """
    if not driver.builds_image:
        return
    text, position = "", kept_until(folder)
    for chunk, following in log_chunks(driver, name, folder, position):
        text, position = text + chunk, following
        if len(text) >= KEPT_LOG:
            break  # the rest at the next call: this one has to end
    if not text:
        return
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / LOG_FILE
    before = kept.read_text(encoding="utf-8", errors="replace") if kept.exists() else ""
    _write(kept, (before + text)[-KEPT_LOG:])
    _write(folder / POSITION_FILE, str(position))


def kept_until(folder: Path) -> int:
    """The driver's position after what was kept; 0 when nothing was."""
    try:
        return int((folder / POSITION_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
