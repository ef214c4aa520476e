"""Where the artifacts of a run are read: its own, or those of one model that it logged."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from workspaces.errors import NotFound
from workspaces.tracking.artifacts import run_models
from workspaces.tracking.values import Run


@dataclass(frozen=True)
class Place:
    uri: str
    model_id: str = ""
    name: str = ""


def place_of(run: Run, model_id: str) -> Place:
    """The run's artifacts, or a logged model's of this very run.

    Raises: NotFound when the run logged no such model.
    """
    if not model_id:
        return Place(run.artifact_uri)
    if model_id in run.model_ids:
        for model in run_models(run):
            if model.model_id == model_id:
                return Place(model.artifact_uri, model.model_id, model.name)
    raise NotFound(_("This run has no such model."))
