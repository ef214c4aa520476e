"""One process per script for the whole session, asked by every file of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.replica import Replica

SCRIPTS = Path(__file__).parent / "scripts"

Start = Callable[..., Replica]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is a folder with one file."""
    folder = tmp_path_factory.mktemp("models") / "first"
    folder.mkdir()
    (folder / "weights.txt").write_text("1 2 3")
    return folder


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Iterator[Start]:
    """Start an entry script of `scripts/` and wait until it is ready."""
    made: list[Replica] = []

    def begin(name: str, **settings: Any) -> Replica:
        usual: dict[str, Any] = {
            "service": "scored",
            "loader": "script",
            "source_dir": str(SCRIPTS),
            "entry_script": f"{name}.py",
            "model_dir": str(model_folder),
            "model_name": "first",
            "model_version": "3",
            "scoring_timeout_ms": 2000,
            "max_body_bytes": 2_000_000,
        }
        folder = tmp_path_factory.mktemp("services") / name
        made.append(Replica(folder, model_folder, **{**usual, **settings}))
        return made[-1].started()

    yield begin
    for replica in made:
        replica.stop()


@pytest.fixture(scope="session")
def plain(start: Start) -> Replica:
    return start("plain")


@pytest.fixture(scope="session")
def raw(start: Start) -> Replica:
    return start("raw")


@pytest.fixture(scope="session")
def schema(start: Start) -> Replica:
    return start("schema")


@pytest.fixture(scope="session")
def powerbi(start: Start) -> Replica:
    return start("powerbi")
