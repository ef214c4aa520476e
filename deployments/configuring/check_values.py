"""One check of pre-flight: its name, how it went, a sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

Result = Literal["passed", "warning", "failed"]
ORDER: dict[Result, int] = {"failed": 0, "warning": 1, "passed": 2}


@dataclass(frozen=True)
class Check:
    name: str
    result: Result
    sentence: str
    next_step: str = ""  # "" where there is nothing to do

    def as_dict(self) -> dict[str, str]:
        """As it is stored."""
        return asdict(self)


def check_from(stored: Mapping[str, Any]) -> Check:
    """Read back what `as_dict` gave."""
    result = stored.get("result")
    return Check(
        str(stored.get("name", "")),
        cast(Result, result) if result in ORDER else "failed",
        str(stored.get("sentence", "")),
        str(stored.get("next_step", "")),
    )


def worst(checks: Iterable[Check]) -> Result:
    """The result of all together."""
    return min((check.result for check in checks), key=ORDER.__getitem__, default="passed")
