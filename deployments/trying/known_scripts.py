"""The entry script that a version was tried or deployed with, to measure it with the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from deployments.choices import OperationKind
from deployments.models import Revision
from deployments.trying.findings import findings_of
from registry.scripts import folders
from workspaces.errors import NotFound
from workspaces.tracking.store.opening import store_id

MOST = 20  # revisions that are looked at


@dataclass(frozen=True)
class KnownScript:
    """An inference configuration, and a sentence that says whose it is."""

    inference: dict[str, Any]
    sentence: str


def known_script(name: str, version: str) -> KnownScript | None:
    """That of the latest trial of a version, else of the latest service of it, else None.

    One whose source folder is gone does not count. At most two queries.
    """
    for finding in findings_of(name, version, OperationKind.PREFLIGHT):
        text = _("Measured with the entry script %(script)s, as it was tried on %(place)s.")
        if found := _known(finding.asked.get("inference") or {}, text, finding.target):
            return found
    rows = Revision.objects.filter(
        model_store=store_id(), model_name=name, model_version=version
    ).exclude(inference={})
    for revision in rows.select_related("service").order_by("-created_at")[:MOST]:
        text = _("Measured with the entry script %(script)s of the service %(place)s.")
        if found := _known(revision.inference, text, revision.service.name):
            return found
    return None


def _known(inference: Mapping[str, Any], text: str, place: str) -> KnownScript | None:
    try:
        folders.source_path(inference.get("source"))
    except NotFound:
        return None
    values = {"script": inference.get("entryScript", ""), "place": place}
    return KnownScript(dict(inference), text % values)
