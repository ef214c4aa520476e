"""REST API of entry scripts and their source folders. Calls the same services as the pages."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.archive_entries import is_archive
from registry.files import chunks
from registry.scripts import folders
from registry.scripts import parsing as scripts
from registry.scripts import templates as script_templates
from registry.scripts.source_archives import source_unpack
from workspaces.errors import Invalid
from workspaces.parsers import BoundedJSONParser
from workspaces.serializers import refusals

TAG = ["sources"]


class SourceFileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    size = serializers.IntegerField()


class SourceSerializer(serializers.Serializer[Any]):
    sha256 = serializers.CharField(help_text="The `source` of an inference configuration")
    files = SourceFileSerializer(many=True)
    size = serializers.IntegerField(help_text="Bytes of all files")
    scripts = serializers.ListField(
        child=serializers.CharField(), help_text="Files that may be the entry script"
    )
    left_out = serializers.ListField(
        child=serializers.CharField(), help_text="Of what was sent: .git, __pycache__"
    )


class SourceTextSerializer(SourceSerializer):
    text = serializers.CharField(required=False, help_text="Of the file `path`, where it was asked")


class TextsSerializer(serializers.Serializer[Any]):
    """Files as texts by path: `{"files": {"score.py": "…"}}`."""

    files = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False)
    )
    base = serializers.CharField(
        required=False, help_text="sha256 of a source folder that the files are added to"
    )


@extend_schema_field({"type": "array", "items": {"type": "string", "format": "binary"}})
class FilesField(serializers.ListField):
    """Files of a multipart body."""


class UploadSerializer(serializers.Serializer[Any]):
    file = FilesField(help_text="Once for each file; one zip or tar archive is unpacked")
    paths = serializers.CharField(
        required=False, help_text="JSON list: the path of each file, in the same order"
    )


class ScriptSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(allow_blank=True, trim_whitespace=False)
    name = serializers.CharField(required=False, allow_blank=True)


class ScriptProblemSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="From 1; 0 is the script as a whole or its name")
    sentence = serializers.CharField()


class ScriptProblemsSerializer(serializers.Serializer[Any]):
    problems = ScriptProblemSerializer(many=True)


class TemplateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    text = serializers.CharField()


class TemplatesSerializer(serializers.Serializer[Any]):
    items = TemplateSerializer(many=True)


def source_body(info: folders.SourceInfo) -> dict[str, Any]:
    """A source folder as API and pages answer it."""
    return {
        "sha256": info.sha256,
        "files": info.files,
        "size": info.size,
        "scripts": info.scripts,
        "left_out": info.left_out,
    }


class SourcesView(APIView):
    """Keeping source files."""

    parser_classes = (BoundedJSONParser, MultiPartParser)

    @extend_schema(
        operation_id="sources_create",
        tags=TAG,
        request={"application/json": TextsSerializer, "multipart/form-data": UploadSerializer},
        responses={201: SourceSerializer, **refusals(400, 404, 413, 503)},
    )
    def post(self, request: Request) -> Response:
        """Keep a script, a folder of files, or what is in a zip or tar archive."""
        is_upload = (request.content_type or "").startswith("multipart/")
        info = _uploaded(request) if is_upload else _typed(request)
        return Response(source_body(info), status=status.HTTP_201_CREATED)


def _typed(request: Request) -> folders.SourceInfo:
    shape = TextsSerializer(data=request.data)
    shape.is_valid(raise_exception=True)
    given = shape.validated_data
    texts: dict[str, str] = given["files"]
    if given.get("base"):
        return folders.source_edit(sha256=given["base"], texts=texts, user=request.user)
    files = (folders.SourceFile.text(path, text) for path, text in texts.items())
    return folders.source_create(files=files, user=request.user)


def _uploaded(request: Request) -> folders.SourceInfo:
    try:
        given = request.FILES.getlist("file")
    except SuspiciousOperation as error:  # Django's own limits of files and fields
        raise folders.too_many() from error
    if not given:
        raise folders.refused(_("Send the script, or the files of its folder."))
    paths = _paths(request.POST.get("paths"), [str(item.name) for item in given])
    if len(given) == 1 and is_archive(paths[0]):
        return source_unpack(name=paths[0], stream=given[0].file, user=request.user)
    pairs = zip(given, paths, strict=True)
    files = (folders.SourceFile(path, chunks(item.file)) for item, path in pairs)
    return folders.source_create(files=files, user=request.user)


def _paths(text: Any, names: list[str]) -> list[str]:
    """The path of each file; browsers send names alone."""
    if not text:
        return names
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if (
        not isinstance(found, list)
        or len(found) != len(names)
        or any(not isinstance(item, str) for item in found)
    ):
        sentence = _("must be a JSON list with the path of each file.")
        raise Invalid(f"paths {sentence}", fields={"paths": [sentence]})
    return found


class SourceView(APIView):
    """One source folder."""

    @extend_schema(
        operation_id="sources_get",
        tags=TAG,
        parameters=[OpenApiParameter("path", str, description="A file whose text is wanted")],
        responses={200: SourceTextSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, sha256: str) -> Response:
        """List the files of a source folder; with `path` also the text of one."""
        body = source_body(folders.source_files(sha256))
        path = request.query_params.get("path", "")
        return Response({**body, "text": folders.source_read(sha256, path)} if path else body)


class ScriptCheckView(APIView):
    """Checking an entry script."""

    @extend_schema(
        operation_id="scripts_check",
        tags=TAG,
        request=ScriptSerializer,
        responses={200: ScriptProblemsSerializer, **refusals(400)},
    )
    def post(self, request: Request) -> Response:
        """Parse a text as an entry script; nothing of it is run."""
        shape = ScriptSerializer(data=request.data)
        shape.is_valid(raise_exception=True)
        given = shape.validated_data
        name = given.get("name")
        found = [
            {"line": item.line, "sentence": item.sentence}
            for item in scripts.script_check(given["text"])
        ]
        named = scripts.name_check(name) if name is not None else []
        told = _("The file name %(sentence)s")
        return Response(
            {
                "problems": [
                    *({"line": 0, "sentence": told % {"sentence": text}} for text in named),
                    *found,
                ]
            }
        )


class ScriptTemplatesView(APIView):
    """Entry scripts to start from."""

    @extend_schema(
        operation_id="scripts_templates",
        tags=TAG,
        responses={200: TemplatesSerializer, **refusals()},
    )
    def get(self, request: Request) -> Response:
        """List entry scripts to start from, one for each format of models."""
        items = [vars(item) for item in script_templates.templates()]
        return Response({"items": items})
