"""Trying an entry script on this machine, before anything is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deployments.choices import OperationStatus
from deployments.drivers.local import LocalDriver
from deployments.trying.trials import preflight_ask
from registry.scripts.folders import SourceFile, source_create
from tests.local_engine import USER
from tests.trying import Place, Trying, checks_of, failed_of, place_made, trying_made
from workspaces.errors import Invalid

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
SCRIPT = """
import json

def init():
    {init}

def run(data):
    return json.loads(data)["data"]
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    yield from place_made("scripting")


@pytest.fixture
def trying(place: Place, monkeypatch: pytest.MonkeyPatch) -> Trying:
    return trying_made(place, monkeypatch, "local", LocalDriver(place.data.services, USER))


def script(text: str = SCRIPT, init: str = "pass", **more: Any) -> dict[str, Any]:
    files = [SourceFile.text("score.py", text.format(init=init))]
    source = source_create(files=files, user=None).sha256
    return {"entryScript": "score.py", "source": source, **more}


def test_a_script_is_scored_with_its_sample(trying: Trying) -> None:
    uri = trying.code_model("twice")
    wish = script(sampleInput={"data": [1, 2]})
    done = trying.tried(uri, inference=wish, sample={"sample_output": [1, 2]})
    assert done.status == OperationStatus.SUCCEEDED, trying.lines
    assert {"load", "example", "output", "memory"} <= checks_of(done).keys()
    assert done.found["parts"]["loader"] == "script"


def test_an_init_that_raises_is_shown_with_its_traceback(trying: Trying) -> None:
    uri = trying.code_model("cross")
    done = trying.tried(uri, inference=script(init="raise ValueError('no weights here')"))
    assert "ValueError: no weights here" in failed_of(done)["load"]
    assert 'score.py", line' in done.found["measured"]["traceback"]


def test_a_script_without_run_is_refused_before(trying: Trying) -> None:
    uri = trying.code_model("runless")
    wish = script("def init():\n    pass\n")
    with pytest.raises(Invalid, match="run"):
        preflight_ask(model=uri, target="local", user=None, inference=wish)
