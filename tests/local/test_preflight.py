"""Trying a version on this machine: what would fail later is found, and said, before."""

from __future__ import annotations

import io
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from sklearn.linear_model import Ridge

from deployments.building.pythons import own_minor
from deployments.choices import OperationKind, OperationStatus
from deployments.configuring import configuration
from deployments.drivers.local import LocalDriver
from deployments.models import Finding, ModelCheck
from deployments.trying.findings import findings_of, measured_of
from deployments.trying.trials import preflight_ask
from registry.models import VersionRecord
from tests.local_engine import PINS, USER
from tests.prepare import ROWS, save_model
from tests.registry.asgi import upload
from tests.trying import Place, Trying, checks_of, failed_of, place_made, trying_made
from workspaces.errors import Conflict, Invalid
from workspaces.tokens import token_create

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
SMALL = {"containerResourceRequirements": {"memoryInGB": 0.25}}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    yield from place_made("trying")


@pytest.fixture
def trying(place: Place, monkeypatch: pytest.MonkeyPatch) -> Trying:
    return trying_made(place, monkeypatch, "local", LocalDriver(place.data.services, USER))


def test_a_good_model_passes_and_what_was_measured_is_kept(trying: Trying) -> None:
    save_model(trying.files("ridge"), Ridge())
    uri = trying.register("ridge")
    rows = {"dataframe_split": ROWS.to_dict(orient="split", index=False)}
    wrong = trying.tried(uri, sample={"sample_input": rows, "sample_output": [1.0, 2.0]})
    assert failed_of(wrong).keys() == {"output"}
    assert "2 items were expected, the answer has 4" in failed_of(wrong)["output"]
    answer = json.loads(wrong.found["measured"]["answer"])

    done = trying.tried(uri, sample={"sample_input": rows, "sample_output": answer})
    assert done.status == OperationStatus.SUCCEEDED, trying.lines
    names = ["files", "python", "environment", "load", "example", "output", "batching", "memory"]
    assert list(checks_of(done)) == names
    record = VersionRecord.objects.get(name="ridge")
    assert record.checked_at is not None
    assert 20 < (record.memory_mb or 0) < 1024
    assert measured_of("ridge", "1").milliseconds == record.ms_per_row
    assert ModelCheck.objects.get().found["row_wise"] is True  # a deploy need not ask again
    (finding,) = findings_of("ridge", "1", OperationKind.PREFLIGHT)
    assert (finding.result, finding.loader, finding.target) == ("passed", "fast", "local")
    assert not list(trying.data.tmp.glob("trial-*"))


def test_a_package_that_is_missing_is_named(trying: Trying) -> None:
    uri = trying.code_model("forgetful", top="import no_such_library")
    done = trying.tried(uri)
    assert done.status == OperationStatus.FAILED
    assert "The package “no_such_library” is missing" in failed_of(done)["load"]
    assert "no_such_library" in done.error
    assert "twice.py" in done.found["measured"]["traceback"]


