"""REST API, `/api/v1/…`, and its own documents."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.api import schema  # noqa: F401  drf-spectacular finds its extensions by import
from studio.api.views import HealthView

app_name = "api"


class NowhereView(APIView):
    """Any other address below /api/: 404 as JSON, whatever the method."""

    permission_classes = (AllowAny,)
    schema = None

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        self.http_method_names = [str(request.method).lower()]
        setattr(self, str(request.method).lower(), self._nowhere)
        return super().dispatch(request, *args, **kwargs)

    def _nowhere(self, request: Request, *args: object, **kwargs: object) -> Response:
        raise NotFound("There is no such call. See /api/docs/.")


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/health", HealthView.as_view(), name="health"),
    path("v1/", include("workspaces.api")),
    path("v1/", include("registry.api.urls")),
    path("v1/", include("deployments.api.urls")),
    path("v1/", include("studio.experiments.api_urls")),
    path("v1/", include("studio.comparing.api_urls")),
    path(
        "schema/",
        SpectacularAPIView.as_view(permission_classes=[IsAuthenticated]),
        name="schema",
    ),
    path(
        "docs/",
        login_required(SpectacularSwaggerSplitView.as_view(url_name="api:schema")),
        name="docs",
    ),
    re_path(r"^.*$", NowhereView.as_view()),
]
