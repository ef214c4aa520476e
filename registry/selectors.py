"""Reads of models and versions; nothing here changes MLflow."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _

from registry.comparing import Comparison, compare
from registry.facts import Facts, facts_read
from registry.files import CHUNK
from registry.formats.recognising import recognise
from registry.models import VersionRecord
from registry.records import record_of, record_write
from registry.rules import REGISTERED_BY
from registry.uses import uses_of_model, uses_of_models
from registry.values import FileInfo, ModelChoice, ModelRow, VersionInfo, VersionRow, own_tags
from workspaces import tracking
from workspaces.errors import Invalid, Problem
from workspaces.tracking import artifacts as tracking_artifacts
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.files import ModelFolder
from workspaces.tracking.models.values import StoredModel, StoredVersion
from workspaces.tracking.store.opening import store_id
from workspaces.tracking.values import Page, Run

MAX_NAME = 255
HASHED_AT_ONCE = 200_000_000  # bytes of a version's files that are read while somebody waits
FLAVORS = {  # flavor in MLmodel -> framework, key of its version
    "sklearn": ("ScikitLearn", "sklearn_version"),
    "onnx": ("Onnx", "onnx_version"),
    "xgboost": ("XGBoost", "xgb_version"),
    "lightgbm": ("LightGBM", "lgb_version"),
    "pytorch": ("PyTorch", "pytorch_version"),
    "keras": ("TfKeras", "keras_version"),
    "tensorflow": ("TensorFlow", "tensorflow_version"),
}


def models_list(search: str = "", page_token: str = "", limit: int = 50) -> Page[ModelRow]:
    """Registered models whose name contains `search`, newest change first, with their services."""
    page = tracking_models.models_search(search=search, page_token=page_token, max_results=limit)
    services = uses_of_models(model.name for model in page.items)
    rows = tuple(ModelRow(model, services.get(model.name, [])) for model in page.items)
    return Page(rows, page.next_token)


def model_get(name: str) -> StoredModel:
    """Raises: NotFound, Unavailable."""
    return tracking_models.model_get(name)


def versions_page(name: str, page_token: str = "", limit: int = 50) -> Page[VersionRow]:
    """One page of a model's versions, the highest first, with their services. Raises: NotFound."""
    page = tracking_models.versions_search(name, page_token=page_token, max_results=limit)
    services = uses_of_model(name)
    rows = tuple(VersionRow(item, services.get(item.version, [])) for item in page.items)
    return Page(rows, page.next_token)


def versions_list(name: str, limit: int = 200) -> list[StoredVersion]:
    """The newest versions of a model, the highest first, for choosing one. Raises: NotFound."""
    return list(tracking_models.versions_search(name, max_results=limit).items)


def measured_memory_mb(name: str, version: str) -> float | None:
    """Peak memory of a process with this version loaded, in MB; None when never measured."""
    if "\x00" in name + version:
        return None
    rows = VersionRecord.objects.filter(store=store_id(), name=name, version=version)
    return rows.values_list("memory_mb", flat=True).first()


def version_get(name: str, version: str, *, read_files: bool = True) -> VersionInfo:
    """One version with the facts of its files.

    The files are read once and the facts kept; a file that cannot be read or understood is told
    in `problem`, never raised.

    Args:
        read_files: False answers with the facts only when they are kept already (`is_read`).
    Raises:
        NotFound: there is no such version.
        Unavailable: MLflow does not answer.
    """
    stored = tracking_models.version_get(name, version)
    record = record_of(stored)
    if record.facts or read_files:
        return _info(stored, record, record.facts or _facts_of(stored, record))
    return _info(stored, record, {**vars(Facts()), "files": []}, is_read=False)


def _facts_of(stored: StoredVersion, record: VersionRecord) -> dict[str, Any]:
    """Read the small files of a version and list all; kept when nothing was wrong."""
    try:
        folder = ModelFolder(tracking_models.version_location(stored.name, stored.version))
        found = vars(facts_read(folder.read)).copy()
        found["files"] = sorted(
            (asdict(item) for item in folder.files()), key=lambda item: item["path"]
        )
    except Problem as error:
        return {**vars(Facts(problem=error.message)), "files": []}
    if not found["problem"]:
        known: dict[str, Any] = {} if record.format else _format_of(folder, found)
        if not record.manifest:
            known |= _manifest_of(folder, found)
        record_write(record, facts=found, **known)
        for name, value in known.items():
            setattr(record, name, value)
    return found


def _manifest_of(folder: ModelFolder, found: dict[str, Any]) -> dict[str, Any]:
    """The sha-256 of every file, where that is a matter of a moment; else a deploy finds them."""
    sizes = [item["size"] for item in found["files"]]
    if not folder.is_local or None in sizes or sum(sizes) > HASHED_AT_ONCE:
        return {}
    manifest = []
    for item in found["files"]:
        digest = hashlib.sha256()
        with folder.open(item["path"]) as stream:
            while piece := stream.read(CHUNK):
                digest.update(piece)
        row = {"path": item["path"], "size": item["size"], "sha256": digest.hexdigest()}
        manifest.append(row)
    return {"manifest": manifest}


