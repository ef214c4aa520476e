"""Values out of a JSON object, every violation kept by the name of its field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

LARGEST = 1e15
MAX_ORIGINS = 100
MAX_PAIRS = 100  # tags or properties of a service
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9_]([-a-z0-9_.]*[a-z0-9_])?")


def too_many(pairs: Mapping[str, str]) -> str:
    """A sentence when these are more tags or properties than a service may have, else ""."""
    if len(pairs) <= MAX_PAIRS:
        return ""
    sizes = {"limit": MAX_PAIRS, "length": len(pairs)}
    return _("may have at most %(limit)s entries, not %(length)s.") % sizes


class Reader:
    """Takes values out of a JSON object and collects every violation by field name.

    An omitted or null value is the `default` that each call is given.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.left = dict(raw)
        self.violations: dict[str, list[str]] = {}

    def fault(self, name: str, text: str) -> None:
        self.violations.setdefault(name, []).append(text)

    def number(
        self, name: str, value: Any, default: float, low: float, high: float, *, whole: bool
    ) -> float:
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(name, _("must be a number, not %(value)r.") % {"value": value})
            return default
        if not -LARGEST < value < LARGEST:  # NaN and infinity as well; formatting needs a float
            self.fault(name, _("must be from %(low)s to %(high)s.") % {"low": low, "high": high})
            return default
        if whole and value != int(value):
            self.fault(name, _("must be a whole number, not %(value)s.") % {"value": value})
            return default
        if not low <= value <= high:
            self.fault(
                name,
                _("must be from %(low)s to %(high)s, not %(value)s.")
                % {"low": _digits(low), "high": _digits(high), "value": _digits(value)},
            )
            return default
        return value

    def take_whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.number(name, self.left.pop(name, None), default, low, high, whole=True)
        return int(value)

    def take_bool(self, name: str, default: bool) -> bool:
        value = self.left.pop(name, None)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(name, _("must be true or false, not %(value)r.") % {"value": value})
            return default
        return value

    def take_choice(self, name: str, default: str, words: Sequence[str]) -> str:
        value = self.left.pop(name, None)
        if value is None:
            return default
        if value not in words:
            self.fault(name, _("must be one of %(words)s.") % {"words": ", ".join(words)})
            return default
        return str(value)

    def take_text(self, name: str, default: str) -> str:
        if name not in self.left:
            return default
        value = self.left.pop(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > 10_000 or "\x00" in value:
            self.fault(name, _("must be a text of at most 10,000 characters."))
            return ""
        return value

    def take_pairs(self, name: str, default: dict[str, str]) -> dict[str, str]:
        if name not in self.left:
            return default
        value = self.left.pop(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(
            isinstance(key, str) and isinstance(item, str) and "\x00" not in key + item
            for key, item in value.items()
        ):
            self.fault(name, _("must be an object of texts."))
            return {}
        if text := too_many(value):
            self.fault(name, text)
        return dict(value)

    def take_object(self, name: str, keys: Sequence[str]) -> dict[str, Any]:
        """An object with no other keys than these; what is omitted is absent."""
        value = self.left.pop(name, None)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            text = _("must be an object with %(keys)s.")
            self.fault(name, text % {"keys": _(" and ").join(keys)})
            return {}
        for key in value:
            if key not in keys:
                self.fault(f"{name}.{key}", _("is not known here."))
        return {key: value[key] for key in keys if key in value}

    def take_origins(self, name: str, default: list[str]) -> list[str]:
        """Web origins (RFC 6454: scheme, host and port, no path), or "*" alone."""
        if name not in self.left:
            return default
        value = self.left.pop(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MAX_ORIGINS:
            text = _("must be a list of at most %(limit)s origins.")
            self.fault(name, text % {"limit": MAX_ORIGINS})
            return default
        found = [origin(item) for item in value]
        for item, read in zip(value, found, strict=True):
            if not read:
                text = _("%(value)r is not an origin such as https://app.example.com, or *.")
                self.fault(name, text % {"value": item})
        kept = list(dict.fromkeys(item for item in found if item))
        return ["*"] if "*" in kept else kept


def origin(value: Any) -> str:
    """The origin as browsers send it, or "" when it is none."""
    if value == "*":
        return "*"
    if not isinstance(value, str) or len(value) > 300:
        return ""
    parts = _split(value.strip().lower().removesuffix("/"))
    if parts is None or parts.path or parts.query or parts.fragment or parts.scheme == "":
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else ""


def endpoint(value: Any) -> str:
    """An http(s) address without credentials, query or fragment, or "" when it is none."""
    if not isinstance(value, str) or len(value) > 2000:
        return ""
    address = value.strip().rstrip("/")
    parts = _split(address)
    good = parts and parts.scheme in {"http", "https"} and not parts.query and not parts.fragment
    return address if good and address.isascii() and address.isprintable() else ""


def _split(address: str) -> Any:
    """The parts of an address with a plain host and perhaps a port; None for anything else."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    host = parts.netloc.lower().removesuffix(f":{port}" if port is not None else "")
    return parts if _HOST.fullmatch(host) and " " not in address else None


def _digits(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"
