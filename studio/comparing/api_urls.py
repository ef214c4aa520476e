"""Addresses of the API of comparisons, below /api/v1/."""

from django.urls import URLPattern, path

from studio.comparing import api

_EXPERIMENT = "experiments/<str:experiment_id>/"

urlpatterns: list[URLPattern] = [
    path("compare", api.CompareView.as_view(), name="compare"),
    path("compare/importance", api.ImportanceView.as_view(), name="compare-importance"),
    path(f"{_EXPERIMENT}best", api.BestView.as_view(), name="experiment-best"),
    path(f"{_EXPERIMENT}leaderboard", api.LeaderboardView.as_view(), name="leaderboard"),
    path(f"{_EXPERIMENT}board", api.BoardView.as_view(), name="board"),
    path(f"{_EXPERIMENT}board/<int:pin_id>", api.PinView.as_view(), name="board-pin"),
]
