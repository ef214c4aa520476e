"""Addresses of the API of experiments and runs, below /api/v1/."""

from django.urls import URLPattern, path

from studio.experiments.api import ExperimentsView, RunsView, RunView

urlpatterns: list[URLPattern] = [
    path("experiments", ExperimentsView.as_view(), name="experiments"),
    path("experiments/<str:experiment_id>/runs", RunsView.as_view(), name="experiment-runs"),
    path("runs/<str:run_id>", RunView.as_view(), name="run"),
]
