"""What waiting does not mend ends the copying of a model with a sentence, at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from deployments.control.step_handlers import StepFailed, Work, copy_model
from deployments.models import Operation, Step
from tests.services.conftest import Create

pytestmark = pytest.mark.django_db


def work_of(operation: Operation) -> Work:
    assert operation.revision is not None
    step = Step.objects.get(operation=operation, name="Copy model")
    return Work(operation, step, log=lambda _: None, cancelled=lambda: False)


def test_copying_a_model_that_does_not_fit_fails(create: Create, settings: Any) -> None:
    operation = create()
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, min_free_bytes=2**60)
    with pytest.raises(StepFailed, match="disk is too full"):
        copy_model(work_of(operation))


def test_copying_a_model_from_where_the_studio_may_not_read_fails(
    create: Create, settings: Any, tmp_path: Path
) -> None:
    operation = create()
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, artifact_root=str(tmp_path / "other"))
    with pytest.raises(StepFailed, match="may not read"):
        copy_model(work_of(operation))
