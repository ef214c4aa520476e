"""ASGI entry point of `web`: /mlflow/ goes to the proxy, the rest to Django, uploads by way.

What Django takes itself is bounded, see `registry.incoming.bodies`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from django.core.asgi import get_asgi_application

if TYPE_CHECKING:
    from registry.incoming.receiving import Application, Receiver
    from workspaces.proxy import Proxy, Scope

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()


def _services_using(name: str, version: str | None) -> Iterable[str]:
    from registry.uses import uses_of, uses_of_model

    if version is not None:
        return uses_of(name, version)
    return [service for services in uses_of_model(name).values() for service in services]


def _proxy() -> Proxy:
    # imported here: they need Django's apps to be loaded
    from django.conf import settings

    from workspaces.proxy import Proxy, Upstream

    env = settings.SLIPWAY
    upstream = Upstream(
        socket=settings.DATA.socket("tracking"),
        url=env.tracking_uri if env.tracking_is_remote else "",
        token=env.tracking_token,
    )
    return Proxy(upstream, uses=_services_using, artifact_root=env.artifact_root)


def _receiver() -> Receiver:
    from registry.incoming.bodies import Bounded
    from registry.incoming.receiving import Receiver

    return Receiver(Bounded(cast("Application", django_application)))


proxy = _proxy()
receiver = _receiver()


def _warm() -> None:
    """What takes seconds the first time: importing MLflow, and asking for the machine's Pythons."""
    from django.conf import settings

    from deployments.building import pythons
    from workspaces.tracking.store.opening import warm

    warm()
    pythons.available(settings.SLIPWAY.service_user)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            threading.Thread(target=_warm, name="warm", daemon=True).start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await proxy.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def application(scope: Scope, receive: Any, send: Any) -> None:
    """Dispatch by path."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["path"] == "/mlflow" or scope["path"].startswith("/mlflow/"):
        await proxy(scope, receive, send)
    elif scope["type"] == "http":
        await receiver(dict(scope), receive, send)
    else:
        await send({"type": "websocket.close", "code": 1000})
