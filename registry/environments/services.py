"""Changes of environments. Pages and API call these through `deployments`, which also locks."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from registry import rules as texts
from registry.environments import rules
from registry.environments.files import Parsed
from registry.environments.versions import version_row
from registry.models import Environment, EnvironmentVersion
from registry.selectors import version_get
from workspaces.errors import Conflict, NotFound
from workspaces.events import event_record

_MODEL = re.compile(r"models:/(.+)/([^/]+)", re.DOTALL)


def environment_create(
    *,
    name: str,
    python: str = "",
    packages: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    base_image: str = "",
    docker_steps: Sequence[str] = (),
    description: str | None = None,
    parsed: Parsed | None = None,
    source: str = "",
    user: Any,
) -> EnvironmentVersion:
    """Make the first or the next version of an environment.

    Args:
        python: minor; "" takes that of `parsed`, else the studio's own.
        packages: requirement lines, added to those of `parsed`.
        variables: replace those of `parsed` that have the same name.
        base_image, docker_steps: for targets that run containers; "" and () add nothing.
        description: of the environment, all versions; None leaves it.
        parsed: what a file asked for, see `environment_files`.
        source: where `parsed` came from, shown on the page.
        user: who asks; None for the system.
    Raises:
        Invalid: every violation, in `fields`.
    """
    parsed = parsed or Parsed()
    python = python or parsed.python or f"{sys.version_info.major}.{sys.version_info.minor}"
    given: Any = {} if variables is None else variables
    if isinstance(given, Mapping):  # else it is refused below
        given = {**parsed.variables, **given}
    base_image, docker_steps = _from_step(base_image, docker_steps)
    found = {
        "name": rules.name(name),
        "description": texts.text(description),
        "python": rules.python(python),
        "packages": rules.packages(packages),
        parsed.about: [*parsed.problems, *_missing(parsed, base_image, docker_steps)],
        "variables": rules.variables(given),
        "base_image": rules.base_image(base_image),
        "docker_steps": rules.docker_steps(docker_steps),
    }
    texts.check(**found)
    lines = list(dict.fromkeys([*parsed.packages, *(line.strip() for line in packages)]))
    texts.check(packages=rules.packages(lines))  # together they may be too many
    values = {
        "python": python,
        "packages": lines,
        "conda": [asdict(item) for item in parsed.conda],
        "variables": given,
        "base_image": base_image,
        "docker_steps": [step.strip() for step in docker_steps],
        "source": source[:600],
    }
    return version_add(name, values, description=description, user=user)


def version_add(
    name: str,
    values: Mapping[str, Any],
    *,
    description: str | None,
    user: Any,
    curated: bool = False,
) -> EnvironmentVersion:
    """Add a version whose values have been judged; the number follows the latest.

    A curated one that asks for what the latest asks for is the latest: two processes that start
    at the same moment make one.
    """
    with transaction.atomic():
        Environment.objects.get_or_create(name=name, defaults={"curated": curated})
        environment = Environment.objects.select_for_update().get(name=name)
        if description is not None and description != environment.description:
            environment.description = description
            environment.save(update_fields=["description"])
        latest = environment.versions.order_by("-pk").first()
        if curated and latest and is_same(latest, values):
            return latest
        row = EnvironmentVersion.objects.create(
            environment=environment,
            version=str(int(latest.version) + 1 if latest else 1),
            created_by=user if getattr(user, "pk", None) else None,
            **values,
        )
        _event(row, "created", _("Created."), user)
    return row


def is_same(row: EnvironmentVersion, values: Mapping[str, Any]) -> bool:
    """Whether a version asks for these values."""
    return all(getattr(row, key) == value for key, value in values.items())


def _from_step(base_image: Any, steps: Any) -> tuple[Any, Any]:
    """A Dockerfile's text begins with FROM; that is the base image where none is given."""
    if base_image == "" and isinstance(steps, list | tuple) and steps and isinstance(steps[0], str):
        match = re.fullmatch(r"\s*FROM\s+(\S+)\s*", steps[0], re.IGNORECASE)
        if match:
            return match[1], steps[1:]
    return base_image, steps


def _missing(parsed: Parsed, base_image: Any, steps: Any) -> list[str]:
    """Packages that only conda has must come from an image of the person's own."""
    if base_image or steps:
        return []
    return [item.note for item in parsed.conda if item.missing]


def model_requirements(uri: str) -> Parsed:
    """What the model version `models:/NAME/VERSION` asks for by its own files.

    Raises:
        Unavailable: MLflow does not answer.
    """
    match = _MODEL.fullmatch(uri) if isinstance(uri, str) else None
    if match is None:
        text = _("“%(uri)s” is not of the form models:/NAME/VERSION.")
        return Parsed(problems=(text % {"uri": str(uri)[:120]},), about="model")
    try:
        info = version_get(match[1], match[2])
    except NotFound as error:
        return Parsed(problems=(error.message,), about="model")
    problems = [text for line in info.requirements if (text := rules.requirement(line))]
    if not info.requirements:
        problems.append(info.problem or _("The model lists no requirements."))
    return Parsed(
        python=info.python_version,
        packages=() if problems else tuple(info.requirements),
        problems=tuple(problems),
        about="model",
    )


def name_for(model: str) -> str:
    """A name for the environment of a model, made to fit the rule."""
    fitting = re.sub(r"[^a-zA-Z0-9\-._]+", "-", model).lstrip("-._")[:240].rstrip("-")
    name = f"{fitting or 'model'}-packages"
    return name if not rules.name(name) else f"my-{name}"


def environment_archive(
    *, name: str, version: str, archived: bool = True, user: Any
) -> EnvironmentVersion:
    """Hide a version from lists, or show it again; services that run in it are not touched.

    Raises:
        Conflict: it is a curated one. Invalid, NotFound: as `environments.version_row`.
    """
    row = version_row(f"{name}:{version}")
    if row.environment.curated:
        raise Conflict(_("Curated environments cannot be changed."), code="curated")
    with transaction.atomic():
        changed = EnvironmentVersion.objects.filter(pk=row.pk, archived=not archived)
        if changed.update(archived=archived):
            word, what = ("archived", _("Archived.")) if archived else ("restored", _("Restored."))
            _event(row, word, what, user)
    row.refresh_from_db()
    return row


def _event(row: EnvironmentVersion, word: str, what: str, user: Any) -> None:
    name = row.environment.name
    subject = _("Version %(version)s") % {"version": row.version}
    event_record(
        kind=f"environment.{word}",
        subject_type="environment",
        subject=name,
        message=f"{subject}: {what}",
        actor=user,
        data={"name": name, "version": row.version},
    )
