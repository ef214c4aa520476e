"""REST API of comparisons, boards and leaderboards. Calls the same services as the pages."""

from __future__ import annotations

import math
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.comparing import boards
from studio.comparing.best import best_choice, best_choose, best_word, leaderboard
from studio.comparing.boards import pins_of
from studio.comparing.choosing import Chosen, runs_chosen
from studio.comparing.differences import column_differs, columns_of
from studio.comparing.directions import best_of, modes_of
from studio.comparing.importance import importances
from studio.comparing.models import LONGEST_METRIC, LONGEST_TITLE, SIZES, Pin
from studio.comparing.settings import KINDS, settings_parse
from studio.experiments.api import RunSerializer, run_json
from workspaces import tracking
from workspaces.errors import Invalid, NotFound
from workspaces.serializers import refusals
from workspaces.tracking.models.values import StoredVersion

TAG = ["comparing"]
MOST_TOP = 100
EXPERIMENT = OpenApiParameter("experiment_id", str, OpenApiParameter.PATH)
RUNS = OpenApiParameter(
    "run", OpenApiTypes.STR, many=True, required=True, description="ids of 2 to 100 runs"
)


def _names() -> Any:
    return serializers.ListField(child=serializers.CharField(allow_blank=True))


class RunComparisonSerializer(serializers.Serializer[Any]):
    runs = RunSerializer(many=True)
    unknown = _names()
    differing = serializers.DictField(
        child=_names(),
        help_text="names of `params`, `metrics` and `tags` that are not all the same",
    )
    best = serializers.DictField(
        child=_names(), help_text="by metric, the runs that no other is better than"
    )


class ImportanceSerializer(serializers.Serializer[Any]):
    parameter = serializers.CharField(allow_blank=True)
    importance = serializers.FloatField(help_text="0 to 1; Kruskal-Wallis, epsilon squared")
    trend = serializers.FloatField(allow_null=True, help_text="-1 to 1; null: not a number")
    chance = serializers.FloatField()
    runs = serializers.IntegerField()
    values = serializers.IntegerField()


class ImportancesSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField()
    parameters = ImportanceSerializer(many=True)


class BestSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField(max_length=LONGEST_METRIC)
    mode = serializers.ChoiceField(choices=["max", "min"], help_text="which value is the best")


class LeaderVersionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    aliases = _names()


class LeaderSerializer(serializers.Serializer[Any]):
    place = serializers.IntegerField(min_value=1)
    value = serializers.FloatField(allow_null=True, help_text="null: infinite")
    run = RunSerializer()
    versions = LeaderVersionSerializer(many=True, help_text="registered from the run")
    champion = serializers.BooleanField(help_text="one of them has the alias champion")


class ChampionSerializer(serializers.Serializer[Any]):
    place = serializers.IntegerField(min_value=1, allow_null=True, help_text="null: not known")
    value = serializers.FloatField(allow_null=True, help_text="null: none, or not finite")
    run = RunSerializer()
    version = LeaderVersionSerializer()


class LeaderboardSerializer(BestSerializer):
    leaders = LeaderSerializer(many=True)
    champions = ChampionSerializer(
        many=True, help_text="versions with the alias champion whose runs are not among the leaders"
    )


class PinChangeSerializer(serializers.Serializer[Any]):
    """What is left out stays."""

    title = serializers.CharField(max_length=LONGEST_TITLE, required=False)
    size = serializers.ChoiceField(choices=list(SIZES), required=False, help_text="1 to 3, width")
    move = serializers.IntegerField(
        required=False, min_value=-100, max_value=100, help_text="so many places towards the end"
    )


class PinSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    title = serializers.CharField(
        max_length=LONGEST_TITLE, required=False, allow_blank=True, default=""
    )
    chart = serializers.ChoiceField(choices=list(KINDS))
    settings = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(max_length=600), max_length=100),
        required=False,
        default=dict,
        help_text="as in the address of the chart: `x`, `y`, `metric`, …",
    )
    runs = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, default=list, max_length=100
    )
    newest = serializers.ChoiceField(
        choices=[0, *boards.NEWEST],
        required=False,
        default=0,
        help_text="follow so many of the experiment's newest runs; 0: show `runs`",
    )
    size = serializers.IntegerField(read_only=True)


