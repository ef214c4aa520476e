"""`inferenceconfig.json` of Azure ML v1 and our inference configuration, both ways. Pure.

Both of v1's spellings are read: `environment` as an object, and the older fields (`runtime`,
`conda_file`, `extra_docker_file_steps`, `enable_gpu`, `base_image`), in camel or snake case. What
has no meaning here becomes a warning; what v1 itself forbids is a violation.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from registry.environments import rules
from registry.environments.files import MAX_FILE, conda_from
from registry.facts import yaml_mapping
from registry.scripts.parsing import name_check
from registry.scripts.v1_reading import Json, Reading, summary
from workspaces.errors import Invalid

ENVIRONMENT = "environment"
_ALIASES = {
    "entry_script": "entryScript",
    "source_directory": "sourceDirectory",
    "conda_file": "condaFile",
    "extra_docker_file_steps": "extraDockerfileSteps",
    "extraDockerFileSteps": "extraDockerfileSteps",
    "enable_gpu": "enableGpu",
    "cuda_version": "cudaVersion",
    "base_image": "baseImage",
    "base_image_registry": "baseImageRegistry",
}
_OLDER = (
    *("runtime", "condaFile", "extraDockerfileSteps", "enableGpu", "cudaVersion"),
    *("baseImage", "baseImageRegistry"),
)
OURS = ("source", "models", "sampleInput")  # may stand beside v1's names
_RUNTIMES = ("python", "spark-py")
_CUDA = ("9.0", "9.1", "10.0")
_RESERVED = ("microsoft", "azureml")


def is_v1(raw: Any) -> bool:
    """Whether this is v1's inference configuration and not ours."""
    if not isinstance(raw, Mapping):
        return False
    if "sourceDirectory" in raw or any(name in raw for name in (*_ALIASES, *_OLDER)):
        return True
    given = raw.get(ENVIRONMENT)
    return isinstance(given, Mapping) and (
        isinstance(given.get("python"), Mapping)
        or bool({"environmentVariables", "docker", "inferencingStackVersion"} & set(given))
    )


def inference_import(raw: Any, files: Mapping[str, str] | None = None) -> tuple[Json, list[str]]:
    """Our inference configuration for one of v1, and what had no meaning here.

    Args:
        files: texts by path, for a `condaDependenciesFile` or `condaFile` that is named.
    Returns:
        `entryScript`, `environment` (an object or None) and what of ours stood beside them; the
        `source` is for the person to add.
    Raises:
        Invalid: every violation by field.
    """
    if not isinstance(raw, Mapping):
        text = _("must be a JSON object.")
        raise Invalid(f"inferenceconfig.json {text}", fields={"inference": [text]})
    reading = Reading()
    given = {_ALIASES.get(str(name), str(name)): value for name, value in raw.items()}
    made: Json = {"entryScript": _script(reading, given)}
    made.update(_ours(reading, given))
    reading.text("sourceDirectory", given.get("sourceDirectory"))
    environment = given.get(ENVIRONMENT)
    older = {name: given[name] for name in _OLDER if given.get(name) is not None}
    if environment is not None:
        if older:
            text = _("cannot stand beside environment.")
            for name in older:
                reading.fault(name, text)
        made[ENVIRONMENT] = _environment(reading, environment, files or {})
    else:
        made[ENVIRONMENT] = _older(reading, older, files or {}) if older else None
    for name in given.keys() - {"entryScript", "sourceDirectory", ENVIRONMENT, *OURS, *_OLDER}:
        reading.warn(name, _("is not a name that v1 knows; it was left out."))
    if reading.violations:
        raise Invalid(summary("inferenceconfig.json", reading), fields=reading.violations)
    return made, reading.warnings


def inference_export(
    inference: Mapping[str, Any], environment: Mapping[str, Any] | None, *, studio_image: str
) -> Json:
    """v1's inference configuration for ours, without our names beside it.

    Args:
        environment: as an inline one of ours; None when the model's own packages are used.
        studio_image: what an environment without a base image is built on; v1 can write Docker
            steps after a base image only.
    """
    made: Json = {
        "entryScript": inference["entryScript"],
        "sourceDirectory": "./source",
    }
    if environment:
        made[ENVIRONMENT] = _exported_environment(environment, studio_image)
    return made


def without_secrets(raw: Mapping[str, Any]) -> Json:
    """The document as it may be kept: passwords and keys are not."""
    hidden = {"password", "primarykey", "secondarykey", "keys"}

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                name: clean(item) for name, item in value.items() if str(name).lower() not in hidden
            }
        return [clean(item) for item in value] if isinstance(value, list) else value

    cleaned: Json = clean(raw)
    return cleaned


def _ours(reading: Reading, given: Mapping[str, Any]) -> Json:
    """What of ours stands beside v1's names."""
    models = reading.typed("models", given.get("models"), list, _("must be a list of texts."))
    if any(not isinstance(item, str) for item in models or ()):
        reading.fault("models", _("must be a list of texts."))
    reading.text("source", given.get("source"))
    return {name: given[name] for name in OURS if given.get(name) is not None}


