"""Addresses of experiments; `studio.urls` includes them."""

from django.urls import URLPattern, path

from studio.experiments import views

urlpatterns: list[URLPattern] = [
    path("experiments/", views.experiments, name="experiments"),
    path("experiments/<str:experiment_id>/", views.experiment, name="experiment"),
]
