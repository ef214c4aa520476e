"""YAML that anybody wrote, refused before it is loaded when loading would not end.

libyaml's time grows with the square of the depth, so that 2 MB of "[" take it hours; and aliases of
aliases make a few lines billions of values.
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_DEPTH = 64
MAX_VALUES = 500_000  # with every alias counted as what it stands for
# libyaml's where it is compiled in; either makes events alone
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class EndlessYaml(yaml.YAMLError):
    """Nested too deeply, or repeating itself too often."""


def yaml_load(text: str | bytes, loader: Any) -> Any:
    """Return what a document holds, made by a `loader` that makes plain values only.

    Raises: as `yaml_check`.
    """
    yaml_check(text)
    return yaml.load(text, Loader=loader)  # noqa: S506 (the caller's is a safe one)


def yaml_check(text: str | bytes) -> None:
    """Read a document once without making anything of it.

    Raises:
        EndlessYaml: it must not be loaded.
        yaml.YAMLError, ValueError: it is no YAML.
    """
    sizes: dict[str, int] = {}  # of what an anchor names, once that has ended
    open_: list[tuple[str | None, int]] = []  # anchor of a collection, values before it
    values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:  # within itself
                raise EndlessYaml("it repeats itself")
            values += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, values))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            values += 1
            if anchor:
                sizes[anchor] = values - before
        if len(open_) > MAX_DEPTH or values > MAX_VALUES:
            raise EndlessYaml("it is nested too deeply, or too long")