def _script(reading: Reading, given: Mapping[str, Any]) -> str:
    script = given.get("entryScript")
    for sentence in name_check(script):
        reading.fault("entryScript", sentence)
    return str(script)


def _environment(reading: Reading, given: Any, files: Mapping[str, str]) -> Json:
    raw = reading.objects(ENVIRONMENT, given)
    name = reading.text(f"{ENVIRONMENT}.name", raw.pop("name", None))
    if name.lower().startswith(_RESERVED):
        reading.fault(f"{ENVIRONMENT}.name", _("must not start with Microsoft or AzureML."))
    version = raw.pop("version", None)
    made: Json = {
        "name": name,
        "version": str(version)
        if isinstance(version, int)
        else reading.text(f"{ENVIRONMENT}.version", version),
        "variables": _variables(reading, raw.pop("environmentVariables", None)),
        **_python(reading, raw.pop("python", None), files),
        **_docker(reading, raw.pop("docker", None)),
    }
    for section in ("spark", "databricks"):
        if reading.objects(f"{ENVIRONMENT}.{section}", raw.pop(section, None)):
            reading.warn(f"{ENVIRONMENT}.{section}")
    stack = raw.pop("inferencingStackVersion", None)
    if stack == "latest":
        text = _("has no meaning here: the runtime brings its own.")
        reading.warn(f"{ENVIRONMENT}.inferencingStackVersion", text)
    elif stack is not None:
        text = _("must be null or “latest”.")
        reading.fault(f"{ENVIRONMENT}.inferencingStackVersion", text)
    for left in raw:
        reading.warn(f"{ENVIRONMENT}.{left}", _("is not a name that v1 knows; it was left out."))
    return made


def _variables(reading: Reading, given: Any) -> dict[str, str]:
    name = f"{ENVIRONMENT}.environmentVariables"
    found = reading.objects(name, given)
    if any(not isinstance(value, str) for value in found.values()):
        reading.fault(name, _("must be an object of texts."))
        return {}
    for sentence in rules.variables(found):
        reading.fault(name, sentence)
    return {str(key): value for key, value in found.items()}


def _python(reading: Reading, given: Any, files: Mapping[str, str]) -> Json:
    name = f"{ENVIRONMENT}.python"
    raw = reading.objects(name, given)
    if reading.text(f"{name}.interpreterPath", raw.pop("interpreterPath", None)) not in {
        "",
        "python",
    }:
        reading.warn(f"{name}.interpreterPath")
    if reading.switch(f"{name}.userManagedDependencies", raw.pop("userManagedDependencies", None)):
        text = _("has no meaning here: packages are always installed from the list.")
        reading.warn(f"{name}.userManagedDependencies", text)
    if raw.pop("baseCondaEnvironment", None):
        reading.warn(f"{name}.baseCondaEnvironment")
    conda = raw.pop("condaDependencies", None)
    path = reading.text(f"{name}.condaDependenciesFile", raw.pop("condaDependenciesFile", None))
    for left in raw:
        reading.warn(f"{name}.{left}", _("is not a name that v1 knows; it was left out."))
    if conda is not None:
        return _conda(reading, f"{name}.condaDependencies", conda)
    if path:
        return _conda_file(reading, f"{name}.condaDependenciesFile", path, files)
    return {"python": "", "packages": []}


def _conda_file(reading: Reading, name: str, path: str, files: Mapping[str, str]) -> Json:
    text = files.get(path.removeprefix("./"))
    if text is None:
        words = _("names %(path)s, which was not given: add the file to the source folder, ")
        told = _("or write its content as condaDependencies.")
        reading.fault(name, words % {"path": path[:200]} + told)
        return {"python": "", "packages": []}
    try:
        return _conda(reading, name, yaml_mapping(text.encode(errors="replace"), path[:200]))
    except Invalid as problem:
        reading.fault(name, problem.message)
        return {"python": "", "packages": []}


