"""Deleting versions and models. What is deleted is kept for a while and can be restored."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from registry.deleted import keeping, purging
from registry.incoming import staging
from registry.models import DeletedVersion
from registry.records import identity_of, records_forget
from registry.uses import uses_of, uses_of_model
from workspaces.errors import Conflict
from workspaces.tracking.models import registry as tracking_models
from workspaces.tracking.store.opening import store_id


def version_delete(*, name: str, version: str, user: Any) -> None:
    """Delete one version; it can be restored for SLIPWAY_KEEP_DELETED_DAYS.

    Raises:
        Conflict: services use it; `fields["services"]` names them.
        NotFound: there is no such version.
    """
    stored = tracking_models.version_get(name, version)
    services = uses_of(name, version)
    if services:
        raise _in_use(_("Version %(version)s") % {"version": version}, services)
    staging.sweep()  # a killed upload's note: only while the version lives are its files its own
    keeping.versions_keep([stored], user)
    row = DeletedVersion.objects.get(
        store=store_id(), name=name, version=version, identity=identity_of(stored)
    )
    tracking_models.version_delete(name, version)
    keeping.version_gone(row)
    _purge_at_once(name)


def model_delete(*, name: str, user: Any) -> None:
    """Delete a model with all its versions; it can be restored for SLIPWAY_KEEP_DELETED_DAYS.

    Raises:
        Conflict: services use a version of it; `fields["services"]` names them.
        NotFound: there is no such model.
    """
    stored = tracking_models.model_get(name)
    services = sorted({item for found in uses_of_model(name).values() for item in found})
    if services:
        raise _in_use(_("The model"), services)
    staging.sweep()
    kept = keeping.model_keep(stored, user)
    tracking_models.model_delete(name)
    keeping.model_gone(kept)
    records_forget(name)
    _purge_at_once(name)


def _purge_at_once(name: str) -> None:
    if not settings.SLIPWAY.keep_deleted_days:
        purging.due_purge(name)


def _in_use(what: str, services: list[str]) -> Conflict:
    message = _("%(what)s is used by %(services)s. Delete these services first.")
    return Conflict(
        message % {"what": what, "services": ", ".join(services)},
        fields={"services": services},
        code="in_use",
    )
