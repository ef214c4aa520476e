"""Names with one or several values, and uploaded files, with the methods that scripts use."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.message import Message
from pathlib import Path
from typing import IO, Any


class MultiDict(Mapping[str, Any]):
    """Reads as a dict of first values, as Flask's does; `getlist` gives all of one name."""

    def __init__(self, pairs: Iterable[tuple[str, Any]] = ()) -> None:
        self._lists: dict[str, list[Any]] = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> Any:
        return self._lists[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists)

    def __len__(self) -> int:
        return len(self._lists)

    def __repr__(self) -> str:
        return f"MultiDict({list(self.pairs())!r})"

    def pairs(self) -> Iterator[tuple[str, Any]]:
        """Every name with every value."""
        return ((name, value) for name, values in self._lists.items() for value in values)

    def get(self, name: str, default: Any = None, type: Callable[[Any], Any] | None = None) -> Any:
        """Return the first value, through `type` when given; the default where that fails."""
        if name not in self._lists:
            return default
        value = self._lists[name][0]
        if type is None:
            return value
        try:
            return type(value)
        except (ValueError, TypeError):
            return default

    def getlist(self, name: str) -> list[Any]:
        """Return all values of a name; empty when there is none."""
        return list(self._lists.get(name, []))

    def to_dict(self, flat: bool = True) -> dict[str, Any]:
        """Return a plain dict: of first values, or with `flat` False of lists."""
        if flat:
            return dict(self)
        return {name: list(values) for name, values in self._lists.items()}


class UploadedFile:
    """One file of a form; reads like a binary file (`Image.open(request.files["x"])`)."""

    def __init__(self, name: str, filename: str, headers: Message, content: bytes) -> None:
        self.name = name
        self.filename = filename
        self.headers = headers
        self.content_type = headers.get("content-type", "application/octet-stream")
        self.mimetype = self.content_type.partition(";")[0].strip().lower()
        self.content_length = len(content)
        self.stream = io.BytesIO(content)

    def save(self, target: str | Path | IO[bytes]) -> None:
        """Write the file to a path or into an open binary file."""
        if isinstance(target, (str, Path)):
            with Path(target).open("wb") as file:
                shutil.copyfileobj(self.stream, file)
        else:
            shutil.copyfileobj(self.stream, target)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.stream)

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # not yet set: while being unpickled or copied
            raise AttributeError(name)
        return getattr(self.stream, name)
