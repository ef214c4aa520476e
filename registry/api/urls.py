"""API calls of this app, below /api/v1/."""

from django.urls import URLPattern, path

from registry.api import deleted, models, sources, versions

urlpatterns: list[URLPattern] = [
    path("models", models.ModelsView.as_view(), name="models"),
    path("models/<str:name>", models.ModelView.as_view(), name="model"),
    path("models/<str:name>/versions/<str:version>", models.VersionView.as_view(), name="version"),
    path(
        "models/<str:name>/versions/<str:version>/archive",
        versions.ArchiveView.as_view(),
        name="version-archive",
    ),
    path("models/<str:name>/compare", versions.CompareView.as_view(), name="models-compare"),
    path("deleted-models", deleted.ModelsView.as_view(), name="deleted-models"),
    path("deleted-models/<str:name>", deleted.ModelView.as_view(), name="deleted-model"),
    path(
        "deleted-models/<str:name>/restore",
        deleted.ModelRestoreView.as_view(),
        name="deleted-model-restore",
    ),
    path("deleted-versions", deleted.VersionsView.as_view(), name="deleted-versions"),
    path(
        "deleted-versions/<int:deleted_id>",
        deleted.VersionView.as_view(),
        name="deleted-version",
    ),
    path(
        "deleted-versions/<int:deleted_id>/restore",
        deleted.VersionRestoreView.as_view(),
        name="deleted-version-restore",
    ),
    path("sources", sources.SourcesView.as_view(), name="sources"),
    path("sources/<str:sha256>", sources.SourceView.as_view(), name="source"),
    path("scripts/check", sources.ScriptCheckView.as_view(), name="scripts-check"),
    path("scripts/templates", sources.ScriptTemplatesView.as_view(), name="scripts-templates"),
]
