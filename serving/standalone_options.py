"""Options of `python -m serving --model DIR`: command line, then environment, file, default.

The names with underscores, the variables and the file are the v1 server's, so that its start
commands work here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from serving.contract import MAX_BODY_BYTES

DEFAULT_PORT = 5001  # azmlinfsrv's
FILE_VARIABLE, FILE_NAME = "AZUREML_CONFIG_FILE", "config.json"
MAIN = "main.py"
# Variables of the v1 server with a meaning here: in the environment, or as keys of the file.
VARIABLES = {
    "AML_APP_ROOT": "app_root",
    "AZUREML_SOURCE_DIRECTORY": "source_directory",
    "AZUREML_ENTRY_SCRIPT": "entry_script",
    "AZUREML_MODEL_DIR": "model",
    "SERVICE_NAME": "name",
    "WORKER_COUNT": "workers",
    "SCORING_TIMEOUT_MS": "scoring_timeout_ms",
    "AML_CORS_ORIGINS": "cors",
}
PASSED_ON = (  # the script or its Swagger reads these from the environment
    "SERVICE_VERSION",
    "SERVICE_PATH_PREFIX",
    "WORKSPACE_NAME",
    "AZUREML_LOG_LEVEL",
    "SERVER_VERSION_LOG_RESPONSE_ENABLED",
)
DEFAULTS: dict[str, Any] = {
    "name": "",
    "host": "127.0.0.1",
    "port": DEFAULT_PORT,
    "workers": 1,
    "scoring_timeout_ms": 60_000,
    "queue_wait_ms": 500,
    "max_concurrent": 32,
    "max_body_bytes": MAX_BODY_BYTES,
    "memory_mb": 0,
}
LIMITS = {
    "port": (1, 65535),
    "workers": (1, 256),
    "scoring_timeout_ms": (1, 24 * 3600 * 1000),
    "queue_wait_ms": (0, 3600 * 1000),
    "max_concurrent": (1, 10_000),
    "max_body_bytes": (1, 2**40),
    "memory_mb": (0, 2**30),
}


FOLDER: dict[str, Any] = {"type": Path, "metavar": "DIR"}
FILE: dict[str, Any] = {"type": Path, "metavar": "FILE"}
FLAG: dict[str, Any] = {"action": "store_true"}
OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--model --model_dir",
        {**FOLDER, "help": "an MLflow model folder, or what an entry script reads"},
    ),
    ("--entry-script --entry_script", {"metavar": "FILE", "help": "has init() and run()"}),
    ("--source-dir", {**FOLDER, "help": "folder of the script; default: where it is"}),
    ("--host", {"help": "address to bind; default 127.0.0.1, 0.0.0.0 for all"}),
    ("--port", {"help": f"default {DEFAULT_PORT}"}),
    ("--workers --worker_count", {"help": "worker processes; default 1"}),
    ("--name", {"help": "name of the service in its API document"}),
    ("--keys-file", {**FILE, "help": 'JSON {"primary": "…", "secondary": "…"}'}),
    ("--no-auth", {**FLAG, "help": "score without a key"}),
    (
        "--cors --access_control_allow_origins",
        {
            "action": "append",
            "metavar": "ORIGINS",
            "help": "origins whose pages may call, by commas; * for all",
        },
    ),
    ("--max-body-bytes", {"help": "larger bodies are refused with 413; default 100 MB"}),
    ("--max-concurrent", {"help": "requests in the model at once per worker; default 32"}),
    ("--queue-wait-ms", {"help": "a request waits so long for its turn, then 503; default 500"}),
    ("--scoring-timeout-ms", {"help": "default 60000"}),
    ("--memory-mb", {"help": "a worker is restarted above it; default: no limit"}),
    ("--tls-cert", {**FILE, "help": "PEM with the whole chain; TLS 1.2 and above"}),
    ("--tls-key", {**FILE, "help": "PEM with the private key"}),
    (
        "--loader",
        {
            "choices": ("auto", "fast", "plain"),
            "default": "auto",
            "help": "how an MLflow model is loaded",
        },
    ),
    ("--config-file --config_file", {**FILE, "help": "JSON of the v1 server's variables"}),
    ("--verbose-errors", {**FLAG, "help": "tell callers what a model raised"}),
    ("--no-access-log", {**FLAG, "help": "no line per request"}),
)


class UsageError(Exception):
    """Options that cannot be served; the text says why."""


class Choices(NamedTuple):
    """Everything that was chosen, checked and with absolute paths."""

    model: Path | None
    entry_script: str | None  # relative to `source`
    source: Path | None
    name: str
    host: str
    port: int
    workers: int
    scoring_timeout_ms: int
    queue_wait_ms: int
    max_concurrent: int
    max_body_bytes: int
    memory_mb: int  # 0: all of the machine's
    auth: bool
    keys_file: Path | None
    cors: tuple[str, ...]
    tls_cert: Path | None
    tls_key: Path | None
    loader: str
    verbose_errors: bool
    access_log: bool


def parser() -> argparse.ArgumentParser:
    """Return the argument parser. Nothing has a default: what was not said is None."""
    top = argparse.ArgumentParser(
        prog="python -m serving", description="Serve a model or an entry script over HTTP."
    )
    for names, settings in OPTIONS:
        top.add_argument(*names.split(), **settings)
    return top


def choose(argv: list[str], environ: Mapping[str, str], cwd: Path) -> Choices:
    """Return what to serve; raises UsageError. Prints help and leaves on `--help`."""
    args = parser().parse_args(argv)
    given = {name: value for name, value in vars(args).items() if value is not None}
    if "cors" in given:
        given["cors"] = ",".join(given["cors"])
    told = {option: environ[name] for name, option in VARIABLES.items() if environ.get(name)}
    early = {**told, **given}
    script, source = _script(early, cwd)
    filed = _from_file(args.config_file, environ, [path for path in (source, cwd) if path], script)
    merged = {**DEFAULTS, **filed, **told, **given}
    if script is None and "entry_script" in merged:
        script, source = _script(merged, cwd)
    model = _model(merged.get("model"), cwd)
    script, source = _without_script(model, script, source, cwd)
    return _checked(merged, model, script, source, cwd)


def _script(options: Mapping[str, Any], cwd: Path) -> tuple[str | None, Path | None]:
    """Return the entry script relative to its source folder, and that folder."""
    named = options.get("entry_script")
    root = cwd / str(options.get("app_root", ""))
    source = options.get("source_dir")
    if source is None and "source_directory" in options:
        source = root / str(options["source_directory"])
    folder = None if source is None else (cwd / source).resolve()
    if named is None:
        return None, folder
    candidates = [base / named for base in (folder, root, cwd) if base is not None]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise UsageError(f"There is no entry script {str(candidates[0])!r}.")
    path = path.resolve()
    if folder is None or folder not in path.parents:
        folder = path.parent
    return str(path.relative_to(folder)), folder


def _from_file(
    named: Path | None, environ: Mapping[str, str], places: list[Path], script: str | None
) -> dict[str, Any]:
    """Return the options of the configuration file, if there is one."""
    chosen = named or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    if chosen is None and script is not None:
        chosen = next((p / FILE_NAME for p in places if (p / FILE_NAME).is_file()), None)
    if chosen is None:
        return {}
    try:
        document = json.loads(chosen.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The configuration file {chosen} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"The configuration file {chosen} must hold a JSON object.")
    unknown = sorted(set(document) - set(VARIABLES) - set(PASSED_ON))
    if unknown:
        names = ", ".join(unknown)
        sys.stderr.write(f"serving: {chosen}: not used here: {names}\n")
    return {VARIABLES[key]: value for key, value in document.items() if key in VARIABLES}


def _model(named: Any, cwd: Path) -> Path | None:
    if named is None:
        return None
    path = (cwd / str(named)).resolve()
    if not path.is_dir():
        raise UsageError(f"There is no model folder {str(path)!r}.")
    return path


def _without_script(
    model: Path | None, script: str | None, source: Path | None, cwd: Path
) -> tuple[str | None, Path | None]:
    """Where no script is named: an MLflow model serves itself, else main.py is the script."""
    if script is not None or (model is not None and (model / "MLmodel").is_file()):
        return script, source
    place = source or cwd
    if (place / MAIN).is_file():
        return MAIN, place
    if model is None:
        raise UsageError("Say what to serve: --model DIR, or --entry-script FILE.")
    raise UsageError(
        f"{str(model)!r} is no MLflow model: it has no MLmodel, and no script is named."
    )


def _checked(
    options: dict[str, Any], model: Path | None, script: str | None, source: Path | None, cwd: Path
) -> Choices:
    numbers = {name: _number(name, options[name]) for name in LIMITS}
    if ("tls_cert" in options) != ("tls_key" in options):
        raise UsageError("TLS needs both --tls-cert and --tls-key.")
    if options["no_auth"] and "keys_file" in options:
        raise UsageError("Say either --no-auth or --keys-file.")

    def path(name: str) -> Path | None:
        return (cwd / options[name]).resolve() if name in options else None

    origins = tuple(part.strip() for part in str(options.get("cors", "")).split(","))
    return Choices(
        model=model,
        entry_script=script,
        source=source,
        name=str(options["name"]) or (Path(script).stem if script else str(model and model.name)),
        host=options["host"],
        auth=not options["no_auth"],
        keys_file=path("keys_file"),
        cors=tuple(origin for origin in origins if origin),
        tls_cert=path("tls_cert"),
        tls_key=path("tls_key"),
        loader=options["loader"],
        verbose_errors=options["verbose_errors"],
        access_log=not options["no_access_log"],
        **numbers,
    )


def _number(name: str, value: Any) -> int:
    low, high = LIMITS[name]
    try:
        number = int(str(value).strip())
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        shown = "--" + name.replace("_", "-")
        raise UsageError(f"{shown} must be a whole number from {low} to {high}, not {value!r}.")
    return number
