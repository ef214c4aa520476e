"""URLs: pages of each app, the API, the API's own documents."""

from django.urls import include, path

urlpatterns = [
    path("", include("studio.urls")),
    path("", include("workspaces.urls")),
    path("", include("registry.urls")),
    path("", include("deployments.urls")),
    path("api/", include("studio.api.urls")),
]

handler400 = "studio.errors.bad_request"
handler403 = "studio.errors.permission_denied"
handler404 = "studio.errors.not_found"
handler500 = "studio.errors.server_error"
