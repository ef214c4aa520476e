"""Images that a run logged over its steps, known by the names that mlflow.log_image gives them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FOLDER = "images"
IMAGES_TAG = "mlflow.loggedImages"
ARTIFACTS_TAG = "mlflow.loggedArtifacts"
# images/dogs+step+3+timestamp+1700000000000+<uuid>.png; with "%" by older clients, and a small
# copy of each as …+compressed.webp
_NAME = re.compile(
    r"(?P<key>.+?)(?P<by>[+%])step(?P=by)(?P<step>-?[0-9]{1,18})(?P=by)timestamp(?P=by)"
    r"(?P<at>[0-9]{1,18})(?P=by)(?P<id>[0-9A-Za-z-]{1,64})(?P<small>(?P=by)compressed)?"
    r"\.(?P<type>png|webp|jpe?g|gif)"
)
_SLASH = re.compile("[~#]")  # stand for "/" in names of new and of old clients


@dataclass(frozen=True)
class LoggedImage:
    """One image at one step. `small` is the path of its smaller copy, "" when there is none."""

    key: str
    step: int
    at_ms: int
    path: str
    small: str = ""


@dataclass(frozen=True)
class ImageSeries:
    """The images of one key by step, then time."""

    key: str
    images: tuple[LoggedImage, ...]

    @property
    def last(self) -> LoggedImage:
        return self.images[-1]


def image_series(paths: Iterable[str]) -> tuple[ImageSeries, ...]:
    """The series among the files of the folder `images`, by key; other files are left out."""
    whole: dict[tuple[str, int, int, str], str] = {}
    small: dict[tuple[str, int, int, str], str] = {}
    for path in paths:
        match = _NAME.fullmatch(path.rsplit("/", 1)[-1])
        if match is None:
            continue
        key = _SLASH.sub("/", match["key"])
        name = (key, int(match["step"]), int(match["at"]), match["id"])
        (small if match["small"] else whole)[name] = path
    found: dict[str, list[LoggedImage]] = {}
    for name in sorted({*whole, *small}):
        key, step, at_ms, _id = name
        path = whole.get(name) or small[name]
        found.setdefault(key, []).append(LoggedImage(key, step, at_ms, path, small.get(name, "")))
    return tuple(ImageSeries(key, tuple(images)) for key, images in sorted(found.items()))


def logged_tables(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Paths of what mlflow.log_table wrote, as the run's tag says."""
    try:
        rows = json.loads(tags.get(ARTIFACTS_TAG, "[]"))
        paths = [row["path"] for row in rows if row.get("type") == "table"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ()
    return tuple(dict.fromkeys(path for path in paths if isinstance(path, str) and path))[:200]


def has_media(tags: Mapping[str, str]) -> bool:
    """Whether a run says that it logged images over steps, or tables; costs no call."""
    return IMAGES_TAG in tags or bool(logged_tables(tags))
