"""Uploading: files stream in, become a version, and a refused or broken upload leaves nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import multiprocessing
import os
import signal
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from registry import selectors
from registry.incoming import receiving, registering, staging
from registry.models import VersionRecord
from tests.registry import made
from tests.registry.asgi import body, hang_up, post, upload
from tests.registry.conftest import Store
from workspaces.errors import NotFound, Unavailable
from workspaces.tokens import token_create
from workspaces.tracking.models import places as tracking_places
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.models.files import ModelFolder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(transactional_db: None) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_user("ada", password="a-long-password")


@pytest.fixture
def place(store: Store, tmp_path: Path, settings: Any) -> Iterator[Path]:
    """The artifact root of one test. Whatever happened, no staging is left."""
    data = dataclasses.replace(settings.SLIPWAY.data, root=tmp_path / "data")
    root = tmp_path / "artifacts"
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, data=data, artifact_root=str(root))
    yield root / "registered"
    assert list(data.incoming.glob("*")) == []


@pytest.fixture
def token(user: Any, place: Path) -> str:
    return token_create(user=user, name="test")[1]


def nothing_is_there(place: Path) -> bool:
    versions = VersionRecord.objects.exists()
    return not versions and not list(place.glob("*")) and selectors.models_list().items == ()


def test_one_file_becomes_a_version(token: str, place: Path) -> None:
    model = made.sklearn_pickle()
    answer = upload(
        token,
        model.files,
        name="ridge",
        description="A ridge.",
        tags={"area": "qna"},
        properties={"owner": "ada"},
        sample_input=model.sample,
        sample_output=model.answers[:2],
    )
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["name"], found["version"], found["problem"]) == ("ridge", "1", "")
    assert found["format"] == "sklearn-pickle"
    assert (found["framework"], found["needs_script"]) == ("ScikitLearn", False)
    assert found["origin"] == {"kind": "upload", "by": "ada", "path": "model.pkl", "folder": ""}
    assert (found["tags"], found["properties"]) == ({"area": "qna"}, {"owner": "ada"})
    assert found["sample_input"] == model.sample
    assert "dataframe_split" in found["input_example"]
    digests = {item["path"]: item["sha256"] for item in found["files"]}
    assert digests["model.pkl"] == hashlib.sha256(model.content).hexdigest()
    assert all(digests.values())
    (folder,) = place.iterdir()
    assert found["source"] == f"mlflow-artifacts:/registered/{folder.name}"
    assert (folder / "model.pkl").read_bytes() == model.content
    assert {path.name for path in folder.iterdir()} == set(digests)


def test_the_same_name_gets_the_next_version(token: str, place: Path) -> None:
    for number in ("1", "2"):
        assert upload(token, {"a.bin": b"x"}, name="m").json()["version"] == number
    assert len(list(place.iterdir())) == 2


def test_a_folder_that_is_no_model_keeps_its_name(token: str, place: Path) -> None:
    files = {"net/weights.bin": b"w", "net/deep/words.txt": b"t"}
    found = upload(token, files, name="net").json()
    assert [item["path"] for item in found["files"]] == sorted(files)
    assert selectors.version_get("net", "1").script_path == "$AZUREML_MODEL_DIR/net"
    assert found["needs_script"] is True
    assert (found["format"], found["origin"]["path"]) == ("custom", "net")


def test_a_folder_of_mlflow_is_registered_as_it_is(token: str, store: Store, place: Path) -> None:
    (made_,) = list(store.artifacts.glob("1/models/*/artifacts"))[:1]
    files = {
        f"mine/{path.relative_to(made_).as_posix()}": path.read_bytes()
        for path in made_.rglob("*")
        if path.is_file()
    }
    found = upload(token, files, name="m").json()
    assert found["format"] == "mlflow"
    assert found["origin"]["folder"] == "mine"
    assert len(found["files"]) == len(files)
    assert "python_function" in found["flavors"]
    assert found["framework"] == "ScikitLearn"


def _zip(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return target.getvalue()


def _tar(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


@pytest.mark.parametrize(("name", "pack"), [("m.zip", _zip), ("m.tar.gz", _tar)])
def test_an_archive_that_comes_alone_is_unpacked(
    token: str, place: Path, name: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    model = made.lightgbm()
    found = upload(
        token, {name: pack({f"lgb/{model.file_name}": model.content})}, name="lgb"
    ).json()
    assert found["format"] == "lightgbm"
    assert found["origin"] == {"kind": "upload", "by": "ada", "path": name, "folder": "lgb"}
    assert "MLmodel" in {item["path"] for item in found["files"]}
    assert selectors.version_get("lgb", "1").script_path == "$AZUREML_MODEL_DIR/lgb"


def test_an_archive_among_other_files_stays_a_file(token: str, place: Path) -> None:
    files = [("data.zip", _zip({"a": b"b"})), ("other.bin", b"x")]
    for given in (files, files[::-1]):
        found = upload(token, given, name="m").json()
        assert [item["path"] for item in found["files"]] == ["data.zip", "other.bin"]


def test_a_checksum_that_fits_is_fine_and_a_wrong_one_registers_nothing(
    token: str, place: Path
) -> None:
    right = hashlib.sha256(b"x").hexdigest()
    for wrong in ("0" * 64, {"a.bin": "0" * 64}, {"b.bin": right}, "text", [1]):
        answer = upload(token, {"a.bin": b"x"}, name="m", sha256=wrong)
        assert answer.status_code == 400, answer.text
        assert set(answer.json()["fields"]) == {"sha256"}
    archive = _zip({"a.bin": b"x"})
    assert upload(token, {"m.zip": archive}, name="m", sha256=right).status_code == 400
    assert nothing_is_there(place)
    assert (
        upload(token, {"a.bin": b"x"}, name="m", sha256={"a.bin": right.upper()}).status_code == 201
    )
    digest = hashlib.sha256(archive).hexdigest()
    assert upload(token, {"m.zip": archive}, name="m", sha256=digest).status_code == 201


REFUSED: dict[str, tuple[list[tuple[str, bytes]], dict[str, Any], str]] = {
    "no files": ([], {"name": "m"}, "files"),
    "no name": ([("a", b"x")], {}, "name"),
    "a bad name": ([("a", b"x")], {"name": "no good"}, "name"),
    "bad tags": ([("a", b"x")], {"name": "m", "tags": "{"}, "tags"),
    "bad tag keys": ([("a", b"x")], {"name": "m", "tags": {"mlflow.x": "y"}}, "tags"),
    "bad properties": ([("a", b"x")], {"name": "m", "properties": [1]}, "properties"),
    "a bad sample": ([("a", b"x")], {"name": "m", "sample_input": "{"}, "sample_input"),
    "a framework nobody knows": ([("a", b"x")], {"name": "m", "framework": "Abacus"}, "framework"),
    "a NUL": ([("a", b"x")], {"name": "m\x00"}, "name"),
    "two files of one name": ([("a", b"x"), ("a", b"y")], {"name": "m"}, ""),
    "a name with a line break": ([("a%0Ab", b"x")], {"name": "m"}, ""),
    "a way out": ([("../a", b"x")], {"name": "m"}, ""),
    "an absolute path": ([("/etc/a", b"x")], {"name": "m"}, ""),
    "a name that is not UTF-8": ([("a\udce9", b"x")], {"name": "m"}, ""),
    "an archive whose name is not UTF-8": ([("\udcff.zip", _zip({"a": b"x"}))], {"name": "m"}, ""),
    "an archive whose name is broken": ([("a%0Ab.zip", _zip({"a": b"x"}))], {"name": "m"}, ""),
    "an archive with a way out": ([("m.zip", _zip({"../a": b"x"}))], {"name": "m"}, ""),
    "a broken archive": ([("m.zip", b"PK")], {"name": "m"}, ""),
    "an MLmodel that is none": ([("MLmodel", b"nothing")], {"name": "m"}, ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_registered_is_said_and_leaves_nothing(
    case: str, token: str, place: Path
) -> None:
    files, fields, field = REFUSED[case]
    answer = upload(token, files, **fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]
    if field:
        assert field in answer.json()["fields"]
    assert nothing_is_there(place)


def test_all_that_is_wrong_is_said_at_once(token: str, place: Path) -> None:
    answer = upload(token, {"a": b"x"}, name="no good", framework="Abacus", tags={"": ""})
    assert set(answer.json()["fields"]) == {"name", "framework", "tags"}


def test_too_much_and_too_many_are_refused(token: str, place: Path, settings: Any) -> None:
    settings.SLIPWAY = dataclasses.replace(
        settings.SLIPWAY, max_upload_bytes=1_000_000, max_files=3
    )
    answer = upload(token, {"a": bytes(3_000_000)}, name="m")
    assert (answer.status_code, answer.json()["code"]) == (400, "too_large")
    answer = upload(token, {f"f{number}": b"" for number in range(4)}, name="m")
    assert "more than 3 files" in answer.json()["message"]
    assert nothing_is_there(place)


def test_a_full_disk_is_said_before_and_during(token: str, place: Path, settings: Any) -> None:
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, min_free_bytes=2**60)
    answer = upload(token, {"a": b"x"}, name="m")
    assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
    assert nothing_is_there(place)


def test_without_a_token_nothing_is_even_received(place: Path) -> None:
    content = body([("a", b"x")], {"name": "m"})
    assert post("/api/v1/models", content, {}).status_code == 401
    assert post("/api/v1/models", content, {"Authorization": "Bearer wrong"}).status_code == 401
    assert post("/register/", content, {}).status_code == 403
    assert not (place.parent.parent / "data").exists()
    (place.parent.parent / "data" / "incoming").mkdir(parents=True)


def test_a_connection_that_is_cut_leaves_nothing(token: str, place: Path) -> None:
    whole = body([("a", os.urandom(3_000_000))], {"name": "m"})
    for end in (len(whole) // 2, len(whole) - 10):
        assert hang_up(token, whole[:end]) == []
        assert nothing_is_there(place)


def test_a_sender_that_falls_silent_leaves_nothing(
    token: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "IDLE_S", 0.2)
    sent = hang_up(token, body([("a", bytes(3_000_000))], {"name": "m"})[:-10], silent=True)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "timeout"
    assert nothing_is_there(place)


def test_a_form_without_its_end_is_refused(token: str, place: Path) -> None:
    whole = body([("a", b"x" * 1000)], {"name": "m"})
    answer = post("/api/v1/models", whole[:-300], {"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (400, "incomplete")
    assert nothing_is_there(place)


def test_the_same_upload_twice_at_once_makes_two_versions(token: str, place: Path) -> None:
    model, answers = made.lightgbm(), []
    threads = [
        threading.Thread(target=lambda: answers.append(upload(token, model.files, name="twice")))
        for _number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(answer.json()["version"] for answer in answers) == ["1", "2"]
    assert len(list(place.iterdir())) == 2


def test_when_mlflow_refuses_the_files_are_taken_back(
    token: str, place: Path, store: Store
) -> None:
    import sqlite3

    database = store.uri.removeprefix("sqlite:///")
    with sqlite3.connect(database) as connection:
        connection.execute(
            "create trigger no before insert on model_versions begin select raise(abort, 'no'); end"
        )
    answer = upload(token, {"a": b"x"}, name="m")
    assert answer.status_code == 503
    assert nothing_is_there(place)


def test_a_model_that_failed_is_not_taken_from_who_registers_it_next(
    token: str, place: Path, store: Store
) -> None:
    """Both make the first version of a model at once; MLflow refuses one of them."""
    failing, others = threading.Event(), []

    def other() -> None:
        failing.wait(10)
        with registering.model_for_version("m"):
            others.append(store.version_make("m", place))

    thread = threading.Thread(target=other)
    thread.start()

    def fail() -> None:
        with registering.model_for_version("m"):
            failing.set()
            time.sleep(0.3)  # the other one is at it
            raise Unavailable("no")

    with pytest.raises(Unavailable):
        fail()
    thread.join(timeout=20)
    assert others == ["1"]
    assert tracking_models.version_get("m", "1").version == "1"


# --- killed --------------------------------------------------------------------------------------


def _upload_until_killed(where: str, ready: Any) -> None:
    """Runs in a process that is killed while an upload is under way."""
    with staging.staging_open() as made_:
        made_.add("weights.bin", iter([b"w" * 100_000]))
        if where == "published":
            place = tracking_places.place_new("m")
            made_.publishes(place.source)
            tracking_places.place_fill(place, made_.folder)
        ready.set()
        time.sleep(60)


@pytest.mark.parametrize("where", ["staged", "published"])
def test_what_a_killed_upload_left_is_swept_away(where: str, token: str, place: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_upload_until_killed, args=(where, ready))
    process.start()
    assert ready.wait(20)
    staging.sweep()
    left = list(staging.staging_root().glob("*"))
    assert len(left) == 2, "an upload under way was swept away"
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(timeout=10)
    assert upload(token, {"a": b"x"}, name="next").status_code == 201
    assert list(staging.staging_root().glob("*")) == []
    assert len(list(place.iterdir())) == 1


def test_the_files_of_a_version_are_not_swept_away(token: str, place: Path) -> None:
    """Killed between MLflow's answer and our note: the place is used, so it stays."""
    source = upload(token, {"a": b"x"}, name="m").json()["source"]
    lock = staging.staging_root() / "dead.lock"
    lock.write_text(json.dumps({"place": source}))
    staging.sweep()
    assert not lock.exists()
    assert len(list(place.iterdir())) == 1


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def cookies(user: Any, client: Client) -> dict[str, str]:
    client.force_login(user)
    client.get("/register/")
    return {name: morsel.value for name, morsel in client.cookies.items()}


