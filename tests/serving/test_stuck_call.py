"""A call that never returns gets its worker replaced; requests behind it are answered."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from serving import batch
from serving.errors import ServingError
from serving.scoring import SCORE, ScoreRequest
from serving.service import Service
from tests.serving.replica import Replica


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
