"""REST API of what people keep about experiments: stars, archive, saved views."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.experiments import saved_views, services
from studio.experiments.api import TAG, ExperimentSerializer, experiment_json
from studio.experiments.models import SavedView
from studio.experiments.view_actions import view_url
from workspaces import tracking
from workspaces.paging import rows_by_name_and_id
from workspaces.serializers import PAGING, PageSerializer, page_answer, query_read, refusals

EXPERIMENT = OpenApiParameter("experiment_id", str, OpenApiParameter.PATH)
VIEW = OpenApiParameter("view_id", int, OpenApiParameter.PATH)


class ExperimentChangeSerializer(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    tags = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        required=False,
        help_text="all tags: those that are left out are removed, MLflow's own stay",
    )


class RunIdsSerializer(serializers.Serializer[Any]):
    run_ids = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=services.MOST_AT_ONCE
    )


class CountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="how many of the runs there were")


class ViewSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    experiment_id = serializers.CharField()
    name = serializers.CharField()
    query = serializers.CharField(allow_blank=True)
    shared = serializers.BooleanField()
    owner = serializers.CharField()
    url = serializers.CharField(help_text="the page that shows it")
    updated_at = serializers.DateTimeField()


class ViewPageSerializer(PageSerializer):
    items = ViewSerializer(many=True)


class ViewNewSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=saved_views.LONGEST_NAME)
    query = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=saved_views.LONGEST_QUERY,
        help_text="the query string of the list: filter, sort, column, size, density, layout",
    )
    shared = serializers.BooleanField(required=False, default=False)


class ViewChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, max_length=saved_views.LONGEST_NAME)
    query = serializers.CharField(
        required=False, allow_blank=True, max_length=saved_views.LONGEST_QUERY
    )
    shared = serializers.BooleanField(required=False)


def view_json(row: SavedView) -> dict[str, Any]:
    return {
        "id": row.pk,
        "experiment_id": row.experiment_id,
        "name": row.name,
        "query": row.query,
        "shared": row.shared,
        "owner": row.owner.get_username(),
        "url": view_url(row),
        "updated_at": row.updated_at,
    }


def _body(request: Request, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    body = shape(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


class ExperimentView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="experiments_get",
        parameters=[EXPERIMENT],
        responses={200: ExperimentSerializer, **refusals(404, 503)},
    )
    def get(self, request: Request, experiment_id: str) -> Response:
        """Show an experiment, an archived one as well."""
        return Response(experiment_json(tracking.experiment_get(experiment_id)))

    @extend_schema(
        tags=TAG,
        operation_id="experiments_change",
        parameters=[EXPERIMENT],
        request=ExperimentChangeSerializer,
        responses={200: ExperimentSerializer, **refusals(400, 404, 409, 503)},
    )
    def patch(self, request: Request, experiment_id: str) -> Response:
        """Change the description or the tags of an experiment."""
        changes = _body(request, ExperimentChangeSerializer)
        found = services.experiment_update(
            experiment_id=experiment_id, user=request.user, **changes
        )
        return Response(experiment_json(found))


class StarView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="experiments_star",
        parameters=[EXPERIMENT],
        request=None,
        responses={204: None, **refusals(404, 503)},
    )
    def put(self, request: Request, experiment_id: str) -> Response:
        """Star an experiment, for oneself."""
        services.star_set(experiment_id=experiment_id, user=request.user)
        return Response(status=204)

    @extend_schema(
        tags=TAG,
        operation_id="experiments_unstar",
        parameters=[EXPERIMENT],
        responses={204: None, **refusals()},
    )
    def delete(self, request: Request, experiment_id: str) -> Response:
        """Take one's star away; 204 when there was none."""
        services.star_remove(experiment_id=experiment_id, user=request.user)
        return Response(status=204)


