"""What `manage.py doctor` looks at: what the studio needs and can use, and how to mend the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from config.env import Env
from studio.supervisor import commands, folder
from studio.supervisor.problem import StartProblem

GB = 1_000_000_000
Result = Literal["ok", "warning", "missing"]  # missing: the studio cannot work without it


@dataclass(frozen=True)
class Finding:
    """One line of the report; `mend` says what to do and is empty when all is well."""

    name: str
    result: Result
    sentence: str
    mend: str = ""


def examine(env: Env) -> list[Finding]:
    """Look at everything; changes nothing but the data folder's own structure."""
    checks: dict[str, Callable[[Env], Finding]] = {
        "Python": _python,
        "Data folder": _data_folder,
        "Disk": _disk,
        "Database": _database,
        "Redis": _redis,
        "MLflow store": _store,
        "Ports": _ports,
        "Browser assets": _assets,
        "uv": _uv,
        "Pythons for models": _model_pythons,
        "Service user": _service_user,
        "Docker": _docker,
    }
    return [_guarded(name, check, env) for name, check in checks.items()]


def _guarded(name: str, check: Callable[[Env], Finding], env: Env) -> Finding:
    """A check that itself breaks is a finding, never a traceback."""
    try:
        return check(env)
    except Exception as error:
        why = f"could not be examined: {type(error).__name__}: {error}"
        return Finding(name, "warning", why, "Report this with the output of `doctor --json`.")


def _python(env: Env) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("Python", "ok", f"{version} at {sys.executable}")


def _data_folder(env: Env) -> Finding:
    try:
        folder.prepare(env)
    except StartProblem as problem:
        mend = "Set SLIPWAY_DATA_DIR to a folder that can be written."
        return Finding("Data folder", "missing", str(problem), mend)
    return Finding("Data folder", "ok", str(env.data.root))


def _disk(env: Env) -> Finding:
    free = shutil.disk_usage(env.data.root).free
    sentence = f"{free / GB:.1f} GB free in {env.data.root}"
    if free < env.min_free_bytes:
        least = f"{env.min_free_bytes / GB:.1f} GB (SLIPWAY_MIN_FREE)"
        mend = f"Free some: below {least} no deploy starts."
        return Finding("Disk", "warning", sentence, mend)
    return Finding("Disk", "ok", sentence)


def _database(env: Env) -> Finding:
    from django.db import DatabaseError, connection

    name = connection.display_name
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        mend = "Start the database, or correct DATABASE_URL."
        return Finding("Database", "missing", f"{name} does not answer: {reason}", mend)
    return Finding("Database", "ok", f"{name} answers")


def _redis(env: Env) -> Finding:
    from studio.supervisor.up import check_redis

    if env.redis_url:
        try:
            check_redis(env.redis_url)
        except StartProblem as problem:
            return Finding("Redis", "missing", str(problem), "Start it, or correct REDIS_URL.")
        return Finding("Redis", "ok", "the one of REDIS_URL answers")
    binary = commands.redis_binary()
    if not binary:
        mend = "Install redis-server or valkey-server, or set REDIS_URL."
        return Finding("Redis", "missing", "no server was found", mend)
    runs = commands.redis_answers(env.data.socket("redis"))
    return Finding("Redis", "ok", f"{binary}{' (runs)' if runs else ' (started by `up`)'}")


def _store(env: Env) -> Finding:
    name = "MLflow store"
    if env.tracking_is_remote:
        return _remote_store(env)
    shown = env.tracking_uri.rpartition("@")[2]
    if commands.unix_answers(env.data.socket("tracking"), "/health"):
        return Finding(name, "ok", f"{shown}; its server answers")
    return Finding(name, "ok", f"{shown}; its server does not run (`up` starts it)")


