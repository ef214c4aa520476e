"""API calls of this app, below /api/v1/."""

from django.urls import URLPattern, path

from registry.api import models, sources

urlpatterns: list[URLPattern] = [
    path("models", models.ModelsView.as_view(), name="models"),
    path("models/<str:name>", models.ModelView.as_view(), name="model"),
    path("models/<str:name>/versions/<str:version>", models.VersionView.as_view(), name="version"),
    path("sources", sources.SourcesView.as_view(), name="sources"),
    path("sources/<str:sha256>", sources.SourceView.as_view(), name="source"),
    path("scripts/check", sources.ScriptCheckView.as_view(), name="scripts-check"),
    path("scripts/templates", sources.ScriptTemplatesView.as_view(), name="scripts-templates"),
]
