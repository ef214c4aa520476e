"""Pages of this app."""

from django.urls import URLPattern, URLResolver, path

from registry import views

app_name = "registry"
_VERSION = "models/<str:name>/versions/<str:version>/"
urlpatterns: list[URLPattern | URLResolver] = [
    path("models/", views.models, name="models"),
    path("models/<str:name>/", views.model, name="model"),
    path("models/<str:name>/edit/", views.model_edit, name="model-edit"),
    path("models/<str:name>/tags/", views.model_tags, name="model-tags"),
    path("models/<str:name>/delete/", views.model_delete, name="model-delete"),
    path(_VERSION, views.version, name="version"),
    path(f"{_VERSION}files/", views.version_files, name="version-files"),
    path(f"{_VERSION}edit/", views.version_edit, name="version-edit"),
    path(f"{_VERSION}tags/", views.version_tags, name="version-tags"),
    path(f"{_VERSION}aliases/", views.version_aliases, name="version-aliases"),
    path(f"{_VERSION}delete/", views.version_delete, name="version-delete"),
    path("models/<str:name>/<str:tab>/", views.model, name="model-tab"),
    path("runs/<str:run_id>/register/", views.register, name="register"),
]
