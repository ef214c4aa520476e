"""Real local services with a model that does as told, in a data folder as `up` makes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import httpx
import pytest

from config import env
from config.env import Env
from config.secret import read_or_make_secret_key
from deployments.drivers.base import InstanceSpec
from studio.supervisor.folder import prepare
from tests.drivers.cases import LocalCase, auth
from tests.local_engine import local_engine, open_folder

Ask = Callable[[str, str], str]


@pytest.fixture(scope="package")
def studio_folder() -> Iterator[Env]:
    """A data folder with everything in it that is the studio's own."""
    root = open_folder("data")
    made = env.load({"SLIPWAY_DATA_DIR": str(root)})
    prepare(made)
    read_or_make_secret_key(made.data.secret_key)
    yield made
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def local(studio_folder: Env) -> Iterator[LocalCase]:
    """The local driver on that data folder; what still runs is ended afterwards."""
    made = LocalCase(studio_folder.data.root, local_engine())
    yield made
    made.clean()


def asker(case: LocalCase, spec: InstanceSpec) -> Ask:
    """A function that lets the model do something and returns what came of it."""
    url = case.observe(spec).endpoint + "/invocations"

    def ask(action: str, argument: str = "") -> str:
        rows = {"columns": ["action", "argument"], "data": [[action, argument]]}
        answer = httpx.post(url, json={"dataframe_split": rows}, timeout=20)
        assert answer.status_code == 200, answer.text
        said: str = answer.json()["predictions"][0]
        return said

    return ask


def open_to_all() -> dict[str, object]:
    """Keys for `spec`: none are asked for."""
    return {"auth": {**auth(), "enabled": False}}
