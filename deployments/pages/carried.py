"""What a deployment configuration names and the Deploy page has no control for.

An import fills the controls with what they can express; the rest travels with the form, as JSON in
one field that the person sees and can leave out. `configuration.validate` judges all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from deployments.configuring.configuration import DeploymentConfiguration
from registry.pairs import pairs_parse
from workspaces.errors import Invalid
from workspaces.parsers import json_text

FIELD = "carried"  # of the form
LONGEST_DESCRIPTION = 2000  # characters of its control
Json = dict[str, Any]


def carried_text(left: Mapping[str, Any]) -> str:
    """The field for what no control has taken; what is our default needs no carrying."""
    usual = DeploymentConfiguration().as_json()
    differs = {name: value for name, value in left.items() if value != usual.get(name)}
    return json.dumps(differs) if differs else ""


def carried_read(text: str) -> Json:
    """What the field says; what cannot be read is under the field's own name, to be refused."""
    if not text:
        return {}
    try:
        value = json_text(text)
    except Invalid as problem:
        return {FIELD: problem.message}
    return value if isinstance(value, dict) else {FIELD: text}


def carried_lines(text: str) -> list[str]:
    """The same for people, a line for each name."""
    return [
        f"{name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in carried_read(text).items()
    ]


def carried_tags(text: str) -> dict[str, str]:
    """The tags among it, which the control cannot express."""
    tags = carried_read(text).get("tags")
    return dict(tags) if isinstance(tags, Mapping) else {}


def tags_split(tags: Mapping[str, Any]) -> tuple[dict[str, str], Json]:
    """The tags that a line of `key=value, key=value` can express, and the others."""
    fit = {key: value for key, value in tags.items() if _is_pair(key, value)}
    return fit, {key: value for key, value in tags.items() if key not in fit}


def _is_pair(key: str, value: Any) -> bool:
    if not isinstance(value, str) or not (key + value).isprintable():
        return False
    try:
        return pairs_parse(f"{key}={value}", "tags", "\n,") == {key: value}
    except Invalid:
        return False


def is_line(text: Any) -> bool:
    """Whether the control of the description gives this text back as it is."""
    return (
        isinstance(text, str)
        and len(text) <= LONGEST_DESCRIPTION
        and text == text.strip()
        and (text == "" or text.isprintable())
    )
