"""Rules for what a person may type about a model. Each returns all sentences about one field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from registry.formats.recognising import FRAMEWORKS
from registry.values import HIDDEN_TAGS
from workspaces.errors import Invalid

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}", re.ASCII)
ALIAS = re.compile(r"[\w\-]{1,255}", re.ASCII)
TAG_KEY = re.compile(r"[\w\-. /:]{1,250}")
MAX_DESCRIPTION = 5000
MAX_TAG_VALUE = 5000
MAX_TAGS = 100
MAX_NOTES = 100_000
REGISTERED_BY = "registered_by"  # kept among the properties by the first releases


def check(**fields: list[str]) -> None:
    """Raise one Invalid with every violation; nothing when there are none."""
    wrong = {name: texts for name, texts in fields.items() if texts}
    if wrong:
        raise Invalid(" ".join(text for texts in wrong.values() for text in texts), fields=wrong)


def name(value: Any) -> list[str]:
    """Names of models made here; names that MLflow holds already are shown whatever they are."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return []
    return [
        _(
            "A model name starts with a letter or digit and has letters, digits, “-”, “.” and “_” "
            "only, at most 255 characters."
        )
    ]


def text(value: Any, limit: int = MAX_DESCRIPTION) -> list[str]:
    """A description; None means unchanged."""
    if value is None:
        return []
    if not isinstance(value, str) or not _storable(value):
        return [_("This is not text that can be kept.")]
    if len(value) > limit:
        return [_("At most %(limit)s characters, not %(length)s.") % _sizes(limit, value)]
    return []


def tags(value: Any) -> list[str]:
    """Tags, a mapping of text to text; None means unchanged."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        return [_("Tags are pairs of a key and a value.")]
    if len(value) > MAX_TAGS:
        return [_("At most %(limit)s tags, not %(length)s.") % _sizes(MAX_TAGS, value)]
    return [sentence for key, item in value.items() for sentence in _tag(key, item)]


def properties(value: Any) -> list[str]:
    """Properties, as tags: a mapping of text to text; None means none are added."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        return [_("Properties are pairs of a key and a value.")]
    if len(value) > MAX_TAGS:
        return [_("At most %(limit)s properties, not %(length)s.") % _sizes(MAX_TAGS, value)]
    found = []
    for key, item in value.items():
        shown = str(key).encode(errors="replace").decode()[:80]
        if not isinstance(key, str) or not TAG_KEY.fullmatch(key):
            rule = _("The key “%(key)s” may have letters, digits, spaces and _ - . : / only.")
            found.append(rule % {"key": shown})
        elif key == REGISTERED_BY:
            found.append(_("The key “%(key)s” is the studio's own.") % {"key": shown})
        sentences = text(item, MAX_TAG_VALUE) if item is not None else [_("Text is missing.")]
        found += [f"{shown}: {sentence}" for sentence in sentences]
    return found


def framework(value: Any) -> list[str]:
    """A framework of FRAMEWORKS, whatever its case; None or "" means that the files tell."""
    if not value or (isinstance(value, str) and framework_known(value)):
        return []
    return [_("One of %(names)s.") % {"names": ", ".join(FRAMEWORKS)}]


def framework_known(value: str) -> str:
    """The framework as it is written; "" for one that is not known."""
    return {name.lower(): name for name in FRAMEWORKS}.get(value.strip().lower(), "")


def framework_version(value: Any) -> list[str]:
    """The version of a framework; None or "" means that the files tell."""
    if not value or (isinstance(value, str) and re.fullmatch(r"[0-9][0-9A-Za-z.+\-]{0,39}", value)):
        return []
    return [_("A version such as 1.6.1.")]


def _tag(key: Any, value: Any) -> list[str]:
    shown = str(key).encode(errors="replace").decode()[:80]
    if not isinstance(key, str) or not TAG_KEY.fullmatch(key) or _leaves(key):
        rule = _("The tag key “%(key)s” may have letters, digits, spaces and _ - . : / only.")
        return [rule % {"key": shown}]
    if key.startswith(HIDDEN_TAGS):
        return [_("The tag key “%(key)s” is MLflow's own.") % {"key": shown}]
    return [
        _("The value of the tag “%(key)s”: %(sentence)s") % {"key": shown, "sentence": sentence}
        for sentence in ([_("Text is missing.")] if value is None else text(value, MAX_TAG_VALUE))
    ]


def aliases(value: Sequence[str] | None) -> list[str]:
    """Aliases of a version; None means unchanged."""
    found = []
    for alias in value or []:
        shown = str(alias).encode(errors="replace").decode()[:80]
        if not isinstance(alias, str) or not ALIAS.fullmatch(alias):
            rule = _("The alias “%(alias)s” may have letters, digits, “-” and “_” only.")
            found.append(rule % {"alias": shown})
        elif alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
            found.append(_("The alias “%(alias)s” is reserved by MLflow.") % {"alias": shown})
    return found


def _leaves(key: str) -> bool:
    """MLflow takes a key for a path and refuses what is not written the shortest way."""
    parts = key.split("/")
    return any(part in {"", ".", ".."} for part in parts)


def _storable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry
        return False
    return "\x00" not in value


def _sizes(limit: int, value: Any) -> dict[str, int]:
    return {"limit": limit, "length": len(value)}
