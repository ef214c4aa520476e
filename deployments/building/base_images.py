"""Which base images the studio may fetch for environments."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from django.conf import settings
from django.utils.translation import gettext as _

_PYTHON = re.compile(r"(?:^|/)python:(3\.\d{1,2})(?:[.-]|$)")


def fetch_refused(image: str) -> str:
    """Why the studio does not fetch an image, or "": see SLIPWAY_BASE_IMAGES."""
    patterns = (settings.SLIPWAY.base_image, *settings.SLIPWAY.base_images)
    if any(fnmatchcase(image, pattern) for pattern in patterns):
        return ""
    text = _(
        "The image %(image)s is not on the Docker host, and the studio may fetch only %(allowed)s. "
        "Ask an administrator to fetch it or to add it to SLIPWAY_BASE_IMAGES."
    )
    return text % {"image": image, "allowed": ", ".join(patterns)}


def minor_by_name(image: str) -> str:
    """The Python minor that the name of an image promises, "3.11" of `python:3.11-slim`; or ""."""
    found = _PYTHON.search(image)
    return found[1] if found else ""