class BoardSerializer(serializers.Serializer[Any]):
    pins = PinSerializer(many=True)


class TopSerializer(serializers.Serializer[Any]):
    top = serializers.IntegerField(required=False, default=10, min_value=1, max_value=MOST_TOP)


def _chosen(request: Request) -> Chosen:
    chosen = runs_chosen(request.query_params.getlist("run"))
    if chosen.problem:
        raise Invalid(chosen.problem, fields={"run": [chosen.problem]})
    return chosen


class CompareView(APIView):
    @extend_schema(
        operation_id="compare",
        tags=TAG,
        parameters=[RUNS],
        responses={200: RunComparisonSerializer, **refusals(400, 503)},
    )
    def get(self, request: Request) -> Response:
        """Compare runs: their values, what differs, and the best run of each metric."""
        chosen = _chosen(request)
        columns = {kind: columns_of(chosen.runs, kind) for kind in ("params", "metrics", "tags")}
        metrics = [column.key for column in columns["metrics"]]
        modes = modes_of(metrics, best=best_word(chosen.experiment_ids))
        values = {
            key: {run.id: run.metrics[key] for run in chosen.runs if key in run.metrics}
            for key in metrics
        }
        best = {key: sorted(best_of(values[key], modes[key])) for key in metrics}
        differing = {
            kind: [column.key for column in found if column_differs(chosen.runs, column)]
            for kind, found in columns.items()
        }
        return Response(
            {
                "runs": [run_json(run) for run in chosen.runs],
                "unknown": list(chosen.unknown),
                "differing": differing,
                "best": {key: found for key, found in best.items() if found},
            }
        )


class ImportanceView(APIView):
    @extend_schema(
        operation_id="compare_importance",
        tags=TAG,
        parameters=[RUNS, OpenApiParameter("metric", str, required=True)],
        responses={200: ImportancesSerializer, **refusals(400, 503)},
    )
    def get(self, request: Request) -> Response:
        """Tell how much each parameter tells about a metric; empty with fewer than 6 runs."""
        chosen = _chosen(request)
        metric = request.query_params.get("metric", "")
        if not any(metric in run.metrics for run in chosen.runs):
            text = f"None of these runs has the metric “{metric}”."
            raise Invalid(text, fields={"metric": [text]})
        names = [column.key for column in columns_of(chosen.runs, "params")]
        parameters = {name: [run.params.get(name) for run in chosen.runs] for name in names}
        found = importances(parameters, [run.metrics.get(metric) for run in chosen.runs])
        rows = [
            {
                "parameter": item.parameter,
                "importance": item.share,
                "trend": item.trend,
                "chance": item.chance,
                "runs": item.runs,
                "values": item.values,
            }
            for item in found
        ]
        return Response({"metric": metric, "parameters": rows})


class BestView(APIView):
    @extend_schema(
        operation_id="experiment_best_get",
        tags=TAG,
        parameters=[EXPERIMENT],
        responses={200: BestSerializer, **refusals(404, 503)},
    )
    def get(self, request: Request, experiment_id: str) -> Response:
        """Show by what the runs of an experiment are ranked; 404 until somebody has chosen."""
        choice = _choice(experiment_id)
        return Response({"metric": choice.metric, "mode": choice.mode})

    @extend_schema(
        operation_id="experiment_best_set",
        tags=TAG,
        parameters=[EXPERIMENT],
        request=BestSerializer,
        responses={200: BestSerializer, **refusals(400, 404, 415, 503)},
    )
    def put(self, request: Request, experiment_id: str) -> Response:
        """Choose by what the runs of an experiment are ranked, for everybody."""
        given = BestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        choice = best_choose(experiment_id=experiment_id, user=request.user, **given.validated_data)
        return Response({"metric": choice.metric, "mode": choice.mode})


def _choice(experiment_id: str) -> Any:
    tracking.experiment_get(experiment_id)
    choice = best_choice(experiment_id)
    if choice is None:
        raise NotFound("Nobody has chosen yet by what the runs of this experiment are ranked.")
    return choice


