"""Tags and properties as people type them: lines of key=value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext as _

from workspaces.errors import Invalid


def pairs_parse(text: str, field: str, separators: str = "\n") -> dict[str, str]:
    """`key=value` lines as a dict; a key alone has an empty value.

    Args:
        separators: characters that end a pair; where people have one line only, commas too.
    Raises:
        Invalid: on `field`.
    """
    pairs: dict[str, str] = {}
    for part in re.split(f"[{separators}]", text):
        key, _sign, value = part.partition("=")
        if not part.strip():
            continue
        if not key.strip():
            message = _("Write each one as key=value; “%(part)s” has no key.")
            sentence = message % {"part": part.strip()}
            raise Invalid(sentence, fields={field: [sentence]})
        pairs[key.strip()] = value.strip()
    return pairs


def tags_parse(text: str, separators: str = "\n") -> dict[str, str]:
    """`pairs_parse` on field `tags`."""
    return pairs_parse(text, "tags", separators)


def tags_text(tags: Mapping[str, str]) -> str:
    """The inverse of `tags_parse`."""
    return "\n".join(f"{key}={value}" if value else key for key, value in tags.items())
