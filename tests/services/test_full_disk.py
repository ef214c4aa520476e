"""A disk without room for the model ends a deploy with a sentence, at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from deployments.models import Step
from deployments.step_handlers import StepFailed, Work, copy_model
from tests.services.conftest import Create

pytestmark = pytest.mark.django_db


def test_copying_a_model_that_does_not_fit_fails(create: Create, settings: Any) -> None:
    operation = create()
    assert operation.revision is not None
    settings.SLIPWAY = dataclasses.replace(settings.SLIPWAY, min_free_bytes=2**60)
    step = Step.objects.get(operation=operation, name="Copy model")
    work = Work(operation, step, log=lambda _: None, cancelled=lambda: False)
    with pytest.raises(StepFailed, match="disk is too full"):
        copy_model(work)
