"""Fills a studio by writing rows: little, or a thousand of everything with the longest names."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

from deployments.access import keys
from deployments.choices import (
    Desired,
    OperationKind,
    OperationStatus,
    ServiceState,
    StepName,
    StepState,
)
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.models import Operation, Revision, Service, Step, Target
from registry.models import VersionUse
from workspaces.tracking.store.opening import store_id

MODEL = "diabetes-regression"
LONG_MODEL = "a-model-whose-name-is-" + "very-" * 20 + "long"
LONG_VALUE = "word " * 40 + "x" * 300
EXAMPLE = {"dataframe_split": {"columns": ["age", "city"], "data": [[0.25, "Bonn"]]}}
MLMODEL = """
artifact_path: model
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
  sklearn: {pickled_model: model.pkl}
mlflow_version: 3.17.2
saved_input_example_info:
  artifact_path: input_example.json
  serving_input_path: serving_input_example.json
  type: dataframe
signature:
  inputs: '[{"type": "double", "name": "age", "required": true},
    {"type": "string", "name": "city", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""
STEPS = (
    StepName.QUEUED,
    StepName.COPY_MODEL,
    StepName.PREPARE_ENVIRONMENT,
    StepName.START,
    StepName.HEALTH_CHECK,
    StepName.SMOKE_TEST,
    StepName.READY,
)
# the state of a service, and what became of its operation
ENDS = {
    ServiceState.HEALTHY: OperationStatus.SUCCEEDED,
    ServiceState.TRANSITIONING: OperationStatus.RUNNING,
    ServiceState.UNHEALTHY: OperationStatus.SUCCEEDED,
    ServiceState.UNSCHEDULABLE: OperationStatus.TIMED_OUT,
    ServiceState.FAILED: OperationStatus.FAILED,
    ServiceState.STOPPED: OperationStatus.CANCELLED,
    ServiceState.DELETING: OperationStatus.RUNNING,
}
CAUSE = "The package xgboost 99.0 was not found in the package registry. " * 3


def model_write(folder: Path) -> Path:
    """The files of a model version with signature, example and requirements."""
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "requirements.txt").write_text("mlflow\nscikit-learn==1.6.1\n")
    (folder / "python_env.yaml").write_text("python: 3.11.7\n")
    (folder / "serving_input_example.json").write_text(json.dumps(EXAMPLE))
    return folder


def services_write(count: int, user: User) -> None:
    """`count` services with a revision and an operation each, through all states in turn."""
    node, now = "here", timezone.now()
    capacity = {"cpu_total": 4.0, "memory_total_mb": 8000.0, "memory_free_mb": 6000.0}
    target, _made = Target.objects.get_or_create(
        name="local", defaults={"kind": "local", "node": node, "checked_at": now}
    )
    Target.objects.update(capacity=capacity)
    Target.objects.get_or_create(
        name="docker",
        defaults={"kind": "docker", "node": node, "problems": ["No Docker daemon answers."]},
    )
    sealed = keys.new_keys()
    states = list(ENDS)
    services = Service.objects.bulk_create(
        _service(number, states[number % len(states)], target, sealed, user)
        for number in range(count)
    )
    revisions = Revision.objects.bulk_create(_revision(service, user) for service in services)
    for service, revision in zip(services, revisions, strict=True):
        service.wanted = revision
        service.active = revision if service.state in ("Healthy", "Unhealthy") else None
    Service.objects.bulk_update(services, ["wanted", "active"], batch_size=200)
    operations = Operation.objects.bulk_create(
        _operation(service, revision, user)
        for service, revision in zip(services, revisions, strict=True)
    )
    Step.objects.bulk_create(step for operation in operations for step in _steps(operation))
    VersionUse.objects.bulk_create(
        VersionUse(store=store_id(), name=MODEL, version="1", service=service.name)
        for service in services
    )


def name_of(number: int) -> str:
    """The longest name that a service may have, for every fifth of them."""
    return f"service-{number:04d}" + ("-of-the-longest-kind"[:20] if number % 5 == 4 else "")


def _service(number: int, state: str, target: Target, sealed: Any, user: User) -> Service:
    desired = {"Stopped": Desired.STOPPED, "Deleting": Desired.DELETED}.get(state, Desired.RUNNING)
    is_bad = state in ("Failed", "Unhealthy", "Unschedulable")
    return Service(
        name=name_of(number),
        target=target,
        keys=sealed,
        state=state,
        desired=desired,
        message=CAUSE if is_bad else "",
        created_by=user,
        description=LONG_VALUE if number == 4 else "",
        tags={"team": "research", "long": LONG_VALUE} if number == 4 else {},
    )


def _revision(service: Service, user: User) -> Revision:
    return Revision(
        service=service,
        number=1,
        model_store=store_id(),
        model_name=LONG_MODEL if service.name.endswith("kind") else MODEL,
        model_version="1",
        python="3.11",
        deployment=DeploymentConfiguration().as_dict(),
        created_by=user,
    )


def _operation(service: Service, revision: Revision, user: User) -> Operation:
    status = ENDS[ServiceState(service.state)]
    kind = OperationKind.DELETE if service.state == "Deleting" else OperationKind.DEPLOY
    is_bad = status in (OperationStatus.FAILED, OperationStatus.TIMED_OUT)
    return Operation(
        kind=kind,
        service=service,
        service_name=service.name,
        revision=revision,
        generation=1,
        status=status,
        error=CAUSE if is_bad else "",
        requested_by=user,
        ended_at=None if status == OperationStatus.RUNNING else timezone.now(),
    )