class ArchiveView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="experiments_archive",
        parameters=[EXPERIMENT],
        request=None,
        responses={204: None, **refusals(404, 409, 503)},
    )
    def post(self, request: Request, experiment_id: str) -> Response:
        """Archive an experiment with its runs: MLflow's delete, which can be undone."""
        services.experiment_archive(experiment_id=experiment_id, user=request.user)
        return Response(status=204)


class RestoreView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="experiments_restore",
        parameters=[EXPERIMENT],
        request=None,
        responses={204: None, **refusals(404, 409, 503)},
    )
    def post(self, request: Request, experiment_id: str) -> Response:
        """Bring back an archived experiment with its runs."""
        services.experiment_restore(experiment_id=experiment_id, user=request.user)
        return Response(status=204)


class RunsArchiveView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="runs_archive",
        request=RunIdsSerializer,
        responses={200: CountSerializer, **refusals(400, 503)},
    )
    def post(self, request: Request) -> Response:
        """Archive runs: MLflow's delete, which can be undone."""
        ids = _body(request, RunIdsSerializer)["run_ids"]
        return Response({"count": services.runs_archive(run_ids=ids, user=request.user)})


class RunsRestoreView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="runs_restore",
        request=RunIdsSerializer,
        responses={200: CountSerializer, **refusals(400, 503)},
    )
    def post(self, request: Request) -> Response:
        """Bring back archived runs."""
        ids = _body(request, RunIdsSerializer)["run_ids"]
        return Response({"count": services.runs_restore(run_ids=ids, user=request.user)})


class RunsDeleteView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="runs_delete",
        request=RunIdsSerializer,
        responses={200: CountSerializer, **refusals(400, 409, 503)},
    )
    def post(self, request: Request) -> Response:
        """Delete archived runs for good; 409: not archived, or a model version comes from one."""
        ids = _body(request, RunIdsSerializer)["run_ids"]
        return Response({"count": services.runs_purge(run_ids=ids, user=request.user)})


class ViewsView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="views_list",
        parameters=[EXPERIMENT, *PAGING],
        responses={200: ViewPageSerializer, **refusals(400)},
    )
    def get(self, request: Request, experiment_id: str) -> Response:
        """List saved views of an experiment's runs: one's own and the shared ones, by name."""
        query = query_read(request)
        rows = saved_views.views_of(request.user, experiment_id)
        page = rows_by_name_and_id(rows, query["page_token"], query["limit"])
        return page_answer([view_json(row) for row in page.items], page.next_token)

    @extend_schema(
        tags=TAG,
        operation_id="views_create",
        parameters=[EXPERIMENT],
        request=ViewNewSerializer,
        responses={201: ViewSerializer, **refusals(400, 404, 409, 503)},
    )
    def post(self, request: Request, experiment_id: str) -> Response:
        """Save a view under a new name."""
        body = _body(request, ViewNewSerializer)
        row = saved_views.view_create(user=request.user, experiment_id=experiment_id, **body)
        return Response(view_json(row), 201)


class ViewView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="views_get",
        parameters=[VIEW],
        responses={200: ViewSerializer, **refusals(404)},
    )
    def get(self, request: Request, view_id: int) -> Response:
        """Show a saved view."""
        return Response(view_json(saved_views.view_get(request.user, view_id)))

    @extend_schema(
        tags=TAG,
        operation_id="views_change",
        parameters=[VIEW],
        request=ViewChangeSerializer,
        responses={200: ViewSerializer, **refusals(400, 404, 409)},
    )
    def patch(self, request: Request, view_id: int) -> Response:
        """Change a view of one's own; what is left out stays."""
        body = _body(request, ViewChangeSerializer)
        row = saved_views.view_update(user=request.user, view_id=view_id, **body)
        return Response(view_json(row))

    @extend_schema(
        tags=TAG,
        operation_id="views_delete",
        parameters=[VIEW],
        responses={204: None, **refusals(404, 409)},
    )
    def delete(self, request: Request, view_id: int) -> Response:
        """Delete a view of one's own."""
        saved_views.view_delete(user=request.user, view_id=view_id)
        return Response(status=204)
