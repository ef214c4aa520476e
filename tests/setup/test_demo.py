"""`manage.py demo` trains for real; what it leaves is read with MLflow's own client."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator

import mlflow
import pytest
from django.conf import settings
from mlflow.entities import Run

from studio.demo import EXPERIMENTS, QUEUED_TIMEOUT, DemoStatus, demo_status
from tests.setup.studio_process import Studio

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Studio, mlflow.MlflowClient]]:
    """A studio that never started, filled from the command line."""
    studio = Studio.make().with_store()
    try:
        done = studio.manage("demo")
        assert done.returncode == 0, done.stderr
        yield studio, mlflow.MlflowClient(f"sqlite:///{studio.data.tracking_database}")
    finally:
        studio.close()


def runs_of(client: mlflow.MlflowClient, name: str) -> list[Run]:
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_has_runs_of_several_algorithms_that_differ(
    filled: tuple[Studio, mlflow.MlflowClient], name: str
) -> None:
    runs = runs_of(filled[1], name)
    assert len(runs) >= 12
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len({run.data.params["algorithm"] for run in runs}) >= 5
    assert len({run.data.metrics["test_loss"] for run in runs}) >= 10


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_run_has_a_curve_and_files_of_every_kind(
    filled: tuple[Studio, mlflow.MlflowClient], name: str
) -> None:
    studio, client = filled
    for run in runs_of(client, name):
        curve = client.get_metric_history(run.info.run_id, "test_loss")
        assert len({point.step for point in curve}) >= 6
        folder = run.info.artifact_uri.replace("mlflow-artifacts:", str(studio.data.artifacts), 1)
        found = {path.rpartition(".")[2] for path in _files(folder)}
        assert {"png", "csv", "json", "txt", "html"} <= found


def test_each_model_has_a_signature_and_an_example_and_scores_it(
    filled: tuple[Studio, mlflow.MlflowClient],
) -> None:
    studio, _client = filled
    folders = sorted(studio.data.artifacts.glob("demo-*/models/*/artifacts"))
    assert len(folders) >= 24
    for folder in (folders[0], folders[-1]):
        model = mlflow.pyfunc.load_model(str(folder))
        assert model.metadata.signature is not None
        example = json.loads((folder / "serving_input_example.json").read_text())
        assert len(example["dataframe_split"]["data"]) == len(model.predict(model.input_example))


@pytest.mark.soak
def test_running_it_again_adds_nothing(filled: tuple[Studio, mlflow.MlflowClient]) -> None:
    studio, client = filled
    before = [len(runs_of(client, name)) for name in EXPERIMENTS]
    assert studio.manage("demo").returncode == 0
    assert [len(runs_of(client, name)) for name in EXPERIMENTS] == before


def _files(folder: str) -> list[str]:
    return [name for _root, _folders, names in os.walk(folder) for name in names]


# --- how far it is, for the home page ------------------------------------------------------------


@pytest.fixture
def status_file() -> Iterator[None]:
    path = settings.DATA.run / "demo.json"
    path.unlink(missing_ok=True)
    yield
    path.unlink(missing_ok=True)


def write_status(**facts: object) -> None:
    settings.DATA.run.mkdir(parents=True, exist_ok=True)
    (settings.DATA.run / "demo.json").write_text(json.dumps(facts))


@pytest.mark.usefixtures("status_file")
class TestStatus:
    def test_it_is_absent_where_nobody_asked(self) -> None:
        assert demo_status() == DemoStatus("absent")

    def test_a_training_whose_process_lives_is_running(self) -> None:
        write_status(state="running", done=3, total=12, message="ridge")
        with (settings.DATA.run / "demo.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert demo_status() == DemoStatus("running", 3, 12, "ridge")
            assert demo_status().percent == 25

    def test_a_training_that_was_killed_has_failed_and_can_be_started_again(self) -> None:
        write_status(state="running", done=3, total=12, message="ridge")
        assert demo_status().state == "failed"
        assert not demo_status().is_busy

    def test_a_message_that_no_worker_took_up_does_not_block_the_button_for_ever(self) -> None:
        write_status(state="queued")
        assert demo_status().is_busy
        long_ago = time.time() - QUEUED_TIMEOUT - 1
        os.utime(settings.DATA.run / "demo.json", (long_ago, long_ago))
        assert not demo_status().is_busy
