"""Wake the workers. A lost wake-up costs seconds: beat's tick finds due rows as well."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import transaction

logger = logging.getLogger(__name__)


def wake() -> None:
    """Ask a control worker to look for due services, once the current transaction commits."""
    from deployments import tasks  # tasks import the services that wake

    transaction.on_commit(lambda: _send(lambda: tasks.tick.apply_async(queue="control")))


def wake_steps(operation_id: str) -> None:
    """Ask a steps worker to run this operation's long steps, after commit."""
    from deployments import tasks

    transaction.on_commit(
        lambda: _send(lambda: tasks.run_steps.apply_async((operation_id,), queue="steps"))
    )


def _send(publish: Callable[[], object]) -> None:
    from kombu.exceptions import OperationalError

    try:
        publish()
    except (OperationalError, OSError) as error:
        logger.warning("the broker does not answer, beat will find the work: %s", error)
