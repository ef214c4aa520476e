"""The Test tab's call: web asks the gateway, with the studio's own key, counted apart."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.access.keys import plain_key
from deployments.models import Service
from serving.contract import GATEWAY_PREFIX, MAX_BODY_BYTES, REQUEST_ID_HEADER, STUDIO_HEADER
from workspaces.errors import Invalid, Unavailable

MAX_ANSWER_BYTES = 1024 * 1024  # shown on a page; the rest is cut
CONNECT_TIMEOUT_S = 3.0
GRACE_S = 10.0  # beyond the service's own timeout, so that its answer arrives and not ours
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what such a gateway answers on


@dataclass(frozen=True)
class ScoreResult:
    """What the service answered. `seconds` from the first byte sent to the last one read."""

    status: int
    seconds: float
    body: bytes
    headers: dict[str, str]  # names in small letters
    truncated: bool = False

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str:
        return self.headers.get(REQUEST_ID_HEADER, "")

    @property
    def text(self) -> str:
        """The answer for reading: JSON is indented, what is no text says its size."""
        try:
            text = self.body.decode("utf-8")
        except UnicodeDecodeError:
            return _("%(size)s bytes that are not text.") % {"size": len(self.body)}
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except ValueError:
            return text


def score(
    service: Service, body: bytes, content_type: str = "application/json", *, path: str = "score"
) -> ScoreResult:
    """Send one scoring request through the gateway, as a client would.

    Args:
        body: as sent; at most the gateway's own limit.
        path: `score` or `invocations`.
    Returns:
        The answer, also when it is an error of the service (4xx, 5xx).
    Raises:
        Invalid: the body is too large. Unavailable: the gateway does not answer.
    """
    if len(body) > MAX_BODY_BYTES:
        raise Invalid(_("The request is larger than the gateway accepts."), fields={"body": []})
    env = settings.SLIPWAY
    timeout = _scoring_seconds(service) + GRACE_S
    connection = _gateway()
    started = time.monotonic()
    try:
        connection.connect()
        connection.sock.settimeout(timeout)
        connection.request(
            "POST",
            f"{GATEWAY_PREFIX}{quote(service.name)}/{path}",
            body=body,
            headers={
                "Authorization": f"Bearer {plain_key(service, 'studio')}",
                "Content-Type": content_type,
                STUDIO_HEADER: "test",
            },
        )
        return _read(connection.getresponse(), started)
    except TimeoutError:
        raise Unavailable(
            _("The service did not answer within %(seconds)s seconds.") % {"seconds": int(timeout)}
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            _("The gateway does not answer on port %(port)s (%(error)s).")
            % {"port": env.gateway_port, "error": error}
        ) from error
    finally:
        connection.close()


def _gateway() -> http.client.HTTPConnection:
    """A connection to the gateway, not yet opened; over TLS it must show its own certificate."""
    env = settings.SLIPWAY
    host = ANY_ADDRESS.get(env.host, env.host)
    if env.gateway_tls is None:
        return http.client.HTTPConnection(host, env.gateway_port, timeout=CONNECT_TIMEOUT_S)
    context = ssl.create_default_context(cafile=str(env.gateway_tls[0]))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False  # it is asked by address; nobody else has this certificate
    return http.client.HTTPSConnection(
        host, env.gateway_port, timeout=CONNECT_TIMEOUT_S, context=context
    )


def _read(response: http.client.HTTPResponse, started: float) -> ScoreResult:
    body = response.read(MAX_ANSWER_BYTES + 1)
    return ScoreResult(
        status=response.status,
        seconds=time.monotonic() - started,
        body=body[:MAX_ANSWER_BYTES],
        headers={name.lower(): value for name, value in response.getheaders()},
        truncated=len(body) > MAX_ANSWER_BYTES,
    )


def _scoring_seconds(service: Service) -> float:
    revision = service.active or service.wanted
    deployment = revision.deployment if revision else {}
    return float(deployment.get("scoring_timeout_ms", 60_000)) / 1000
