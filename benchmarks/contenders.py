"""Every server that a model is measured on: others, the floor, and ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from benchmarks import environments
from benchmarks.models import Model
from benchmarks.servers import Server, free_port
from serving.choose import without_mlflow
from serving.contract import (
    AUTH_FILE,
    CONFIG_FILE,
    GATEWAY_PREFIX,
    LOG_FILE,
    ROUTES_FILE,
    SCORE_PATH,
)

KEY = "benchmark"
PEERS = Path(__file__).with_name("peers")
JSON = {"content-type": "application/json"}
MLFLOW, MLSERVER, BENTOML = "mlflow models serve", "MLServer", "BentoML"
AZUREML, AZUREML_NUMPY = "azureml http, pyfunc", "azureml http, NumPy"
BARE, BARE_PYFUNC = "bare Starlette, NumPy", "bare Starlette, pyfunc"
FAST, PLAIN, GATEWAY = "Slipway", "Slipway, plain loader", "Slipway through its gateway"
Make = Callable[[Model, Path], Server]


def mlflow_serve(model: Model, work: Path) -> Server:
    """MLflow's own server with one worker."""
    python, port = environments.peer("mlflow"), free_port()
    command = [str(python), "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", str(model.folder), "--port", str(port), "--workers", "1"]
    return Server(MLFLOW, command, f"http://127.0.0.1:{port}/invocations")


def azureml(model: Model, work: Path) -> Server:
    """azureml-inference-server-http whose script calls MLflow's pyfunc."""
    return _azureml(AZUREML, "azureml_pyfunc.py", model, "mlflow")


def azureml_numpy(model: Model, work: Path) -> Server:
    """The same, whose script calls the estimator and checks nothing."""
    return _azureml(AZUREML_NUMPY, "azureml_numpy.py", model, "data")


def _azureml(name: str, script: str, model: Model, dialect: str) -> Server:
    python, port = environments.peer("azureml"), free_port()
    command = [str(python.with_name("azmlinfsrv")), "--entry_script", str(PEERS / script)]
    command += ["--port", str(port), "--model_dir", str(model.folder), "--worker_count", "1"]
    return Server(name, command, f"http://127.0.0.1:{port}/score", dialect=dialect)


def mlserver(model: Model, work: Path) -> Server:
    """MLServer's MLflow runtime with adaptive batching on."""
    python, port = environments.peer("mlserver"), free_port()
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings = {"host": "127.0.0.1", "debug": False, **ports}
    (work / "settings.json").write_text(json.dumps(settings))
    own = {
        "name": "benchmark",
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": str(model.folder)},
        "max_batch_size": 64,
        "max_batch_time": 0.002,  # seconds
    }
    (work / "model-settings.json").write_text(json.dumps(own))
    command = [str(python.with_name("mlserver")), "start", str(work)]
    url = f"http://127.0.0.1:{port}/v2/models/benchmark/infer"
    return Server(MLSERVER, command, url, dialect="v2")


