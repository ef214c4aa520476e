"""The inference configuration of a revision: entry script, source folder, environment, models.

    {"entryScript": "score.py", "source": "<sha256>", "environment": "NAME:VERSION" | {…} | null,
     "models": ["models:/NAME/VERSION", …], "sampleInput": …}

`{}` is no code. The first model is the service's own; without an environment its requirements are
installed. An environment may also be written out (as an import of v1's JSON does): `python`,
`packages`, `variables`, `baseImage`, `dockerSteps`, and a `name` and `version` for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from deployments.models import Revision
from registry.environments import rules
from registry.environments import versions as environments
from registry.scripts import folders
from registry.scripts import parsing as scripts
from registry.scripts.v1_inference import inference_import, is_v1
from registry.values import VersionInfo
from workspaces.errors import Invalid, NotFound, Problem

KEYS = ("entryScript", "source", "environment", "models", "sampleInput")
INLINE = ("name", "version", "python", "packages", "variables", "baseImage", "dockerSteps")
MAX_MODELS = 100
MAX_SAMPLE = 1_000_000  # characters of its JSON
_AZUREML = re.compile(r"azureml([-_.\[=<>!~; ]|$)", re.IGNORECASE)
VersionOf = Callable[[Any], VersionInfo]
Json = dict[str, Any]


@dataclass(frozen=True)
class Needs:
    """What the processes of a revision with an entry script need.

    Attributes:
        python: minor; "" when nothing says.
        packages: lines as of requirements.txt, without what the runtime brings itself.
        dropped: packages that were left out of them.
        variables: of the environment; never secrets.
        base_image: "" is the studio's own.
        docker_steps: Dockerfile instructions that follow the base image.
    """

    python: str
    packages: list[str]
    dropped: list[str]
    variables: dict[str, str]
    base_image: str
    docker_steps: tuple[str, ...]


class _Faults:
    def __init__(self) -> None:
        self.by_field: dict[str, list[str]] = {}

    def add(self, name: str, *sentences: str) -> None:
        if sentences:
            self.by_field.setdefault(f"inference.{name}", []).extend(sentences)


def read(raw: Any, model: Any, version_of: VersionOf) -> Json:
    """An inference configuration as it is kept with a revision, wholly checked.

    Args:
        raw: ours, or v1's with our `source` beside it.
        model: `models:/NAME/VERSION` of the service; that it exists is checked elsewhere.
        version_of: gives the version of such a URI, or raises a Problem.
    Raises:
        Invalid: every violation by field, each named `inference.…`.
    """
    if not isinstance(raw, Mapping):
        text = _("must be a JSON object.")
        raise Invalid(f"inference {text}", fields={"inference": [text]})
    given = dict(_translated(raw) if is_v1(raw) else raw)
    faults = _Faults()
    for name in given.keys() - set(KEYS):
        faults.add(str(name), _("is not known here."))
    made: Json = {
        "entryScript": given.get("entryScript"),
        "source": given.get("source"),
        "environment": _environment(given.get("environment"), faults),
        "models": _models(given.get("models"), model, version_of, faults),
    }
    _check_script(made["entryScript"], made["source"], faults)
    if made["environment"] is None:
        _check_requirements(model, version_of, faults)
    if given.get("sampleInput") is not None:
        made["sampleInput"] = given["sampleInput"]
        if len(json.dumps(given["sampleInput"])) > MAX_SAMPLE:
            most = _("must be at most %(most)s characters of JSON.") % {"most": MAX_SAMPLE}
            faults.add("sampleInput", most)
    if faults.by_field:
        lines = [f"{name} {text}" for name, texts in faults.by_field.items() for text in texts]
        raise Invalid(" ".join(lines), fields=faults.by_field)
    folders.source_touch(made["source"])
    return made


def _translated(raw: Mapping[str, Any]) -> Json:
    """Ours for v1's; a conda file that it names is read from the source folder."""
    try:
        return inference_import(raw, source_texts(raw.get("source")))[0]
    except Invalid as problem:
        fields = {f"inference.{name}": texts for name, texts in problem.fields.items()}
        raise Invalid(problem.message, fields=fields) from None


def source_texts(source: Any) -> dict[str, str]:
    """Texts by path of the small files of a source folder that v1's JSON may name."""
    endings = (".yml", ".yaml", ".txt", "ockerfile")
    try:
        paths = [item["path"] for item in folders.source_files(source).files]
        wanted = [path for path in paths if path.endswith(endings) or "ocker" in path]
        return {path: folders.source_read(source, path) for path in wanted[:100]}
    except Problem:
        return {}


def _check_script(script: Any, source: Any, faults: _Faults) -> None:
    wrong = scripts.name_check(script)
    faults.add("entryScript", *wrong)
    if source is None:
        faults.add("source", _("is missing: upload the script or its folder first."))
        return
    try:
        folders.source_path(source)
        if not wrong:
            text = folders.source_read(source, script)
            found = scripts.script_check(text)
            faults.add("entryScript", *(f"{script}: {problem}" for problem in found))
    except Problem as problem:
        faults.add("source" if "source" in problem.fields else "entryScript", problem.message)


