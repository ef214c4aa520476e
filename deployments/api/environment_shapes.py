"""Shapes of the API of environments, for its document and its answers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from deployments.api.fields import TextField
from deployments.api.serializers import Body, OperationSerializer
from deployments.building.environment_builds import Build
from deployments.building.environment_locks import lock_of, pinned, total_installed, total_size
from registry.environments.selectors import EnvironmentRow
from registry.models import Environment, EnvironmentLock, EnvironmentVersion
from workspaces.paging import Rows
from workspaces.serializers import PageSerializer

_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}


@extend_schema_field(_TEXTS)
class TextsField(serializers.JSONField):
    """A list of texts; whether it is one is judged by the service function."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class PairsField(serializers.JSONField):
    """An object of texts, judged by the service function."""


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Says what it is: `conda.yaml`"},
            "content": {"type": "string"},
        },
        "required": ["name", "content"],
        "additionalProperties": False,
    }
)
class FileField(serializers.JSONField):
    """A small text file, judged by the service function."""


class EnvironmentCreateSerializer(Body):
    """Only presence is checked here; the service function names every violation at once."""

    name = TextField(help_text="A new name makes an environment, a known one its next version")
    description = TextField(required=False, allow_null=True)
    python = TextField(required=False, allow_null=True, help_text="Minor, such as `3.11`")
    packages = TextsField(required=False, allow_null=True, help_text="As of requirements.txt")
    variables = PairsField(required=False, allow_null=True)
    base_image = TextField(required=False, allow_null=True)
    docker_steps = TextsField(
        required=False, allow_null=True, help_text="Dockerfile instructions, one each"
    )
    file = FileField(
        required=False,
        allow_null=True,
        help_text="requirements.txt, conda.yaml or pyproject.toml; `packages` are added to it",
    )
    model = TextField(
        required=False, allow_null=True, help_text="`models:/NAME/VERSION`: its own requirements"
    )


class BuildRequestSerializer(Body):
    target = TextField(
        required=False, allow_null=True, help_text="Name of a target; none: the lock alone"
    )


class PinnedSerializer(Body):
    name = serializers.CharField()
    version = serializers.CharField()
    size_bytes = serializers.IntegerField(
        allow_null=True, help_text="Of the wheel that is fetched; null: the index does not tell"
    )
    installed_bytes = serializers.IntegerField(
        allow_null=True, help_text="On disk; null: not built on this machine yet"
    )


class LockSerializer(Body):
    python = serializers.CharField()
    platform = serializers.CharField()
    hash = serializers.CharField(help_text="Names the builds of it")
    size_bytes = serializers.IntegerField(allow_null=True, help_text="Of all wheels together")
    installed_bytes = serializers.IntegerField(allow_null=True, help_text="Of all on disk")
    packages = PinnedSerializer(many=True)
    text = serializers.CharField()
    created_at = serializers.DateTimeField()


class CondaSerializer(Body):
    """What became of a conda package."""

    given = serializers.CharField()
    became = serializers.CharField(allow_blank=True, help_text="The pip requirement, if any")
    missing = serializers.BooleanField(help_text="It must come from the base image or Docker steps")
    note = serializers.CharField(allow_blank=True)


class EnvironmentVersionSerializer(Body):
    name = serializers.CharField()
    version = serializers.CharField()
    ref = serializers.CharField(help_text="`NAME:VERSION`, as an inference configuration takes it")
    curated = serializers.BooleanField()
    python = serializers.CharField()
    packages = serializers.ListField(child=serializers.CharField())
    conda = CondaSerializer(many=True)
    variables = serializers.DictField(child=serializers.CharField(allow_blank=True))
    base_image = serializers.CharField(allow_blank=True, help_text="Empty: the studio's own")
    docker_steps = serializers.ListField(child=serializers.CharField())
    origin = serializers.CharField(allow_blank=True, help_text="File or model it was made from")
    archived = serializers.BooleanField()
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    lock = LockSerializer(allow_null=True)


