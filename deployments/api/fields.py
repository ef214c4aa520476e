"""Fields of requests that are JSON of their own: what may stand in them, for the document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from deployments.configuring import configuration

PAIRS = {"type": "object", "additionalProperties": {"type": "string"}}
DEPLOYMENT: dict[str, Any] = {  # for the document; `configuration.validate` judges
    "type": "object",
    "description": "A deployment configuration; what is left out takes its default",
    "additionalProperties": False,
    "properties": {
        "computeType": {"type": "string", "description": "Kind of the target"},
        "containerResourceRequirements": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "cpu": {"type": "number", "minimum": 0.1, "maximum": 1024},
                "memoryInGB": {"type": "number", "minimum": 0.0625, "maximum": 4096},
            },
        },
        **{
            name: {"type": "integer", "minimum": low, "maximum": high}
            for name, low, high in configuration.WHOLE.values()
        },
        **{name: {"type": "boolean"} for name in configuration.SWITCHES.values()},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "batching": {"type": "string", "enum": list(configuration.BATCHING)},
        "corsOrigins": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
        "appInsightsEnabled": {"type": "boolean", "description": "OpenTelemetry traces"},
        "enableAppInsights": {"type": "boolean", "description": "The same as appInsightsEnabled"},
        "telemetry": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "endpoint": {"type": "string", "nullable": True, "description": "OTLP over HTTP"},
                "sample": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
        configuration.PYTHON: {
            "type": "string",
            "nullable": True,
            "pattern": r"^(3\.([7-9]|[1-9][0-9]))?$",
            "description": "Such as 3.11; left out, null or empty: the model's own",
        },
        "tags": PAIRS,
        "properties": PAIRS,
        "description": {"type": "string", "maxLength": 10_000},
    },
}
INFERENCE: dict[str, Any] = {  # for the document; `inference.read` judges
    "type": "object",
    "description": "An entry script, or v1's inferenceconfig.json with `source` beside it; left "
    "out for deploying without code",
    "properties": {
        "entryScript": {"type": "string", "description": "Path in the source folder"},
        "source": {"type": "string", "description": "sha256 that `POST /sources` answered"},
        "environment": {
            "oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": True}],
            "nullable": True,
            "description": "NAME:VERSION, or written out; null: the model's own packages",
        },
        "models": {
            "type": "array",
            "items": {"type": "string"},
            "description": "models:/NAME/VERSION; the service's own model is always the first",
        },
        "sampleInput": {"description": "A body for the smoke test and the Test page"},
    },
}


@extend_schema_field({"type": "string"})
class TextField(serializers.JSONField):
    """A text; whether it is one is judged by the service function, as all the rest of it."""


@extend_schema_field(DEPLOYMENT)
class DeploymentField(serializers.JSONField):
    """A JSON object; what is in it is judged by one place, with all violations at once."""


@extend_schema_field(INFERENCE)
class InferenceField(serializers.JSONField):
    """A JSON object, judged by the service function."""


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            name: {"type": "object", "additionalProperties": True}
            for name in ("inferenceconfig", "deploymentconfig")
        },
        "description": "Files of Azure ML v1 that `inference` and `deployment` were read from, as "
        "`POST /configurations/import` answers them; kept for the export",
    }
)
class OriginalsField(serializers.JSONField):
    """A JSON object, judged by the service function."""
