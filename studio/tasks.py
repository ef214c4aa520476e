"""Background work of the studio itself. A task takes ids and calls a service function."""

from celery import shared_task

from workspaces.errors import Unavailable


@shared_task(name="studio.tasks.demo")
def demo(username: str) -> None:
    """Fill the studio with the demo's runs; doubled messages do nothing."""
    from studio.demo import demo_run  # kept out of a worker's start

    try:
        demo_run(username=username)
    except Unavailable:
        pass  # the status says so, with the reason
