"""Counters: one account per replica, over its workers, their restarts and damaged files."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest

from serving.calls import new_identity
from serving.metrics import Metrics

MODEL = ('dia"betes', "7")
LABELS = 'model="dia\\"betes",version="7"'


def value(text: str, name: str) -> float:
    """The one sample of this name and labels."""
    return next(float(x.rpartition(" ")[2]) for x in text.splitlines() if x.startswith(f"{name} "))


def test_the_workers_of_a_replica_are_added_up(tmp_path: Path) -> None:
    first, second = Metrics(tmp_path, 0, MODEL, lambda: 2), Metrics(tmp_path, 1, MODEL, lambda: 3)
    first.count("client", 200, 0.004)
    second.count("client", 200, 0.2)
    second.count("client", 400, 99.0)
    second.batches.note(5)
    second.save()
    text = first.text()

    assert value(text, f'slipway_requests_total{{caller="client",code="200",{LABELS}}}') == 2
    assert value(text, f'slipway_requests_total{{caller="client",code="400",{LABELS}}}') == 1
    latency = f'slipway_request_seconds_bucket{{caller="client",{LABELS},le='
    assert value(text, f'{latency}"0.005"}}') == 1
    assert value(text, f'{latency}"0.25"}}') == 2
    assert value(text, f'{latency}"+Inf"}}') == 3
    assert value(text, f'slipway_request_seconds_sum{{caller="client",{LABELS}}}') == 99.204
    assert value(text, f'slipway_batch_requests_bucket{{{LABELS},le="4"}}') == 0
    assert value(text, f'slipway_batch_requests_bucket{{{LABELS},le="8"}}') == 1
    assert value(text, f"slipway_queue_requests{{{LABELS}}}") == 5


def test_a_restarted_worker_goes_on_counting_but_not_its_queue(tmp_path: Path) -> None:
    before = Metrics(tmp_path, 0, MODEL, lambda: 9)
    before.count("client", 200, 0.1)
    before.save()
    after = Metrics(tmp_path, 0, MODEL)
    after.count("client", 200, 0.1)

    text = after.text()
    assert value(text, f'slipway_requests_total{{caller="client",code="200",{LABELS}}}') == 2
    assert value(text, f"slipway_queue_requests{{{LABELS}}}") == 0


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "[]",
        json.dumps({"requests": [["client", 200, 1]], "buckets": [], "seconds": []}),
        json.dumps({"answered": [["client", 200, [1], 1.0]], "batches": [[], 0], "queue": 0}),
    ],
)
def test_a_file_of_another_kind_counts_for_nothing(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "metrics-0.json").write_text(damaged)
    metrics = Metrics(tmp_path, 0, MODEL)

    assert "slipway_requests_total{" not in metrics.text()


def test_ids_of_requests_are_uuids_of_version_4() -> None:
    made = {new_identity() for _ in range(1000)}

    assert len(made) == 1000
    assert all(uuid.UUID(x).version == 4 and str(uuid.UUID(x)) == x for x in made)
    assert {uuid.UUID(x).variant for x in made} == {uuid.RFC_4122}


def test_a_forked_process_makes_other_ids() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # nothing of the test's own may run here
        os.write(writer, new_identity().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        assert stream.read()[:24] != new_identity()[:24]
