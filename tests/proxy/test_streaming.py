"""Large artifacts go up and down in pieces: neither web nor MLflow's server grows."""

import hashlib
import http.client
import os
from collections.abc import Iterator

import psutil
import pytest

from tests.proxy.conftest import Tracking, Web, wait_until

MB = 1024 * 1024
GROWTH = 64 * MB  # buffers of four sockets, and the noise of a running interpreter
PIECE = os.urandom(MB)


class Watch:
    """Notes the largest memory of both processes while a body passes."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._own = psutil.Process()
        self.start = self._now()
        self.peak = self.start

    def _now(self) -> tuple[int, int]:
        return self._own.memory_info().rss, self._tracking.memory()

    def look(self) -> None:
        web, server = self._now()
        self.peak = max(self.peak[0], web), max(self.peak[1], server)

    def growth(self) -> tuple[int, int]:
        return self.peak[0] - self.start[0], self.peak[1] - self.start[1]


def pieces(count: int, watch: Watch) -> Iterator[bytes]:
    for number in range(count):
        yield PIECE
        if number % 8 == 0:
            watch.look()


def round_trip(web: Web, tracking: Tracking, bearer: dict[str, str], count: int) -> None:
    path = f"/mlflow/api/2.0/mlflow-artifacts/artifacts/0/large-{count}/artifacts/weights.bin"
    warm = path.replace("weights", "warm")
    assert web.ask(warm, "PUT", data=iter([PIECE]), headers=bearer).status_code == 200
    watch = Watch(tracking)
    up = web.ask(path, "PUT", data=pieces(count, watch), headers=bearer, timeout=900)
    assert up.status_code == 200, up.text
    digest, size = hashlib.sha256(), 0
    with web.ask(path, headers=bearer, stream=True, timeout=900) as down:
        assert down.status_code == 200
        assert down.headers["Content-Length"] == str(count * MB)
        for number, piece in enumerate(down.iter_content(MB)):
            digest.update(piece)
            size += len(piece)
            if number % 8 == 0:
                watch.look()
    expected = hashlib.sha256()
    for _ in range(count):
        expected.update(PIECE)
    assert (size, digest.digest()) == (count * MB, expected.digest())
    web_growth, server_growth = watch.growth()
    assert web_growth < GROWTH, f"web grew by {web_growth / MB:.0f} MB"
    assert server_growth < GROWTH, f"MLflow's server grew by {server_growth / MB:.0f} MB"
    web.ask(path, "DELETE", headers=bearer)


def test_200_mb_pass_with_flat_memory(web: Web, tracking: Tracking, bearer: dict[str, str]) -> None:
    round_trip(web, tracking, bearer, 200)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_2_gb_pass_with_flat_memory(web: Web, tracking: Tracking, bearer: dict[str, str]) -> None:
    round_trip(web, tracking, bearer, 2048)


def test_a_slow_reader_does_not_fill_memory(
    web: Web, tracking: Tracking, bearer: dict[str, str]
) -> None:
    path = "/mlflow/api/2.0/mlflow-artifacts/artifacts/0/slow/artifacts/weights.bin"
    watch = Watch(tracking)
    assert web.ask(path, "PUT", data=pieces(150, watch), headers=bearer).status_code == 200
    watch = Watch(tracking)
    with web.ask(path, headers=bearer, stream=True) as down:
        next(down.iter_content(MB))
        for _ in range(20):  # the server would have sent all of it by now
            assert web.ask("/mlflow/version", headers=bearer).status_code == 200
            watch.look()
    assert max(watch.growth()) < GROWTH


def test_an_upload_that_breaks_off_leaves_the_proxy_well(web: Web, bearer: dict[str, str]) -> None:
    path = "/mlflow/api/2.0/mlflow-artifacts/artifacts/0/broken/artifacts/half.bin"
    link = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    link.putrequest("PUT", path)
    for name, value in {**bearer, "Content-Length": str(2 * MB)}.items():
        link.putheader(name, value)
    link.endheaders()
    link.send(PIECE)
    link.close()
    wait_until(
        lambda: web.ask("/mlflow/version", headers=bearer).status_code == 200, 10, "it hangs"
    )
    assert web.ask(path, headers=bearer).content != PIECE


def test_a_large_body_of_a_plain_call_is_413(web: Web, bearer: dict[str, str]) -> None:
    path = "/mlflow/api/2.0/mlflow/runs/log-batch"
    body = (PIECE for _ in range(80))
    assert web.ask(path, "POST", data=body, headers=bearer).status_code == 413


def test_a_part_of_an_artifact_can_be_asked_for(web: Web, bearer: dict[str, str]) -> None:
    path = "/mlflow/api/2.0/mlflow-artifacts/artifacts/0/part/artifacts/a.bin"
    assert web.ask(path, "PUT", data=b"0123456789", headers=bearer).status_code == 200
    answer = web.ask(path, headers={**bearer, "Range": "bytes=2-4"})
    assert (answer.status_code, answer.content) == (206, b"234")


def test_an_artifact_opened_by_itself_can_do_nothing(web: Web, bearer: dict[str, str]) -> None:
    path = "/mlflow/api/2.0/mlflow-artifacts/artifacts/0/page/artifacts/a.html"
    web.ask(path, "PUT", data=b"<script>alert(1)</script>", headers=bearer)
    answer = web.ask(path, headers=bearer)
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
