"""Deploys that cannot succeed: Failed with the cause in plain words, nothing left running."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

from tests.flow.api import Api
from tests.flow.processes import replica_processes
from tests.setup.studio_process import eventually

pytestmark = [pytest.mark.redis, pytest.mark.timeout(600)]


def failed(api: Api, name: str, kind: str, **more: Any) -> dict[str, Any]:
    api.deploy(name, kind, **more)
    row = api.wait(name, lambda row: row["state"] == "Failed")
    assert eventually(lambda: not replicas(api, name)), replicas(api, name)
    return row


def replicas(api: Api, name: str) -> list[psutil.Process]:
    return replica_processes(api.studio.data.services, name)


def log(api: Api, row: dict[str, Any]) -> str:
    text: str = api.get(f"/operations/{row['operation']}/log?offset=0")["text"]
    return text


def test_requirements_that_cannot_be_installed(api: Api) -> None:
    row = failed(api, "uninstallable", "uninstallable")
    assert "slipway-no-such-package" in row["message"]
    assert "slipway-no-such-package" in log(api, row)


def test_a_model_that_crashes_on_load(api: Api) -> None:
    row = failed(api, "broken", "broken")
    assert "the weights file is from another planet" in row["message"]
    text = log(api, row)
    assert "Traceback" in text
    assert "load_context" in text
    kept = api.get("/services/broken/logs?offset=0")["text"]
    assert "the weights file is from another planet" in kept


def test_a_model_that_needs_more_memory_than_it_was_given(api: Api) -> None:
    resources = {"containerResourceRequirements": {"memoryInGB": 0.6}}
    row = failed(api, "hungry", "hungry", deployment=resources)
    assert "memory" in row["message"]
    assert "of 614 MB" in row["message"]


def test_a_failed_service_can_be_retried_and_deleted(api: Api) -> None:
    row = failed(api, "again", "broken")
    retried = api.call("POST", f"/operations/{row['operation']}/retry")
    assert retried.status_code == 202, retried.text
    row = api.wait(
        "again",
        lambda now: now["state"] == "Failed" and now["operation"] != row["operation"],
    )
    api.gone("again")
    assert not replicas(api, "again")
