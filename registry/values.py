"""What the registry answers: frozen values for pages, API and `deployments`."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from workspaces.tracking.models.values import StoredModel, StoredVersion

HIDDEN_TAGS = "mlflow."  # MLflow's own; shown nowhere, never edited


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that people set, by key."""
    return {key: tags[key] for key in sorted(tags) if not key.startswith(HIDDEN_TAGS)}


@dataclass(frozen=True)
class FileInfo:
    """A file of a version. `sha256` is "" for large files until the studio has copied them."""

    path: str
    size: int | None
    sha256: str = ""


@dataclass(frozen=True)
class VersionInfo:
    """One model version with everything that is known of it.

    `input_example` can be POSTed to a scoring URI as it is. `problem` is a sentence when the
    version's files could not be read or understood; then the facts are those that could.
    `origin` says where it came from: `kind` ("run", "upload", "path", "" when another client made
    it), `by`, `path` in the run or on the server, `folder` (the name that the folder had).
    """

    name: str
    version: str
    store: str
    run_id: str
    source: str
    created_at: datetime | None
    updated_at: datetime | None
    description: str
    tags: dict[str, str]
    aliases: tuple[str, ...]
    status: str
    registered_by: str
    flavors: dict[str, dict[str, Any]] = field(default_factory=dict)
    signature: dict[str, Any] | None = None
    requirements: list[str] = field(default_factory=list)
    python_version: str = ""
    mlflow_version: str = ""
    input_example: dict[str, Any] | None = None
    size_bytes: int | None = None
    files: tuple[FileInfo, ...] = ()
    sha256: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    format: str = ""
    format_problem: str = ""
    framework: str = ""
    framework_version: str = ""
    sample_input: Any = None
    sample_output: Any = None
    notes: str = ""
    problem: str = ""
    is_read: bool = True  # False: the files were not looked at yet

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"

    @property
    def is_logged(self) -> bool:
        """Whether a run logged it as a model: then logging it again is how to add something."""
        return bool(self.run_id) and self.format == "mlflow"

    @property
    def layout(self) -> dict[str, str]:
        """Under what name an entry script finds it: `folder`, or `entry` of what lies at the top.

        Nothing is known of a version that another client made.
        """
        if folder := self.origin.get("folder"):
            return {"folder": folder}
        entry = posixpath.basename((self.origin.get("path") or "").rstrip("/"))
        return {"entry": entry} if entry else {}

    @property
    def script_path(self) -> str:
        """Where an entry script finds the files, when this is its only model."""
        top = "$AZUREML_MODEL_DIR"
        if folder := self.layout.get("folder"):
            return f"{top}/{folder}"
        entry = self.layout.get("entry")
        is_there = any(entry in (item.path, item.path.split("/")[0]) for item in self.files)
        return f"{top}/{entry}" if entry and is_there else top

    @property
    def needs_script(self) -> bool:
        """Whether only an entry script can serve it; unknown (False) until the files are read."""
        return self.is_read and not self.problem and not self.flavors

    @property
    def why_script(self) -> str:
        """The sentence that it needs an entry script, and why; "" when it does not."""
        if not self.needs_script:
            return ""
        text = _("These files are no MLflow model, so they need an entry script to be served.")
        return f"{text} {self.format_problem}".strip()


@dataclass(frozen=True)
class ModelRow:
    """A registered model in a list, with the services that use any of its versions."""

    model: StoredModel
    services: list[str]


@dataclass(frozen=True)
class VersionRow:
    """A version in a list, with the services that use it."""

    version: StoredVersion
    services: list[str]


@dataclass(frozen=True)
class ModelChoice:
    """A model that a run logged and that can be registered.

    `path` is what registering takes; `model_id` is "" for models kept as run artifacts.
    """

    path: str
    label: str
    source: str
    model_id: str
    ready: bool
    created_at: datetime | None