def _conda(reading: Reading, name: str, given: Any) -> Json:
    """`python` and `packages` of a conda specification; conda's packages by their pip names."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = conda_from(reading.objects(name, given), own, is_v1=True)
    if found.variables:
        text = _("are left out: write them as environmentVariables.")
        reading.warn(f"{name}.variables", text)
    for problem in found.problems:
        reading.fault(f"{name}.dependencies", problem)
    text = _("takes %(item)s as %(package)s from the Python package index.")
    for item in found.conda:
        if item.became:
            reading.warn(name, text % {"item": item.given[:100], "package": item.became})
        elif item.missing:
            reading.warn(name, item.note)
    return {"python": found.python, "packages": list(found.packages)}


def _docker(reading: Reading, given: Any) -> Json:
    name = f"{ENVIRONMENT}.docker"
    raw = reading.objects(name, given)
    image = reading.text(f"{name}.baseImage", raw.pop("baseImage", None))
    dockerfile = reading.text(f"{name}.baseDockerfile", raw.pop("baseDockerfile", None))
    registry = reading.objects(f"{name}.baseImageRegistry", raw.pop("baseImageRegistry", None))
    usual = {"enabled": (True, False), "sharedVolumes": (True,), "shmSize": ("2g",)}
    for left, value in raw.items():
        if value not in (None, [], "", *usual.get(left, ())):
            reading.warn(f"{name}.{left}")
    if image and dockerfile:
        reading.fault(f"{name}.baseImage", _("and baseDockerfile exclude each other."))
    return _image(reading, name, image, dockerfile, registry)


def _image(reading: Reading, name: str, image: str, dockerfile: str, registry: Json) -> Json:
    steps: list[str] = []
    if dockerfile:
        image, steps = _dockerfile(reading, f"{name}.baseDockerfile", dockerfile)
    address = registry.get("address")
    if isinstance(address, str) and address and image and not image.startswith(address):
        image = f"{address.rstrip('/')}/{image}"
    if registry.get("username") or registry.get("password"):
        text = _("is not used: sign the Docker host in to that registry.")
        reading.warn(f"{name}.baseImageRegistry", text)
    return {"baseImage": image, "dockerSteps": steps}


def _dockerfile(reading: Reading, name: str, text: str) -> tuple[str, list[str]]:
    """The base image and the steps after it; one stage only."""
    lines = _instructions(reading, name, text)
    froms = [line.split() for line in lines if line.split()[0].upper() == "FROM"]
    if len(froms) != 1 or lines[0].split() != froms[0] or len(froms[0]) != 2:
        reading.fault(name, _("must begin with its only FROM."))
        return "", []
    image, steps = froms[0][1], lines[1:]
    for sentence in (*rules.base_image(image), *rules.docker_steps(steps)):
        reading.fault(name, sentence)
    return image, steps


def _instructions(reading: Reading, name: str, text: str) -> list[str]:
    """The instructions of a Dockerfile's text, one line each."""
    if len(text) > MAX_FILE:
        reading.fault(name, _("is longer than 256 KB."))
        return []
    found: list[list[str]] = []
    goes_on = False
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if not goes_on:
            found.append([])
        found[-1].append(line.removesuffix("\\").rstrip())
        goes_on = line.endswith("\\")
    lines = (" ".join(parts).strip() for parts in found)
    return [line for line in lines if line]


def _older(reading: Reading, given: Json, files: Mapping[str, str]) -> Json | None:
    """The environment that v1's older fields mean."""
    runtime = given.get("runtime")
    if runtime is not None and runtime not in _RUNTIMES:
        reading.fault("runtime", _("must be python or spark-py."))
    elif runtime == "spark-py":
        reading.fault("runtime", _("must be python: Spark models are not served."))
    if reading.switch("enableGpu", given.get("enableGpu")):
        reading.warn("enableGpu")
    cuda = given.get("cudaVersion")
    if cuda is not None:
        if str(cuda) not in _CUDA:
            reading.fault("cudaVersion", _("must be one of %(all)s.") % {"all": ", ".join(_CUDA)})
        else:
            reading.warn("cudaVersion")
    made: Json = {"name": "", "version": "", "variables": {}, "python": "", "packages": []}
    path = reading.text("condaFile", given.get("condaFile"))
    if path:
        made.update(_conda_file(reading, "condaFile", path, files))
    image = reading.text("baseImage", given.get("baseImage"))
    registry = reading.objects("baseImageRegistry", given.get("baseImageRegistry"))
    made.update(_image(reading, "docker", image, "", registry))
    made["dockerSteps"] = _steps_file(reading, given.get("extraDockerfileSteps"), files)
    return made if path or image or made["dockerSteps"] else None


def _steps_file(reading: Reading, given: Any, files: Mapping[str, str]) -> list[str]:
    path = reading.text("extraDockerfileSteps", given)
    if not path:
        return []
    text = files.get(path.removeprefix("./"))
    if text is None:
        words = _("names %(path)s, which was not given: add the file to the source folder.")
        reading.fault("extraDockerfileSteps", words % {"path": path[:200]})
        return []
    lines = _instructions(reading, "extraDockerfileSteps", text)
    for sentence in rules.docker_steps(lines):
        reading.fault("extraDockerfileSteps", sentence)
    return lines


def _exported_environment(ours: Mapping[str, Any], studio_image: str) -> Json:
    python = ours.get("python") or ""
    dependencies: list[Any] = [f"python={python}"] if python else []
    dependencies.append({"pip": list(ours.get("packages") or ())})
    made: Json = {
        "name": ours.get("name") or "slipway",
        "version": ours.get("version") or None,
        "environmentVariables": dict(ours.get("variables") or {}),
        "python": {
            "interpreterPath": "python",
            "userManagedDependencies": False,
            "condaDependencies": {"name": "project_environment", "dependencies": dependencies},
        },
    }
    image, steps = ours.get("baseImage") or "", list(ours.get("dockerSteps") or ())
    if steps:
        lines = [f"FROM {image or studio_image}", *steps]
        made["docker"] = {"baseImage": None, "baseDockerfile": "\n".join(lines)}
    elif image:
        made["docker"] = {"baseImage": image, "baseDockerfile": None}
    return made