def _models(given: Any, model: Any, version_of: VersionOf, faults: _Faults) -> list[str]:
    """URIs of all models, the service's own first."""
    if given is None:
        return [model] if isinstance(model, str) else []
    if not isinstance(given, list) or any(not isinstance(item, str) for item in given):
        faults.add("models", _("must be a list of models:/NAME/VERSION."))
        return []
    found = list(dict.fromkeys([*([model] if isinstance(model, str) else []), *given]))
    if len(found) > MAX_MODELS:
        faults.add("models", _("At most %(most)s models.") % {"most": MAX_MODELS})
        return []
    for uri in found:
        if uri == model:
            continue
        try:
            version_of(uri)
        except (Invalid, NotFound) as problem:
            faults.add("models", f"{uri[:200]}: {problem.message}")
    return found


def _check_requirements(model: Any, version_of: VersionOf, faults: _Faults) -> None:
    try:
        version = version_of(model)
    except (Invalid, NotFound):
        return  # said at `model`
    if not version.requirements:
        text = _("is missing: the model lists no packages of its own, so name an environment.")
        faults.add("environment", text)


def _environment(given: Any, faults: _Faults) -> str | Json | None:
    if given is None or given == "":
        return None
    if isinstance(given, Mapping):
        return _inline(given, faults)
    try:
        return environments.environment_get(given).ref
    except Problem as problem:
        faults.add("environment", problem.message)
        return None


def _inline(given: Mapping[str, Any], faults: _Faults) -> Json:
    """An environment that is written out, by the rules of those that the registry keeps.

    What is left out is empty.
    """
    for name in given.keys() - set(INLINE):
        faults.add(f"environment.{name}", _("is not known here."))
    made: Json = {
        name: given.get(name) if given.get(name) is not None else ""
        for name in ("name", "version", "python", "baseImage")
    }
    for name, value in made.items():
        spaces = r"[\x00-\x1f]" if name in {"name", "version"} else r"[\s\x00]"
        if not isinstance(value, str) or len(value) > 500 or re.search(spaces, value):
            faults.add(f"environment.{name}", _("must be a text without spaces."))
    if isinstance(made["python"], str) and not re.fullmatch(r"(3\.\d{1,2})?", made["python"]):
        faults.add("environment.python", _("must be a minor version such as 3.11."))
    if isinstance(made["baseImage"], str):
        faults.add("environment.baseImage", *rules.base_image(made["baseImage"]))
    for name, check in (("packages", rules.packages), ("dockerSteps", rules.docker_steps)):
        lines = _lines(given.get(name))
        wrong = check(lines)
        faults.add(f"environment.{name}", *wrong)
        made[name] = [] if wrong else lines
    variables = {} if given.get("variables") is None else given["variables"]
    wrong = rules.variables(variables)
    faults.add("environment.variables", *wrong)
    made["variables"] = {} if wrong else dict(variables)
    return made


def _lines(given: Any) -> Any:
    """Without spaces around and without empty ones; what is no list of texts stays as it is."""
    if not isinstance(given, list) or any(not isinstance(item, str) for item in given):
        return [] if given is None else given
    return [item.strip() for item in given if item.strip()]


# --- of a revision -----------------------------------------------------------------------------


def with_model(inference: Mapping[str, Any], before: str, after: str) -> Json:
    """The same configuration for a service whose own model is another one now."""
    if not inference:
        return {}
    others = [uri for uri in inference.get("models", []) if uri not in {before, after}]
    return {**inference, "models": [after, *others]}


def models_of(revision: Revision) -> list[tuple[str, str]]:
    """Name and version of every model of a revision, its own first."""
    found = [(revision.model_name, revision.model_version)]
    for uri in more_models(revision.inference, revision.model_uri):
        name, _slash, version = uri.removeprefix("models:/").rpartition("/")
        found.append((name, version))
    return found


def more_models(inference: Mapping[str, Any], own: str) -> list[str]:
    """URIs of the models beside the service's own."""
    return [uri for uri in inference.get("models", []) if uri != own]


def environment_of(inference: Mapping[str, Any]) -> Json | None:
    """The environment of a configuration, written out; None: the model's own packages.

    Raises:
        NotFound: an environment that it names is gone.
    """
    given = inference.get("environment")
    if given is None or isinstance(given, Mapping):
        return None if given is None else dict(given)
    found = environments.environment_get(given)
    return {
        "name": found.name,
        "version": found.version,
        "python": found.python,
        "packages": list(found.packages),
        "variables": dict(found.variables),
        "baseImage": found.base_image,
        "dockerSteps": list(found.docker_steps),
    }


def needs(inference: Mapping[str, Any], requirements: Iterable[str], python: str) -> Needs:
    """What a revision's processes need.

    Args:
        requirements, python: the own model's; used where no environment says otherwise.
    Raises:
        NotFound: the environment is gone.
    """
    environment = environment_of(inference)
    lines = list(requirements) if environment is None else environment["packages"]
    dropped = [line for line in lines if _AZUREML.match(line.strip())]
    found = environment or {}
    return Needs(
        python=found.get("python") or python,
        packages=[line for line in lines if line not in dropped],
        dropped=dropped,
        variables=dict(found.get("variables") or {}),
        base_image=found.get("baseImage") or "",
        docker_steps=tuple(found.get("dockerSteps") or ()),
    )
