"""What a gateway does in a studio, for a service that stands alone: CORS and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from serving.contract import REQUEST_ID_HEADER, ReplicaConfig

METHODS = ("GET", "POST", "OPTIONS")
GOODBYE_SECONDS = 1.0
EXPOSED = (REQUEST_ID_HEADER, "x-ms-request-id", "x-ms-run-function-failed", "retry-after")


def origins(config: ReplicaConfig) -> list[str]:
    """Return the origins whose pages may call; empty behind a gateway, which sees to that."""
    return config.get("cors_origins", []) if config.get("standalone") else []


def with_cors(app: ASGIApp, config: ReplicaConfig) -> ASGIApp:
    """Return the application, answering CORS where the configuration names origins."""
    allowed = origins(config)
    if not allowed:
        return app
    return CORSMiddleware(
        app,
        allow_origins=allowed,
        allow_methods=METHODS,
        allow_headers=["*"],
        expose_headers=EXPOSED,
    )


def server(settings: uvicorn.Config, config: ReplicaConfig) -> uvicorn.Server:
    """Return the server; with a certificate, where the service stands alone, it speaks TLS 1.2+."""
    if not (config.get("standalone") and "tls_cert" in config and "tls_key" in config):
        return uvicorn.Server(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config["tls_cert"], config["tls_key"])
    settings.load()
    settings.ssl = context
    return TlsServer(settings)


class TlsServer(uvicorn.Server):
    """A server whose end does not wait for idle clients.

    TLS says goodbye and waits for the answer, 30 s long; a client that keeps a connection for later
    does not read it, so never answers.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as uvicorn does, and cut off connections that have nothing more to send."""
        cutting = asyncio.ensure_future(self._cut_off_closed())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _cut_off_closed(self) -> None:
        while True:
            await asyncio.sleep(GOODBYE_SECONDS)
            for connection in list(self.server_state.connections):
                transport: Any = getattr(connection, "transport", None)
                if transport is None or not transport.is_closing():
                    continue
                if not transport.get_write_buffer_size():
                    transport.abort()
