"""The JSON that the API and pages read: what no database can hold is refused here, once for all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from workspaces.errors import Invalid

DEEPEST = 32


class BoundedJSONParser(JSONParser):
    """JSON without NUL characters, halves of surrogate pairs, or endless nesting.

    Raises:
        ParseError: it is no JSON. Invalid: with every field that holds what cannot be kept.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            value = super().parse(stream, media_type, parser_context)
        except RecursionError:  # Python's own limit, met while reading
            raise ParseError(_too_deep()) from None
        _check(value)
        return value


def json_text(text: str) -> Any:
    """JSON that a person typed or uploaded, by the same rules.

    Raises:
        Invalid: with a sentence that follows the name of the field; without fields.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
        _check(value)
    except (ValueError, RecursionError) as error:
        cause = {"cause": str(error)[:200]}
        raise Invalid(_("is no JSON: %(cause)s.") % cause) from None
    except Invalid as problem:
        cause = {"cause": problem.message[:500]}
        raise Invalid(_("cannot be used: %(cause)s") % cause) from None
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _check(value: Any) -> None:
    wrong: dict[str, list[str]] = {}
    for place, sentence in _violations(value, "", DEEPEST):
        wrong.setdefault(place, []).append(sentence)
    if wrong:
        general = wrong.pop("", [])
        texts = general + [f"{place}: {text}" for place in wrong for text in wrong[place]]
        raise Invalid(" ".join(texts), fields=wrong)


def _violations(value: Any, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and (sentence := _unstorable(value)):
        yield place, sentence
    if isinstance(value, float) and not math.isfinite(value):  # what 1e999 is read as
        yield place, _("this number is too large to be kept.")
    if isinstance(value, dict | list) and depth == 0:
        yield place, _too_deep()
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if sentence := _unstorable(key):
                yield place, sentence
            else:
                yield from _violations(item, f"{place}.{key}" if place else key, depth - 1)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _violations(item, f"{place}.{index}" if place else str(index), depth - 1)


def _unstorable(text: str) -> str:
    if "\x00" in text:
        return _("a NUL character cannot be kept.")
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can carry half of a surrogate pair
        return _("this is not text that can be kept.")
    return ""


def _too_deep() -> str:
    return _("more than %(most)d levels of objects and lists.") % {"most": DEEPEST}
