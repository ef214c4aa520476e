"""Real models, real replicas and a real gateway for the tests of the data plane."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.backends import EchoServer, GatewayProcess, unused_port
from tests.serving.raw_backend import RawBackend, RawConnection
from tests.serving.replica import Replica

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A fixture here may start several services; each imports MLflow, slow on a busy machine."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def diabetes_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear regression on the diabetes data, with signature and input example."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LinearRegression

    rows, target = load_diabetes(return_X_y=True, as_frame=True)
    model = LinearRegression().fit(rows, target)
    folder = tmp_path_factory.mktemp("models") / "diabetes"
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(rows, model.predict(rows)),
        input_example=rows.head(3),
        pip_requirements=["scikit-learn"],
    )
    return folder


@pytest.fixture(scope="session")
def scripted_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that does what its input's `action` says (models/scripted.py)."""
    return _from_code(tmp_path_factory, "scripted")


@pytest.fixture(scope="session")
def broken_model(scripted_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose code imports a library that does not exist."""
    import shutil

    folder = tmp_path_factory.mktemp("models") / "broken"
    shutil.copytree(scripted_model, folder)
    (folder / "scripted.py").write_text((HERE / "models" / "broken.py").read_text())
    return folder


def _from_code(factory: pytest.TempPathFactory, name: str) -> Path:
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = Schema([ColSpec("string", "action"), ColSpec("double", "amount")])
    folder = factory.mktemp("models") / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's advice on type hints and examples
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(HERE / "models" / f"{name}.py"),
            signature=ModelSignature(inputs=columns),
            pip_requirements=["mlflow"],
        )
    return folder


@pytest.fixture(scope="session")
def diabetes(diabetes_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """A ready replica of the diabetes model, shared: tests leave it as they found it."""
    replica = Replica(tmp_path_factory.mktemp("services") / "diabetes", diabetes_model)
    try:
        yield replica.started()
    finally:
        replica.stop()


@pytest.fixture(scope="session")
def scripted(scripted_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """A ready replica of the scripted model with one slot and low limits, shared."""
    folder = tmp_path_factory.mktemp("services") / "scripted"
    limits = {"max_concurrent": 1, "max_queue_wait_ms": 300, "scoring_timeout_ms": 1500}
    limits["memory_mb"] = 700
    replica = Replica(folder, scripted_model, **limits)
    try:
        yield replica.started()
    finally:
        replica.stop()


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """Make replicas of a test's own: `replicas(model, **settings)`."""
    made: list[Replica] = []

    def make(model: Path, **settings: Any) -> Replica:
        made.append(Replica(tmp_path / f"replica{len(made)}", model, **settings))
        return made[-1]

    yield make
    for replica in made:
        replica.stop()


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway without routes, shared: each test sets those it needs."""
    found = GatewayProcess(tmp_path_factory.mktemp("run"), unused_port())
    yield found
    found.stop()


@pytest.fixture
def server() -> Iterator[Callable[[str], EchoServer]]:
    """Start echo servers: `server(name)`."""
    made: list[EchoServer] = []

    def make(name: str) -> EchoServer:
        made.append(EchoServer(name))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()


@pytest.fixture
def echo(server: Callable[[str], EchoServer]) -> EchoServer:
    return server("only")


@pytest.fixture
def gateway(process: GatewayProcess, echo: EchoServer) -> GatewayProcess:
    """The shared gateway with one service, iris, on one echo server."""
    process.route(iris=[(echo.url, 100)])
    return process


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[RawConnection], None]], RawBackend]]:
    """Start backends that talk as a test says: `raw(talk)`."""
    made: list[RawBackend] = []

    def make(talk: Callable[[RawConnection], None]) -> RawBackend:
        made.append(RawBackend(talk))
        return made[-1]

    yield make
    for one in made:
        one.close()
