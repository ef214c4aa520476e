"""Addresses of the API of experiments and runs, below /api/v1/."""

from django.urls import URLPattern, path

from studio.experiments import api_views as kept
from studio.experiments.api import ExperimentsView, RunsView, RunView

ONE = "experiments/<str:experiment_id>"

urlpatterns: list[URLPattern] = [
    path("experiments", ExperimentsView.as_view(), name="experiments"),
    path(ONE, kept.ExperimentView.as_view(), name="experiment"),
    path(f"{ONE}/star", kept.StarView.as_view(), name="experiment-star"),
    path(f"{ONE}/archive", kept.ArchiveView.as_view(), name="experiment-archive"),
    path(f"{ONE}/restore", kept.RestoreView.as_view(), name="experiment-restore"),
    path(f"{ONE}/runs", RunsView.as_view(), name="experiment-runs"),
    path(f"{ONE}/views", kept.ViewsView.as_view(), name="experiment-views"),
    path("views/<int:view_id>", kept.ViewView.as_view(), name="view"),
    path("runs/archive", kept.RunsArchiveView.as_view(), name="runs-archive"),
    path("runs/restore", kept.RunsRestoreView.as_view(), name="runs-restore"),
    path("runs/delete", kept.RunsDeleteView.as_view(), name="runs-delete"),
    path("runs/<str:run_id>", RunView.as_view(), name="run"),
]
