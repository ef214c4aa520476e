"""TLS at the gateway: 1.2 or newer, and a certificate that can be replaced while it serves."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from studio.supervisor.commands import http_answers
from tests.serving.backends import (
    ROOT,
    EchoServer,
    GatewayProcess,
    gateway_command,
    read_all,
    unused_port,
)
from tests.serving.certificates import write_certificate
from tests.serving.replica import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")


def tls_options(folder: Path) -> list[str]:
    return ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def secure(folder: Path) -> Iterator[GatewayProcess]:
    write_certificate(folder, "first")
    found = GatewayProcess(folder, unused_port(), *tls_options(folder), scheme="https")
    yield found
    found.stop()


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def shown_name(gateway: GatewayProcess, server_name: str | None = None) -> str:
    """The name in the certificate that the gateway shows now."""
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as plain,
        unverified().wrap_socket(plain, server_hostname=server_name) as client,
    ):
        found = client.getpeercert(binary_form=True)
    assert found is not None
    subject = x509.load_der_x509_certificate(found).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def post(gateway: GatewayProcess, body: bytes) -> tuple[int, str]:
    connection = http.client.HTTPSConnection(
        "127.0.0.1", gateway.port, timeout=10, context=unverified()
    )
    connection.request("POST", "/api/v1/service/iris/score", body=body)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("size", [10, 900_000])
def test_requests_over_tls_reach_the_service(
    secure: GatewayProcess, server: Callable[[str], EchoServer], size: int
) -> None:
    secure.route(iris=[(server("behind").url, 100)])

    status, text = post(secure, b"x" * size)

    assert status == 200
    assert f'"length": {size}' in text
    assert '["x-forwarded-proto", "https"]' in text


def test_tls_1_2_is_the_oldest_that_is_spoken(secure: GatewayProcess) -> None:
    for version, expected in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)):
        context = unverified()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that the client itself would do 1.1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = version
        with socket.create_connection(("127.0.0.1", secure.port), timeout=10) as plain:
            try:
                context.wrap_socket(plain).close()
                spoken = True
            except (ssl.SSLError, ConnectionError):
                spoken = False
        assert spoken is expected, version


def test_a_replaced_certificate_is_shown_without_a_restart(
    secure: GatewayProcess, folder: Path
) -> None:
    write_certificate(folder, "second")
    wait_until(lambda: shown_name(secure) == "second", "the new certificate", 10)
    assert shown_name(secure, "with.a.name") == "second"


def test_sighup_reads_the_certificate_at_once(secure: GatewayProcess, folder: Path) -> None:
    write_certificate(folder, "third")
    secure.process.send_signal(signal.SIGHUP)
    wait_until(lambda: shown_name(secure) == "third", "the new certificate", 10)


def test_files_that_cannot_be_used_leave_the_last_certificate(
    secure: GatewayProcess, folder: Path
) -> None:
    shown = shown_name(secure)
    lines = secure.log.read_text().count("the last certificate stays")
    (folder / "cert.pem").write_text("no certificate")
    wait_until(
        lambda: secure.log.read_text().count("the last certificate stays") > lines,
        "it was read",
        10,
    )

    assert shown_name(secure) == shown
    write_certificate(folder, "fourth")
    wait_until(lambda: shown_name(secure) == "fourth", "the new certificate", 10)


def test_plain_http_at_the_tls_port_harms_nobody(secure: GatewayProcess) -> None:
    with secure.connect() as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in read_all(client)

    assert shown_name(secure)
    assert "traceback" not in secure.log.read_text()


def test_the_supervisor_sees_that_it_is_ready(secure: GatewayProcess) -> None:
    assert http_answers("127.0.0.1", secure.port, "/", tls=True)
    assert not http_answers("127.0.0.1", secure.port, "/")


@pytest.mark.parametrize("spoil", ["missing", "other key", "password"])
def test_a_start_with_a_bad_pair_ends_with_a_sentence(tmp_path: Path, spoil: str) -> None:
    write_certificate(tmp_path, "bad", password=b"secret" if spoil == "password" else b"")
    if spoil == "missing":
        (tmp_path / "key.pem").unlink()
    elif spoil == "other key":
        certificate = (tmp_path / "cert.pem").read_bytes()
        write_certificate(tmp_path, "other")
        (tmp_path / "cert.pem").write_bytes(certificate)
    command = [*gateway_command(tmp_path, unused_port()), *tls_options(tmp_path)]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )

    assert done.returncode == 1
    assert "cannot be used as certificate and key" in done.stdout
    assert "traceback" not in done.stdout


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    command = [*gateway_command(tmp_path, unused_port()), "--tls-cert", "cert.pem"]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )

    assert done.returncode == 2
    assert "--tls-cert and --tls-key go together" in done.stderr