def _remote_store(env: Env) -> Finding:
    import requests

    headers = {"Authorization": f"Bearer {env.tracking_token}"} if env.tracking_token else {}
    mend = "Start that server, or correct SLIPWAY_TRACKING_URI and SLIPWAY_TRACKING_TOKEN."
    try:
        answer = requests.get(f"{env.tracking_uri}/health", headers=headers, timeout=5)
    except requests.RequestException as error:
        sentence = f"{env.tracking_uri} does not answer ({type(error).__name__})"
        return Finding("MLflow store", "missing", sentence, mend)
    if answer.status_code != 200:
        sentence = f"{env.tracking_uri} answers {answer.status_code}"
        return Finding("MLflow store", "missing", sentence, mend)
    return Finding("MLflow store", "ok", f"{env.tracking_uri} answers")


def _ports(env: Env) -> Finding:
    holder = folder.UpLock(env.data).holder()
    if holder is not None:
        return Finding("Ports", "ok", f"the studio runs: {holder.get('url', 'starting')}")
    wanted = {"SLIPWAY_PORT": env.port, "SLIPWAY_GATEWAY_PORT": env.gateway_port}
    problems = [commands.port_problem(env.host, port, name) for name, port in wanted.items()]
    if found := [problem for problem in problems if problem]:
        return Finding("Ports", "missing", " ".join(found), "Choose ports that are free.")
    return Finding("Ports", "ok", f"{env.port} and {env.gateway_port} on {env.host} are free")


def _assets(env: Env) -> Finding:
    from studio.checks import assets_are_there

    problems = assets_are_there()
    if problems:
        hint = f"{problems[0].hint}. Or: make assets."
        return Finding("Browser assets", "missing", str(problems[0].msg), hint)
    return Finding("Browser assets", "ok", "all there")


def _uv(env: Env) -> Finding:
    from deployments.building.pythons import uv_binary

    try:
        done = subprocess.run(
            [uv_binary(), "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        mend = "Install Slipway's packages again: make up."
        return Finding("uv", "missing", f"does not start: {error}", mend)
    return Finding("uv", "ok", done.stdout.strip())


def _model_pythons(env: Env) -> Finding:
    from deployments.building.pythons import available

    name = "Pythons for models"
    found = sorted(available(env.service_user), key=lambda minor: int(minor.split(".")[1]))
    if not found:
        mend = "Install a Python that everybody may start, with its venv (python3, python3-venv)."
        return Finding(name, "warning", f"none that {_account(env)} can start", mend)
    return Finding(name, "ok", ", ".join(found))


def _account(env: Env) -> str:
    return f"the user {env.service_user!r}" if os.geteuid() == 0 else "you"


def _service_user(env: Env) -> Finding:
    """Started as root, services run as another user, who must reach the data folder."""
    name = "Service user"
    if os.geteuid() != 0:
        sentence = "services run as you: a model's code can read this studio's data"
        return Finding(name, "ok", sentence, "")
    from deployments.building.pythons import service_account

    try:
        account = service_account(env.service_user)
    except KeyError:
        mend = "Set SLIPWAY_SERVICE_USER to a user that exists, or make it."
        return Finding(name, "missing", f"there is no user {env.service_user!r}", mend)
    blocked = _blocked_at(env.data.models, account)
    if blocked:
        sentence = f"{env.service_user} cannot pass {blocked}, so no local service can start"
        mend = f"chmod o+x {blocked}, or set SLIPWAY_DATA_DIR to a folder such as /var/lib/slipway."
        return Finding(name, "warning", sentence, mend)
    return Finding(name, "ok", f"{env.service_user} reaches the data folder")


def _blocked_at(path: Path, account: dict[str, Any]) -> str:
    """The first folder on the way to `path` that the account may not walk through, or ""."""
    for step in [*reversed(path.parents), path]:
        done = subprocess.run(
            ["/usr/bin/test", "-x", str(step)], check=False, timeout=10, cwd="/", **account
        )
        if done.returncode != 0:
            return str(step)
    return ""


def _docker(env: Env) -> Finding:
    from django.conf import settings
    from django.utils.module_loading import import_string

    from deployments.targets import driver_config

    driver = import_string(settings.SLIPWAY_DRIVERS["docker"])(**driver_config("docker"))
    report = driver.check()
    if report.problems:
        mend = "Install Docker and let this user reach its socket, if you want the docker target."
        return Finding("Docker", "warning", " ".join(report.problems), mend)
    return Finding("Docker", "ok", report.version)
