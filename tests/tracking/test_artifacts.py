"""Artifacts stay inside their folder, and models are found however they were logged."""

import contextlib
import json
from pathlib import Path

import psutil
import pytest

from tests.tracking.mlflow_store import Store, use
from workspaces import tracking
from workspaces.errors import Invalid, NotFound, Unavailable
from workspaces.tracking.artifacts import (
    artifact_open,
    artifacts_list,
    model_card,
    run_models,
)
from workspaces.tracking.values import Run


@pytest.fixture
def run(store: Store) -> Run:
    run_id = store.run(store.experiment("artifacts"))
    store.file(run_id, "notes.txt", b"hello")
    store.file(run_id, "plots/a b%2Fc #1.png", b"\x89PNG")
    return tracking.run_get(run_id)


def test_a_folder_lists_folders_first(run: Run) -> None:
    entries, complete = artifacts_list(run.artifact_uri)
    assert [(e.path, e.is_folder, e.size) for e in entries] == [
        ("plots", True, None),
        ("notes.txt", False, 5),
    ]
    assert complete


def test_a_file_that_nobody_read_is_let_go(run: Run) -> None:
    opened = artifact_open(run.artifact_uri, "notes.txt")
    held = lambda: [file.path for file in psutil.Process().open_files()]  # noqa: E731
    assert any(path.endswith("notes.txt") for path in held())
    opened.close()
    assert not any(path.endswith("notes.txt") for path in held())


def test_a_run_without_artifacts_has_an_empty_folder(store: Store) -> None:
    run = tracking.run_get(store.run(store.experiment("none")))
    assert artifacts_list(run.artifact_uri) == ((), True)


def test_names_are_taken_literally(run: Run) -> None:
    (entry,), _ = artifacts_list(run.artifact_uri, "plots")
    assert entry.path == "plots/a b%2Fc #1.png"
    assert artifact_open(run.artifact_uri, entry.path).read(100) == b"\x89PNG"


@pytest.mark.parametrize(
    "path",
    ["../x", "plots/../../x", "/etc/passwd", "..\\x", "a//b", "./notes.txt", "a\x00b", "x" * 3000],
)
def test_a_path_that_leaves_is_refused(run: Run, path: str) -> None:
    with pytest.raises(Invalid):
        artifact_open(run.artifact_uri, path)
    with pytest.raises(Invalid):
        artifacts_list(run.artifact_uri, path)


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/x", "..%2fx", "plots", "nothing", "x" * 300])
def test_what_is_no_file_is_not_found(run: Run, path: str) -> None:
    with pytest.raises(NotFound):
        artifact_open(run.artifact_uri, path)


def test_a_link_out_of_the_folder_is_neither_listed_nor_read(
    store: Store, run: Run, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    (Path(run.artifact_uri) / "link").symlink_to(secret)
    assert "link" not in [e.path for e in artifacts_list(run.artifact_uri)[0]]
    with pytest.raises(NotFound):
        artifact_open(run.artifact_uri, "link")


@pytest.mark.parametrize(
    "uri",
    [
        "/etc",
        "file:///etc",
        "http://127.0.0.1:1/x",
        "s3://bucket/x",
        "mlflow-artifacts:/../../etc",
        "mlflow-artifacts:/%2e%2e/%2e%2e/etc",
        "dbfs:/x",
        "",
    ],
)
def test_artifacts_elsewhere_are_not_read(store: Store, uri: str) -> None:
    with pytest.raises(Unavailable):
        artifacts_list(uri)


def test_the_artifact_service_is_the_artifact_root(store: Store) -> None:
    file = store.artifacts / "1" / "r" / "artifacts" / "a.txt"
    file.parent.mkdir(parents=True)
    file.write_text("mapped")
    assert artifact_open("mlflow-artifacts:/1/r/artifacts", "a.txt").read(10) == b"mapped"


def test_a_neighbour_with_the_same_beginning_is_not_below_the_root(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "artifacts-of-others").mkdir()
    with pytest.raises(Unavailable):
        artifacts_list(str(tmp_path / "artifacts-of-others"))
    use(monkeypatch, artifact_root="s3://bucket/root")
    for uri in ("s3://bucket/root-2/x", "s3://bucket/root/../x", "s3://other/root/x"):
        with pytest.raises(Unavailable):
            artifacts_list(uri)


def _log_sklearn(store: Store, experiment: str) -> str:
    import mlflow
    import pandas as pd
    from sklearn.linear_model import Ridge

    mlflow.set_tracking_uri(store.uri)
    frame = pd.DataFrame({"age": [1.0, 2.0, 3.0], "bmi": [2.0, 1.0, 0.5]})
    model = Ridge().fit(frame, [1.0, 2.0, 3.0])
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.sklearn.log_model(
            model, name="model", input_example=frame.head(2), pip_requirements=["scikit-learn"]
        )
    return str(run.info.run_id)


def test_a_logged_model_is_found_and_described(store: Store) -> None:
    run = tracking.run_get(_log_sklearn(store, store.experiment("models")))
    assert run.has_model
    (model,) = run_models(run, signatures=True)
    assert (model.name, model.path, model.has_signature) == ("model", "model", True)
    assert model.uri == f"models:/{model.model_id}"
    card = model_card(model)
    assert [(c.name, c.type) for c in card.inputs] == [("age", "double"), ("bmi", "double")]
    assert "sklearn" in card.flavors
    assert "scikit-learn" in card.requirements
    assert "dataframe_split" in json.loads(card.input_example)
    assert card.python_version.startswith("3.")
    assert "MLmodel" in [entry.path for entry in card.files]


def test_a_model_kept_as_artifact_is_found(store: Store) -> None:
    history = json.dumps([{"artifact_path": "old/model"}])
    run_id = store.run(store.experiment("old"), tags={"mlflow.log-model.history": history})
    store.file(run_id, "old/model/MLmodel", b"flavors: {python_function: {python_version: 3.9.1}}")
    (model,) = run_models(run_id, signatures=True)
    assert (model.path, model.uri) == ("old/model", f"runs:/{run_id}/old/model")
    assert model.has_signature is False
    assert model_card(model).python_version == "3.9.1"


@pytest.mark.parametrize("tag", ["", "[", "{}", '["x"]', '[{"artifact_path": "../../x"}]', "null"])
def test_an_odd_model_history_is_no_model(store: Store, tag: str) -> None:
    run_id = store.run(store.experiment("odd"), tags={"mlflow.log-model.history": tag})
    assert run_models(run_id) == ()


@pytest.mark.parametrize(
    "text", [b"", b"[", b"flavors: 3", b"- a", b"\xff\xfe", b"signature: {inputs: '{', outputs: 3}"]
)
def test_a_broken_model_file_is_an_empty_card_or_not_found(store: Store, text: bytes) -> None:
    history = json.dumps([{"artifact_path": "m"}])
    run_id = store.run(store.experiment("broken"), tags={"mlflow.log-model.history": history})
    store.file(run_id, "m/MLmodel", text)
    (model,) = run_models(run_id)
    with contextlib.suppress(NotFound):
        assert model_card(model).inputs == ()
