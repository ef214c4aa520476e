"""The gateway's routes: read from routes.json, kept when a new file is broken."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from serving.contract import APPLIED_FILE, ROUTES_FILE, Route, RoutesDocument
from serving.files import Stamp, read_json, stamp, write_json

log = logging.getLogger("serving.routes")


class RouteTable:
    """The document in force, and the note that says which one it is."""

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / ROUTES_FILE
        self.applied_path = run_dir / APPLIED_FILE
        self.version = 0
        self.services: dict[str, Route] = {}
        self._stamp: Stamp | None = None
        self._noted = -1
        self._told = ""

    def load(self) -> bool:
        """Take routes.json if it changed; a broken or missing file changes nothing.

        Returns whether `services` and `version` are new.
        """
        found = stamp(self.path)
        if found is not None and found != self._stamp:
            try:
                document = checked(read_json(self.path))
            except OSError as error:  # the next look reads it again
                self._tell(f"routes.json cannot be read, the last routes stay: {error}")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self._stamp = found
                self._tell(f"routes.json is broken, the last routes stay: {error}")
            else:
                self._stamp, self._told = found, ""
                self.services, self.version = document["services"], document["version"]
                return True
        return False

    def _tell(self, message: str) -> None:
        if message != self._told:  # once, however often it is looked at
            log.error(message)
        self._told = message

    def note(self) -> None:
        """Write gateway.json, once per version in force; raises OSError."""
        if self.version != self._noted:
            write_json(self.applied_path, {"version": self.version, "pid": os.getpid()})
            self._noted = self.version


def checked(document: RoutesDocument) -> RoutesDocument:
    """Return the document; raises ValueError, KeyError or TypeError when it is not whole."""
    if not isinstance(document["version"], int):
        raise TypeError("version is not a number")
    for name, route in document["services"].items():
        if not isinstance(route["reason"], str):
            raise TypeError(f"reason of {name!r} is not a text")
        if route.get("max_body_bytes", 1) < 1:
            raise ValueError(f"max_body_bytes of {name!r} is below 1")
        if any(not isinstance(origin, str) for origin in route.get("cors_origins", [])):
            raise TypeError(f"an origin of {name!r} is not a text")
        for backend in route["backends"]:
            if not backend["url"].startswith(("http://", "https://")):
                raise ValueError(f"backend of {name!r} has no http URL")
            if backend["weight"] < 0:
                raise ValueError(f"backend of {name!r} has a negative weight")
    return document
