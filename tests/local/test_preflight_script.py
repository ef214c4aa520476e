"""Trying an entry script on this machine, before anything is deployed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from deployments.choices import OperationStatus
from deployments.drivers.local import LocalDriver
from deployments.models import Finding
from deployments.trying.at_hand import inference_of
from deployments.trying.trials import preflight_ask
from registry import selectors as registry
from registry.models import VersionRecord
from registry.scripts.folders import SourceFile, source_create, source_files
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


def folder(tmp_path: Path, script_name: str = "score.py") -> Path:
    made = tmp_path / "script"
    (made / "lib" / "__pycache__").mkdir(parents=True)
    (made / script_name).write_text(SCRIPT.format(init="import lib.more"))
    (made / "lib" / "more.py").write_text("x = 1\n")
    (made / "lib" / "__pycache__" / "more.pyc").write_bytes(b"")
    return made


def given(**options: Any) -> dict[str, Any]:
    return inference_of({"inference": None, "source": None, **options})


def test_the_command_tries_weights_with_a_script_and_what_they_were_registered_with(
    trying: Trying, tmp_path: Path
) -> None:
    trying.code_model("echo")
    (trying.files("echo") / "MLmodel").unlink()  # files that only a script can serve
    registry.version_get("echo", "1")
    VersionRecord.objects.update(sample_input={"data": [1, 2]}, sample_output=[1, 2])
    out, wish = io.StringIO(), tmp_path / "inference.json"
    environment = {"packages": (trying.files("echo") / "requirements.txt").read_text().split()}
    wish.write_text(json.dumps({"entryScript": "mine.py", "environment": environment}))
    source = folder(tmp_path, "mine.py")
    with pytest.raises(CommandError, match="entry script"):
        call_command("preflight", "models:/echo/1", stdout=out)
    asked = ("--inference", str(wish), "--source", str(source))
    call_command("preflight", "models:/echo/1", *asked, stdout=out)
    assert "ok      load" in out.getvalue()
    assert "ok      output" in out.getvalue()
    assert "was not tried" not in out.getvalue()
    assert Finding.objects.get().asked["inference"]["entryScript"] == "mine.py"
    call_command("preflight", "models:/echo/1", "--quick", *asked, stdout=out)
    assert "It was tried on local, loads and answers." in out.getvalue()


def test_a_source_alone_means_score_py_in_it(trying: Trying, tmp_path: Path) -> None:
    assert given() == {}
    found = given(source=folder(tmp_path))
    assert found["entryScript"] == "score.py"
    paths = [item["path"] for item in source_files(found["source"]).files]
    assert paths == ["lib/more.py", "score.py"]


def test_what_the_command_cannot_take_is_said(trying: Trying, tmp_path: Path) -> None:
    wish = tmp_path / "inference.json"
    for text, words in (
        ("[1]", "no JSON object"),
        ('{"entryScript": "a.py"}', "--source"),
        ("{", "JSON"),
    ):
        wish.write_text(text)
        with pytest.raises(CommandError, match=words):
            given(inference=wish)
    with pytest.raises(CommandError, match="is no folder"):
        given(source=wish)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match="no files to keep"):
        given(source=tmp_path / "empty")