class LeaderboardView(APIView):
    @extend_schema(
        operation_id="experiment_leaderboard",
        tags=TAG,
        parameters=[
            EXPERIMENT,
            OpenApiParameter(
                "top", {"type": "integer", "minimum": 1, "maximum": MOST_TOP, "default": 10}
            ),
        ],
        responses={200: LeaderboardSerializer, **refusals(400, 404, 503)},
    )
    def get(self, request: Request, experiment_id: str) -> Response:
        """Rank the best runs of an experiment by its chosen metric."""
        query = TopSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        choice = _choice(experiment_id)
        found = leaderboard(choice, query.validated_data["top"])
        leaders = [
            {
                "place": leader.place,
                "value": _finite(leader.value),
                "run": run_json(leader.run),
                "versions": [_version_json(item) for item in leader.versions],
                "champion": leader.champion is not None,
            }
            for leader in found.leaders
        ]
        champions = [
            {
                "place": item.place,
                "value": _finite(item.value),
                "run": run_json(item.run),
                "version": _version_json(item.version),
            }
            for item in found.champions
        ]
        ranked = {"leaders": leaders, "champions": champions}
        return Response({"metric": choice.metric, "mode": choice.mode, **ranked})


def _version_json(version: StoredVersion) -> dict[str, Any]:
    return {"name": version.name, "version": version.version, "aliases": list(version.aliases)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _pin_json(pin: Pin) -> dict[str, Any]:
    settings = {key: value for key, value in pin.settings.items() if key != "chart"}
    return {
        "id": pin.pk,
        "title": pin.title,
        "chart": pin.kind,
        "settings": settings,
        "runs": pin.runs,
        "newest": pin.newest,
        "size": pin.size,
    }


class BoardView(APIView):
    @extend_schema(
        operation_id="board_get",
        tags=TAG,
        parameters=[EXPERIMENT],
        responses={200: BoardSerializer, **refusals(404, 503)},
    )
    def get(self, request: Request, experiment_id: str) -> Response:
        """Show the charts of an experiment's board, in their order."""
        tracking.experiment_get(experiment_id)
        return Response({"pins": [_pin_json(pin) for pin in pins_of(experiment_id)]})

    @extend_schema(
        operation_id="board_pin",
        tags=TAG,
        parameters=[EXPERIMENT],
        request=PinSerializer,
        responses={201: PinSerializer, **refusals(400, 404, 409, 415, 503)},
    )
    def post(self, request: Request, experiment_id: str) -> Response:
        """Pin a chart at the end of an experiment's board."""
        given = PinSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        pin = boards.pin_add(
            experiment_id=experiment_id,
            settings=settings_parse({**asked["settings"], "chart": [asked["chart"]]}),
            run_ids=asked["runs"],
            newest=asked["newest"],
            title=asked["title"],
            user=request.user,
        )
        return Response(_pin_json(pin), status=status.HTTP_201_CREATED)


class PinView(APIView):
    @extend_schema(
        operation_id="board_pin_change",
        tags=TAG,
        parameters=[EXPERIMENT, OpenApiParameter("pin_id", int, OpenApiParameter.PATH)],
        request=PinChangeSerializer,
        responses={200: PinSerializer, **refusals(400, 404, 415)},
    )
    def patch(self, request: Request, experiment_id: str, pin_id: int) -> Response:
        """Rename, resize or move a chart of a board; what is left out stays."""
        given = PinChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        pin = boards.pin_get(experiment_id, pin_id)
        boards.pin_update(pin=pin, title=asked.get("title"), size=asked.get("size"))
        if asked.get("move"):
            boards.pin_move(pin=pin, by=asked["move"])
        return Response(_pin_json(pin))

    @extend_schema(
        operation_id="board_pin_remove",
        tags=TAG,
        parameters=[EXPERIMENT, OpenApiParameter("pin_id", int, OpenApiParameter.PATH)],
        responses={204: None, **refusals(404)},
    )
    def delete(self, request: Request, experiment_id: str, pin_id: int) -> Response:
        """Take a chart off a board; the runs stay."""
        boards.pin_remove(pin=boards.pin_get(experiment_id, pin_id))
        return Response(status=status.HTTP_204_NO_CONTENT)
