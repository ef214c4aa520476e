"""Addresses of experiments and runs; `studio.urls` includes them."""

from django.urls import URLPattern, path, register_converter

from studio.experiments import run_views, views


class RunTab:
    """A tab of the run page; other words below /runs/<id>/ belong to other apps."""

    regex = "|".join(run_views.TABS)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        if value not in run_views.TABS:
            raise ValueError(value)
        return value


register_converter(RunTab, "run_tab")

RUN = "runs/<str:run_id>/"

urlpatterns: list[URLPattern] = [
    path("experiments/", views.experiments, name="experiments"),
    path("experiments/<str:experiment_id>/", views.experiment, name="experiment"),
    path(RUN, run_views.run, name="run"),
    path(f"{RUN}<run_tab:tab>/", run_views.run, name="run-tab"),
    path(f"{RUN}state/", run_views.run_header, name="run-state"),
    path(f"{RUN}metrics/table/", run_views.run_metrics_table, name="run-metrics-table"),
    path(f"{RUN}metrics/chart/", run_views.run_chart, name="run-chart"),
    path(f"{RUN}model/part/", run_views.run_model_part, name="run-model-part"),
    path(f"{RUN}artifacts/tree/", run_views.artifacts_tree, name="run-tree"),
    path(f"{RUN}artifacts/preview/", run_views.artifact_preview, name="run-preview"),
    path(f"{RUN}artifacts/raw/", run_views.artifact_raw, name="run-artifact-raw"),
    path(f"{RUN}artifacts/file/", run_views.artifact_file, name="run-artifact-file"),
]
