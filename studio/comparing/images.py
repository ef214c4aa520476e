"""Images of the same name among the artifacts of several runs."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from studio.runs.previews.kinds import kind_of
from workspaces.deadline import in_threads
from workspaces.errors import Problem
from workspaces.tracking.artifacts import artifacts_list
from workspaces.tracking.values import Run

BUDGET_S = 3.0  # of looking into folders; what was found by then is offered
MOST_FOLDERS = 60  # of one run
DEEPEST = 4
MOST_IMAGES = 400  # of one run
AT_ONCE = 8
LOGGED = re.compile(  # the names that mlflow.log_image(key=…) gives, of old and new clients
    r"images/(?P<key>.+)(?P<mark>[+%])step(?P=mark)(?P<step>\d+)(?P=mark)timestamp(?P=mark)\d+"
    r"(?P=mark)[0-9a-f-]+(?P<small>(?P=mark)compressed)?\.\w+"
)


@dataclass(frozen=True)
class Shown:
    """One image name and per run the path of its file; None where a run has none."""

    name: str
    cells: tuple[tuple[Run, str | None], ...]


@dataclass(frozen=True)
class Images:
    """What there is to choose from, those that most runs have first, and what was chosen.

    `complete`: every folder was looked into. `unread`: runs whose artifacts cannot be read.
    """

    names: tuple[str, ...]
    shown: Shown | None
    complete: bool
    unread: int


def image_name(path: str) -> str | None:
    """What an image is called in every run; None for a copy that should not be offered.

    Images logged with a key and a step have a time and a random part in their path, which no two
    runs share.
    """
    match = LOGGED.fullmatch(path)
    if match is None:
        return path
    if match["small"]:
        return None
    key = match["key"].replace("~", "/").replace("#", "/")
    return f"{key} · {match['step']}"


def images_of(runs: Sequence[Run], wanted: str = "", budget_s: float = BUDGET_S) -> Images:
    """Images among the artifacts of the runs.

    Args:
        wanted: the name of the one to show; by default the one that most runs have.
        budget_s: seconds after which no further folder is looked into.
    """
    deadline = time.monotonic() + budget_s
    looked = in_threads(lambda run: _look(run, deadline), runs, at_once=AT_ONCE)
    found = [names for names, _complete, _read in looked]
    counts: dict[str, int] = {}
    for names in found:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    chosen = wanted if wanted in counts else next(iter(ordered), "")
    shown = None
    if chosen:
        cells = zip(runs, (names.get(chosen) for names in found), strict=True)
        shown = Shown(chosen, tuple(cells))
    complete = all(whole for _names, whole, _read in looked)
    return Images(tuple(ordered), shown, complete, sum(not read for _n, _c, read in looked))


def _look(run: Run, deadline: float) -> tuple[dict[str, str], bool, bool]:
    """(path by image name, whether all was looked at, whether anything could be read)."""
    found: dict[str, str] = {}
    folders = [("", 0)]
    looked = 0
    while folders:
        if looked >= MOST_FOLDERS or len(found) >= MOST_IMAGES or time.monotonic() > deadline:
            return found, False, True
        path, depth = folders.pop(0)
        looked += 1
        try:
            entries, _all = artifacts_list(run.artifact_uri, path)
        except Problem:
            return found, True, looked > 1
        for entry in entries:
            if entry.is_folder and depth < DEEPEST:
                folders.append((entry.path, depth + 1))
            elif not entry.is_folder and kind_of(entry.path) == "image":
                name = image_name(entry.path)
                if name is not None:
                    found[name] = entry.path
    return found, True, True
