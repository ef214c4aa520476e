"""`python -m serving --model DIR --port N`: one service, without the studio.

It writes the folder that a replica needs into a temporary place and runs the master on it. What
the gateway does in a studio (CORS, TLS, the body's limit) the workers do here themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import ssl
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from serving.contract import AUTH_FILE, CONFIG_FILE, AuthDocument, KeyHash, Loader, ReplicaConfig
from serving.files import write_json
from serving.standalone_options import Choices, UsageError, choose

USAGE_ERROR = 2
MIN_KEY = 16  # characters
KEY_PATTERN = rf"[!-~]{{{MIN_KEY},}}"
NAMES = ("primary", "secondary")


def run_standalone(argv: list[str], environ: Mapping[str, str] | None = None) -> int:
    """Serve until stopped; returns an exit code: contract.EXIT_*, or 2 for wrong options."""
    try:
        choices = choose(argv, os.environ if environ is None else environ, Path.cwd())
        config = replica_config(choices)
        keys = _keys(choices)
    except (UsageError, OSError) as error:
        sys.stderr.write(f"serving: {error}\n")
        return USAGE_ERROR
    folder = Path(tempfile.mkdtemp(prefix="slipway-"))
    try:
        write_json(folder / CONFIG_FILE, config)
        write_json(folder / AUTH_FILE, auth_document(keys, enabled=choices.auth))
        _say(choices, keys)
        # Standard output is the log: whoever started this keeps and limits it.
        os.environ["SLIPWAY_LOG"] = "stdout"
        from serving.master import run_replica

        return run_replica(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replica_config(choices: Choices) -> ReplicaConfig:
    """Return the configuration of the one replica; raises UsageError and OSError."""
    import psutil

    model, scripted = choices.model, choices.entry_script is not None
    digest = hashlib.sha256(repr(choices).encode()).hexdigest()
    config: ReplicaConfig = {
        "service": choices.name,
        "revision": 1,
        "replica": 0,
        "digest": digest,
        "host": choices.host,
        "port": choices.port,
        "model_dir": "" if model is None else str(model),
        "model_name": choices.name if model is None else model.name,
        "model_version": "0",
        "workers": choices.workers,
        "cpu": float(_cores()),
        "memory_mb": choices.memory_mb or psutil.virtual_memory().total // 2**20,
        "max_concurrent": choices.max_concurrent,
        "max_queue_wait_ms": choices.queue_wait_ms,
        "scoring_timeout_ms": choices.scoring_timeout_ms,
        "max_body_bytes": choices.max_body_bytes,
        "verbose_errors": choices.verbose_errors,
        "loader": "script" if scripted else _loader(choices),
        "standalone": True,
        "access_log": choices.access_log,
    }
    if choices.entry_script is not None:
        config["source_dir"], config["entry_script"] = str(choices.source), choices.entry_script
        config["environment"] = {} if model is None else {"AZUREML_MODEL_DIR": str(model)}
    if choices.cors:
        config["cors_origins"] = list(choices.cors)
    if choices.tls_cert is not None and choices.tls_key is not None:
        _check_tls(choices.tls_cert, choices.tls_key)
        config["tls_cert"], config["tls_key"] = str(choices.tls_cert), str(choices.tls_key)
    return config


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _loader(choices: Choices) -> Loader:
    """Return the loader asked for, or the one that suits the model."""
    if choices.loader != "auto":
        return "fast" if choices.loader == "fast" else "plain"
    from serving.choose import choose
    from serving.loaders.mlmodel import read_mlmodel

    assert choices.model is not None
    try:
        return choose(read_mlmodel(choices.model))[0]
    except ValueError as error:
        raise UsageError(f"{choices.model}: {error}") from error


def _check_tls(cert: Path, key: Path) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
    except ssl.SSLError as error:
        reason = error.reason or error
        raise UsageError(f"{cert} and {key} are no certificate and its key: {reason}") from error


def _keys(choices: Choices) -> dict[str, str]:
    """Return the keys by name: the file's, or a new one, or none when keys are off."""
    if not choices.auth:
        return {}
    if choices.keys_file is None:
        return {"primary": secrets.token_urlsafe(32)}
    try:
        found = json.loads(choices.keys_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{choices.keys_file} is no JSON: {error}") from error
    if not isinstance(found, dict) or not found or set(found) - set(NAMES):
        raise UsageError(f'{choices.keys_file} must hold {{"primary": "…", "secondary": "…"}}.')
    for name, key in found.items():
        if not isinstance(key, str) or not re.fullmatch(KEY_PATTERN, key):
            told = f"must be at least {MIN_KEY} printable ASCII characters without spaces"
            raise UsageError(f"The {name} key in {choices.keys_file} {told}.")
    return dict(found)


def auth_document(keys: Mapping[str, str], *, enabled: bool) -> AuthDocument:
    """Return auth.json for keys in the clear: it holds their hashes alone."""
    hashes: list[KeyHash] = [
        {"name": "primary" if name == "primary" else "secondary", "sha256": _sha256(key)}
        for name, key in keys.items()
    ]
    return {"version": 1, "enabled": enabled, "keys": hashes}


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8")).hexdigest()


def _say(choices: Choices, keys: Mapping[str, str]) -> None:
    scheme = "http" if choices.tls_cert is None else "https"
    host = f"[{choices.host}]" if ":" in choices.host else choices.host
    sys.stdout.write(f"Serving {choices.name} at {scheme}://{host}:{choices.port}/score\n")
    if not choices.auth:
        sys.stdout.write("Anyone who reaches this port can score: --no-auth turned keys off.\n")
    elif choices.keys_file is None:
        sys.stdout.write(f"Key, made for this start and shown once: {keys['primary']}\n")
    sys.stdout.flush()
