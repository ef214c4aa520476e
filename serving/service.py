"""What one worker serves: its model, its queue, its keys and its counters."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving.auth import Keys
from serving.batch import Batcher
from serving.contract import ReplicaConfig
from serving.errors import ServingError
from serving.loaders import load
from serving.logs import AccessLog
from serving.metrics import Metrics
from serving.scoring import Servable

log = logging.getLogger("serving.service")


class Service:
    """The state behind the routes; `on_stuck` is called when a call hangs past all patience."""

    def __init__(
        self, folder: Path, config: ReplicaConfig, index: int, on_stuck: Callable[[str], None]
    ) -> None:
        self.folder, self.config = folder, config
        self.keys = Keys(folder)
        self.batcher = Batcher(config, on_stuck, self._note_batch)
        model = (config["model_name"], config["model_version"])
        self.metrics = Metrics(folder, index, model, self.batcher.queue_length)
        self.access_log = AccessLog() if config.get("access_log", True) else None
        self.tracer = _tracer(config)
        self.load_seconds: float | None = None

    @property
    def servable(self) -> Servable | None:
        """The loaded model, or None before."""
        return self.batcher.servable

    def loaded(self) -> Servable:
        """Return the loaded model; raises ServingError 503 before there is one."""
        if self.servable is None:
            raise ServingError(503, "The model is still loading; try again.", {"retry-after": "2"})
        return self.servable

    async def load(self) -> None:
        """Load the model in the model thread; raises what its code raises."""
        started = time.perf_counter()
        await self.batcher.load(lambda: load(self.config, self.folder))
        self.load_seconds = time.perf_counter() - started

    def close(self) -> None:
        """Write what is still to be written: counters, log lines, traces; as far as it can."""
        steps = [self.metrics.save]
        if self.access_log is not None:
            steps.append(self.access_log.flush)
        if self.tracer is not None:
            steps.append(self.tracer.close)
        for step in steps:
            try:
                step()
            except OSError:  # a full disk: what comes after it may still go
                log.exception("not everything could be written at the end")

    def _note_batch(self, size: int) -> None:
        self.metrics.batches.note(size)


def _tracer(config: ReplicaConfig) -> Any:
    if not config.get("trace_endpoint"):
        return None
    from serving.traces import Tracer

    return Tracer(config)
