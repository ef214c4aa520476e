"""Who may call: keys by their hashes, changed while the service runs, and never open by mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from serving.contract import STUDIO_HEADER
from tests.serving.replica import KEY, STUDIO_KEY, Replica, wait_until

BODY = {"data": [[0.1] * 10]}


@pytest.fixture
def service(diabetes: Replica) -> Iterator[Replica]:
    """The shared replica; its keys are put back after the test."""
    yield diabetes
    diabetes.write_keys(version=1)
    wait_until(lambda: diabetes.record()["auth_version"] == 1, "the first keys are back", 5)


def status(service: Replica, key: str | None) -> int:
    return service.post("/score", BODY, key=key).status_code


def changed(service: Replica, version: int, within: float = 3) -> None:
    """Wait until the replica says that it answers by this version of auth.json."""
    wait_until(lambda: service.record()["auth_version"] == version, f"keys {version}", within)


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", "schlüssel"])
@pytest.mark.parametrize("path", ["/score", "/invocations", "/swagger.json", "/metrics", "/x"])
def test_without_a_valid_key_nothing_but_health_is_answered(
    diabetes: Replica, key: str | None, path: str
) -> None:
    shown = key.encode().decode("latin-1") if key else key
    answer = diabetes.post(path, BODY, key=shown)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "valid key" in answer.json()["message"]


def test_a_key_of_another_scheme_is_no_key(diabetes: Replica) -> None:
    assert diabetes.post("/score", BODY, key=None, authorization=KEY).status_code == 401
    assert diabetes.post("/score", BODY, key=None, authorization=f"Basic {KEY}").status_code == 401
    assert diabetes.post("/score", BODY, key=None, authorization=f"bearer {KEY}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/ping", "/health"])
def test_health_needs_no_key(diabetes: Replica, path: str) -> None:
    assert diabetes.get(path, key=None).status_code == 200


def test_mlflows_dialect_has_its_own_shape_of_401(diabetes: Replica) -> None:
    answer = diabetes.post("/invocations", BODY, key=None)

    assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_primary_and_secondary_both_open(service: Replica) -> None:
    service.write_keys(2, primary="one", secondary="two")
    changed(service, 2)

    assert [status(service, key) for key in ("one", "two", KEY)] == [200, 200, 401]


def test_keys_rotate_without_a_restart(service: Replica) -> None:
    before = service.worker_pids()
    service.write_keys(2, primary="new", studio=STUDIO_KEY)
    changed(service, 2)

    assert [status(service, key) for key in ("new", KEY)] == [200, 401]
    assert service.worker_pids() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"version": 5, "enabled": False}),
        json.dumps({"version": 5, "enabled": True, "keys": [{"name": "primary", "sha256": "00"}]}),
        json.dumps({"version": 5, "enabled": True, "keys": [{"name": "primary"}]}),
    ],
)
def test_a_broken_file_closes_the_service(service: Replica, text: str) -> None:
    service.replace_auth(text)
    changed(service, 0)

    answer = service.post("/score", BODY)

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert service.get("/health", key=None).status_code == 200


def test_a_missing_file_closes_the_service_after_a_moment(service: Replica) -> None:
    (service.folder / "auth.json").unlink()
    assert status(service, KEY) == 200  # it may be about to be replaced
    changed(service, 0, within=10)

    assert [status(service, key) for key in (KEY, None)] == [503, 503]


def test_no_key_opens_a_service_without_keys(service: Replica) -> None:
    service.replace_auth(json.dumps({"version": 6, "enabled": True, "keys": []}))
    changed(service, 6)

    assert [status(service, key) for key in (KEY, "", None)] == [401, 401, 401]


def test_keys_can_be_turned_off_except_for_metrics(service: Replica) -> None:
    service.write_keys(2, enabled=False)
    changed(service, 2)

    assert status(service, None) == 200
    assert service.get("/metrics", key=None).status_code == 401
    assert service.get("/metrics", key=KEY).status_code == 200


def test_the_studios_requests_are_counted_apart(diabetes: Replica) -> None:
    def count(caller: str) -> int:
        lines = diabetes.get("/metrics").text.splitlines()
        wanted = f'slipway_requests_total{{caller="{caller}",code="200",'
        return sum(int(line.split()[-1]) for line in lines if line.startswith(wanted))

    probes, tests, studio = count("probe"), count("test"), count("studio")
    named = {STUDIO_HEADER.replace("-", "_"): "probe"}
    assert diabetes.post("/score", BODY, key=STUDIO_KEY, **named).status_code == 200
    assert diabetes.post("/score", BODY, key=KEY, **named).status_code == 200
    assert diabetes.post("/score", BODY, key=STUDIO_KEY).status_code == 200

    assert (count("probe"), count("test"), count("studio")) == (probes + 1, tests, studio + 1)


def test_no_key_reaches_the_log(diabetes: Replica) -> None:
    assert status(diabetes, KEY) == 200
    assert status(diabetes, "a-wrong-key") == 401

    assert KEY not in diabetes.log()
    assert "a-wrong-key" not in diabetes.log()
