"""The smoke test: the model's own input example through the real endpoint of one revision."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from django.utils.translation import gettext as _

from deployments.access import keys
from deployments.configuring import configuration
from deployments.control.instances import instance_name, replica_folder
from deployments.models import Revision, Service
from deployments.targets import driver_for
from serving.contract import INVOCATIONS_PATH, STUDIO_HEADER

MAX_SHOWN = 2000  # characters of an answer in the log


class SmokeFailed(Exception):
    """The endpoint did not give an answer with status 200; the message says what it gave."""


def smoke_test(
    service: Service,
    revision: Revision,
    example: Any,
    log: Callable[[str], None],
    *,
    path: str = INVOCATIONS_PATH,
) -> str:
    """POST the input example, a JSON value; returns a note when there is none.

    Raises:
        SmokeFailed: wrong status or no answer in time. TargetUnreachable.
    """
    driver = driver_for(service.target)
    name = instance_name(service.name, revision.number)
    seen = driver.observe(name, replica_folder(service.name, revision.number))
    if not seen.endpoint:
        return _("The target gives no address that the studio could ask.")
    if example is None:
        note = _("The model has no input example; only its health was checked.")
        log(note)
        return note
    timeout = configuration.from_dict(revision.deployment).scoring_timeout_ms / 1000 + 5
    log(f"POST {seen.endpoint}{path}")
    try:
        answer = httpx.post(
            seen.endpoint + path,
            content=json.dumps(example).encode(),
            headers={
                "content-type": "application/json",
                "authorization": f"Bearer {keys.plain_key(service, 'studio')}",
                STUDIO_HEADER: "smoke",
            },
            timeout=timeout,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise SmokeFailed(
            _("The service did not answer its smoke test: %(error)s") % {"error": error}
        ) from error
    log(f"{answer.status_code} {answer.text[:MAX_SHOWN]}")
    if answer.status_code != 200:
        raise SmokeFailed(
            _("The service answered its own input example with %(status)s: %(text)s")
            % {"status": answer.status_code, "text": answer.text[:300]}
        )
    return ""
