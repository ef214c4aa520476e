"""Pages of this app."""

from django.urls import URLPattern, URLResolver, path

from registry import views, views_register, views_version

app_name = "registry"
_VERSION = "models/<str:name>/versions/<str:version>/"
urlpatterns: list[URLPattern | URLResolver] = [
    path("models/", views.models, name="models"),
    path("models/<str:name>/", views.model, name="model"),
    path("models/<str:name>/edit/", views.model_edit, name="model-edit"),
    path("models/<str:name>/tags/", views.model_tags, name="model-tags"),
    path("models/<str:name>/delete/", views.model_delete, name="model-delete"),
    path("models/<str:name>/compare/", views_version.comparison, name="model-compare"),
    path(_VERSION, views.version, name="version"),
    path(f"{_VERSION}files/", views.version_files, name="version-files"),
    path(f"{_VERSION}edit/", views.version_edit, name="version-edit"),
    path(f"{_VERSION}tags/", views.version_tags, name="version-tags"),
    path(f"{_VERSION}aliases/", views.version_aliases, name="version-aliases"),
    path(f"{_VERSION}notes/", views_version.notes, name="version-notes"),
    path(f"{_VERSION}properties/", views_version.properties, name="version-properties"),
    path(f"{_VERSION}download/", views_version.download, name="version-download"),
    path(f"{_VERSION}delete/", views.version_delete, name="version-delete"),
    path("models/<str:name>/<str:tab>/", views.model, name="model-tab"),
    path("register/", views_register.upload, name="upload"),
    path(
        "experiments/<str:experiment_id>/register-best/",
        views_register.best_run,
        name="register-best",
    ),
    path("runs/<str:run_id>/register/", views.register, name="register"),
]
