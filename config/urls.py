"""URLs: pages of each app, the API, the API's own documents."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from workspaces.views import SignInView

urlpatterns = [
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
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
