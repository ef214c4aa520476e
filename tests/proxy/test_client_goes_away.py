"""A reader that leaves in the middle: MLflow's server is not read to the end for nobody."""

import socket
from pathlib import Path

from tests.proxy.conftest import Tracking, Web, wait_until

MB = 1024 * 1024


def read_by(tracking: Tracking) -> int:
    """Bytes that MLflow's server has read so far, of files and sockets."""
    fields = Path(f"/proc/{tracking.process.pid}/io").read_text().split()
    return int(fields[fields.index("rchar:") + 1])


def test_the_rest_is_not_read(web: Web, tracking: Tracking, bearer: dict[str, str]) -> None:
    path = "/mlflow/api/2.0/mlflow-artifacts/artifacts/0/left/artifacts/weights.bin"
    size = 300 * MB
    body = (bytes(MB) for _ in range(300))
    assert web.ask(path, "PUT", data=body, headers=bearer).status_code == 200
    before = read_by(tracking)
    with socket.create_connection(("127.0.0.1", web.port)) as link:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
        request += f"Authorization: {bearer['Authorization']}\r\n\r\n"
        link.sendall(request.encode())
        assert b"200 OK" in link.recv(4096)
    last = -1

    def is_quiet() -> bool:
        nonlocal last
        now = read_by(tracking)
        same, last = now == last, now
        return same

    wait_until(is_quiet, 20, "MLflow's server goes on reading")
    assert read_by(tracking) - before < size / 3
