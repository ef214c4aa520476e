"""What a gateway does in a studio, for a service that stands alone: CORS and TLS."""

from __future__ import annotations

import ssl

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from serving.contract import REQUEST_ID_HEADER, ReplicaConfig

METHODS = ("GET", "POST", "OPTIONS")
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


def add_tls(settings: uvicorn.Config, config: ReplicaConfig) -> uvicorn.Config:
    """Give the server the certificate of a service that stands alone; TLS 1.2 and above."""
    if config.get("standalone") and "tls_cert" in config and "tls_key" in config:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(config["tls_cert"], config["tls_key"])
        settings.load()
        settings.ssl = context
    return settings
