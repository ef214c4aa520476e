"""The gateway: one stable address per service, in front of its revisions.

`<prefix><service>/<rest>` goes to `/<rest>` of a backend, streamed both ways. It knows no keys and
no models; it routes, limits bodies, names requests, and says in {code, message} what it cannot do.
"""

from __future__ import annotations

from serving.gateway.server import run_gateway

__all__ = ["run_gateway"]