def test_a_package_that_does_not_exist_is_named(
    trying: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.environments.index import Index, wheel

    trying.runtime()
    index = Index(wheel("alpha", "1.0"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    try:
        trying.code_model("dreamer")
        (trying.files("dreamer") / "requirements.txt").write_text("no-such-package\n")
        done = trying.tried("models:/dreamer/1")
    finally:
        index.close()
    assert failed_of(done) == {"environment": "There is no package named no-such-package."}
    assert [finding.result for finding in Finding.objects.all()] == ["failed"]


def test_a_python_that_is_not_here_is_named_with_those_that_are(trying: Trying) -> None:
    trying.code_model("old")
    folder = trying.files("old")
    (folder / "python_env.yaml").write_text("python: 2.7.18\n")
    done = trying.tried("models:/old/1")
    assert "The model needs Python 2.7; this machine has 3." in failed_of(done)["python"]
    other = trying.tried("models:/old/1", deployment={"pythonVersion": own_minor()})
    assert other.status == OperationStatus.SUCCEEDED, trying.lines
    assert checks_of(other)["python"].sentence == f"Runs on Python {own_minor()}."
    said = f"Runs on Python {own_minor()}, as was asked, not on the model's 2.7."
    assert any(said in line for line in trying.lines)


def test_code_that_raises_while_it_loads_is_shown_with_its_traceback(trying: Trying) -> None:
    uri = trying.code_model("cross", load="raise ValueError('the weights are gone')")
    done = trying.tried(uri)
    assert "ValueError: the weights are gone" in failed_of(done)["load"]
    assert "in load_context" in done.found["measured"]["traceback"]
    assert measured_of("cross", "1").memory_mb is None


def test_an_example_that_does_not_fit_the_signature_is_named(trying: Trying) -> None:
    trying.code_model("misfit")
    folder = trying.files("misfit")
    other = {"dataframe_split": {"columns": ["price"], "data": [[1.0]]}}
    (folder / "serving_input_example.json").write_text(json.dumps(other))
    done = trying.tried("models:/misfit/1")
    assert failed_of(done).keys() == {"signature"}
    assert "Missing column 'amount'" in failed_of(done)["signature"]


def test_too_little_memory_is_measured(trying: Trying) -> None:
    uri = trying.code_model("hungry", load="import time; self.x = b'x' * 2**29; time.sleep(60)")
    done = trying.tried(uri, deployment=SMALL)
    sentence = failed_of(done)["memory"]
    assert sentence.startswith("The model needs more than 256 MB of memory (measured at least ")


def test_code_that_ends_its_process_is_told(trying: Trying) -> None:
    uri = trying.code_model("quitter", top="import os; print('farewell'); os._exit(7)")
    done = trying.tried(uri)
    assert "(exit code 7)" in failed_of(done)["load"]
    assert "farewell" in done.found["measured"]["tail"]


def test_the_code_runs_as_the_service_user_alone(trying: Trying) -> None:
    if os.geteuid() != 0:
        pytest.skip("started by an ordinary user, services have that user's rights")
    uri = trying.code_model("spy", load="import os; raise OSError(f'uid {os.getuid()}')")
    assert "uid 0" not in failed_of(trying.tried(uri))["load"]


def test_what_cannot_be_tried_is_refused_with_every_field(trying: Trying) -> None:
    with pytest.raises(Invalid) as caught:
        preflight_ask(
            model="nonsense",
            target="nowhere",
            user=None,
            inference=[],
            sample={"sample_input": "x" * 2_000_000},
        )
    assert set(caught.value.fields) == {"model", "target", "inference", "sample_input"}


def test_one_trial_of_a_version_on_a_target_at_a_time(trying: Trying) -> None:
    uri = trying.code_model("once")
    first = preflight_ask(model=uri, target="local", user=None)
    assert preflight_ask(model=uri, target="local", user=None).pk == first.pk
    with pytest.raises(Conflict):
        preflight_ask(model=uri, target="local", user=None, deployment=SMALL)


def test_the_command_prints_sentences_and_ends_with_1_when_one_failed(trying: Trying) -> None:
    out = io.StringIO()
    trying.code_model("good")
    call_command("preflight", "models:/good/1", stdout=out)
    assert "ok      load" in out.getvalue()
    assert "FAILED" not in out.getvalue()

    trying.code_model("bad", load="raise ValueError('no')")
    with pytest.raises(SystemExit) as ended:
        call_command("preflight", "models:/bad/1", "--name", "No", stdout=out, stderr=out)
    assert ended.value.code == 1
    assert "FAILED  name" in out.getvalue()
    assert "ValueError: no" in out.getvalue()
    with pytest.raises(CommandError, match="bad"):
        call_command("preflight", "models:/bad/9", stdout=out, stderr=out)


def test_the_resources_are_those_of_the_deployment(trying: Trying) -> None:
    uri = trying.code_model("sized")
    done = trying.tried(uri, deployment=SMALL | {"port": 20001})
    wish = configuration.from_dict(done.asked["deployment"])
    assert (wish.memory_mb, wish.port) == (256, None)


class Spy:
    """Unpickling it runs code, which writes down who did."""

    def __init__(self, diary: Path) -> None:
        self.code = f"""
import os
with open("/proc/self/cmdline", "rb") as words, open({str(diary)!r}, "a") as diary:
    diary.write(f"{{os.getpid()}} {{os.getuid()}} {{words.read().split(bytes(1))}}\\n")
"""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (self.code,)


def test_a_pickle_that_runs_code_does_so_in_the_trial_s_own_process_only(
    trying: Trying,
) -> None:
    diary = trying.data.root / "diary.txt"
    diary.touch()
    diary.chmod(0o666)
    model = Ridge().fit(ROWS.to_numpy(), [1.0, 2.0, 3.0, 4.0])
    model.spy_ = Spy(diary)
    files = {"model.pkl": pickle.dumps(model), "requirements.txt": "\n".join(PINS).encode()}
    token = token_create(user=User.objects.create_user("ada"), name="test")[1]
    made = upload(token, files, name="hostile", sample_input=[[0.1, 1.0]])
    assert made.status_code == 201, made.text
    assert made.json()["format"] == "sklearn-pickle"
    assert diary.read_text() == ""  # web has read it, and run none of it

    done = trying.tried("models:/hostile/1")  # by this process, as a worker would
    assert done.status == OperationStatus.SUCCEEDED, trying.lines
    entries = [line.split(maxsplit=2) for line in diary.read_text().splitlines()]
    assert entries
    for pid, uid, command in entries:
        assert int(pid) != os.getpid()
        assert "boot.py" in command
        assert "'try'" in command
        assert os.geteuid() != 0 or int(uid) != 0
