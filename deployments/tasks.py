"""Celery's side of deployments: tasks take ids and call a service function."""

from celery import shared_task

from deployments.control import (
    early,  # noqa: F401  # for its signals
    heartbeats,
    loop,
)
from deployments.control import sweep as sweeping
from deployments.control.steps import run_steps as run_long_steps


@shared_task
def tick(source: str = "") -> None:
    """Step due services; beat sends it every 2 s, changes send it at once."""
    if source == "beat":
        heartbeats.beat_ticked()
    if loop.run():
        tick.apply_async(queue="control")


@shared_task
def sweep() -> None:
    sweeping.run()


@shared_task
def run_steps(operation_id: str) -> None:
    run_long_steps(operation_id)
