"""A stock MLflow client on any machine logs runs and registers models through the studio."""

import subprocess
from pathlib import Path

import pytest

from tests.proxy.conftest import Tracking, Web

SCRIPT = """
import pathlib, sys, tempfile
import mlflow
import numpy as np
from sklearn.linear_model import Ridge

mlflow.set_experiment("from another machine")
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "a b é%.txt").write_text("hello")
with mlflow.start_run() as run:
    mlflow.log_param("alpha", 1)
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_artifact(folder / "a b é%.txt", "notes")
    x = np.arange(8.0).reshape(4, 2)
    model = Ridge().fit(x, x.sum(axis=1))
    info = mlflow.sklearn.log_model(
        model, name="model", input_example=x, pip_requirements=["scikit-learn"]
    )
client = mlflow.MlflowClient()
version = mlflow.register_model(info.model_uri, "stock-ridge")
client.set_registered_model_alias("stock-ridge", "champion", version.version)
loaded = mlflow.pyfunc.load_model("models:/stock-ridge@champion")
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="notes")
text = next(pathlib.Path(back).iterdir()).read_text()
steps = [one.step for one in client.get_metric_history(run.info.run_id, "loss")]
print("RESULT", text, steps, round(float(loaded.predict(x)[0]), 1), version.version)
"""


@pytest.mark.timeout(240)
def test_it_logs_registers_and_loads(
    web: Web, token: str, python: str, tracking: Tracking, tmp_path: Path
) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"{web.url}/mlflow",
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [python, "-c", SCRIPT],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    assert result.startswith("RESULT hello [0, 1, 2] "), result
    kept = list(Path(tracking.env.artifact_root).rglob("a b é%.txt"))
    assert len(kept) == 1  # on the server's disk, not the client's
    assert not (tmp_path / "mlruns").exists()


def test_a_wrong_token_says_what_to_do(web: Web, python: str, tmp_path: Path) -> None:
    script = "import mlflow; mlflow.MlflowClient().search_experiments()"
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"{web.url}/mlflow",
        "MLFLOW_TRACKING_TOKEN": "slw_wrong",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [python, "-c", script], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode != 0
    assert "MLFLOW_TRACKING_TOKEN" in done.stderr