class EnvironmentMadeSerializer(Body):
    """What was made, and the operation that resolves its lock."""

    environment = EnvironmentVersionSerializer()
    operation = OperationSerializer()


class EnvironmentSerializer(Body):
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    curated = serializers.BooleanField()
    latest_version = serializers.CharField(allow_null=True, help_text="Null: all are archived")
    python = serializers.CharField(allow_null=True, help_text="Of the latest version")
    versions = serializers.IntegerField(help_text="How many there are, archived ones too")
    created_at = serializers.DateTimeField()


class EnvironmentPageSerializer(PageSerializer):
    items = EnvironmentSerializer(many=True)


class EnvironmentVersionRowSerializer(Body):
    version = serializers.CharField()
    python = serializers.CharField()
    packages = serializers.ListField(child=serializers.CharField())
    archived = serializers.BooleanField()
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class EnvironmentDetailSerializer(PageSerializer):
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    curated = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    versions = EnvironmentVersionRowSerializer(many=True, help_text="A page, the newest first")


class BuildSerializer(Body):
    hash = serializers.CharField()
    target = serializers.CharField()
    image = serializers.CharField(allow_blank=True, help_text="Empty: a folder")
    size_bytes = serializers.IntegerField(
        help_text="Of a folder all its files, of an image all its layers, shared ones too"
    )
    built_at = serializers.DateTimeField()
    used_at = serializers.DateTimeField(help_text="When a deployment or build last asked for it")
    services = serializers.ListField(child=serializers.CharField())
    environments = serializers.ListField(child=serializers.CharField())
    kept = serializers.BooleanField(help_text="An environment that is not archived asks for it")
    foreign = serializers.BooleanField(help_text="An image that nothing of this studio knows")


class BuildPageSerializer(PageSerializer):
    items = BuildSerializer(many=True)


def row_body(row: EnvironmentRow) -> dict[str, Any]:
    values = {
        "name": row.environment.name,
        "description": row.environment.description,
        "curated": row.environment.curated,
        "latest_version": row.latest.version if row.latest else None,
        "python": row.latest.python if row.latest else None,
        "versions": row.count,
        "created_at": row.environment.created_at,
    }
    return dict(EnvironmentSerializer(values).data)


def version_body(row: EnvironmentVersion) -> dict[str, Any]:
    lock = lock_of(row)
    maker = row.created_by
    values = {
        **{
            field: getattr(row, field)
            for field in (
                *("version", "python", "packages", "conda", "variables", "base_image"),
                *("docker_steps", "archived", "created_at"),
            )
        },
        "name": row.environment.name,
        "ref": str(row),
        "curated": row.environment.curated,
        "origin": row.source,
        "created_by": maker.get_username() if maker else None,
        "lock": _lock(lock) if lock else None,
    }
    return dict(EnvironmentVersionSerializer(values).data)


def _lock(lock: EnvironmentLock) -> dict[str, Any]:
    packages = pinned(lock)
    return {
        "python": lock.python,
        "platform": lock.platform,
        "hash": lock.sha256,
        "size_bytes": total_size(packages),
        "installed_bytes": total_installed(packages),
        "packages": [vars(item) for item in packages],
        "text": lock.text,
        "created_at": lock.created_at,
    }


def detail_body(found: Environment, page: Rows[EnvironmentVersion]) -> dict[str, Any]:
    versions = [
        {
            "version": row.version,
            "python": row.python,
            "packages": row.packages,
            "archived": row.archived,
            "created_by": row.created_by.get_username() if row.created_by else None,
            "created_at": row.created_at,
        }
        for row in page.items
    ]
    values = {
        "name": found.name,
        "description": found.description,
        "curated": found.curated,
        "created_at": found.created_at,
        "versions": versions,
        "next_page_token": page.next_token,
    }
    return dict(EnvironmentDetailSerializer(values).data)


def build_body(item: Build) -> dict[str, Any]:
    return dict(BuildSerializer(vars(item)).data)
