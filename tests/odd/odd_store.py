"""A store full of odd data, written with MLflow's own client."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.odd.calls import Place

HTML = "<script>alert('1')</script>"
NAME = f'50 %/é "it\'s" {HTML}'
LONG = "x é" * 1_666 + HTML[:2]  # 5,000 characters
METRIC, PARAM, TAG = "val/acc: é 1.0", "opt/größe: a.b", "team/é: x"
FAR = 253_402_300_800_000  # the first millisecond after the year 9999
FILE = "deep %/a b's é.txt"
POINTS = (  # value, milliseconds, step
    (0.5, 0, -(10**6)),
    (math.nan, 1, 0),
    (math.inf, 2, 1),
    (-math.inf, 3, 2),
    (1e-300, 4, 3),
    (1.7e308, FAR - 1, 2**31 - 1),
    (-0.25, FAR + 5, 2**40),
)


@dataclass(frozen=True)
class OddStore:
    place: Place
    empty: str  # a run with nothing
    wide: str  # a run with 3,000 metrics
    deleted: str  # a deleted run
    gone: str  # a deleted experiment
    bare: str  # an experiment without runs


def odd_store(client: Any, artifact_location: str | None, folder: Path) -> OddStore:
    """Write it.

    Args:
        artifact_location: of the experiments; None is the server's own choice.
        folder: for files on their way.
    """
    from mlflow.entities import Metric, Param, RunTag

    def experiment(name: str) -> str:
        return str(client.create_experiment(name, artifact_location=artifact_location))

    odd, gone, bare = (experiment(f"{name}{NAME}") for name in ("", "gone ", "bare "))
    client.set_experiment_tag(odd, TAG, NAME)
    client.set_experiment_tag(odd, "mlflow.note.content", f"# Note {NAME}")
    run = client.create_run(odd, start_time=0, run_name=NAME).info.run_id
    for value, at_ms, step in POINTS:
        client.log_metric(run, METRIC, value, at_ms, step)
    words = {"nan": math.nan, "up": math.inf, "down": -math.inf}
    client.log_batch(
        run,
        [Metric(key, value, 0, 0) for key, value in words.items()],
        [Param(PARAM, NAME), Param("long", LONG), Param("blank", "")],
        [RunTag(TAG, NAME), RunTag("mlflow.note.content", NAME), RunTag("mlflow.user", HTML)],
    )
    _file(client, run, folder)
    client.set_terminated(run, "FAILED", FAR + 10)
    empty, wide, deleted = (
        client.create_run(odd, run_name=f"{n} {NAME}").info.run_id for n in range(3)
    )
    for start in range(0, 3_000, 1_000):
        rows = [Metric(f"m/{n:04}", n / 7, 1, 0) for n in range(start, start + 1_000)]
        client.log_batch(wide, rows)
    client.log_metric(wide, METRIC, 0.75)
    client.log_param(wide, PARAM, "1")
    client.set_terminated(wide)
    client.delete_run(deleted)
    client.create_run(gone, run_name=NAME)
    client.delete_experiment(gone)
    place = Place(odd, [run, empty, wide], METRIC, PARAM, TAG, FILE)
    return OddStore(place, empty, wide, deleted, gone, bare)


def _file(client: Any, run: str, folder: Path) -> None:
    inner, name = FILE.split("/")
    file = folder / name
    file.write_text(f"text of {NAME}")
    client.log_artifact(run, str(file), inner)
