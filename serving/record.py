"""runtime.json: what a master says of itself."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from serving.contract import RECORD_FILE, ReplicaConfig, RuntimeRecord
from serving.files import write_json

log = logging.getLogger("serving.record")


class Recorder:
    """Keeps the record and writes it when something in it changed."""

    def __init__(self, folder: Path, config: ReplicaConfig) -> None:
        self.path = folder / RECORD_FILE
        self.record: RuntimeRecord = {
            "phase": "starting",
            "pid": os.getpid(),
            "create_time": 0.0,  # until it is first written
            "port": config["port"],
            "digest": config["digest"],
            "auth_version": 0,
            "restarts": 0,
            "exit_code": None,
            "message": "",
            "load_seconds": None,
            "memory_mb": None,
        }
        self._written: RuntimeRecord | None = None
        self._fails = False

    def write(self) -> None:
        """Write the record if it differs from the file's.

        A disk that takes nothing ends no replica: the next call tries again.
        """
        if self.record == self._written:
            return
        if self._written is None:
            import psutil  # takes longer than the worker's start, which this may come after

            self.record["create_time"] = psutil.Process().create_time()
        try:
            write_json(self.path, self.record)
        except OSError:
            if not self._fails:  # once, not at every tick
                log.exception("%s cannot be written", self.path.name)
            self._fails = True
            return
        self._fails = False
        self._written = self.record.copy()

    def exited(self, code: int, message: str) -> None:
        """Write the last record of this master."""
        self.record["phase"] = "exited"
        self.record["exit_code"] = code
        self.record["message"] = message
        self.write()
