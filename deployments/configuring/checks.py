"""What a person asked for, checked before anything is made: name, target, model, configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from django.utils.translation import gettext as _

from deployments.configuring import configuration, inference
from deployments.configuring.configuration_reader import too_many
from deployments.configuring.v1_configuration import deployment_read
from deployments.control import ports
from deployments.models import SERVICE_NAME, Service, Target
from registry import selectors as registry_selectors
from registry.services import VersionInfo
from workspaces.errors import Conflict, Invalid, NotFound, Problem

P = ParamSpec("P")
T = TypeVar("T")
_MODEL_URI = re.compile(r"^models:/(?P<name>.+)/(?P<version>[^/]+)$", re.DOTALL)


def parse_model_uri(uri: Any) -> tuple[str, str]:
    """Name and version of `models:/NAME/VERSION`.

    Raises:
        Invalid: on field `model`.
    """
    match = _MODEL_URI.match(uri) if isinstance(uri, str) else None
    if match is None:
        text = _("must look like models:/NAME/VERSION.")
        raise Invalid(f"model {text}", fields={"model": [text]})
    return match["name"], match["version"]


def name_check(name: Any) -> None:
    """Refuse what cannot be a service's name. Raises: Invalid: on field `name`."""
    if texts := check_name(name):
        raise Invalid(f"name {' '.join(texts)}", fields={"name": texts})


def check_name(name: Any) -> list[str]:
    """What is wrong with a service name, as sentences; empty when it can be used."""
    if not isinstance(name, str) or not 3 <= len(name) <= 32:
        return [_("must have from 3 to 32 characters.")]
    if not re.fullmatch(SERVICE_NAME, name):
        return [
            _("must start with a small letter, hold small letters, digits and hyphens only, ")
            + _("and not end with a hyphen.")
        ]
    return []


def target_get(name: Any) -> Target:
    """The target of this name.

    Raises:
        Invalid: on field `target`.
    """
    target = Target.objects.filter(name=name).first() if isinstance(name, str) else None
    if target is None:
        text = _("there is no compute target named %(name)s.") % {"name": name}
        raise Invalid(f"target: {text}", fields={"target": [text]})
    return target


class Problems:
    """What is wrong with a request, kept until all of it can be said at once."""

    def __init__(self, *found: Problem) -> None:
        self.found = list(found)

    def part(self, read: Callable[P, T], *args: P.args, **named: P.kwargs) -> T | None:
        """What `read` returns; None when something is wrong with it, which is kept."""
        try:
            return read(*args, **named)
        except (Invalid, NotFound, Conflict) as problem:
            self.found.append(problem)
            return None

    def raise_all(self) -> None:
        """Raise one Invalid with every field; nothing when nothing is wrong.

        Raises:
            Invalid. NotFound, Conflict: the only thing that is wrong.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            raise self.found[0]
        fields: dict[str, list[str]] = {}
        for problem in self.found:
            for name, texts in problem.fields.items():
                fields.setdefault(name, []).extend(texts)
        raise Invalid(" ".join(problem.message for problem in self.found), fields=fields)


def configured(
    place: Target,
    given: Any,
    before: configuration.DeploymentConfiguration | None,
    service: Service | None = None,
) -> configuration.DeploymentConfiguration:
    """The configuration that was asked for, on a port that no other service has.

    Args:
        given: ours, or v1's JSON for a cloud target; None is `{}`.
        service: the one that is changed; None for a new one.
    Raises:
        Invalid: every violation by field.
    """
    asked = {} if given is None else deployment_read(given)
    problems = Problems()
    made = problems.part(configuration.validate, place.kind, asked, before)
    problems.part(_check_port, asked, service)
    problems.raise_all()
    assert made is not None
    return made


def _check_port(asked: Any, service: Service | None) -> None:
    port = asked.get("port") if isinstance(asked, Mapping) else None
    holder = ports.holder(port, besides=service) if type(port) is int else ""
    if holder:
        text = _("%(port)s is the port of the service %(name)s; choose another or none.")
        words = text % {"port": port, "name": holder}
        raise Invalid(f"port {words}", fields={"port": [words]})


def base_configuration(place: Target, model: Any) -> configuration.DeploymentConfiguration:
    """Our defaults for this model: memory the larger of 1 GB and 1.5 x measured."""
    measured = None
    match = _MODEL_URI.match(model) if isinstance(model, str) else None
    if match is not None:
        measured = registry_selectors.measured_memory_mb(match["name"], match["version"])
    return configuration.validate(place.kind, configuration.defaults(place.kind, measured))


def version_get(uri: Any) -> VersionInfo:
    """The model version of a `models:/` URI; absent is NotFound on field `model`."""
    name, version = parse_model_uri(uri)
    try:
        return registry_selectors.version_get(name, version)
    except NotFound as problem:
        raise NotFound(problem.message, fields={"model": [problem.message]}) from None


def check_tags(tags: Mapping[str, str] | None) -> None:
    """Refuse too many tags, or too large ones. Raises: Invalid: on field `tags`."""
    if tags is not None and (text := too_many(tags)):
        raise Invalid(f"tags {text}", fields={"tags": [text]})


def inference_check(given: Any, model: Any = None) -> dict[str, Any]:
    """The inference configuration as it is kept with a revision; `{}` is no code.

    Args:
        given: ours or v1's JSON; None is no code.
        model: URI of the service's own model.
    Raises:
        Invalid: every violation, on fields `inference` and `inference.…`.
    """
    if given is None or given == {}:
        return {}
    return inference.read(given, model, version_get)


def script_check(version: VersionInfo, inference: Mapping[str, Any] | None) -> None:
    """Refuse to deploy without code what is no MLflow model.

    Raises:
        Invalid: on field `inference`, with the reason.
    """
    if version.needs_script and not inference:
        raise Invalid(version.why_script, fields={"inference": [version.why_script]})
