"""Section 2.4 of the v1 contract: environment variables, models' folders and failing starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.script.errors import ScriptError
from serving.script.layout import lay_out, model_path, tree
from serving.script.signature import check_name, check_single, read
from tests.serving.replica import Replica

LOADS = "def init(): pass\n"


@pytest.fixture(scope="module")
def seen(plain: Replica) -> dict[str, str]:
    """The environment that a script sees."""
    found: dict[str, str] = plain.post("/score", "environment").json()
    return found


def test_a_script_finds_the_variables_of_v1(plain: Replica, seen: dict[str, str]) -> None:
    source = plain.config["source_dir"]
    assert seen["AML_APP_ROOT"] == source
    assert seen["AZUREML_ENTRY_SCRIPT"] == "plain.py"
    assert seen["SERVICE_NAME"] == "scored"
    assert seen["SERVICE_VERSION"] == "3"
    assert seen["SCORING_TIMEOUT_MS"] == "2000"
    assert seen["WORKER_COUNT"] == "1"
    assert seen["AZUREML_LOG_LEVEL"] == "INFO"
    assert plain.post("/score", "folder").json() == source


def test_the_services_own_environment_wins(start: Any) -> None:
    own = {"SERVICE_VERSION": "9.9", "SERVICE_PATH_PREFIX": "api/x", "AZUREML_LOG_LEVEL": "DEBUG"}
    replica = start("plain", environment={**own, "SCORING_TIMEOUT_MS": "1"})
    seen = replica.post("/score", "environment").json()
    assert {name: seen[name] for name in own} == own
    assert seen["SCORING_TIMEOUT_MS"] == "2000"  # what is in force
    document = replica.get("/swagger.json").json()
    assert document["info"]["version"] == "9.9"
    assert "/api/x/score" in document["paths"]


def test_the_server_version_can_be_kept_back(start: Any) -> None:
    replica = start("plain", environment={"SERVER_VERSION_LOG_RESPONSE_ENABLED": "false"})
    assert "x-ms-server-version" not in replica.post("/score", "x").headers


def test_the_folder_of_one_model_holds_its_files(plain: Replica, seen: dict[str, str]) -> None:
    folder = Path(seen["AZUREML_MODEL_DIR"])
    assert folder.parts[-3:] == ("azureml-models", "first", "3")
    assert (folder / "weights.txt").read_text() == "1 2 3"


def test_get_model_path_finds_the_only_file(raw: Replica) -> None:
    path = raw.post("/score?do=model", "").json()
    assert path.endswith("azureml-models/first/3/weights.txt")


def test_the_folder_of_several_models_holds_them_all(start: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").touch()
    (tmp_path / "b.bin").touch()
    models = [
        {"name": "one", "version": "1", "path": str(tmp_path / "folder")},
        {"name": "one", "version": "12", "path": str(tmp_path / "folder"), "folder": "kept"},
        {"name": "two", "version": "2", "path": str(tmp_path / "b.bin")},
    ]
    replica = start("plain", models=models)
    top = Path(replica.post("/score", "environment").json()["AZUREML_MODEL_DIR"])
    assert top.name == "azureml-models"
    found = sorted(str(p.relative_to(top)) for p in top.glob("*/*/*"))
    assert found == ["one/1/a.txt", "one/12/kept", "two/2/b.bin"]


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("one", None, "one/12/kept"),
        ("one", 1, "one/1/a.txt"),
        ("two", None, "two/2/b.bin"),
        ("flow", None, "flow/1"),
    ],
)
def test_get_model_path_takes_the_latest_or_the_version(
    tmp_path: Path, name: str, version: Any, expected: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").touch()
    (tmp_path / "b.bin").touch()
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "MLmodel").touch()
    folder = str(tmp_path / "folder")
    top = lay_out(
        [
            {"name": "one", "version": "1", "path": folder},
            {"name": "one", "version": "12", "path": folder, "folder": "kept"},
            {"name": "one", "version": "2", "path": folder},
            {"name": "two", "version": "2", "path": str(tmp_path / "b.bin")},
            {"name": "flow", "version": "1", "path": str(tmp_path / "mlflow")},
        ],
        tmp_path,
    )
    assert model_path(name, version, [tmp_path]) == str(top / expected)
    assert (top / "flow/1/model/MLmodel").exists()  # as v1 kept a logged model's folder


def test_mlflow_loads_a_model_from_where_it_was_laid_out(tmp_path: Path) -> None:
    """It refuses a folder whose files are links that lead out of it."""
    import mlflow.sklearn
    import numpy as np
    from sklearn.linear_model import Ridge

    rows = np.eye(3)
    model = Ridge().fit(rows, [1, 2, 3])
    mlflow.sklearn.save_model(
        model, tmp_path / "stored", serialization_format="cloudpickle", pip_requirements=[]
    )
    listed = [{"name": "flow", "version": "1", "path": str(tmp_path / "stored")}]
    for _ in range(2):  # again, as after a restart
        folder = lay_out(listed, tmp_path / "replica")  # type: ignore[arg-type]
    for path in (folder, folder / "model", model_path("flow", None, [tmp_path / "replica"])):
        assert list(mlflow.pyfunc.load_model(str(path)).predict(rows)) == list(model.predict(rows))


def test_a_model_of_mlflow_is_found_by_the_name_that_its_folder_had(tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    (stored / "inner").mkdir(parents=True)
    for name in ("MLmodel", "model.pkl", "inner/a"):
        (stored / name).touch()
    more: dict[str, Any] = {
        "1": {"folder": "Größe 1"},
        "2": {"folder": "inner"},  # a folder of its own has the name
        "3": {"folder": "../up"},
        "4": {"entry": "model.pkl"},  # a file, which an MLmodel was written for
        "5": {"entry": "gone.zip"},  # the archive that it came in
    }
    listed = [{"name": "m", "version": key, "path": str(stored), **it} for key, it in more.items()]
    for _ in range(2):
        top = lay_out(listed, tmp_path / "replica")  # type: ignore[arg-type]
    found = {key: model_path("m", key, [tmp_path / "replica"]) for key in more}
    ends = ["1/Größe 1", "2", "3/..%2Fup", "4/model.pkl", "5"]
    assert list(found.values()) == [str(top / "m" / end) for end in ends]
    assert (top / "m/1/Größe 1/MLmodel").is_file()
    assert [path.name for path in (top / "m/2/inner").iterdir()] == ["a"]
    for version in more:
        assert {"MLmodel", "model", "model.pkl"} <= {
            p.name for p in (top / "m" / version).iterdir()
        }
    assert sorted(path.name for path in top.iterdir()) == ["m"]


def test_a_large_file_is_a_link_and_a_small_one_a_copy(tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    (stored / "data").mkdir(parents=True)
    (stored / "data" / "large").write_bytes(bytes(100_000))
    (stored / "small").write_text("x")
    listed = [{"name": "a", "version": "1", "path": str(stored)}]
    folder = lay_out(listed, tmp_path / "replica")  # type: ignore[arg-type]
    assert (folder / "data" / "large").is_symlink()
    assert not (folder / "small").is_symlink()
    assert sorted(path.name for path in folder.iterdir()) == ["data", "small"]


def test_get_model_path_names_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "a").touch()
    (tmp_path / "many" / "b").touch()
    lay_out([{"name": "many", "version": "1", "path": str(tmp_path / "many")}], tmp_path)
    with pytest.raises(FileNotFoundError, match=r"exactly one.*a, b"):
        model_path("many", None, [tmp_path])
    with pytest.raises(FileNotFoundError, match=r"no model other; there are: .*many/1"):
        model_path("other", None, [tmp_path])
    with pytest.raises(FileNotFoundError, match=r"no model many version 7"):
        model_path("many", "7", [tmp_path])


def test_names_of_models_cannot_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    lay_out([{"name": "../up", "version": "..", "path": str(tmp_path / "m")}], tmp_path / "root")
    assert not (tmp_path / "up").exists()
    assert (tmp_path / "root" / "azureml-models" / "..%2Fup" / "%2E%2E").is_dir()


def test_the_tree_is_short_and_follows_no_circle(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "self").symlink_to(tmp_path)
    assert tree(tmp_path).splitlines()[1].strip() == "a/"
    for number in range(300):
        (tmp_path / f"file{number}").touch()
    lines = tree(tmp_path).splitlines()
    assert len(lines) == 200
    assert lines[-1] == "… and more"


REFUSED = {
    "def run(*args): pass": "cannot accept positional-only arguments, *args, or **kwargs",
    "def run(data, **more): pass": "cannot accept positional-only arguments, *args, or **kwargs",
    "def run(data, /): pass": "cannot accept positional-only arguments, *args, or **kwargs",
    "def run(): pass": "needs to accept an argument for input data",
    "def run(request_headers): pass": 'needs to accept an argument other than "request_headers"',
    "def run(data, other): pass": "is given the body as 'data' and nothing for 'other'",
    "async def run(data): pass": "must be a plain function",
    "def run(data, *, other): pass": "is given the body as 'data' and nothing for 'other'",
}


@pytest.mark.parametrize("source", REFUSED)
def test_signatures_that_cannot_be_called_are_refused(source: str) -> None:
    made: dict[str, Any] = {}
    exec(source, made)
    with pytest.raises(ScriptError) as refused:
        check_single(read(made["run"]))
    assert REFUSED[source] in str(refused.value)


@pytest.mark.parametrize(
    "name", ["score.txt", "my-score.py", "1score.py", "class.py", "a b.py", "score.tar.py", ".py"]
)
def test_names_that_are_no_modules_are_refused(name: str) -> None:
    with pytest.raises(ScriptError):
        check_name(name)


FAILS = {
    "import nothing_of_this_name\n": "ModuleNotFoundError: No module named 'nothing_of_this_name'",
    "def init(:\n": "SyntaxError: ",
    "def init():\n    raise RuntimeError('no weights')\ndef run(x): pass\n": (
        "RuntimeError: no weights"
    ),
    "def init():\n    exit(0)\ndef run(x): pass\n": "SystemExit: 0",
    LOADS: "ScriptError: The entry script score.py does not have a run() function.",
    "def run(x): pass\n": "ScriptError: The entry script score.py does not have a init() function.",
    LOADS + "def run(*x): pass\n": "ScriptError: run() cannot accept positional-only arguments",
    LOADS
    + "from azureml.contrib.services.aml_request import rawhttp\n"
    + "import numpy as np\n"
    + "from inference_schema.schema_decorators import input_schema\n"
    + "from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType\n"
    + "@rawhttp\n@input_schema('x', NumpyParameterType(np.array([1.0])))\ndef run(x): pass\n": (
        "ScriptError: @rawhttp and @input_schema cannot be used together"
    ),
}


@pytest.mark.parametrize("source", FAILS)
def test_a_script_that_does_not_start_says_why(
    tmp_path: Path, model_folder: Path, source: str
) -> None:
    (tmp_path / "score.py").write_text(source)
    replica = Replica(
        tmp_path / "replica",
        model_folder,
        loader="script",
        source_dir=str(tmp_path),
        entry_script="score.py",
    )
    try:
        assert replica.start().wait_for_exit() == 3
        record = json.loads((replica.folder / "runtime.json").read_text())
        assert record["message"].startswith(FAILS[source])
        log = replica.log()
        assert "Traceback" in log
        assert "Model folder " in log
        assert "\n    weights.txt\n" in log
    finally:
        replica.stop()


def test_a_driver_module_gives_run_and_the_outer_script_init(start: Any, tmp_path: Path) -> None:
    (tmp_path / "inner.py").write_text("def init():\n    1 / 0\ndef run(x):\n    return 'inner'\n")
    (tmp_path / "outer.py").write_text("import inner as driver_module\ndef init():\n    pass\n")
    assert start("outer", source_dir=str(tmp_path)).post("/score", "x").json() == "inner"


def test_without_an_entry_script_the_module_is_main(start: Any, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(LOADS + "def run(x):\n    return 'main'\n")
    assert start("main", source_dir=str(tmp_path), entry_script="").post("/score", "").text == (
        '"main"'
    )


def test_a_script_may_be_in_a_folder_and_named_like_a_library(start: Any, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "helper.py").write_text("WORD = 'helped'\n")
    (tmp_path / "code" / "near.py").write_text("WORD = 'near'\n")
    (tmp_path / "code" / "json.py").write_text(
        "import helper, near\n" + LOADS + "def run(x):\n    return [helper.WORD, near.WORD]\n"
    )
    replica = start("json", source_dir=str(tmp_path), entry_script="code/json.py")
    assert replica.post("/score", "x").json() == ["helped", "near"]


def test_an_old_data_collector_never_breaks_run(start: Any, tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(
        "from azureml.monitoring import ModelDataCollector\n"
        "from azureml.core import Model\n"
        "def init():\n    global c\n"
        "    c = ModelDataCollector('m', designation='inputs', feature_names=['a'])\n"
        "def run(x):\n    c.collect([1], user_correlation_id='')\n    return 'scored'\n"
    )
    assert start("score", source_dir=str(tmp_path)).post("/score", "x").json() == "scored"


def test_prints_of_run_carry_the_requests_id(plain: Replica) -> None:
    assert "init() ran" in plain.log()
    plain.post("/score", "say", x_request_id="the-saying-one")
    said = [line for line in plain.log_lines() if line["message"] == "a print of run()"]
    assert said[-1]["request_id"] == "the-saying-one"


def test_a_crash_of_the_process_is_survived(start: Any, tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(
        "import os\n" + LOADS + "def run(x):\n    os._exit(9) if x == 'die' else None\n"
        "    return os.getpid()\n"
    )
    from tests.serving.replica import wait_until

    replica = start("score", source_dir=str(tmp_path))
    first = replica.post("/score", "x").json()
    with pytest.raises(OSError):
        replica.post("/score", "die")
    wait_until(lambda: replica.record()["restarts"] == 1, "a restart")
    wait_until(lambda: replica.get("/health").ok, "ready again")
    assert replica.post("/score", "x").json() != first
