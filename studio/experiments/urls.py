"""Addresses of experiments and runs; `studio.urls` includes them."""

from django.urls import URLPattern, path, register_converter

from studio.experiments import actions, parts, run_views, view_actions, views


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
ONE = "experiments/<str:experiment_id>/"

urlpatterns: list[URLPattern] = [
    path("experiments/", views.experiments, name="experiments"),
    path("experiments/tag-keys/", parts.tag_keys, name="experiment-tag-keys"),
    path(ONE, views.experiment, name="experiment"),
    path(f"{ONE}star/", actions.experiment_star, name="experiment-star"),
    path(f"{ONE}archive/", actions.experiment_archive, name="experiment-archive"),
    path(f"{ONE}restore/", actions.experiment_restore, name="experiment-restore"),
    path(f"{ONE}notes/", actions.experiment_notes, name="experiment-notes"),
    path(f"{ONE}tags/", actions.experiment_tags, name="experiment-tags"),
    path(f"{ONE}runs/", actions.runs_bulk, name="runs-bulk"),
    path(f"{ONE}runs/live/", parts.runs_live, name="runs-live"),
    path(f"{ONE}runs/export/", view_actions.runs_export, name="runs-export"),
    path(f"{ONE}runs/snippet/", view_actions.runs_snippet, name="runs-snippet"),
    path(f"{ONE}runs/<str:run_id>/children/", parts.run_children, name="run-children"),
    path(f"{ONE}filter/names/", parts.filter_names, name="filter-names"),
    path(f"{ONE}filter/complete/", parts.filter_complete, name="filter-complete"),
    path(f"{ONE}columns/", parts.column_choices, name="column-choices"),
    path(f"{ONE}views/", view_actions.view_save, name="view-save"),
    path("views/<int:view_id>/", view_actions.view_change, name="view-change"),
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
