"""Azure ML v1's JSON in requests about services, and out of services again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.configuring import configuration, v1_json
from deployments.configuring.inference import environment_of, source_texts
from deployments.models import Revision, Service
from registry.scripts import v1_inference
from workspaces.errors import Invalid, NotFound
from workspaces.parsers import json_text_read

INFERENCE, DEPLOYMENT = "inferenceconfig", "deploymentconfig"
Json = dict[str, Any]


def deployment_read(given: Any) -> Any:
    """A deployment configuration in the names that our own reader takes.

    Raises:
        Invalid: it is v1's for a cloud target and breaks v1's rules.
    """
    if not v1_json.is_v1(given):
        return given
    return v1_json.deployment_import(given, has_collector=_has_collector())[0]


def _has_collector() -> bool:
    return bool(settings.SLIPWAY.otlp_endpoint)


def pasted(posted: Mapping[str, str]) -> Json:
    """What of the files that were pasted into a form is kept; nothing of what is no JSON."""
    found: Json = {}
    for name in (INFERENCE, DEPLOYMENT):
        try:
            document = json_read(name, posted.get(name) or "null")
        except Invalid:
            continue
        if isinstance(document, Mapping):
            found[name] = v1_inference.without_secrets(document)
    return found


def v1_of(inference: Any, deployment: Any) -> Json:
    """What is kept of v1's documents beside a revision, for the export; no secrets."""
    found: Json = {}
    if v1_inference.is_v1(inference):
        ours = {"source", "models", "sampleInput"}
        document = {name: item for name, item in inference.items() if name not in ours}
        found[INFERENCE] = v1_inference.without_secrets(document)
    if v1_json.is_v1(deployment):
        found[DEPLOYMENT] = v1_json.kept(deployment)
    return found


def json_read(name: str, text: str) -> Any:
    """The JSON of a file that was pasted. Raises: Invalid: on the field of its name."""
    try:
        return json_text_read(text)
    except ValueError as error:
        sentence = _("is no JSON: %(cause)s.") % {"cause": str(error)[:200].rstrip(".")}
        raise Invalid(f"{name}.json {sentence}", fields={name: [sentence]}) from None


def configurations_import(
    *, inference: Any = None, deployment: Any = None, source: Any = None
) -> Json:
    """What v1's two files mean here; nothing is made.

    Args:
        inference, deployment: parsed JSON; None: not given.
        source: sha256 of the source folder, where a conda file is looked for.
    Returns:
        `inference`, `deployment` (both as `POST /services` takes them), `warnings`.
    Raises:
        Invalid: every violation of both, by field with the document's name before it.
    """
    if inference is None and deployment is None:
        raise Invalid(_("Give inferenceconfig, deploymentconfig or both."))
    made: Json = {"inference": None, "deployment": None, "warnings": []}
    wrong: dict[str, list[str]] = {}
    messages: list[str] = []

    def take(name: str, read: Any) -> Any:
        try:
            found, warnings = read()
        except Invalid as problem:
            messages.append(problem.message)
            wrong.update({f"{name}.{key}": texts for key, texts in problem.fields.items()})
            return None
        made["warnings"] += [f"{name}: {text}" for text in warnings]
        return found

    if inference is not None:
        texts = source_texts(source)
        found = take(INFERENCE, lambda: v1_inference.inference_import(inference, texts))
        made["inference"] = found and {**found, **({"source": source} if source else {})}
    if deployment is not None:
        made["deployment"] = take(
            DEPLOYMENT,
            lambda: v1_json.deployment_import(deployment, has_collector=_has_collector()),
        )
    if wrong:
        raise Invalid(" ".join(messages), fields=wrong)
    return made


def inference_export(revision: Revision) -> Json:
    """The revision's `inferenceconfig.json`; as it was imported when it still means the same.

    Raises:
        NotFound: the service has no entry script, or its environment is gone.
    """
    ours = revision.inference
    if not ours:
        raise NotFound(_("The service has no entry script, so no inference configuration."))
    original = revision.v1.get(INFERENCE)
    environment = environment_of(ours)
    if original is not None and _same(original, ours, environment):
        return dict(original)
    return v1_inference.inference_export(ours, environment)


def _same(original: Mapping[str, Any], ours: Mapping[str, Any], environment: Any) -> bool:
    try:
        found, _warnings = v1_inference.inference_import(original, source_texts(ours["source"]))
    except Invalid:
        return False
    mine = {"entryScript": ours["entryScript"], "environment": environment}
    return found == mine


def deployment_export(service: Service, revision: Revision) -> Json:
    """The revision's `deploymentconfig.json`, with the words of the service itself."""
    wish = configuration.from_dict(revision.deployment).as_json()
    words = {name: getattr(service, name) for name in ("tags", "properties", "description")}
    return v1_json.deployment_export({**wish, **words}, revision.v1.get(DEPLOYMENT) or {})
