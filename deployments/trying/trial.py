"""Runs `serving try` where a service would run: the same account, memory and packages.

On a local target in a process of its own, watched by this one; on Docker in a container of the
service's own image without a network. Models are code: nothing that it says is trusted further
than for what is shown of this very model.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from deployments import guarded
from deployments.building import image_runs, processes
from deployments.building.environments import Builder, folder_ready, locked, working_folder
from deployments.building.pythons import service_account
from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_layout import ENVIRONMENT_DIR, REPLICA_DIR, RUNTIME_DIR, inner
from deployments.drivers.local import model_environment
from serving.contract import TrialPlan

TIMEOUT = 600.0  # seconds for loading, scoring and comparing
PLAN_FILE = "plan.json"
MARK = '{"trial": 1'  # as serving.trial begins its line
MAX_LOG = 1_000_000  # characters of what the model's code writes, in the step's log
TAIL = 40  # lines of what it wrote, kept where it gave no answer
TREE_EVERY = 10  # looks between two at which processes it has started
MB = 1024 * 1024
_TEXTS = {"stage": 20, "error": 1000, "traceback": 8000, "answer": 4000, "row_wise_reason": 500}
_NUMBERS = ("load_seconds", "rows", "ms_per_row", "first_ms", "rest_mb", "peak_mb")


class TooMuchMemory(Exception):
    """It has more than it may."""

    def __init__(self, measured_mb: float) -> None:
        super().__init__(f"{measured_mb:.0f} MB")
        self.measured_mb = measured_mb


@dataclass(frozen=True)
class Ran:
    """What came of a trial. Without an answer one of the others says why."""

    answer: dict[str, Any] | None = None  # of serving.trial, checked by `answer_read`
    too_much_mb: float | None = None  # it was ended as it had this many MB
    timed_out: bool = False
    exit_code: int = 0
    tail: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.answer is not None and self.answer["ok"]


class MemoryWatch:
    """Raises TooMuchMemory when a process and what it started have more than `limit_mb`.

    The resident size counts shared pages in each process; so before anything is ended the
    proportional size is asked for.
    """

    def __init__(self, limit_mb: float) -> None:
        self.limit_mb = limit_mb
        self._looks = 0
        self._family: list[psutil.Process] = []

    def __call__(self, pid: int) -> None:
        try:
            if self._looks % TREE_EVERY == 0:
                root = psutil.Process(pid)
                self._family = [root, *root.children(recursive=True)]
            self._looks += 1
            if _sum(self._family, proportional=False) <= self.limit_mb:
                return
            used = _sum(self._family, proportional=True)
        except psutil.NoSuchProcess:
            return
        if used > self.limit_mb:
            raise TooMuchMemory(used)


def _sum(family: Iterable[psutil.Process], *, proportional: bool) -> float:
    total = 0.0
    for process in family:
        try:
            if proportional:
                total += process.memory_full_info().pss
            else:
                total += process.memory_info().rss
        except (psutil.AccessDenied, AttributeError):
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / MB


def run_here(
    builder: Builder, *, environment: Path, runtime: Path, plan: TrialPlan, name: str
) -> Ran:
    """Try as a local service would run, in a folder of its own below `tmp/`.

    Args:
        name: of what is tried; one trial of a name at a time.
    Raises:
        processes.Cancelled.
    """
    config = plan["config"]
    with locked(builder.root / "locks" / f"{name}.lock"):
        home = working_folder(builder, name)
        folder_ready(home, builder.user)
        home.chmod(0o700)  # a sample may be somebody's data
        path = home / PLAN_FILE
        guarded.file_write(path, json.dumps(plan).encode(), 0o644)
        try:
            code, tail = processes.run(
                [
                    *(str(environment / "bin" / "python"), str(runtime / "serving" / "boot.py")),
                    *("try", "--plan", str(path)),
                ],
                log=_quiet(builder.log),
                cancelled=builder.cancelled,
                timeout=TIMEOUT,
                environment=model_environment(environment, home) | config.get("environment", {}),
                cwd=home,
                account=service_account(builder.user),
                watch=MemoryWatch(config["memory_mb"]),
            )
        except TooMuchMemory as error:
            return Ran(too_much_mb=error.measured_mb)
        except TimeoutError:
            return Ran(timed_out=True)
        finally:
            shutil.rmtree(home, ignore_errors=True)
    return Ran(answer_read(tail), exit_code=code, tail=_shown(tail))


def run_in_image(
    driver: DockerDriver,
    image: str,
    *,
    plan: TrialPlan,
    log: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Ran:
    """Try in a container of the service's image, with the limits of the service.

    Raises:
        processes.Cancelled. TargetUnreachable.
    """
    config = plan["config"]
    told: TrialPlan = {**plan, "config": inner(config)}
    boot = (f"{ENVIRONMENT_DIR}/bin/python", f"{RUNTIME_DIR}/serving/boot.py")
    try:
        ended = image_runs.run_to_end(
            driver,
            image,
            [*boot, "try", "--plan", f"{REPLICA_DIR}/{PLAN_FILE}"],
            limits=image_runs.Limits(config["memory_mb"], config["cpu"], TIMEOUT),
            cancelled=cancelled,
            files={PLAN_FILE: told},
        )
    except TimeoutError:
        return Ran(timed_out=True)
    lines = ended.text.splitlines()[-200:]
    _quiet(log)("\n".join(lines))
    answer = answer_read(lines)
    if answer is None and (ended.out_of_memory or ended.exit_code == 137):
        return Ran(too_much_mb=float(config["memory_mb"]), exit_code=ended.exit_code)
    return Ran(answer, exit_code=ended.exit_code, tail=_shown(lines))


def answer_read(lines: Iterable[str]) -> dict[str, Any] | None:
    """The answer of `serving try` among what the model printed; None when there is none.

    Every value has its type and is bounded, whatever the line holds.
    """
    for line in reversed(list(lines)):
        raw = _document(line)
        if raw is None:
            continue
        answer: dict[str, Any] = {name: _text(raw.get(name), most) for name, most in _TEXTS.items()}
        answer |= {name: _number(raw.get(name)) for name in _NUMBERS}
        answer |= {name: _truth(raw.get(name)) for name in ("output_equal", "row_wise")}
        sample = raw.get("sample")
        answer["sample"] = sample if sample in ("given", "example") else "none"
        return answer | {"ok": raw["ok"] is True}
    return None


def _document(line: str) -> dict[str, Any] | None:
    start = line.rfind(MARK)
    try:
        raw = json.loads(line[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) and {"ok", "stage"} <= raw.keys() else None


def _text(value: Any, most: int) -> str:
    text = value if isinstance(value, str) else ""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()[-most:]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and 0 <= found < 1e12 else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _quiet(log: Callable[[str], None]) -> Callable[[str], None]:
    """A log that leaves the answer out, which is for programs, and ends before the disk is full."""
    left = MAX_LOG

    def write(text: str) -> None:
        nonlocal left
        kept = "\n".join(line for line in text.split("\n") if line.strip() and MARK not in line)
        if kept and left > 0:
            more = "" if len(kept) < left else "\n… and more, which is not kept"
            log(kept[:left] + more)
            left -= len(kept)

    return write


def _shown(lines: Iterable[str]) -> list[str]:
    return [_text(line, 500) for line in lines if line.strip() and MARK not in line][-TAIL:]
