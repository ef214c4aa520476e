"""REST API of environments, their versions and what is built of them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deployments.api import environment_shapes as shapes
from deployments.api.common import body_read, known_only, objects_only, text_read
from deployments.api.serializers import OperationSerializer, operation_body
from deployments.building import environment_builds, environment_requests
from deployments.building.environment_reading import given_read
from registry.environments import selectors, services
from workspaces.errors import NotFound
from workspaces.serializers import PAGING, page_answer, query_read, refusals

TAG = ["environments"]
VERSION = OpenApiParameter(
    "version", OpenApiTypes.STR, OpenApiParameter.PATH, description="Such as “2”"
)


class EnvironmentsView(APIView):
    """All environments; making one."""

    @extend_schema(
        operation_id="environments_list",
        tags=TAG,
        parameters=[
            OpenApiParameter("search", str, description="Part of the name"),
            OpenApiParameter("kind", str, enum=selectors.KINDS),
            *PAGING,
        ],
        responses={200: shapes.EnvironmentPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List environments by name; archived ones only with `kind=archived`."""
        search = text_read(request, "search")
        kind = text_read(request, "kind", list(selectors.KINDS))
        query = query_read(request)
        page = selectors.environments_page(search, kind, query["page_token"], query["limit"])
        return page_answer([shapes.row_body(row) for row in page.items], page.next_token)

    @extend_schema(
        operation_id="environments_create",
        tags=TAG,
        request=shapes.EnvironmentCreateSerializer,
        responses={201: shapes.EnvironmentMadeSerializer, **refusals(400, 503)},
    )
    def post(self, request: Request) -> Response:
        """Make an environment, or the next version of one; its lock is resolved meanwhile."""
        known_only(shapes.EnvironmentCreateSerializer, request)
        given = body_read(shapes.EnvironmentCreateSerializer, request)
        objects_only(given, "file", "variables")
        row, operation = environment_requests.environment_add(
            user=request.user,  # type: ignore[arg-type]
            **given_read(given),
        )
        body = {"environment": shapes.version_body(row), "operation": operation_body(operation)}
        return Response(body, status=status.HTTP_201_CREATED)


class EnvironmentView(APIView):
    """One environment."""

    @extend_schema(
        operation_id="environments_get",
        tags=TAG,
        parameters=PAGING,
        responses={200: shapes.EnvironmentDetailSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Show an environment and a page of its versions, the newest first."""
        found = selectors.environment_find(name)
        query = query_read(request)
        page = selectors.versions_page(found, query["page_token"], query["limit"])
        return Response(shapes.detail_body(found, page))


@extend_schema(parameters=[VERSION])
class EnvironmentVersionView(APIView):
    """One version of an environment."""

    @extend_schema(
        operation_id="environment_versions_get",
        tags=TAG,
        responses={200: shapes.EnvironmentVersionSerializer, **refusals(404)},
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        """Show a version with its lock, once that is resolved."""
        return Response(shapes.version_body(selectors.version_find(name, version)))


@extend_schema(parameters=[VERSION])
class EnvironmentBuildView(APIView):
    """Building a version ahead."""

    @extend_schema(
        operation_id="environment_versions_build",
        tags=TAG,
        request=shapes.BuildRequestSerializer,
        responses={202: OperationSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, name: str, version: str) -> Response:
        """Build a version on a target; without a target its lock alone is resolved."""
        row = selectors.version_find(name, version)
        known_only(shapes.BuildRequestSerializer, request)
        target = body_read(shapes.BuildRequestSerializer, request).get("target")
        user: Any = request.user
        if target is None:
            operation = environment_requests.lock_request(row=row, user=user)
        else:
            operation = environment_requests.build_request(row=row, target=target, user=user)
        return Response(operation_body(operation), status=status.HTTP_202_ACCEPTED)


class _ArchiveView(APIView):
    """Archive and restore; `archived` is set by the route."""

    archived = True

    def run(self, request: Request, name: str, version: str) -> Response:
        selectors.version_find(name, version)
        row = services.environment_archive(
            name=name, version=version, archived=self.archived, user=request.user
        )
        return Response(shapes.version_body(row))


def _archive_view(verb: str, archived: bool, sentence: str) -> type[_ArchiveView]:
    @extend_schema(
        operation_id=f"environment_versions_{verb}",
        tags=TAG,
        parameters=[VERSION],
        request=None,
        responses={200: shapes.EnvironmentVersionSerializer, **refusals(404, 409)},
        description=sentence,
    )
    def post(self: _ArchiveView, request: Request, name: str, version: str) -> Response:
        return self.run(request, name, version)

    name = f"Environment{verb.title()}View"
    return type(name, (_ArchiveView,), {"post": post, "archived": archived})


EnvironmentArchiveView = _archive_view(
    "archive", True, "Hide a version; services that run in it go on. Its builds may be swept away."
)
EnvironmentRestoreView = _archive_view("restore", False, "Show an archived version again.")


class EnvironmentBuildsView(APIView):
    """What is built."""

    @extend_schema(
        operation_id="environment_builds_list",
        tags=TAG,
        parameters=PAGING,
        responses={200: shapes.BuildPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List built environments on disk and on Docker, with size and who uses them."""
        query = query_read(request)
        builds = environment_builds.builds_list()
        items, token = environment_builds.builds_page(builds, query["page_token"], query["limit"])
        return page_answer([shapes.build_body(item) for item in items], token)


class EnvironmentBuildOneView(APIView):
    """One build."""

    @extend_schema(
        operation_id="environment_builds_delete",
        tags=TAG,
        parameters=[
            OpenApiParameter(
                "hash", OpenApiTypes.STR, OpenApiParameter.PATH, description="Of the list of builds"
            ),
            OpenApiParameter("target", str, description="Only the build on this target"),
        ],
        responses={204: None, **refusals(404, 409, 503)},
    )
    def delete(self, request: Request, hash: str) -> Response:
        """Remove a build; 409 while a service runs in it. It is made again when it is needed."""
        if not environment_builds.HASH.fullmatch(hash):
            raise NotFound(_("There is no such build."))
        environment_builds.build_remove(
            digest=hash,
            target=text_read(request, "target"),
            user=request.user,  # type: ignore[arg-type]
        )
        return Response(status=status.HTTP_204_NO_CONTENT)
