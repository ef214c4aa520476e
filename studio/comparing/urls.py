"""Addresses of comparisons, boards and leaderboards; `studio.urls` includes them."""

from django.urls import URLPattern, path

from studio.comparing import board_views, leaderboard_views, views

BOARD = "experiments/<str:experiment_id>/board/"
PIN = f"{BOARD}<int:pin_id>/"

urlpatterns: list[URLPattern] = [
    path("compare/", views.compare, name="compare"),
    path("compare/chart/", views.chart, name="compare-chart"),
    path("compare/chart.csv", views.chart_csv, name="compare-csv"),
    path("compare/table.csv", views.table_csv, name="compare-table-csv"),
    path("compare/images/", views.images, name="compare-images"),
    path("compare/pin/", board_views.pin, name="compare-pin"),
    path(BOARD, board_views.board, name="board"),
    path(f"{PIN}chart/", board_views.pin_chart, name="pin-chart"),
    path(f"{PIN}edit/", board_views.pin_edit, name="pin-edit"),
    path(f"{PIN}size/", board_views.pin_size, name="pin-size"),
    path(f"{PIN}move/", board_views.pin_move, name="pin-move"),
    path(f"{PIN}remove/", board_views.pin_remove, name="pin-remove"),
    path(
        "experiments/<str:experiment_id>/leaderboard/",
        leaderboard_views.leaders,
        name="leaderboard",
    ),
    path("experiments/<str:experiment_id>/best/", leaderboard_views.best, name="best"),
]
