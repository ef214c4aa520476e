"""Asks the runtime what it makes of a model: does the loader work, may rows be scored together.

`serving check` runs once per (model, environment, runtime, loader), where the service will run and
with no more rights: on a local target as the service user, on Docker in a container of the
service's own image without a network. Models are code: nothing that it prints is trusted further
than for how this very model is served.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from deployments.building import image_runs, processes, runtimes
from deployments.building.environments import Builder, folder_ready, locked, working_folder
from deployments.building.pythons import service_account
from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_layout import ENVIRONMENT_DIR, MODEL_DIR, RUNTIME_DIR
from deployments.drivers.local import model_environment
from deployments.models import ModelCheck, Revision

TIMEOUT = 180.0  # seconds
MAX_REASON = 500  # characters; the column's
Run = Callable[[str], Sequence[str]]  # loader -> lines of output, the answer among them


@dataclass(frozen=True)
class Found:
    """What the check found. `row_wise` is None when nobody could tell."""

    ok: bool
    row_wise: bool | None = None
    row_wise_reason: str = ""
    error: str = ""
    is_answer: bool = True  # False: the check itself did not end well, so nothing is known


def model_check(revision: Revision, loader: str, log: Callable[[str], None], run: Run) -> Found:
    """What is known of the revision's model with this loader, asked for when it is not yet.

    Args:
        run: runs the check; its last line that is one is the answer.
    Raises:
        processes.Cancelled, images.BuildCancelled, TargetUnreachable.
    """
    key: dict[str, Any] = {
        "model_sha256": revision.model_sha256,
        "environment_hash": revision.environment_hash,
        "runtime": runtimes.version(),
        "loader": loader,
    }
    known = ModelCheck.objects.filter(**key).first()
    if known is not None:
        log("The model was checked before in this environment; using what was found.")
        return Found(**known.found)
    log(f"Checking the model with the {loader} loader.")
    try:
        found = answer(run(loader))
    except TimeoutError:
        text = _("The check took longer than %(seconds)s s.") % {"seconds": f"{TIMEOUT:g}"}
        found = Found(ok=False, row_wise_reason=text, error=text, is_answer=False)
    if found.is_answer:
        ModelCheck.objects.update_or_create(defaults={"found": asdict(found)}, **key)
    return found


def answer(lines: Iterable[str]) -> Found:
    """The check's own line among what the model printed."""
    for line in reversed(list(lines)):
        raw = _document(line)
        if raw is not None:
            told = raw.get("row_wise")
            error = _text(raw.get("error"))
            return Found(
                ok=raw["ok"] is True,
                row_wise=told if isinstance(told, bool) and raw["ok"] is True else None,
                row_wise_reason=_text(raw.get("row_wise_reason")) or error,
                error=error,
            )
    text = _("The check ended without an answer; it may have needed more memory than there is.")
    return Found(ok=False, row_wise_reason=text, error=text, is_answer=False)


def _document(line: str) -> dict[str, Any] | None:
    """The line's end as the answer of a check; None when it is anything else.

    What the model printed last may stand before it, without a line's end.
    """
    start = line.rfind('{"load_seconds"')
    try:
        raw = json.loads(line[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) and {"ok", "row_wise"} <= raw.keys() else None


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()[:MAX_REASON]


def quiet(log: Callable[[str], None]) -> Callable[[str], None]:
    """A log that leaves the answer out: it is for programs."""

    def write(text: str) -> None:
        kept = [line for line in text.split("\n") if _document(line) is None]
        if kept:
            log("\n".join(kept))

    return write


def run_here(
    builder: Builder, *, environment: Path, runtime: Path, model: Path, loader: str
) -> list[str]:
    """Run the check as the service would run, in a folder of its own below `tmp/`.

    Raises:
        TimeoutError. processes.Cancelled.
    """
    name = f"check-{model.name}"
    with locked(builder.root / "locks" / f"{name}.lock"):
        home = working_folder(builder, name)
        folder_ready(home, builder.user)
        command = [environment / "bin" / "python", runtime / "serving" / "boot.py", "check"]
        try:
            _code, tail = processes.run(
                [*map(str, command), "--model", str(model), "--loader", loader],
                log=quiet(builder.log),
                cancelled=builder.cancelled,
                timeout=TIMEOUT,
                environment=model_environment(environment, home),
                cwd=home,
                account=service_account(builder.user),
            )
        finally:
            shutil.rmtree(home, ignore_errors=True)
    return tail


def run_in_image(
    driver: DockerDriver,
    image: str,
    *,
    loader: str,
    cpu: float,
    memory_mb: int,
    log: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> list[str]:
    """Run the check in a container of the service's image, with the limits of the service.

    Raises:
        TimeoutError. processes.Cancelled. TargetUnreachable.
    """
    command = [f"{ENVIRONMENT_DIR}/bin/python", f"{RUNTIME_DIR}/serving/boot.py", "check"]
    text = image_runs.run_once(
        driver,
        image,
        [*command, "--model", MODEL_DIR, "--loader", loader],
        limits=image_runs.Limits(memory_mb, cpu, TIMEOUT),
        cancelled=cancelled,
    )
    quiet(log)(text.rstrip("\n"))
    return text.splitlines()[-200:]