def bentoml(model: Model, work: Path) -> Server:
    """BentoML calling the estimator, with its adaptive batching on."""
    python, port = environments.bentoml(), free_port()
    command = [str(python.with_name("bentoml")), "serve", "bento:Scorer", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--working-dir", str(PEERS)]
    environment = {"BENTO_MODEL": str(model.folder), "BENTOML_HOME": str(work)}
    environment |= {"BENTOML_DO_NOT_TRACK": "True"}
    url = f"http://127.0.0.1:{port}/score"
    return Server(BENTOML, command, url, dialect="data", environment=environment)


def bare(model: Model, work: Path) -> Server:
    """A Starlette application calling the estimator with a NumPy array."""
    return _bare(BARE, "native", model, "data")


def bare_pyfunc(model: Model, work: Path) -> Server:
    """A Starlette application calling MLflow's pyfunc."""
    return _bare(BARE_PYFUNC, "pyfunc", model, "mlflow")


def _bare(name: str, call: str, model: Model, dialect: str) -> Server:
    python, port = environments.peer("bare"), free_port()
    command = [str(python), "-m", "uvicorn", "bare:app", "--app-dir", str(PEERS)]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    environment = {"BARE": call, "BARE_MODEL": str(model.folder)}
    url = f"http://127.0.0.1:{port}/score"
    return Server(name, command, url, dialect=dialect, environment=environment)


def fast(model: Model, work: Path) -> Server:
    """Our runtime with the fast loader, as the local target starts it."""
    return runtime(FAST, fast_python(model), model, work, {"loader": "fast"})


def plain(model: Model, work: Path) -> Server:
    """Our runtime with MLflow's loader."""
    return runtime(PLAIN, environments.peer("mlflow"), model, work, {"loader": "plain"})


def fast_python(model: Model) -> Path:
    """Return the Python of the model's environment for the fast loader."""
    given = (model.folder / "requirements.txt").read_text().splitlines()
    mlmodel = yaml.safe_load((model.folder / "MLmodel").read_text())
    return environments.fast(model.name, without_mlflow(given, mlmodel))


def runtime(
    name: str,
    python: Path,
    model: Model,
    work: Path,
    given: dict[str, Any],
    boot: Path | None = None,
) -> Server:
    """Our runtime: keys, limits, metrics, request ids and batching on, one worker.

    Args:
        given: what of its configuration differs.
        boot: another `boot.py` than the runtime's own.
    """
    folder, port = work / "replica", free_port()
    folder.mkdir(parents=True)
    keys = [{"name": "primary", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]
    (folder / CONFIG_FILE).write_text(json.dumps(_config(model, port) | given))
    (folder / AUTH_FILE).write_text(json.dumps({"version": 1, "enabled": True, "keys": keys}))
    command = [str(python), str(boot or environments.runtime()), "replica", "--dir", str(folder)]
    headers = {**JSON, "authorization": f"Bearer {KEY}"}
    url = f"http://127.0.0.1:{port}{SCORE_PATH}"
    return Server(name, command, url, headers, log=folder / LOG_FILE)


def _config(model: Model, port: int) -> dict[str, Any]:
    return {
        "service": "benchmark",
        "revision": 1,
        "replica": 0,
        "digest": "benchmark",
        "host": "127.0.0.1",
        "port": port,
        "model_dir": str(model.folder),
        "model_name": "benchmark",
        "model_version": "1",
        "workers": 1,
        "cpu": 1.0,
        "memory_mb": 4096,
        "max_concurrent": 64,
        "max_queue_wait_ms": 10_000,
        "scoring_timeout_ms": 60_000,
        "max_body_bytes": 100_000_000,
        "verbose_errors": True,
        "batch": True,
    }


def gateway(model: Model, work: Path) -> Server:
    """Our gateway in front of our runtime."""
    behind, port = fast(model, work), free_port()
    folder = work / "run"
    folder.mkdir()
    backend = {"revision": 1, "url": behind.url.removesuffix(SCORE_PATH), "weight": 100}
    routes = {"version": 1, "services": {"benchmark": {"backends": [backend], "reason": ""}}}
    (folder / ROUTES_FILE).write_text(json.dumps(routes))
    python, boot = behind.command[:2]
    command = [python, boot, "gateway", "--run-dir", str(folder), "--port", str(port)]
    url = f"http://127.0.0.1:{port}{GATEWAY_PREFIX}benchmark{SCORE_PATH}"
    return Server(GATEWAY, command, url, behind.headers, behind=behind)


ALL: dict[str, Make] = {
    MLFLOW: mlflow_serve,
    MLSERVER: mlserver,
    BENTOML: bentoml,
    AZUREML: azureml,
    AZUREML_NUMPY: azureml_numpy,
    BARE_PYFUNC: bare_pyfunc,
    BARE: bare,
    PLAIN: plain,
    FAST: fast,
    GATEWAY: gateway,
}
