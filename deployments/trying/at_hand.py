"""Background work of a command: done by this process, unless a worker of the studio takes it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from deployments import targets
from deployments.choices import OperationStatus
from deployments.control import background, steps
from deployments.control.operation_requests import operation_cancel
from deployments.logs import oplog
from deployments.models import Operation, Target
from registry.scripts import folders
from workspaces.errors import Conflict, Problem

PAUSE = 0.2  # seconds between looks at an operation that a worker has


def operation_follow(operation: Operation, say: Callable[[str], None]) -> Operation:
    """Do an operation's steps, or wait for whoever does them; says what its log says.

    Ctrl-C cancels it. Returns the operation as it ended.
    """
    logging.getLogger("deployments.control.wake").setLevel(logging.ERROR)  # nobody need be woken
    offset = 0
    try:
        while True:
            background.advance_all()
            steps.run_steps(str(operation.pk))
            operation.refresh_from_db()
            chunk = oplog.read_operation(operation, offset)
            offset = chunk.next_offset
            for line in chunk.text.splitlines():
                say(line)
            if not operation.is_open:
                return operation
            time.sleep(PAUSE)  # a worker has it, or an engine is away
    except KeyboardInterrupt:
        _cancel(operation)
        raise


def _cancel(operation: Operation) -> None:
    try:
        operation_cancel(operation=operation, user=None)
    except Conflict:
        return  # it has ended
    background.advance_all()


def target_ready(name: str) -> None:
    """Ask the target's engine now: without a running studio nobody did so lately."""
    targets.targets_ensure()
    target = Target.objects.filter(name=name).first()
    if target is not None:
        targets.target_check(target=target)


def arguments_add(parser: CommandParser) -> None:
    """The arguments that say what is tried or measured, and with what."""
    parser.add_argument("model", help="models:/NAME/VERSION")
    parser.add_argument("--target", default="local", help="a compute target (local)")
    parser.add_argument("--cpu", type=float, help="cores it may use")
    parser.add_argument("--memory", type=float, metavar="GB", help="memory it may use")
    parser.add_argument("--deployment", type=Path, metavar="FILE", help="a configuration as JSON")
    parser.add_argument("--inference", type=Path, metavar="FILE", help="an entry script's JSON")
    parser.add_argument("--source", type=Path, metavar="FOLDER", help="the entry script's files")
    parser.add_argument("--sample-input", type=Path, metavar="FILE", help="a request's JSON")
    parser.add_argument("--verbose", action="store_true", help="print the log as well")
    parser.add_argument("--json", action="store_true", help="for programs")


def deployment_of(options: dict[str, Any]) -> dict[str, Any]:
    """The deployment configuration that was asked for. Raises: CommandError."""
    given = json_of(options["deployment"]) if options["deployment"] else {}
    if not isinstance(given, dict):
        raise CommandError(f"{options['deployment']} holds no JSON object.")
    resources = {"cpu": options["cpu"], "memoryInGB": options["memory"]}
    asked = {name: value for name, value in resources.items() if value is not None}
    if asked:
        before = given.get("containerResourceRequirements") or {}
        given = {**given, "containerResourceRequirements": {**before, **asked}}
    return given


def inference_of(options: dict[str, Any]) -> dict[str, Any]:
    """The inference configuration that was asked for, its files kept as a source folder.

    `--source` alone means the entry script score.py in it. Raises: CommandError.
    """
    path, folder = options["inference"], options["source"]
    if path is None and folder is None:
        return {}
    given = {"entryScript": "score.py"} if path is None else json_of(path)
    if not isinstance(given, dict) or not given:
        raise CommandError(f"{path} holds no JSON object with an entry script.")
    if folder is not None:
        return {**given, "source": _source_kept(folder)}
    if not given.get("source"):
        raise CommandError("Name the folder of the entry script with --source.")
    return given


def _source_kept(folder: Path) -> str:
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder.")
    try:
        return folders.source_create(files=folders.folder_read(folder), user=None).sha256
    except Problem as problem:
        raise CommandError(f"{folder} cannot be kept: {problem.message}") from None


def samples_of(options: dict[str, Any]) -> dict[str, Any]:
    """The samples that were given. Raises: CommandError."""
    names = ("sample_input", "sample_output")
    return {name: json_of(options[name]) for name in names if options.get(name)}


def json_of(path: Path) -> Any:
    """The JSON document in a file. Raises: CommandError: with the reason."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"{path} cannot be read as JSON: {error}") from error


def succeeded(operation: Operation) -> bool:
    return operation.status == OperationStatus.SUCCEEDED
