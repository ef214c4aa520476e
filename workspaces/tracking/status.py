"""The status of a run alone: asked for every second while a page watches it.

Reading the whole run would cost as much as it has metrics, parameters and tags.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces.errors import NotFound
from workspaces.tracking import run_get
from workspaces.tracking.store.database import reading
from workspaces.tracking.store.opening import stores


def run_status(run_id: str) -> str:
    """RUNNING, SCHEDULED, FINISHED, FAILED or KILLED. Raises NotFound, Unavailable."""
    if settings.SLIPWAY.tracking_is_remote:
        return run_get(run_id).status
    stores()  # before any import of MLflow
    from mlflow.store.tracking.dbmodels.models import SqlRun
    from sqlalchemy import select

    with reading(subject=_("This run")) as session:
        status = session.execute(select(SqlRun.status).where(SqlRun.run_uuid == run_id)).scalar()
    if status is None:
        raise NotFound(_("This run does not exist."))
    return str(status)
