"""What the gateway to MLflow answers: frozen values, never MLflow's own entities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from workspaces.tracking.store.bugs import StrangeAnswer

T = TypeVar("T")

LARGEST = 1.7976931348623157e308  # MLflow's databases keep this in place of infinity
NOTE = "mlflow.note.content"
LEGACY_MODELS = "mlflow.log-model.history"  # models kept as run artifacts, before MLflow 3
OPEN = frozenset({"RUNNING", "SCHEDULED"})  # states of a run that is going on


def moment(milliseconds: int | None) -> datetime | None:
    """MLflow's milliseconds as an aware time; None for none, zero or out of range."""
    if not milliseconds or milliseconds < 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


def measured(value: float) -> float:
    """A metric's value with the infinities that MLflow's databases replace."""
    return math.copysign(math.inf, value) if abs(value) >= LARGEST else value


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list. `next_token` is empty on the last page."""

    items: tuple[T, ...]
    next_token: str = ""


@dataclass(frozen=True)
class Experiment:
    id: str
    name: str
    deleted: bool
    created_at: datetime | None
    updated_at: datetime | None
    artifact_location: str
    tags: Mapping[str, str]

    @property
    def description(self) -> str:
        return self.tags.get(NOTE, "")

    @property
    def own_tags(self) -> dict[str, str]:
        return _own(self.tags)


@dataclass(frozen=True)
class Activity:
    """What happened in an experiment. `runs` is None where counting would be dear."""

    runs: int | None
    last_run_at: datetime | None


@dataclass(frozen=True)
class Keys:
    """Names in use, sorted. `complete` is False when only some of the runs were looked at."""

    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Dataset:
    name: str
    digest: str
    context: str
    source_type: str
    rows: int | None


@dataclass(frozen=True)
class Run:
    id: str
    name: str
    experiment_id: str
    status: str  # RUNNING SCHEDULED FINISHED FAILED KILLED
    deleted: bool
    user: str
    started_at: datetime | None
    ended_at: datetime | None
    artifact_uri: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    datasets: tuple[Dataset, ...] = ()
    steps: Mapping[str, int] = field(default_factory=dict)  # latest step of each metric
    model_ids: tuple[str, ...] = ()  # logged models of MLflow 3 that the run made

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def duration(self) -> timedelta | None:
        if self.started_at is None:
            return None
        end = self.ended_at or (datetime.now(tz=UTC) if self.is_open else None)
        return max(end - self.started_at, timedelta()) if end else None

    @property
    def notes(self) -> str:
        return self.tags.get(NOTE, "")

    @property
    def source(self) -> str:
        return self.tags.get("mlflow.source.name", "")

    @property
    def commit(self) -> str:
        return self.tags.get("mlflow.source.git.commit", "")

    @property
    def parent_id(self) -> str:
        return self.tags.get("mlflow.parentRunId", "")

    @property
    def has_model(self) -> bool:
        """Whether the run says that it logged a model; costs no call."""
        return bool(self.model_ids) or LEGACY_MODELS in self.tags

    @property
    def own_tags(self) -> dict[str, str]:
        return _own(self.tags)


@dataclass(frozen=True)
class Only:
    """Which values of runs are wanted, by name; None for all of a kind.

    Tags that say what a run is (its name, user, parent, source, commit) always come.
    """

    metrics: tuple[str, ...] | None = None
    params: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None


EVERYTHING = Only()
OWN_TAGS = (  # what `Run` itself reads, beside those that are asked for
    "mlflow.runName",
    "mlflow.parentRunId",
    LEGACY_MODELS,
    "mlflow.user",
    "mlflow.source.name",
    "mlflow.source.git.commit",
)


@dataclass(frozen=True)
class Point:
    step: int
    at_ms: int
    value: float


@dataclass(frozen=True)
class Artifact:
    path: str  # relative to the run's or the model's artifacts
    is_folder: bool
    size: int | None

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class RunModel:
    """A model that a run logged.

    `path` is what registering takes: the name of a logged model, else an artifact path.
    """

    name: str
    path: str
    uri: str  # models:/m-… of a logged model, runs:/… of one kept as run artifacts
    artifact_uri: str
    model_id: str = ""
    status: str = "READY"
    has_signature: bool | None = None  # None: not looked at


@dataclass(frozen=True)
class Column:
    """One column or tensor of a signature."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True)
class ModelCard:
    """What a model's own files say of it."""

    flavors: Mapping[str, Mapping[str, Any]]
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    params: tuple[Column, ...]
    has_signature: bool
    requirements: tuple[str, ...]
    python_version: str
    mlflow_version: str
    input_example: str  # pretty JSON, ready to send; empty when there is none
    size_bytes: int | None
    created_at: str = ""
    files: tuple[Artifact, ...] = field(default=())


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in sorted(tags) if not key.startswith("mlflow.")}


def narrowed(run: Run, only: Only) -> Run:
    """A run with no more values than were wanted."""
    if only == EVERYTHING:
        return run
    tags = None if only.tags is None else (*only.tags, *OWN_TAGS)
    return replace(
        run,
        params=_chosen(run.params, only.params),
        metrics=_chosen(run.metrics, only.metrics),
        tags=_chosen(run.tags, tags),
        steps=_chosen(run.steps, only.metrics),
    )


def _chosen(values: Mapping[str, T], names: tuple[str, ...] | None) -> Mapping[str, T]:
    return values if names is None else {key: values[key] for key in values if key in names}


def experiment_value(entity: Any) -> Experiment:
    """Raises: StrangeAnswer: a server that is no MLflow sent something without an id."""
    if not entity.experiment_id:
        raise StrangeAnswer("an experiment without an id")
    return Experiment(
        id=str(entity.experiment_id),
        name=entity.name,
        deleted=entity.lifecycle_stage == "deleted",
        created_at=moment(entity.creation_time),
        updated_at=moment(entity.last_update_time),
        artifact_location=entity.artifact_location or "",
        tags=dict(entity.tags or {}),
    )


def run_value(entity: Any) -> Run:
    """Raises: StrangeAnswer: see `experiment_value`."""
    info, data = entity.info, entity.data
    if not info.run_id:
        raise StrangeAnswer("a run without an id")
    tags = dict(data.tags)
    outputs = getattr(entity, "outputs", None)
    inputs = getattr(entity, "inputs", None)
    return Run(
        id=info.run_id,
        name=info.run_name or tags.get("mlflow.runName", "") or info.run_id,
        experiment_id=str(info.experiment_id),
        status=str(info.status),
        deleted=info.lifecycle_stage == "deleted",
        user=tags.get("mlflow.user", "") or info.user_id or "",
        started_at=moment(info.start_time),
        ended_at=moment(info.end_time),
        artifact_uri=info.artifact_uri or "",
        params=dict(sorted(data.params.items())),
        metrics={key: measured(value) for key, value in sorted(data.metrics.items())},
        tags=tags,
        steps={row.key: row.step for row in getattr(data, "_metric_objs", ())},
        datasets=tuple(_dataset(row) for row in (inputs.dataset_inputs if inputs else ())),
        model_ids=tuple(row.model_id for row in (outputs.model_outputs if outputs else ())),
    )


def _dataset(row: Any) -> Dataset:
    context = {tag.key: tag.value for tag in row.tags or ()}.get("mlflow.data.context", "")
    try:
        rows = json.loads(row.dataset.profile or "{}").get("num_rows")
    except (ValueError, AttributeError):
        rows = None
    return Dataset(
        name=row.dataset.name,
        digest=row.dataset.digest,
        context=context,
        source_type=row.dataset.source_type or "",
        rows=rows if isinstance(rows, int) else None,
    )
