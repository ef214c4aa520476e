"""Two gigabytes go from an upload to an answer, and nothing of the studio grows with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from registry.scripts.templates import templates
from tests.flow.api import Api

pytestmark = [pytest.mark.soak, pytest.mark.redis, pytest.mark.timeout(1800)]
SIZE = 2_000_000_000  # bytes
MOST = 150_000_000  # bytes that a process may grow by
WATCHED = ("web", "control", "steps", "tracking")


class Growth:
    """What each process of the studio has grown by, at most, while the block ran."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._before: dict[int, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most: dict[str, int] = {}

    def __enter__(self) -> Growth:
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            for name, process in self._processes():
                try:
                    now = process.memory_info().rss
                except psutil.Error:
                    continue
                grown = now - self._before.setdefault(process.pid, now)
                self.most[name] = max(self.most.get(name, 0), grown)

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for name in WATCHED:
            parent = psutil.Process(self._api.studio.pid(name))
            yield name, parent
            for child in parent.children():
                if "celery" in child.cmdline():  # not the tools that a step runs
                    yield name, child

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()


@pytest.fixture
def weights(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "weights.bin"
    with path.open("wb") as stream:
        for _ in range(SIZE // 1_000_000):
            stream.write(bytes(1_000_000))
    yield path
    path.unlink()


def test_two_gigabytes_register_and_deploy_with_flat_memory(api: Api, weights: Path) -> None:
    [script] = [item.text for item in templates() if item.name == "echo"]
    source = api.call("POST", "/sources", json={"files": {"score.py": script}}).json()["sha256"]
    wish = {"entryScript": "score.py", "source": source, "environment": "Slipway-minimal"}
    api.call("POST", "/models", data={"name": "tiny"}, files={"files": ("a.bin", b"x")})
    api.models["tiny"] = "models:/tiny/1"
    api.deploy("tiny", kind="tiny", inference=wish)  # what is loaded once does not count
    api.healthy("tiny", 300)
    with Growth(api) as growth, weights.open("rb") as stream:
        made = api.call(
            "POST", "/models", data={"name": "huge"}, files={"files": ("weights.bin", stream)}
        )
        assert made.status_code == 201, made.text
        assert made.json()["size_bytes"] == SIZE
        api.models["huge"] = "models:/huge/1"
        api.deploy("huge", kind="huge", inference=wish)
        api.healthy("huge", 600)
        answer = api.score("huge", json={"a": 1}, headers=api.key("huge"))
    assert answer.json() == {"echo": {"a": 1}}
    assert set(growth.most) == set(WATCHED)
    assert {name: grown for name, grown in growth.most.items() if grown > MOST} == {}
    for name in ("huge", "tiny"):
        api.gone(name, 90)
    assert api.call("DELETE", "/models/huge").status_code == 204