def _format_of(folder: ModelFolder, found: dict[str, Any]) -> dict[str, str]:
    """What the files of a version that another client made are."""

    def read(path: str, offset: int, count: int) -> bytes:
        if not folder.is_local:
            return b""  # it would be fetched whole; the names have to do
        with folder.open(path) as stream:
            stream.seek(offset)
            return stream.read(count)

    kind = recognise([(item["path"], item["size"] or 0) for item in found["files"]], read)
    if kind.format == "mlflow":
        return {"format": "mlflow"}
    return {
        "format": kind.format,
        "framework": kind.kind.framework,
        "framework_version": kind.version,
    }


def _info(
    stored: StoredVersion, record: VersionRecord, facts: dict[str, Any], *, is_read: bool = True
) -> VersionInfo:
    files = tuple(FileInfo(**item) for item in record.manifest or facts["files"])
    sizes = [item.size for item in files]
    known = {name: facts[name] for name in Facts.__dataclass_fields__}
    own = {key: value for key, value in record.properties.items() if key != REGISTERED_BY}
    framework, framework_version = _framework(record, facts["flavors"])
    return VersionInfo(
        name=stored.name,
        version=stored.version,
        store=record.store,
        run_id=stored.run_id,
        source=stored.source,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        description=stored.description,
        tags=own_tags(stored.tags),
        aliases=stored.aliases,
        status=stored.status,
        registered_by=(
            record.origin.get("by") or record.properties.get(REGISTERED_BY) or stored.user
        ),
        size_bytes=sum(sizes) if sizes and None not in sizes else None,  # type: ignore[arg-type]
        files=files,
        sha256=record.sha256,
        properties=own,
        origin=record.origin,
        format=record.format or ("mlflow" if facts["flavors"] else ""),
        format_problem=record.format_problem,
        framework=framework,
        framework_version=framework_version,
        sample_input=record.sample_input,
        sample_output=record.sample_output,
        notes=record.notes,
        is_read=is_read,
        **known,
    )


def _framework(record: VersionRecord, flavors: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """What was said at registering, else what the flavors of an MLflow model say."""
    for flavor, (framework, key) in FLAVORS.items():
        if not record.framework and flavor in flavors:
            said = record.framework_version or flavors[flavor].get(key, "")
            return framework, said if isinstance(said, str) else ""
    return record.framework, record.framework_version


def run_choices(run: Run) -> tuple[ModelChoice, ...]:
    """The models of a run that can be registered, the most recent first.

    MLflow 3's logged models; for runs of older clients, models kept among the run's artifacts.
    """
    logged = tracking_models.run_logged_models(run)
    names = [item.name for item in logged]
    if logged:
        return tuple(
            ModelChoice(
                # a name used twice means the newest; the others are reached by their id
                path=item.name if names.index(item.name) == number else item.model_id,
                label=item.name,
                source=f"models:/{item.model_id}",
                model_id=item.model_id,
                ready=item.ready,
                created_at=item.created_at,
            )
            for number, item in enumerate(logged)
        )
    return tuple(
        ModelChoice(item.path, item.path, item.artifact_uri, "", True, None)
        for item in reversed(tracking_artifacts.run_models(run))
        if not item.model_id
    )


def source_run(run_id: str) -> Run | None:
    """The run that a version came from; None when there is none, or it is gone."""
    try:
        return tracking.run_get(run_id) if run_id else None
    except Problem:
        return None


def versions_compare(name: str, left: str, right: str) -> Comparison:
    """Two versions of a model side by side. Raises: NotFound, Unavailable."""
    infos = [version_get(name, version) for version in (left, right)]
    runs = [source_run(info.run_id) for info in infos]
    problem = " ".join(filter(None, (info.problem for info in infos)))
    return Comparison(compare(infos[0], infos[1], runs[0], runs[1]), problem)


def best_run(experiment_id: str, metric: str, mode: str) -> Run:
    """The run of an experiment with the highest ("max") or lowest ("min") last value of a metric.

    Raises:
        Invalid: on `metric` or `mode`: no run has it, or it is no such word.
        NotFound: there is no such experiment. Unavailable.
    """
    sentences = {}
    if mode not in {"max", "min"}:
        sentences["mode"] = [_("It is “max” or “min”.")]
    if not metric or set(metric) & set('`"\\\x00') or not metric.isprintable():
        sentences["metric"] = [_("Name a metric of the experiment's runs.")]
    if sentences:
        raise Invalid(" ".join(text for found in sentences.values() for text in found),
                      fields=sentences)  # fmt: skip
    tracking.experiment_get(experiment_id)
    order = f"metrics.`{metric}` {'DESC' if mode == 'max' else 'ASC'}"
    page = tracking.runs_search(experiment_ids=[experiment_id], order_by=[order], limit=1)
    run = page.items[0] if page.items else None
    value = run.metrics.get(metric) if run else None
    if run is None or value is None or math.isnan(value):
        text = _("No run of the experiment has the metric “%(metric)s”.") % {"metric": metric}
        raise Invalid(text, fields={"metric": [text]})
    return run


def name_suggest(run: Run, choices: tuple[ModelChoice, ...]) -> str:
    """A model name for the form: the experiment's, else the logged model's, made to fit the rule.

    MLflow's own default experiment says nothing, so the model's name is taken there.
    """
    experiment = tracking.experiment_name(run.experiment_id)
    label = choices[0].label if choices else ""
    for text in ("" if experiment == "Default" else experiment, label, run.name, "model"):
        fitting = re.sub(r"[^a-zA-Z0-9\-._]+", "-", text).lstrip("-._").rstrip("-")[:MAX_NAME]
        if fitting:
            return fitting
    return "model"
