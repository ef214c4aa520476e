"""A call that never returns gets its worker replaced; requests behind it are answered."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from serving import batch
from serving.errors import ServingError
from serving.scoring import SCORE, ScoreRequest
from serving.service import Service
from tests.serving.replica import Replica, wait_until


async def test_a_call_past_all_patience_is_reported_once(
    tmp_path: Path, scripted_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "STUCK_SECONDS", 0.1)
    limits = {"max_concurrent": 1, "max_queue_wait_ms": 50, "scoring_timeout_ms": 100}
    folder = tmp_path / "replica"
    config = Replica(folder, scripted_model, **limits).config
    reported: list[str] = []
    service = Service(folder, config, 0, reported.append)  # type: ignore[arg-type]
    await service.load()
    body = json.dumps({"data": [{"action": "sleep", "amount": 0.6}]}).encode()
    request = ScoreRequest(body, "application/json", SCORE, "its-id")

    with pytest.raises(ServingError) as late:
        await service.batcher.score(request)
    with pytest.raises(ServingError) as behind:
        await service.batcher.score(request)
    await asyncio.sleep(0.4)

    assert (late.value.status, behind.value.status) == (504, 503)
    assert reported == ["a scoring call did not return within 0.2 s"]


HASTY = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from serving import master
master.STUCK_SECONDS = 3.0
sys.exit(master.run_replica(Path(sys.argv[2])))
"""


class HastyReplica(Replica):
    """A replica whose master waits 3 s instead of 10 beyond the scoring timeout."""

    def another_master(self) -> subprocess.Popen[bytes]:
        root = Path(__file__).resolve().parents[2]
        command = [sys.executable, "-c", HASTY, str(root), str(self.folder)]
        with (self.folder / "service.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Callable[[Path], Replica]]:
    made: list[Replica] = []

    def make(model: Path) -> Replica:
        made.append(HastyReplica(tmp_path / "replica", model, scoring_timeout_ms=500))
        return made[-1].started()

    yield make
    for replica in made:
        replica.stop()


def test_a_call_that_never_lets_go_of_the_interpreter_gets_its_worker_replaced(
    hasty: Callable[[Path], Replica], scripted_model: Path
) -> None:
    service = hasty(scripted_model)
    (before,) = service.worker_pids()
    lost: list[Exception] = []

    def ask() -> None:
        try:
            service.post("/score", {"data": [{"action": "backtrack", "amount": 60}]})
        except requests.ConnectionError as error:
            lost.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: service.record()["restarts"] == 1, "it is restarted", 15)
    asking.join()

    assert lost
    assert "held the interpreter: no sign of life for 3.5 s" in service.log()
    wait_until(lambda: service.record()["phase"] == "ready", "it is back")
    assert before not in service.worker_pids()
    answer = service.post("/score", {"data": [{"action": "nothing", "amount": 0}]})
    assert answer.status_code == 200