def _steps(operation: Operation) -> Iterable[Step]:
    now = timezone.now()
    ends = {
        OperationStatus.SUCCEEDED: StepState.SUCCEEDED,
        OperationStatus.RUNNING: StepState.RUNNING,
        OperationStatus.CANCELLED: StepState.CANCELLED,
    }
    for position, name in enumerate(STEPS):
        state = StepState.SUCCEEDED if position < 3 else StepState.PENDING
        if position == 3:
            state = ends.get(OperationStatus(operation.status), StepState.FAILED)
        if position > 3 and operation.status == OperationStatus.SUCCEEDED:
            state = StepState.SUCCEEDED
        yield Step(
            operation=operation,
            position=position,
            name=name,
            state=state,
            message=operation.error if state == StepState.FAILED else "",
            started_at=None if state == StepState.PENDING else now,
            ended_at=None if state in (StepState.PENDING, StepState.RUNNING) else now,
        )


def people_write(count: int) -> None:
    User.objects.bulk_create(
        User(
            username=f"user-{number:04d}" + "-with-a-long-name" * (number % 5 == 4) * 6,
            email=f"user-{number}@example.org",
            is_active=number % 7 != 3,
        )
        for number in range(count)
    )


def tracking_write(database: Path, model: Path, count: int) -> str:
    """`count` experiments, runs, models and versions in an MLflow store. Returns one run's id."""
    now = int(time.time() * 1000)
    runs = [uuid.uuid5(uuid.NAMESPACE_URL, str(number)).hex for number in range(count)]
    connection = sqlite3.connect(database)
    with connection:
        _experiments(connection, model.parent, count, now)
        _runs(connection, runs, model.parent, now)
        _models(connection, runs, model, now)
    connection.close()
    _log_model(f"sqlite:///{database}", runs[-1])
    return runs[-1]


def _log_model(uri: str, run_id: str) -> None:
    """A logged model of that run, as a client would leave it."""
    client = MlflowClient(uri, uri)
    model = client.create_logged_model("100", name="model", source_run_id=run_id)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    client.finalize_logged_model(model.model_id, "READY")
    model_write(Path(model.artifact_location))


def _many(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        names = list(rows[0])
        marks = ", ".join(f":{name}" for name in names)
        columns = ", ".join(f'"{name}"' for name in names)
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def _experiments(connection: sqlite3.Connection, root: Path, count: int, now: int) -> None:
    rows = [
        {
            "experiment_id": 100 + number,
            "name": f"experiment {number:04d}" + " of a name without an end" * 8 * (number == 1),
            "artifact_location": str(root / "experiments" / str(number)),
            "lifecycle_stage": "active",
            "creation_time": now,
            "last_update_time": now - count + number,
        }
        for number in range(count)
    ]
    _many(connection, "experiments", rows)


def _runs(connection: sqlite3.Connection, runs: list[str], root: Path, now: int) -> None:
    """All of experiment 100; the last and newest has files, a curve and the longest values."""
    states = ("FINISHED", "FINISHED", "FAILED", "KILLED")
    rows = [
        {
            "run_uuid": run,
            "name": f"run-{number:04d}" + "-" + "y" * 200 * (number % 10 == 4),
            "source_type": "UNKNOWN",
            "source_name": "train.py",
            "user_id": "ada",
            "status": states[number % 4],
            "start_time": now - (len(runs) - number) * 1000,
            "end_time": now - (len(runs) - number) * 1000 + 900,
            "lifecycle_stage": "active",
            "artifact_uri": str(root / "runs" / run / "artifacts"),
            "experiment_id": 100,
        }
        for number, run in enumerate(runs)
    ]
    rows[-1]["status"] = "FINISHED"
    _many(connection, "runs", rows)
    keys_ = [f"metric_{index}" for index in range(8)]
    metrics = [
        {"key": key, "value": index / 7 + number, "timestamp": now, "step": 0, "is_nan": False}
        | {"run_uuid": run}
        for number, run in enumerate(runs)
        for index, key in enumerate(keys_)
    ]
    curve = [dict(metrics[-1], step=step, value=1 / step) for step in range(1, 40)]
    _many(connection, "latest_metrics", [*metrics[:-1], curve[-1]])
    _many(connection, "metrics", metrics + curve)
    _many(
        connection,
        "params",
        [
            {"key": key, "value": LONG_VALUE if key == "p3" else "0.1", "run_uuid": run}
            for run in runs
            for key in ("p1", "p2", "p3")
        ],
    )
    named = [{"key": "mlflow.runName", "value": r["name"], "run_uuid": r["run_uuid"]} for r in rows]
    _many(connection, "tags", named)
    files = root / "runs" / runs[-1] / "artifacts"
    files.mkdir(parents=True)
    (files / "table.csv").write_text("a,b\n1,2\n")
    (files / ("a-file-with-a-name-" + "z" * 150 + ".txt")).write_text("text\n" * 100)
    model_write(files / "folder")


def _models(connection: sqlite3.Connection, runs: list[str], model: Path, now: int) -> None:
    names = [MODEL, LONG_MODEL] + [f"model-{number:04d}" for number in range(len(runs) - 2)]
    texts = {"creation_time": now, "last_updated_time": now, "description": LONG_VALUE}
    _many(connection, "registered_models", [{"name": name, **texts} for name in names])
    versions = [(MODEL, number + 1) for number in range(len(runs))]
    versions += [(name, 1) for name in names[1:]]
    rows = [
        {"name": name, "version": version, **texts, "user_id": "ada", "current_stage": "None"}
        | {"source": str(model), "run_id": runs[-1], "status": "READY"}
        | {"storage_location": str(model)}
        for name, version in versions
    ]
    _many(connection, "model_versions", rows)
