"""Section 2.4 of the v1 contract: the command line, its variables and its file; standing alone."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from serving.standalone_options import Choices, UsageError, choose
from tests.serving.conformance.alone import Alone

ECHO = "import os\ndef init(): pass\ndef run(x):\n    return dict(os.environ) if x else 'empty'\n"

Serve = Callable[..., Alone]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "score.py").write_text(ECHO)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.txt").write_text("1")
    return tmp_path


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    made: list[Alone] = []

    def begin(*options: str, **more: Any) -> Alone:
        made.append(Alone(tmp_path, *options, **more))
        return made[-1]

    yield begin
    for alone in made:
        alone.stop()


def test_a_script_is_served_with_a_key_printed_once(folder: Path, serve: Serve) -> None:
    alone = serve("--entry-script", "score.py", "--model", "model").ready()
    seen = alone.post("x").json()
    assert seen["AZUREML_MODEL_DIR"] == str(folder / "model")
    assert seen["AML_APP_ROOT"] == str(folder)
    assert len(alone.key) >= 40
    assert alone.log.read_text().count(alone.key) == 1
    assert alone.post("x", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert alone.stop() == 0
    assert not list(folder.glob("slipway-*")), "the temporary folder is gone"


@pytest.mark.parametrize("edge", ["nothing", "tls", "cors"])
def test_an_mlflow_model_is_served(
    folder: Path, diabetes_model: Path, serve: Serve, edge: str
) -> None:
    options, how = ["--model", str(diabetes_model)], {}
    if edge == "tls":
        cert, key = certificate(folder)
        options, how = [*options, "--tls-cert", cert, "--tls-key", key], {"verify": cert}
    if edge == "cors":
        options += ["--cors", "*"]
    alone = serve(*options).ready(**how)
    body = (diabetes_model / "serving_input_example.json").read_bytes()
    headers = {"content-type": "application/json", "origin": "http://a.example"}
    for path in ("/invocations", "/score"):
        answer = alone.post(body, path=path, headers=headers, **how)
        assert len(answer.json()["predictions"]) == 3
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed == ("*" if edge == "cors" else None)
    assert alone.post(body, headers={"authorization": "Bearer no"}, **how).status_code == 401


def test_keys_of_a_file_open_it(folder: Path, serve: Serve) -> None:
    keys = {"primary": "first-key-of-the-file", "secondary": "second-key-of-the-file"}
    (folder / "keys.json").write_text(json.dumps(keys))
    alone = serve("--entry-script", "score.py", "--keys-file", "keys.json").ready()
    for key in keys.values():
        assert alone.post("", headers={"authorization": f"Bearer {key}"}).json() == "empty"
        assert key not in alone.log.read_text()
    assert alone.post("").status_code == 401


def test_pages_of_other_origins_may_call(folder: Path, serve: Serve) -> None:
    options = ["--cors", "http://a.example,http://b.example", "--max-body-bytes", "100"]
    alone = serve("--entry-script", "score.py", "--no-auth", *options).ready()
    asking = {"origin": "http://b.example", "access-control-request-method": "POST"}
    asking["access-control-request-headers"] = "authorization,content-type"
    allowed = requests.options(f"{alone.url}/score", headers=asking, timeout=30)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "http://b.example"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    answer = alone.post("", headers={"origin": "http://a.example"})
    assert answer.headers["access-control-allow-origin"] == "http://a.example"
    other = alone.post("", headers={"origin": "http://c.example"})
    assert "access-control-allow-origin" not in other.headers
    assert alone.post("x" * 101).status_code == 413


def certificate(folder: Path) -> tuple[str, str]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return str(cert), str(key)


@pytest.mark.parametrize("of", ["model", "script"])
def test_an_idle_tls_client_does_not_hold_up_its_end(
    folder: Path, diabetes_model: Path, serve: Serve, of: str
) -> None:
    cert, key = certificate(folder)
    what = {"model": ["--model", str(diabetes_model)], "script": ["--entry-script", "score.py"]}
    alone = serve(*what[of], "--tls-cert", cert, "--tls-key", key, "--no-auth").ready(verify=cert)
    with requests.Session() as session:
        assert session.get(f"{alone.url}/health", verify=cert, timeout=30).ok
        assert session.post(f"{alone.url}/score", b"", verify=cert, timeout=30).status_code < 500
        began = time.monotonic()
        assert alone.stop() == 0
        assert time.monotonic() - began < 10


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_it_speaks_tls(folder: Path, serve: Serve) -> None:
    cert, key = certificate(folder)
    options = ["--tls-cert", cert, "--tls-key", key]
    alone = serve("--entry-script", "score.py", *options).ready(verify=cert)
    assert alone.post("", verify=cert).json() == "empty"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.set_ciphers("DEFAULT@SECLEVEL=0")  # so that it is the server who refuses
    old.load_verify_locations(cert)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", alone.port), timeout=10) as plain,
        pytest.raises(OSError),
    ):
        old.wrap_socket(plain, server_hostname="127.0.0.1")


def test_the_start_command_of_the_v1_server_works(folder: Path, serve: Serve) -> None:
    options = ["--entry_script", "score.py", "--model_dir", "model", "--worker_count", "2"]
    options += ["--access_control_allow_origins", "*"]
    alone = serve(*options, SERVICE_NAME="shop").ready()
    seen = alone.post("x", headers={"origin": "http://x"})
    assert seen.headers["access-control-allow-origin"] == "*"
    assert (seen.json()["SERVICE_NAME"], seen.json()["WORKER_COUNT"]) == ("shop", "2")


def test_variables_alone_start_it(folder: Path, serve: Serve) -> None:
    """As in an image whose environment says everything."""
    variables = {"AML_APP_ROOT": str(folder), "AZUREML_ENTRY_SCRIPT": "score.py"}
    variables |= {"AZUREML_MODEL_DIR": "model", "SCORING_TIMEOUT_MS": "1234"}
    seen = serve("--host", "127.0.0.1", **variables).ready().post("x").json()
    assert seen["SCORING_TIMEOUT_MS"] == "1234"
    assert seen["AZUREML_MODEL_DIR"] == str(folder / "model")


def options(folder: Path, *argv: str, **environ: str) -> Choices:
    return choose(list(argv), environ, folder)


def test_the_command_line_wins_over_variables_over_the_file(folder: Path) -> None:
    values = {"WORKER_COUNT": 4, "SERVICE_NAME": "filed", "SCORING_TIMEOUT_MS": "9000"}
    (folder / "config.json").write_text(json.dumps({**values, "UNKNOWN": 1}))
    script = ["--entry-script", "score.py"]
    found = options(folder, *script, "--workers", "2", WORKER_COUNT="3", SERVICE_NAME="told")
    assert (found.workers, found.name, found.scoring_timeout_ms) == (2, "told", 9000)
    assert options(folder, *script, WORKER_COUNT="3").workers == 3
    assert options(folder, *script).workers == 4


def test_the_file_can_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.json").write_text('{"AZUREML_ENTRY_SCRIPT": "score.py", "HEALTH_PORT": 1}')
    found = options(folder, AZUREML_CONFIG_FILE=str(folder / "mine.json"))
    assert found.entry_script == "score.py"
    assert "not used here: HEALTH_PORT" in capsys.readouterr().err
    assert options(folder, "--config_file", str(folder / "mine.json")) == found


def test_server_port_of_the_environment_is_not_used(folder: Path) -> None:
    assert options(folder, "--entry-script", "score.py", SERVER_PORT="9").port == 5001


def test_the_folder_of_the_script_is_its_own_or_the_one_named(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "run_it.py").write_text(ECHO)
    found = options(folder, "--entry-script", "deep/run_it.py")
    assert (found.source, found.entry_script) == (folder / "deep", "run_it.py")
    found = options(folder, "--entry-script", "deep/run_it.py", "--source-dir", ".")
    assert (found.source, found.entry_script) == (folder, "deep/run_it.py")
    variables = {"AML_APP_ROOT": str(folder), "AZUREML_SOURCE_DIRECTORY": "deep"}
    found = options(folder, AZUREML_ENTRY_SCRIPT="run_it.py", **variables)
    assert (found.source, found.entry_script) == (folder / "deep", "run_it.py")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "Say what to serve"),
        (["--model", "model"], "is no MLflow model"),
        (["--model", "nowhere"], "There is no model folder"),
        (["--entry-script", "nothing.py"], "There is no entry script"),
        (["--entry-script", "score.py", "--port", "0"], "--port must be a whole number from 1"),
        (["--entry-script", "score.py", "--workers", "two"], "--workers must be a whole number"),
        (["--entry-script", "score.py", "--tls-cert", "x"], "TLS needs both"),
        (["--entry-script", "score.py", "--no-auth", "--keys-file", "x"], "Say either"),
        (["--entry-script", "score.py", "--config-file", "score.py"], "cannot be read"),
    ],
)
def test_what_cannot_be_served_is_said(folder: Path, argv: list[str], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        options(folder, *argv)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("{bad", "is no JSON"),
        ("[]", "must hold"),
        ('{"third": "x"}', "must hold"),
        ('{"primary": "short"}', "at least 16"),
        ('{"primary": "with spaces in between"}', "at least 16"),
    ],
)
def test_a_wrong_keys_file_is_said_and_ends_with_2(
    folder: Path, keys: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from serving.standalone import run_standalone

    (folder / "keys.json").write_text(keys)
    argv = ["--entry-script", str(folder / "score.py")]
    assert run_standalone([*argv, "--keys-file", str(folder / "keys.json")], {}) == 2
    assert told in capsys.readouterr().err


def test_a_certificate_without_its_key_ends_with_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from serving.standalone import run_standalone

    script = str(folder / "score.py")
    argv = ["--entry-script", script, "--tls-cert", script, "--tls-key", script]
    assert run_standalone(argv, {}) == 2
    assert "no certificate and its key" in capsys.readouterr().err
