"""Pages of this app."""

from django.urls import URLPattern, URLResolver, path

from registry.views import deleted, models, register, versions

app_name = "registry"
_VERSION = "models/<str:name>/versions/<str:version>/"
urlpatterns: list[URLPattern | URLResolver] = [
    path("models/", models.models, name="models"),
    path("models/<str:name>/", models.model, name="model"),
    path("models/<str:name>/edit/", models.model_edit, name="model-edit"),
    path("models/<str:name>/tags/", models.model_tags, name="model-tags"),
    path("models/<str:name>/delete/", models.model_delete, name="model-delete"),
    path("models/<str:name>/compare/", versions.comparison, name="model-compare"),
    path(_VERSION, models.version, name="version"),
    path(f"{_VERSION}files/", models.version_files, name="version-files"),
    path(f"{_VERSION}edit/", models.version_edit, name="version-edit"),
    path(f"{_VERSION}tags/", models.version_tags, name="version-tags"),
    path(f"{_VERSION}aliases/", models.version_aliases, name="version-aliases"),
    path(f"{_VERSION}notes/", versions.notes, name="version-notes"),
    path(f"{_VERSION}properties/", versions.properties, name="version-properties"),
    path(f"{_VERSION}download/", versions.download, name="version-download"),
    path(f"{_VERSION}delete/", models.version_delete, name="version-delete"),
    path("models/<str:name>/<str:tab>/", models.model, name="model-tab"),
    path("deleted-models/", deleted.models, name="deleted-models"),
    path("deleted-models/<str:name>/", deleted.model, name="deleted-model"),
    path("deleted-models/<str:name>/restore/", deleted.model_restore, name="model-restore"),
    path("deleted-models/<str:name>/purge/", deleted.model_purge, name="model-purge"),
    path(
        "deleted-versions/<int:deleted_id>/restore/",
        deleted.version_restore,
        name="version-restore",
    ),
    path("deleted-versions/<int:deleted_id>/purge/", deleted.version_purge, name="version-purge"),
    path("register/", register.upload, name="upload"),
    path(
        "experiments/<str:experiment_id>/register-best/",
        register.best_run,
        name="register-best",
    ),
    path("runs/<str:run_id>/register/", models.register, name="register"),
]
