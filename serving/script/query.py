"""GET /score: the query's arguments as the JSON object that a POST would have sent."""

from __future__ import annotations

import json
from typing import Any

from serving.script.multidict import MultiDict


def as_document(args: MultiDict) -> dict[str, Any]:
    """Return name -> value; a value is parsed as JSON where it is JSON, a repeated one a list."""
    lists = {name: [_value(text) for text in args.getlist(name)] for name in args}
    return {name: found[0] if len(found) == 1 else found for name, found in lists.items()}


def as_text(args: MultiDict) -> str:
    """Return the object as JSON text."""
    return json.dumps(as_document(args))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
