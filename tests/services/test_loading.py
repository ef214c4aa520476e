"""The loader of a revision: chosen from its MLmodel, proved by the check, never changed after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployments.building import loading, modelcheck
from deployments.models import ModelCheck, Revision
from registry.facts import Facts
from tests.factories import RevisionFactory

pytestmark = pytest.mark.django_db

RIDGE = """
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
  sklearn: {pickled_model: model.pkl, sklearn_version: 1.6.1, serialization_format: cloudpickle}
mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""
CUSTOM = """
flavors:
  python_function: {loader_module: mlflow.pyfunc.model}
"""
NEEDS = ["mlflow==3.17.2", "mlflow-skinny==3.17.2", "scikit-learn==1.6.1"]
GOOD = {"load_seconds": 0.1, "ok": True, "loader": "fast", "error": None, "row_wise": True,
        "row_wise_reason": "64 rows were equal."}  # fmt: skip
BAD = {**GOOD, "ok": False, "error": "No module named 'mlflow'", "row_wise": None,
       "row_wise_reason": "The model was not scored."}  # fmt: skip


@dataclass
class Bench:
    """A revision in its long steps, on a target whose checks answer as told."""

    revision: Revision
    model_dir: Path
    answers: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def log(self) -> Any:
        return self.lines.append

    def keep(self, **values: Any) -> None:
        Revision.objects.filter(pk=self.revision.pk).update(**values)
        self.revision.refresh_from_db()

    def check(self, loader: str) -> Sequence[str]:
        self.asked.append(loader)
        told = self.answers[loader]
        if isinstance(told, Exception):
            raise told
        return ["a model prints", f"what it likes{json.dumps(told)}" if told else ""]

    def with_mlflow(self) -> None:
        self.keep(environment_hash="2" * 64)

    def make(self) -> Revision:
        """What the long steps do, without the tools."""
        loading.choose(self, Facts())
        self.keep(environment_hash=self.revision.environment_hash or "1" * 64)
        loading.settle(self, self.check, self.with_mlflow)
        return self.revision


def bench(tmp_path: Path, document: str = RIDGE, **answers: Any) -> Bench:
    (tmp_path / "MLmodel").write_text(document)
    return Bench(RevisionFactory(environment_hash=""), tmp_path, answers)


def test_a_native_model_gets_the_fast_loader_and_an_environment_without_mlflow(
    tmp_path: Path,
) -> None:
    work = bench(tmp_path, fast=GOOD)
    loading.choose(work, Facts())
    assert work.revision.loader == "fast"
    assert "without MLflow" in work.revision.loader_reason
    needs = loading.requirements(work, Facts(requirements=NEEDS))
    assert "scikit-learn==1.6.1" in needs
    assert not [line for line in needs if line.startswith("mlflow")]


def test_any_other_model_keeps_mlflow(tmp_path: Path) -> None:
    work = bench(tmp_path, CUSTOM, plain={**GOOD, "loader": "plain"})
    revision = work.make()
    assert (revision.loader, work.asked) == ("plain", ["plain"])
    assert "mlflow.pyfunc.model" in revision.loader_reason
    assert loading.requirements(work, Facts(requirements=NEEDS)) == NEEDS


def test_the_check_says_whether_rows_may_be_scored_together(tmp_path: Path) -> None:
    revision = bench(tmp_path, fast=GOOD).make()
    assert (revision.row_wise, revision.row_wise_reason) == (True, "64 rows were equal.")


def test_a_fast_loader_that_fails_gives_way_to_mlflow_when_the_revision_is_made(
    tmp_path: Path,
) -> None:
    work = bench(tmp_path, fast=BAD, plain={**GOOD, "loader": "plain", "row_wise": False})
    revision = work.make()
    assert (revision.loader, revision.environment_hash) == ("plain", "2" * 64)
    assert revision.row_wise is False
    assert "No module named 'mlflow'" in revision.loader_reason
    assert any("fast loader cannot serve" in line for line in work.lines)
    assert work.asked == ["fast", "plain"]


def test_a_model_that_no_loader_can_serve_is_left_for_start_to_tell(tmp_path: Path) -> None:
    work = bench(tmp_path, fast=BAD, plain={**BAD, "error": "the weights are gone"})
    revision = work.make()
    assert (revision.loader, revision.environment_hash) == ("fast", "1" * 64)
    assert revision.row_wise is None


def test_a_revision_that_is_started_again_is_not_asked_again(tmp_path: Path) -> None:
    work = bench(tmp_path, fast=GOOD)
    work.make()
    (tmp_path / "MLmodel").write_text(CUSTOM)
    assert work.make().loader == "fast"
    assert work.asked == ["fast"]


def test_what_is_known_of_a_model_in_an_environment_is_used_again(tmp_path: Path) -> None:
    bench(tmp_path, fast=GOOD).make()
    again = bench(tmp_path, fast=GOOD)
    assert again.make().row_wise is True
    assert again.asked == []
    assert any("checked before" in line for line in again.lines)


@pytest.mark.parametrize("told", [None, TimeoutError("late")])
def test_a_check_that_does_not_end_well_turns_batching_off_and_is_not_kept(
    tmp_path: Path, told: Any
) -> None:
    revision = bench(tmp_path, CUSTOM, plain=told).make()
    assert revision.row_wise is None
    assert revision.row_wise_reason
    assert ModelCheck.objects.count() == 0


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "null", '{"load_seconds"', '{"load_seconds": 1}', "\x00"]
)
def test_what_is_no_answer_is_none(line: str) -> None:
    assert not modelcheck.answer([line]).is_answer


@pytest.mark.parametrize("row_wise", [1, "yes", None, []])
def test_only_true_is_row_wise(row_wise: Any) -> None:
    found = modelcheck.answer([json.dumps({**GOOD, "row_wise": row_wise})])
    assert not found.row_wise


def test_nothing_that_a_model_says_is_too_long_for_the_table() -> None:
    found = modelcheck.answer([json.dumps({**GOOD, "row_wise_reason": "x\x00\ud800" * 1000})])
    assert len(found.row_wise_reason) == modelcheck.MAX_REASON
    found.row_wise_reason.encode()
    assert "\x00" not in found.row_wise_reason


@pytest.mark.parametrize("document", ["", "[]", "a: [", "!!python/object:os.system {}", "\x00"])
def test_an_mlmodel_that_cannot_be_read_is_left_to_mlflow(tmp_path: Path, document: str) -> None:
    work = bench(tmp_path, document, plain={**GOOD, "loader": "plain"})
    assert work.make().loader == "plain"
