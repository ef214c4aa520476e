"""Makes a model version of files that were gathered in a staging, whatever way they came."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from registry import facts, names, rules, samples
from registry.files import manifest_sha256
from registry.formats import wrapping
from registry.formats.recognising import Found, recognise
from registry.incoming.staging import StagedFile, Staging, disk_problem
from registry.records import record_of, record_write
from workspaces.errors import Invalid, Problem
from workspaces.events import event_record
from workspaces.tracking.models import places as tracking_places
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.values import StoredVersion


@dataclass(frozen=True)
class Details:
    """What a person says of a version while registering it. Made by `details_read`."""

    name: str
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    framework: str = ""
    framework_version: str = ""
    sample_input: Any = None
    sample_output: Any = None


@dataclass(frozen=True)
class Origin:
    """Where a version came from.

    Args:
        kind: "run", "upload" or "path".
        path: among the run's artifacts, or on the server; of an upload, its file name.
        run_id: "" when it was no run.
    """

    kind: str
    path: str = ""
    run_id: str = ""


def details_read(
    *,
    name: Any,
    description: Any = "",
    tags: Any = None,
    properties: Any = None,
    framework: Any = "",
    framework_version: Any = "",
    sample_input: Any = None,
    sample_output: Any = None,
) -> Details:
    """Check everything that was said.

    Args:
        sample_input: a JSON value or its text; the same for `sample_output`.
    Raises:
        Invalid: every violation, by field.
    """
    wrong: dict[str, list[str]] = {
        "name": rules.name(name),
        "description": rules.text(description),
        "tags": rules.tags(tags),
        "properties": rules.properties(properties),
        "framework": rules.framework(framework),
        "framework_version": rules.framework_version(framework_version),
    }
    read: dict[str, Any] = {}
    for key, value in (("sample_input", sample_input), ("sample_output", sample_output)):
        try:
            read[key] = samples.json_read(value, key)
        except Invalid as problem:
            wrong |= problem.fields
    rules.check(**wrong)
    return Details(
        name=name,
        description=description or "",
        tags=dict(tags or {}),
        properties=dict(properties or {}),
        framework=rules.framework_known(framework) if framework else "",
        framework_version=framework_version or "",
        **read,
    )


def version_make(
    staging: Staging, files: list[StagedFile], details: Details, origin: Origin, user: Any
) -> StoredVersion:
    """Register the files of a staging as the next version of a model.

    They are recognised, an MLmodel is written beside them where that is honest, and all goes to a
    place of its own in MLflow's artifact store. When anything fails, nothing of it is left.

    Raises:
        Invalid: the files are no model that can be kept.
        Unavailable: MLflow or the disk.
    """
    try:
        folder = _root(staging, files)
        if folder:
            files = [replace(item, path=item.path.removeprefix(f"{folder}/")) for item in files]
        found, problem = _recognised(staging, files)
        _check_mlflow(staging, found)
        if found.wraps and not problem:
            files = _wrapped(staging, files, found, details)
    except OSError as error:
        raise disk_problem(error) from error
    stored = _publish(staging, details, origin)
    manifest = [vars(item).copy() for item in sorted(files, key=lambda item: item.path)]
    keep(
        stored,
        details,
        {
            "kind": origin.kind,
            "by": user.get_username() if user is not None else "",
            "path": origin.path,
            "folder": folder,
        },
        found,
        format_problem=problem,
        manifest=manifest,
        sha256=manifest_sha256(manifest),
    )
    words = {"run": _("Registered from a run."), "path": _("Registered from a server path.")}
    registered(stored, words.get(origin.kind, _("Registered from an upload.")), user)
    return stored


def keep(
    stored: StoredVersion, details: Details, origin: Mapping[str, Any], found: Found, **more: Any
) -> None:
    """Write our own row of a version that was just made."""
    record_write(
        record_of(stored),
        origin=dict(origin),
        properties=details.properties,
        format=found.format,
        # an MLflow model's own flavors say more, once its files are read
        framework=details.framework or ("" if found.format == "mlflow" else found.kind.framework),
        framework_version=details.framework_version or found.version,
        sample_input=details.sample_input,
        sample_output=details.sample_output,
        **more,
    )


def registered(stored: StoredVersion, what: str, user: Any) -> None:
    """One event for a new version."""
    subject = _("Version %(version)s") % {"version": stored.version}
    event_record(
        kind="model.registered",
        subject_type="model",
        subject=stored.name,
        message=f"{subject}: {what}",
        actor=user,
        data={"name": stored.name, "version": stored.version},
    )


def reader(folder: Path) -> Any:
    """A `formats_read.Read` of a folder here."""

    def read(path: str, offset: int, count: int) -> bytes:
        with (folder / path).open("rb") as stream:
            stream.seek(offset)
            return stream.read(count)

    return read


# --- what the files are --------------------------------------------------------------------------


def _root(staging: Staging, files: list[StagedFile]) -> str:
    """The one folder that holds all files, made the root where it is or becomes an MLflow model.

    Other folders keep their name: a script finds the files below it, as Azure ML does.
    """
    tops = {item.path.partition("/")[0] for item in files}
    if len(tops) != 1 or any("/" not in item.path for item in files):
        return ""
    (top,) = tops
    inner = [replace(item, path=item.path.removeprefix(f"{top}/")) for item in files]
    sizes = [(item.path, item.size) for item in inner]
    found = recognise(sizes, reader(staging.folder / top))
    wraps = found.wraps and not wrapping.why_not(found, {item.path for item in inner})
    if found.format != "mlflow" and not wraps:
        return ""
    staging.enter(top)
    return top


def _recognised(staging: Staging, files: list[StagedFile]) -> tuple[Found, str]:
    found = recognise([(item.path, item.size) for item in files], reader(staging.folder))
    return found, wrapping.why_not(found, {item.path for item in files})


def _check_mlflow(staging: Staging, found: Found) -> None:
    """An MLmodel that cannot be read would only be found out when it is deployed."""
    if found.format == "mlflow":
        with (staging.folder / "MLmodel").open("rb") as stream:
            facts.mlmodel_parse(stream.read(facts.MAX_TEXT))


def _wrapped(
    staging: Staging, files: list[StagedFile], found: Found, details: Details
) -> list[StagedFile]:
    paths = {item.path for item in files}
    named = replace(found, version=details.framework_version or found.version)
    given = None
    if wrapping.REQUIREMENTS in paths:
        with (staging.folder / wrapping.REQUIREMENTS).open("rb") as stream:
            given = stream.read(facts.MAX_TEXT)
    made = wrapping.wrap(
        named,
        paths=paths,
        sample=samples.sample_read(details.sample_input),
        sample_output=details.sample_output,
        given_requirements=given,
    )
    for path in made.keys() & paths:
        staging.drop(path)
    kept = [item for item in files if item.path not in made]
    return kept + [staging.add(path, iter([content])) for path, content in made.items()]


# --- where they go -------------------------------------------------------------------------------


def _publish(staging: Staging, details: Details, origin: Origin) -> StoredVersion:
    place = tracking_places.place_new(details.name, origin.run_id)
    staging.publishes(place.source)
    try:
        tracking_places.place_fill(place, staging.folder)
        tracking_places.place_finish(place)
        with model_for_version(details.name):
            stored = tracking_models.version_create(
                name=details.name,
                source=place.source,
                run_id=origin.run_id,
                model_id=place.model_id,
                description=details.description,
                tags=details.tags,
            )
    except BaseException:
        with contextlib.suppress(Problem):  # else the next sweep does it
            tracking_places.place_remove_unless_used(place.source)
            staging.published()
        raise
    staging.published()
    return stored


@contextlib.contextmanager
def model_for_version(name: str, make: Callable[[], bool] | None = None) -> Iterator[None]:
    """Make a model unless it lives, for a version that is made inside the block.

    When that fails, a model that was made is taken back. One name at a time: else a version that
    somebody else made meanwhile would be deleted with it.

    Args:
        make: makes the model; whether it was absent.
    """
    with names.name_held(settings.SLIPWAY.data.run, name):
        made = make() if make else tracking_models.model_create_if_absent(name)
        try:
            yield
        except BaseException:
            if made:
                _model_remove_if_empty(name)
            raise


def _model_remove_if_empty(name: str) -> None:
    with contextlib.suppress(Problem):
        if not tracking_models.versions_search(name, max_results=1).items:
            tracking_models.model_delete(name)


def sha256_check(given: Any, files: Iterable[StagedFile]) -> None:
    """Compare with what the sender says.

    Args:
        given: nothing, the sha-256 of the one file, or a mapping of path to sha-256.
    Raises:
        Invalid: on `sha256`, naming each file that differs or is missing.
    """
    if not given:
        return
    found = {item.path: item.sha256 for item in files}
    if isinstance(given, str):
        if len(found) != 1:
            _refuse_sha256([_("With several files it is an object of path and sha-256.")])
        given = dict.fromkeys(found, given)
    if not isinstance(given, Mapping):
        _refuse_sha256([_("It is a sha-256, or an object of path and sha-256.")])
    wrong = []
    for path, digest in given.items():
        if path not in found:
            wrong.append(_("There is no file %(path)s.") % {"path": str(path)[:200]})
        elif str(digest).strip().lower() != found[path]:
            words = {"path": path, "found": found[path]}
            wrong.append(_("%(path)s arrived with the sha-256 %(found)s.") % words)
    _refuse_sha256(wrong)


def _refuse_sha256(sentences: list[str]) -> None:
    if sentences:
        raise Invalid(" ".join(sentences), fields={"sha256": sentences}, code="checksum")
