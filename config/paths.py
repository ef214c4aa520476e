"""Where things lie in the data folder. One folder to back up, to delete, to mount."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOCKET_PATH_LIMIT = 100  # bytes; Linux allows 107 and Redis and uvicorn append suffixes


@dataclass(frozen=True)
class DataFolder:
    """Paths below SLIPWAY_DATA_DIR; nothing here touches the disk."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "slipway.db"

    @property
    def tracking_database(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def secret_key(self) -> Path:
        return self.root / "secret.key"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def runtimes(self) -> Path:
        return self.root / "runtimes"

    @property
    def environments(self) -> Path:
        return self.root / "environments"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def services(self) -> Path:
        return self.root / "services"

    @property
    def operations(self) -> Path:
        return self.root / "operations"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    def replica(self, service: str, revision: int, replica: int = 0) -> Path:
        return self.services / service / str(revision) / str(replica)

    def operation(self, operation_id: object) -> Path:
        return self.operations / str(operation_id)

    def socket(self, name: str) -> Path:
        """Path of a unix socket; in the user's runtime folder when the data folder's is long."""
        path = self.run / f"{name}.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
            return path
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return base / f"slipway-{os.getuid()}-{digest}" / f"{name}.sock"

    @property
    def node_id(self) -> str:
        """Names this data folder; heartbeats, targets and cookies carry it.

        Kept in `node.id` from the first start on, so that a folder can be moved.
        """
        try:
            return (self.root / "node.id").read_text(encoding="ascii").strip()
        except OSError:
            return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