def test_the_page_registers_without_scripts(cookies: Any, place: Path, settings: Any) -> None:
    fields = {"csrfmiddlewaretoken": cookies[settings.CSRF_COOKIE_NAME], "name": "m"}
    content = body([("", b""), ("a.bin", b"x")], fields)
    answer = post("/register/", content, {"Origin": "http://localhost"}, cookies)
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"] == "/models/m/versions/1/"
    assert selectors.version_get("m", "1").origin["path"] == "a.bin"
    answer = post("/register/", body([], fields), {"Origin": "http://localhost"}, cookies)
    assert answer.status_code == 422
    assert "Choose a file" in answer.text


def test_the_page_takes_tags_and_properties(cookies: Any, place: Path, settings: Any) -> None:
    def send(tags: str, properties: str) -> Any:
        token = cookies[settings.CSRF_COOKIE_NAME]
        fields = {"csrfmiddlewaretoken": token, "tags": tags, "properties": properties, "name": "m"}
        content = body([("a.bin", b"x")], fields)
        return post("/register/", content, {"Origin": "http://localhost"}, cookies)

    assert send("area=qna\r\n\r\nquick", "owner = ada=b").status_code == 302
    found = selectors.version_get("m", "1")
    assert (found.tags, found.properties) == ({"area": "qna", "quick": ""}, {"owner": "ada=b"})
    refused = send("=qna", "mlflow#=1")
    assert refused.status_code == 422
    assert "“=qna” has no key" in refused.text
    refused = send("mlflow.user=eve", "a#b=1")
    assert "own." in refused.text
    assert "The key “a#b” may have" in refused.text


def test_a_foreign_page_cannot_upload(cookies: Any, place: Path, settings: Any) -> None:
    token = cookies[settings.CSRF_COOKIE_NAME]
    content = body([("a.bin", b"x")], {"name": "m"})
    headers = {"Origin": "http://localhost"}
    assert post("/register/", content, headers, cookies).status_code == 403
    assert post("/api/v1/models", content, headers, cookies).status_code in {401, 403}
    bad = {"Origin": "http://evil.example", "X-CSRFToken": token}
    assert post("/api/v1/models", content, bad, cookies).status_code in {400, 401, 403}
    assert nothing_is_there(place)
    good = {**headers, "X-CSRFToken": token}
    assert post("/api/v1/models", content, good, cookies).status_code == 201


def test_a_deleted_model_is_gone_but_its_files_stay_mlflows(token: str, place: Path) -> None:
    upload(token, {"a": b"x"}, name="m")
    location = tracking_models.version_location("m", "1")
    assert [item.path for item in ModelFolder(location).files()] == ["a"]
    tracking_models.model_delete("m")
    with pytest.raises(NotFound):
        tracking_models.version_location("m", "1")
