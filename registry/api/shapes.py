"""Shapes of what the API of models and versions takes and answers."""

import json
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from registry.formats.recognising import FRAMEWORKS, KINDS
from workspaces.serializers import (
    ListQuerySerializer,
    PageSerializer,
)


class ModelsQuerySerializer(ListQuerySerializer):
    search = serializers.CharField(required=False, allow_blank=True, default="")


class JsonTextField(serializers.JSONField):
    """Any JSON value; in a form as text."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            try:
                return json.loads(data)
            except (ValueError, RecursionError):
                raise serializers.ValidationError(_("This is not valid JSON.")) from None
        return data


class DetailsSerializer(serializers.Serializer[Any]):
    """What is said of a version, whatever way its files come."""

    name = serializers.CharField(max_length=255)
    description = serializers.CharField(required=False, allow_blank=True, default="")
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    properties = serializers.DictField(
        child=serializers.CharField(allow_blank=True), required=False, help_text="Set for good"
    )
    framework = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        help_text=f"{', '.join(FRAMEWORKS)}; left out: what the files tell",
    )
    framework_version = serializers.CharField(required=False, allow_blank=True, default="")
    sample_input = serializers.JSONField(required=False, allow_null=True, default=None)
    sample_output = serializers.JSONField(required=False, allow_null=True, default=None)


class RegisterSerializer(DetailsSerializer):
    """Files that are there already: exactly one of run_id, experiment_id, server_path."""

    run_id = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    path = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=1000,
        help_text="Name of a logged model of the run, else a file or folder among its artifacts; "
        "empty: the most recent logged model.",
    )
    experiment_id = serializers.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        default="",
        help_text="The best run of this experiment by `metric`",
    )
    metric = serializers.CharField(max_length=250, required=False, allow_blank=True, default="")
    mode = serializers.ChoiceField(
        choices=["max", "min"], required=False, default="max", help_text="Which value is the best"
    )
    server_path = serializers.CharField(
        max_length=4000,
        required=False,
        allow_blank=True,
        default="",
        help_text="A file or folder of the server, below the folders of SLIPWAY_MODEL_PATHS",
    )

    def to_internal_value(self, data: Any) -> Any:
        """Judges the source with the fields: all that is wrong comes in one answer."""
        wrong = _source_errors(data) if isinstance(data, dict) else {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if isinstance(error.detail, dict):
                raise serializers.ValidationError({**wrong, **error.detail}) from None
            raise
        if wrong:
            raise serializers.ValidationError(wrong)
        return values


def _source_errors(data: dict[str, Any]) -> dict[str, list[str]]:
    given = [key for key in ("run_id", "experiment_id", "server_path") if data.get(key)]
    if not given:
        return {"run_id": [_("This field is required.")]}
    text = _("Only one of run_id, experiment_id and server_path.")
    return {key: [text] for key in given[1:]}


class UploadSerializer(DetailsSerializer):
    """The plain fields of a form with files; what is no text is JSON."""

    tags = JsonTextField(required=False, default=None)  # type: ignore[assignment]
    properties = JsonTextField(required=False, default=None)  # type: ignore[assignment]
    sample_input = JsonTextField(required=False, default=None)
    sample_output = JsonTextField(required=False, default=None)
    sha256 = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="Of the file or the archive; for several files an object of path and sha-256",
    )


class UploadFormSerializer(UploadSerializer):
    """For the document: the form with its files."""

    files = serializers.ListField(
        child=serializers.FileField(),
        help_text="One file, several (file names may be relative paths), or one zip or tar",
    )


class VersionChangeSerializer(serializers.Serializer[Any]):
    """What is omitted stays; tags and aliases are replaced as a whole."""

    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    aliases = serializers.ListField(child=serializers.CharField(), required=False, max_length=100)
    properties = serializers.DictField(
        child=serializers.CharField(allow_blank=True),
        required=False,
        help_text="New ones; a property that is set never changes",
    )
    notes = serializers.CharField(required=False, allow_blank=True, help_text="Markdown")


class ModelChangeSerializer(serializers.Serializer[Any]):
    """What is omitted stays; tags are replaced as a whole."""

    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)


class OriginSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(
        allow_blank=True, help_text="run, upload, path; empty: another MLflow client made it"
    )
    by = serializers.CharField(allow_blank=True)
    path = serializers.CharField(allow_blank=True)
    folder = serializers.CharField(
        allow_blank=True, help_text="Name of the folder that the files were in"
    )


class FileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_blank=True)


class VersionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    uri = serializers.CharField(help_text="`models:/NAME/VERSION`, as services take it")
    description = serializers.CharField(allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))
    aliases = serializers.ListField(child=serializers.CharField())
    status = serializers.CharField()
    run_id = serializers.CharField(allow_blank=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    registered_by = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    flavors = serializers.DictField(child=serializers.DictField())
    signature = serializers.DictField(allow_null=True)
    requirements = serializers.ListField(child=serializers.CharField())
    python_version = serializers.CharField(allow_blank=True)
    mlflow_version = serializers.CharField(allow_blank=True)
    input_example = serializers.DictField(
        allow_null=True, help_text="Can be sent to a scoring URI as it is"
    )
    size_bytes = serializers.IntegerField(allow_null=True)
    files = FileSerializer(many=True)
    sha256 = serializers.CharField(allow_blank=True)
    properties = serializers.DictField()
    origin = OriginSerializer()
    format = serializers.CharField(allow_blank=True, help_text=", ".join(KINDS))
    framework = serializers.CharField(allow_blank=True)
    framework_version = serializers.CharField(allow_blank=True)
    sample_input = serializers.JSONField(allow_null=True)
    sample_output = serializers.JSONField(allow_null=True)
    notes = serializers.CharField(allow_blank=True)
    needs_script = serializers.BooleanField(
        help_text="It is no MLflow model: only an entry script can serve it"
    )
    why_script = serializers.CharField(
        allow_blank=True, help_text="Why it needs an entry script, in words; empty: it needs none"
    )
    script_path = serializers.CharField(
        help_text="Where an entry script finds the files when this is its only model"
    )
    problem = serializers.CharField(
        allow_blank=True, help_text="Why not everything is known, in words"
    )
    services = serializers.ListField(child=serializers.CharField())


class ModelSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True))
    aliases = serializers.DictField(child=serializers.CharField())
    latest_version = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    services = serializers.ListField(child=serializers.CharField())


class VersionSummarySerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    aliases = serializers.ListField(child=serializers.CharField())
    run_id = serializers.CharField(allow_blank=True)
    status = serializers.CharField()
    created_at = serializers.DateTimeField(allow_null=True)
    services = serializers.ListField(child=serializers.CharField())


class ModelDetailSerializer(ModelSerializer):
    versions = VersionSummarySerializer(many=True, help_text="A page of them, the newest first")
    next_page_token = serializers.CharField(allow_blank=True, help_text="empty on the last page")


class ModelPageSerializer(PageSerializer):
    items = ModelSerializer(many=True)


class CompareQuerySerializer(serializers.Serializer[Any]):
    left = serializers.CharField()
    right = serializers.CharField()


class ComparedRowSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    left = serializers.JSONField(allow_null=True, help_text="null: that version has none")
    right = serializers.JSONField(allow_null=True)
    differs = serializers.BooleanField()
    change = serializers.FloatField(allow_null=True, help_text="Per cent, of numbers only")


class ComparedGroupSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    rows = ComparedRowSerializer(many=True, help_text="Those that differ first, at most 500")
    more = serializers.IntegerField(help_text="Rows that are left out")


class ComparisonSerializer(serializers.Serializer[Any]):
    left = serializers.CharField()
    right = serializers.CharField()
    groups = ComparedGroupSerializer(many=True)
    problem = serializers.CharField(
        allow_blank=True, help_text="Why not everything is known of them, in words"
    )
