"""Artifacts of a run: the tree, previews, files, folders as archives, images over steps."""

from __future__ import annotations

import posixpath
import re
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from studio.runs.archives import archive_name, folder_archive
from studio.runs.images import FOLDER, image_series
from studio.runs.places import Place, place_of
from studio.runs.previews.kinds import FRAMED, kind_of
from studio.runs.previews.making import preview_make
from studio.runs.responses import artifact_download, artifact_inline, attachment_streamed
from workspaces import deadline, tracking
from workspaces.errors import NotFound
from workspaces.tracking.artifacts import (
    artifact_open,
    artifact_path_clean,
    artifacts_list,
    run_models,
)
from workspaces.tracking.values import Run


def _place(request: HttpRequest, found: Run) -> tuple[Place, str]:
    path = artifact_path_clean(request.GET.get("path", ""))
    return place_of(found, request.GET.get("model", "")), path


@require_safe
def tree(request: HttpRequest, run_id: str) -> HttpResponse:
    """Entries of one folder; at the top also the models that the run logged."""
    found = tracking.run_get(run_id)
    place, path = _place(request, found)
    entries, complete = artifacts_list(place.uri, path)
    models = run_models(found) if not (path or place.model_id) else ()
    open_path = request.GET.get("open", "")
    context = {
        "run": found,
        "place": place,
        "path": path,
        "entries": entries,
        "complete": complete,
        "models": [model for model in models if model.model_id],
        "open_path": open_path,
        "open_model": request.GET.get("open_model", place.model_id),
        "opened": set(_folders_of(open_path)),
        "nested": bool(path or place.model_id),
    }
    return render(request, "studio/runs/_tree.html", context)


def _folders_of(path: str) -> list[str]:
    """Every folder above a file: "a/b/c.txt" is in "a" and in "a/b"."""
    names = path.split("/")[:-1][:20]
    return ["/".join(names[: n + 1]) for n in range(len(names))]


@require_safe
def preview(request: HttpRequest, run_id: str) -> HttpResponse:
    """One file, shown by its kind."""
    found = tracking.run_get(run_id)
    place, path = _place(request, found)
    return render(request, "studio/runs/_preview.html", _preview(request, found, place, path))


def _preview(request: HttpRequest, found: Run, place: Place, path: str) -> dict[str, Any]:
    rows = request.GET.get("rows", "")
    opened = artifact_open(place.uri, path)
    try:
        shown = preview_make(path, opened, int(rows) if re.fullmatch(r"[0-9]{1,9}", rows) else 0)
    finally:
        opened.close()
    return {
        "run": found,
        "place": place,
        "path": path,
        "folder": posixpath.dirname(path),
        "size": opened.size,
        "preview": shown,
    }


@require_safe
@xframe_options_sameorigin
@deadline.lifted()
def raw(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """An image, a sound, a PDF or a page for the preview, in a sandbox; else a download."""
    place, path = _place(request, tracking.run_get(run_id))
    opened = artifact_open(place.uri, path)
    if kind_of(path) not in FRAMED:
        return artifact_download(request, opened, path)
    return artifact_inline(request, opened, path)


@require_safe
@deadline.lifted()
def file(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """One file as a download."""
    place, path = _place(request, tracking.run_get(run_id))
    return artifact_download(request, artifact_open(place.uri, path), path)


@require_safe
@deadline.lifted()
def archive(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """A folder, or everything, as one zip."""
    place, path = _place(request, tracking.run_get(run_id))
    name = archive_name(run_id, place, path)
    return attachment_streamed(request, folder_archive(place, path), name, "application/zip")


@require_safe
def images(request: HttpRequest, run_id: str) -> HttpResponse:
    """The images that a run logged over its steps; lists a folder, so it loads by itself."""
    found = tracking.run_get(run_id)
    try:
        entries, complete = artifacts_list(found.artifact_uri, FOLDER)
    except NotFound:
        entries, complete = (), True
    series = image_series(entry.path for entry in entries if not entry.is_folder)
    context = {
        "run": found,
        "series": [(one, [asdict(image) for image in one.images]) for one in series],
        "complete": complete,
    }
    return render(request, "studio/runs/_images.html", context)
