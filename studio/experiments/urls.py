"""Addresses of experiments; `studio.urls` includes them."""

from django.urls import URLPattern, path

from studio.experiments import actions, parts, view_actions, views

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
]
