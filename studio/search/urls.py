"""Addresses of the global search; `studio.urls` includes them."""

from django.urls import URLPattern, path

from studio.search import views

urlpatterns: list[URLPattern] = [
    path("search/", views.search, name="search"),
    path("search/results/", views.search_results, name="search-results"),
    path("search/results/<slug:key>/", views.search_group, name="search-group"),
]
