"""What is kept while a document of Azure ML v1 is read: violations by field, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

Json = dict[str, Any]


@dataclass
class Reading:
    """What was found while a document of v1 is read: violations by field, and warnings."""

    violations: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def fault(self, name: str, sentence: str) -> None:
        self.violations.setdefault(name, []).append(sentence)

    def warn(self, name: str, sentence: str = "") -> None:
        text = sentence or _("has no meaning on this target.")
        self.warnings.append(f"{name} {text}")

    def typed(self, name: str, value: Any, kind: type | tuple[type, ...], words: str) -> Any:
        """The value when it is of this kind, else None; null is None without a violation."""
        is_bool = isinstance(value, bool) and kind is not bool
        if value is None or (isinstance(value, kind) and not is_bool):
            return value
        self.fault(name, words)
        return None

    def text(self, name: str, value: Any) -> str:
        found = self.typed(name, value, str, _("must be a text."))
        return found.strip() if found else ""

    def objects(self, name: str, value: Any) -> Json:
        found = self.typed(name, value, Mapping, _("must be an object."))
        return dict(found) if found else {}

    def switch(self, name: str, value: Any, *, default: bool = False) -> bool:
        found = self.typed(name, value, bool, _("must be true or false."))
        return default if found is None else bool(found)


def summary(document: str, reading: Reading) -> str:
    """All violations in one message."""
    lines = [f"{name} {text}" for name, texts in reading.violations.items() for text in texts]
    return _("%(document)s cannot be used: ") % {"document": document} + " ".join(lines)
