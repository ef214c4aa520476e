"""Addresses of the pages of one run; `studio.urls` includes them."""

from django.urls import URLPattern, path, register_converter

from studio.runs import artifact_views, edit_views, metric_views, views


class RunTab:
    """A tab of the run page; other words below /runs/<id>/ belong to other apps."""

    regex = "|".join(views.TABS)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        if value not in views.TABS:
            raise ValueError(value)
        return value


register_converter(RunTab, "run_tab")

RUN = "runs/<str:run_id>/"

urlpatterns: list[URLPattern] = [
    path(RUN, views.run, name="run"),
    path(f"{RUN}<run_tab:tab>/", views.run, name="run-tab"),
    path(f"{RUN}state/", views.run_header, name="run-state"),
    path(f"{RUN}tags/", edit_views.tags, name="run-tags"),
    path(f"{RUN}notes/", edit_views.notes, name="run-notes"),
    path(f"{RUN}models/", views.logged_models, name="run-logged-models"),
    path(f"{RUN}below/", views.below, name="run-below"),
    path(f"{RUN}model/part/", views.model_part, name="run-model-part"),
    path(f"{RUN}parameters/runs/", views.neighbours, name="run-neighbours"),
    path(f"{RUN}metrics/table/", metric_views.metrics_table, name="run-metrics-table"),
    path(f"{RUN}metrics/chart/", metric_views.chart, name="run-chart"),
    path(f"{RUN}metrics/history.csv", metric_views.history_csv, name="run-history"),
    path(f"{RUN}metrics/news/", metric_views.news, name="run-news"),
    path(f"{RUN}media/images/", artifact_views.images, name="run-images"),
    path(f"{RUN}artifacts/tree/", artifact_views.tree, name="run-tree"),
    path(f"{RUN}artifacts/preview/", artifact_views.preview, name="run-preview"),
    path(f"{RUN}artifacts/raw/", artifact_views.raw, name="run-artifact-raw"),
    path(f"{RUN}artifacts/file/", artifact_views.file, name="run-artifact-file"),
    path(f"{RUN}artifacts/archive/", artifact_views.archive, name="run-archive"),
]
