"""Rules for what a person may write into an environment. Each returns sentences about one field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from packaging.requirements import InvalidRequirement, Requirement

from registry.environments.versions import NAME

MAX_PACKAGES = 500
MAX_LINE = 500
MAX_VARIABLES = 100
MAX_VALUE = 5000
MAX_STEPS = 50
MAX_STEP = 4000
CURATED_PREFIX = "Slipway-"  # of what Slipway makes itself
TAKEN = ("builds", "new")  # parts of addresses
STEPS = ("RUN", "ENV", "ARG", "WORKDIR", "SHELL", "USER")
_PYTHON = re.compile(r"3\.\d{1,2}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
_SOURCE = re.compile(r"^([./~]|[A-Za-z]:\\|[a-zA-Z+]+:)|\s@\s*\S|^[\w.\-\[\],]+@|[\\/]")
# host[:port]/ path parts, then :tag and @digest, as Docker reads a reference
_IMAGE = re.compile(
    r"(?:[a-zA-Z0-9][a-zA-Z0-9.\-]*(?::\d{1,5})?/)?"
    r"[a-z0-9]+(?:[._\-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._\-]+[a-z0-9]+)*)*"
    r"(?::\w[\w.\-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)


def name(value: Any) -> list[str]:
    """Names that people may take; those of curated environments are Slipway's own."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        return [
            _(
                "An environment name starts with a letter or digit and has letters, digits, “-”, "
                "“.” and “_” only, at most 255 characters."
            )
        ]
    if value.startswith(("Microsoft", "AzureML")):
        return [_("An environment name must not start with “Microsoft” or “AzureML”.")]
    if value.lower().startswith(CURATED_PREFIX.lower()):
        text = _("Names that start with “%(prefix)s” are those of curated environments.")
        return [text % {"prefix": CURATED_PREFIX}]
    if value in TAKEN:
        return [_("The name “%(name)s” is taken by an address of the studio.") % {"name": value}]
    return []


def python(value: Any) -> list[str]:
    """The minor of a Python 3, such as “3.11”."""
    if isinstance(value, str) and _PYTHON.fullmatch(value):
        return []
    return [_("Python is given as its minor version, such as 3.11.")]


def packages(lines: Any) -> list[str]:
    """Lines of pip requirements; every wrong one is named."""
    if isinstance(lines, str) or not isinstance(lines, Sequence):
        return [_("Packages are a list of texts, one requirement each.")]
    if len(lines) > MAX_PACKAGES:
        text = _("At most %(limit)s packages, not %(length)s.")
        return [text % {"limit": MAX_PACKAGES, "length": len(lines)}]
    return [sentence for line in lines if (sentence := requirement(line))]


def requirement(line: Any) -> str:
    """What is wrong with one line, or "".

    Options, addresses and files would let an environment read this machine or any address.
    """
    if not isinstance(line, str) or not line.isprintable() or not line.strip():
        return _("A package is a line of text such as “numpy>=2”.")
    text, shown = line.strip(), {"line": line.strip()[:120]}
    if len(text) > MAX_LINE:
        return _("“%(line)s…” is longer than a requirement may be.") % shown
    if text.startswith("-") or re.search(r"\s--?\w", text):
        return _("“%(line)s”: options are not taken; write packages and versions only.") % shown
    without_markers = text.partition(";")[0]
    if _SOURCE.search(without_markers):
        return (
            _("“%(line)s” names a file or an address; write the package and its version instead.")
            % shown
        )
    try:
        found = Requirement(text)
    except (InvalidRequirement, RecursionError):  # endlessly nested markers
        return _("“%(line)s” is no requirement such as “numpy>=2”.") % shown
    return _("“%(line)s” names an address.") % shown if found.url else ""


def variables(value: Any) -> list[str]:
    """Environment variables, a mapping of names to texts."""
    if not isinstance(value, Mapping):
        return [_("Environment variables are pairs of a name and a value.")]
    if len(value) > MAX_VARIABLES:
        text = _("At most %(limit)s variables, not %(length)s.")
        return [text % {"limit": MAX_VARIABLES, "length": len(value)}]
    return [sentence for key, item in value.items() if (sentence := _variable(key, item))]


def _variable(key: Any, item: Any) -> str:
    shown = {"name": str(key).encode(errors="replace").decode()[:80]}
    if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
        return _("“%(name)s” is no name of a variable: letters, digits and “_” only.") % shown
    if key.startswith("SLIPWAY_"):
        return _("“%(name)s”: variables that start with SLIPWAY_ are Slipway's own.") % shown
    if item is None:
        return _("“%(name)s” has no value: write NAME=VALUE.") % shown
    if not isinstance(item, str) or len(item) > MAX_VALUE or not _storable(item):
        text = _("The value of “%(name)s” must be a text of at most %(limit)s characters.")
        return text % {**shown, "limit": MAX_VALUE}
    return ""


def base_image(value: Any) -> list[str]:
    """The name of a Docker image; "" is the studio's own."""
    if value == "" or (isinstance(value, str) and len(value) <= 512 and _IMAGE.fullmatch(value)):
        return []
    return [_("This is no name of an image such as “python:3.11-slim”.")]


def docker_steps(value: Any) -> list[str]:
    """Dockerfile instructions, one logical line each."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [_("Docker steps are a list of texts, one instruction each.")]
    if len(value) > MAX_STEPS:
        text = _("At most %(limit)s steps, not %(length)s.")
        return [text % {"limit": MAX_STEPS, "length": len(value)}]
    return [sentence for step in value if (sentence := _step(step))]


def _step(step: Any) -> str:
    if not isinstance(step, str) or not step.replace("\t", " ").isprintable():
        return _("A Docker step is one line of text such as “RUN apt-get update”.")
    shown = {"step": step[:120], "known": ", ".join(STEPS)}
    if len(step) > MAX_STEP:
        return _("“%(step)s…” is longer than a step may be.") % shown
    word, _space, rest = step.strip().partition(" ")
    if word.upper() in {"COPY", "ADD"}:
        return (
            _("“%(step)s”: no files go with an environment, so there is nothing to copy.") % shown
        )
    if word.upper() not in STEPS or not rest.strip():
        return _("“%(step)s”: steps are %(known)s with their arguments.") % shown
    if "<<" in step and word.upper() == "RUN":
        return (
            _("“%(step)s”: write the commands in one line; here-documents are not known.") % shown
        )
    return _("“%(step)s” ends in the middle.") % shown if step.rstrip().endswith("\\") else ""


def _storable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry
        return False
    return "\x00" not in value
