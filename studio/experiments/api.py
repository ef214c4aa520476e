"""REST API of experiments and runs: what the pages read, as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.experiments.listing import tag_pairs
from workspaces import tracking
from workspaces.serializers import (
    PAGING,
    ListQuerySerializer,
    PageSerializer,
    page_answer,
    query_read,
    refusals,
)
from workspaces.tracking import finding as tracking_finding
from workspaces.tracking.artifacts import run_models
from workspaces.tracking.values import Experiment, Run

TAG = ["experiments"]


class ExperimentsQuerySerializer(ListQuerySerializer):
    search = serializers.CharField(required=False, allow_blank=True, default="")
    tag = serializers.ListField(
        child=serializers.CharField(max_length=600), required=False, max_length=20, default=list
    )
    archived = serializers.BooleanField(required=False, default=False)


class RunsQuerySerializer(ListQuerySerializer):
    archived = serializers.BooleanField(required=False, default=False)
    filter = serializers.CharField(required=False, allow_blank=True, default="")
    order_by = serializers.ListField(
        child=serializers.CharField(max_length=600), required=False, max_length=5, default=list
    )


class ExperimentSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    archived = serializers.BooleanField()
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)


class ExperimentPageSerializer(PageSerializer):
    items = ExperimentSerializer(many=True)


class RunSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    experiment_id = serializers.CharField()
    status = serializers.CharField()
    user = serializers.CharField(allow_blank=True)
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    params = serializers.DictField(child=serializers.CharField(allow_blank=True))
    metrics = serializers.DictField(
        child=serializers.FloatField(allow_null=True),
        help_text="latest values; null for what is not a finite number",
    )
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))


class RunPageSerializer(PageSerializer):
    items = RunSerializer(many=True)


class RunModelSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    path = serializers.CharField(help_text="what `POST /models` takes as `path`")
    uri = serializers.CharField()
    status = serializers.CharField()


class RunDetailSerializer(RunSerializer):
    models = RunModelSerializer(many=True)


def experiment_json(row: Experiment) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "archived": row.deleted,
        "tags": dict(row.tags),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def run_json(row: Run) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "experiment_id": row.experiment_id,
        "status": row.status,
        "user": row.user,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "params": dict(row.params),
        "metrics": {key: _json_number(value) for key, value in row.metrics.items()},
        "tags": dict(row.tags),
    }


def _json_number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value - value == 0 else None


class ExperimentsView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="experiments_list",
        parameters=[
            OpenApiParameter("search", str, description="part of the name, in any case"),
            OpenApiParameter(
                "tag", str, many=True, description="`key` or `key=value`; all of them must fit"
            ),
            OpenApiParameter("archived", bool, description="the archived ones instead"),
            *PAGING,
        ],
        responses={200: ExperimentPageSerializer, **refusals(400, 503)},
    )
    def get(self, request: Request) -> Response:
        """Experiments, last changed first; archived ones only with `archived=true`."""
        query = query_read(request, ExperimentsQuerySerializer)
        page = tracking_finding.experiments_find(
            text=query["search"],
            tags=tag_pairs(query["tag"]),
            archived=query["archived"],
            page_token=query["page_token"],
            limit=query["limit"],
        )
        return page_answer([experiment_json(row) for row in page.items], page.next_token)


class RunsView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="runs_list",
        parameters=[
            OpenApiParameter("experiment_id", str, OpenApiParameter.PATH),
            OpenApiParameter("filter", str, description="MLflow's filter syntax"),
            OpenApiParameter(
                "order_by",
                OpenApiTypes.STR,
                many=True,
                description="MLflow's words, at most 5: `metrics.rmse ASC`",
            ),
            OpenApiParameter("archived", bool, description="the archived ones instead"),
            *PAGING,
        ],
        responses={200: RunPageSerializer, **refusals(400, 404, 503)},
    )
    def get(self, request: Request, experiment_id: str) -> Response:
        """Runs of an experiment, newest first; archived ones only with `archived=true`."""
        query = query_read(request, RunsQuerySerializer)
        tracking.experiment_get(experiment_id)
        page = tracking.runs_search(
            experiment_ids=[experiment_id],
            filter=query["filter"],
            order_by=query["order_by"] or ["attributes.start_time DESC"],
            page_token=query["page_token"],
            limit=query["limit"],
            view="deleted" if query["archived"] else "active",
        )
        return page_answer([run_json(row) for row in page.items], page.next_token)


class RunView(APIView):
    @extend_schema(
        tags=TAG,
        operation_id="runs_get",
        parameters=[OpenApiParameter("run_id", str, OpenApiParameter.PATH)],
        responses={200: RunDetailSerializer, **refusals(404, 503)},
    )
    def get(self, request: Request, run_id: str) -> Response:
        """One run with the models that it logged."""
        run = tracking.run_get(run_id)
        models = [
            {"name": m.name, "path": m.path, "uri": m.uri, "status": m.status}
            for m in run_models(run)
        ]
        return Response({**run_json(run), "models": models})
