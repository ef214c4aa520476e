"""What the workers of steps do before their first step, so that no deploy waits for it."""

from __future__ import annotations

import threading
from typing import Any

from celery.signals import worker_init, worker_process_init
from django.conf import settings

from deployments.building import pythons
from workspaces import tracking

_parent = threading.Event()  # set in a worker of steps, and so in the children that it forks


@worker_init.connect
def _before_the_fork(sender: Any, **_: Any) -> None:
    """Import MLflow and ask for the machine's Pythons once; the children share what was found."""
    if str(sender).startswith("steps"):
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

        pythons.available(settings.SLIPWAY.service_user)
        _parent.set()


@worker_process_init.connect
def _after_the_fork(**_: Any) -> None:
    """Open MLflow's stores: a connection belongs to one process."""
    if _parent.is_set():
        threading.Thread(target=tracking.warm, name="warm", daemon=True).start()
