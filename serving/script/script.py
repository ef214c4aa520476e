"""An entry script: found, imported, checked, started once and called per request."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from serving.contract import ReplicaConfig
from serving.errors import ServingError, bad_input, plain_reason
from serving.scoring import Answer, Outcome, ScoreRequest
from serving.script import aml, layout, query, schema, signature, swagger
from serving.script.errors import RUN_FAILED, ScriptError
from serving.script.headers import RUN_FAILED as RUN_FAILED_HEADER
from serving.script.headers import RequestHeaders
from serving.script.request import AMLRequest
from serving.script.response import Result, joined, to_result
from serving.script.settings import set_environment

log = logging.getLogger("serving.script")

RAW, BY_NAME, TEXT = "rawhttp", "schema", "text"
DEFAULT_MODULE = "main"  # imported when no entry script is named


class Scored(NamedTuple):
    """What one call gave."""

    result: Result
    milliseconds: float  # spent in run()


class Script:
    """A loaded entry script. Use it from one thread: `init()` and `run()` share it."""

    batches = False  # run() is made for one request

    def __init__(self, run: Callable[..., Any], app_root: Path, *, verbose_errors: bool) -> None:
        self.app_root = app_root
        self.verbose_errors = verbose_errors
        self.documents: dict[str, bytes] = {}  # Swagger, by version
        self._run = run
        self._signature = signature.read(run)
        raw = aml.is_raw(run)
        self.schemas = schema.of(run, self._signature, raw=raw)
        by_name = self.schemas is not None and self.schemas.takes_input
        self.kind = RAW if raw else BY_NAME if by_name else TEXT
        if not by_name:
            signature.check_single(self._signature)

    def call(self, request: AMLRequest) -> Scored:
        """Return the answer to a request; raises ServingError only."""
        positional, named = self._arguments(request)
        if self._signature.headers:
            named[signature.HEADERS] = request.headers
        started = time.perf_counter()
        try:
            value = self._run(*positional, **named)
            spent = time.perf_counter() - started
            return Scored(to_result(value), spent * 1000)
        except ServingError:
            raise
        except BaseException as error:  # SystemExit too: a script must not end its worker
            raise self._failure(error) from error

    def answer(self, requests: Sequence[ScoreRequest]) -> list[Outcome]:
        """Answer bodies that came without HTTP around them, as the check of a model does."""
        return [self._answer_one(request) for request in requests]

    def _answer_one(self, request: ScoreRequest) -> Outcome:
        found = RequestHeaders({"Content-Type": request.content_type or "application/json"})
        try:
            result, _ = self.call(
                AMLRequest({"method": "POST", "path": "/score"}, request.body, found)
            )
        except ServingError as error:
            return error
        body = result.body if isinstance(result.body, bytes) else joined(result.body)
        return Answer(body, dict(result.headers).get("content-type", ""), status=result.status)

    def v2_metadata(self) -> dict[str, Any]:
        """Return the name alone: a script says nothing of tensors."""
        return {"name": os.environ.get("SERVICE_NAME", ""), "inputs": [], "outputs": []}

    def failure(self, error: BaseException) -> ServingError:
        """Return the 500 for an exception of the script, which goes into the log."""
        log.error("run() of the entry script raised an exception", exc_info=error)
        detail = f" {plain_reason(error)}" if self.verbose_errors else ""
        return ServingError(500, RUN_FAILED + detail, {RUN_FAILED_HEADER: "True"})

    def _failure(self, error: BaseException) -> ServingError:
        by_name = self.schemas if self.kind == BY_NAME else None
        if by_name is not None and isinstance(error, Exception) and by_name.is_of_input(error):
            log.warning("input refused by the script's schema: %s", plain_reason(error))
            return bad_input(f"The input does not match run()'s schema: {plain_reason(error)}")
        return self.failure(error)

    def _arguments(self, request: AMLRequest) -> tuple[list[Any], dict[str, Any]]:
        if self.kind == RAW:
            return [request], {}
        get = request.method in ("GET", "HEAD")
        if self.kind == BY_NAME:
            assert self.schemas is not None
            document: Any = (
                query.as_document(request.args)
                if get
                else schema.parse_body(request.data, is_json=request.is_json)
            )
            return [], self.schemas.arguments(document)
        return [query.as_text(request.args) if get else _decoded(request.data)], {}


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_input(f"Input cannot be decoded as UTF-8: {error}") from error


def load(config: ReplicaConfig, folder: Path) -> Script:
    """Import the entry script of a replica in `folder` and run its `init()`.

    Raises ScriptError for a script that breaks the contract, and what the script itself raises;
    then the model folder's tree is in the log.
    """
    model_dir = layout.lay_out(layout.models_of(config), folder)
    script = entry_script(config)
    set_environment(config, script, model_dir)
    try:
        return _start(config, script, folder)
    except BaseException:
        shown = os.environ["AZUREML_MODEL_DIR"]
        sys.stdout.write(f"Model folder {shown}:\n{layout.tree(Path(shown))}\n")
        raise


def entry_script(config: ReplicaConfig) -> Path:
    """Return the absolute path of the entry script; `main.py` of the source folder by default."""
    name = config.get("entry_script") or f"{DEFAULT_MODULE}.py"
    return Path(config.get("source_dir") or ".").absolute() / name


def _start(config: ReplicaConfig, path: Path, folder: Path) -> Script:
    signature.check_name(path.name)
    if not path.is_file():
        raise ScriptError(f"There is no entry script {path.name!r} in {path.parent}.")
    root = Path(config.get("source_dir") or path.parent).absolute()
    os.chdir(root)  # v1 ran in the app's folder: scripts open files by relative names
    for entry in dict.fromkeys((str(root), str(path.parent))):
        sys.path.insert(0, entry)
    aml.install([folder, root])
    module = _import(path)
    # With a driver_module, run() is its and init() stays the outer script's.
    run = _function(getattr(module, "driver_module", module), "run", path)
    init = _function(module, "init", path)
    script = Script(run, root, verbose_errors=config["verbose_errors"])
    log.info("the entry script %s takes %s", path.name, script.kind)
    init()
    script.documents = swagger.documents(root, script.schemas)
    return script


def _import(path: Path) -> ModuleType:
    # A script named like a module that is in use must not take that module's place.
    name = path.stem if path.stem not in sys.modules else f"entry_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _function(module: Any, name: str, path: Path) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        raise ScriptError(f"The entry script {path.name} does not have a {name}() function.")
    function: Callable[..., Any] = found
    return function
