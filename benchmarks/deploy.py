"""From the click on Deploy to Healthy, in a whole studio, beside the process alone and MLflow."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks import environments
from benchmarks.contenders import fast, mlflow_serve
from benchmarks.goals import Goal
from benchmarks.models import log_linear, train
from benchmarks.servers import Server
from tests.flow import api as studios  # a studio of real processes, as the tests start one

INTRODUCTION = """The linear model on the local target, by the API call that the button makes,
until the service is Healthy. The packages are in uv's cache. The process alone is started by
hand; MLflow builds the model's environment as well (`--env-manager uv`)."""
ROUNDS = 3
COLD_ROUNDS = 2


def section(seconds: float) -> tuple[list[Goal], str]:
    """Measure, and return the goals and a Markdown section."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = train("linear", folder)
        body = model.body(1, "mlflow")
        (folder / "own").mkdir()
        own = min(_first_answer(fast(model, folder / "own" / str(n)), body) for n in range(ROUNDS))
        theirs = min(
            _first_answer(_with_uv(mlflow_serve(model, folder)), body) for _ in range(COLD_ROUNDS)
        )
    unbuilt, built = _clicks()
    rows = {
        "Deploy, environment built": built,
        "the process alone": own,
        "Deploy, environment not built": unbuilt,
        "`mlflow models serve --env-manager uv`": theirs,
    }
    lines = "\n".join(f"| {name} | {seconds:.2f} |" for name, seconds in rows.items())
    added = Goal(
        "linear",
        "Deploy click to Healthy, environment built: added s",
        "the process alone",
        built - own,
        1.0,
        most=True,
    )
    cold = Goal(
        "linear",
        "Deploy click to Healthy, environment not built",
        "mlflow models serve --env-manager uv",
        unbuilt / theirs,
        0.7,
        most=True,
    )
    return [added, cold], f"## Deploy\n\n{INTRODUCTION}\n\n| | seconds |\n| --- | --- |\n{lines}"


def _first_answer(server: Server, body: bytes) -> float:
    try:
        server.start(body, 300)
        return server.first_answer
    finally:
        server.stop()


def _with_uv(server: Server) -> Server:
    """Let MLflow build an environment of its own, from the same warm cache as the studio."""
    server.command = ["uv" if word == "local" else word for word in server.command]
    paths = [str(Path(server.command[0]).parent), str(environments.UV.parent), os.environ["PATH"]]
    server.environment = {
        "MLFLOW_ENV_ROOT": tempfile.mkdtemp(),
        "UV_CACHE_DIR": str(studios.shared_cache()),
        "PATH": os.pathsep.join(paths),
    }
    return server


def _clicks() -> tuple[float, float]:
    """Return the least seconds to Healthy without and with the environment built."""
    unbuilt, built = [], []
    for _ in range(COLD_ROUNDS):  # each in a studio of its own: what is built stays
        api = studios.start()
        try:
            run = _logged(api)
            api.call("POST", "/models", json={"run_id": run, "name": "linear"}).raise_for_status()
            _await_workers(api)
            unbuilt.append(_click(api, "first"))
            built += [_click(api, f"again-{n}") for n in range(ROUNDS)]
        finally:
            api.studio.close()
    return min(unbuilt), min(built)


def _await_workers(api: studios.Api) -> None:
    """Wait until the studio that was just started has loaded what it loads."""
    database = api.studio.data.database
    query = "select count(*) from deployments_heartbeat where kind in ('control', 'steps')"
    while True:
        with closing(sqlite3.connect(database)) as connection:
            if connection.execute(query).fetchone()[0] >= 2:
                return
        time.sleep(0.2)


def _logged(api: studios.Api) -> str:
    os.environ["MLFLOW_TRACKING_URI"] = f"{api.studio.url}/mlflow"
    os.environ["MLFLOW_TRACKING_TOKEN"] = api.token
    return log_linear()


def _click(api: studios.Api, name: str) -> float:
    begun = time.monotonic()
    body = {"name": name, "model": "models:/linear/1", "target": "local"}
    api.call("POST", "/services", json=body).raise_for_status()
    while api.get(f"/services/{name}")["state"] != "Healthy":
        if time.monotonic() - begun > 300:
            raise RuntimeError(f"{name} did not become Healthy")
        time.sleep(0.02)
    took = time.monotonic() - begun
    api.gone(name)
    return took
