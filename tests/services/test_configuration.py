"""Deployment configuration: v1's names and ranges, every violation in one message."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.configuring.configuration import (
    DeploymentConfiguration,
    defaults,
    from_dict,
    validate,
)
from workspaces.errors import Invalid

NAMES = [
    *("computeType", "containerResourceRequirements", "numReplicas", "port", "authEnabled", "tags"),
    *("maxConcurrentRequestsPerContainer", "maxQueueWaitMs", "scoringTimeoutMs", "properties"),
    *("description", "workers", "maxQueue", "batching", "maxBatchRows", "maxBodyBytes"),
    *("verboseErrors", "accessLog", "corsOrigins", "tokenAuthEnabled", "appInsightsEnabled"),
    *("enableAppInsights", "telemetry"),
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
resources = st.dictionaries(st.sampled_from(["cpu", "memoryInGB", "gpu"]), anything)
close = st.dictionaries(st.sampled_from(NAMES), anything | resources)


@given(raw=anything | close, kind=st.sampled_from(["local", "docker", "fake"]))
def test_any_json_is_a_configuration_or_invalid(raw: Any, kind: str) -> None:
    try:
        made = validate(kind, raw)
    except Invalid:
        return
    assert 0.1 <= made.cpu <= 1024
    assert made.memory_mb >= 64
    assert made.replicas == 1
    assert made.port is None or 1 <= made.port <= 65535
    assert 1 <= made.workers <= 32
    assert from_dict(json.loads(json.dumps(made.as_dict()))) == made
    assert validate("local", json.loads(json.dumps(made.as_json()))) == made


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "maxConcurrentRequestsPerContainer",
            [1, 64, 10_000, 2.0],
            [0, 10_001, 1.5, "1", True],
        ),
        ("maxQueueWaitMs", [0, 500, 600_000], [-1, 600_001, 0.5, "500"]),
        ("scoringTimeoutMs", [100, 60_000, 3_600_000], [99, 3_600_001, float("nan")]),
        ("numReplicas", [1], [0, 2, float("inf")]),
        ("authEnabled", [True, False], [0, 1, "true", []]),
        ("port", [1, 8080, 65535], [0, 65536, -5, "80", 80.5]),
        ("tags", [{}, {"a": "b"}], [[], "a", {"a": 1}, {"a": None}]),
        ("properties", [{}, {"a": "b"}], [[], {"a": {}}]),
        ("description", ["", "words"], [1, [], "x" * 10_001, "a\x00"]),
        ("workers", [1, 32], [0, 33, 1.5, "2"]),
        ("maxQueue", [0, 100_000], [-1, 100_001, "many"]),
        ("batching", ["auto", "exact"], ["on", "", True, ["auto"], {}]),
        ("maxBatchRows", [1, 1024, 100_000], [0, 100_001]),
        ("maxBodyBytes", [1024, 2_147_483_648], [1023, 2_147_483_649]),
        ("verboseErrors", [True, False], ["no", 0]),
        ("accessLog", [True, False], ["no", 1]),
        ("tokenAuthEnabled", [True, False], ["no"]),
        (
            "corsOrigins",
            [[], ["*"], ["https://a.example", "http://localhost:3000", "http://[::1]:8080"]],
            [
                *("*", ["a.example"], ["https://a.example/x"], ["ftp://a"], [1], ["https://"]),
                *(["https://u:p@a"], ["null"], ["https://a:99999"], ["https://a b"], {}),
                ["https://a"] * 101,
            ],
        ),
        ("telemetry", [{}, {"sample": 0}, {"sample": 1}, {"endpoint": None}], [1, "http://a", []]),
        ("computeType", ["local", "Local", "LOCAL"], ["aci", "docker", 1]),
    ],
)
def test_each_name_has_its_range(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        validate("local", {name: value})
    for value in bad:
        with pytest.raises(Invalid) as caught:
            validate("local", {name: value})
        assert list(caught.value.fields) == [name], value


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("cpu", [0.1, 1, 2.5], [0, 0.05, -1, "1", True, 2000]),
        ("memoryInGB", [0.0625, 0.5, 64], [0, 0.01, 5000, "1", float("inf")]),
    ],
)
def test_resources_have_their_ranges(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        validate("docker", {"containerResourceRequirements": {name: value}})
    for value in bad:
        with pytest.raises(Invalid) as caught:
            validate("docker", {"containerResourceRequirements": {name: value}})
        assert list(caught.value.fields) == [f"containerResourceRequirements.{name}"], value


def test_all_violations_are_in_one_message() -> None:
    wrong = {"maxQueueWaitMs": -1, "authEnabled": "yes", "location": "west", "tags": 1}
    with pytest.raises(Invalid) as caught:
        validate("local", wrong)
    assert set(caught.value.fields) == set(wrong)
    assert all(name in caught.value.message for name in wrong)


@pytest.mark.parametrize("raw", [None, [], "text", 1, True])
def test_what_is_no_object_is_invalid(raw: Any) -> None:
    with pytest.raises(Invalid, match="must be a JSON object"):
        validate("local", raw)


def test_a_port_can_be_chosen_on_a_local_target_only() -> None:
    assert validate("local", {"port": 8080}).port == 8080
    with pytest.raises(Invalid, match="local target only"):
        validate("docker", {"port": 8080})


def test_our_defaults_are_what_validate_gives_for_nothing() -> None:
    assert (
        validate("local", defaults("local")) == validate("local", {}) == DeploymentConfiguration()
    )
    made = DeploymentConfiguration()
    assert (made.cpu, made.memory_mb, made.auth_enabled) == (1.0, 1024, True)
    assert (made.max_concurrent_requests, made.max_queue_wait_ms) == (64, 500)
    assert made.scoring_timeout_ms == 60_000


@pytest.mark.parametrize(("measured", "memory"), [(None, 1.0), (200, 1.0), (2048, 3.0)])
def test_memory_is_the_larger_of_one_gb_and_one_and_a_half_of_what_was_measured(
    measured: float | None, memory: float
) -> None:
    assert defaults("local", measured)["containerResourceRequirements"]["memoryInGB"] == memory


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        (["HTTPS://App.Example.com/"], ["https://app.example.com"]),
        (["https://a", "https://a"], ["https://a"]),
        (["https://a", "*"], ["*"]),
    ],
)
def test_origins_are_kept_as_browsers_send_them(given: list[str], origins: list[str]) -> None:
    assert validate("local", {"corsOrigins": given}).cors_origins == origins


@pytest.mark.parametrize(
    ("telemetry", "field"),
    [
        ({"endpoint": "collector:4318"}, "telemetry.endpoint"),
        ({"endpoint": "http://user:secret@collector"}, "telemetry.endpoint"),
        ({"endpoint": "file:///etc/passwd"}, "telemetry.endpoint"),
        ({"endpoint": 7}, "telemetry.endpoint"),
        ({"sample": 1.1}, "telemetry.sample"),
        ({"rate": 1}, "telemetry.rate"),
    ],
)
def test_telemetry_is_an_address_and_a_share(telemetry: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        validate("local", {"telemetry": telemetry})
    assert list(caught.value.fields) == [field]


@pytest.mark.parametrize("switch", ["appInsightsEnabled", "enableAppInsights"])
def test_telemetry_goes_to_the_studios_collector_unless_another_is_named(
    settings: Any, switch: str
) -> None:
    own = dataclasses.replace(settings.SLIPWAY, otlp_endpoint="http://studio:4318")
    settings.SLIPWAY = own
    made = validate("local", {switch: True})
    assert (made.app_insights_enabled, made.telemetry_endpoint) == (True, "http://studio:4318")
    other = validate("local", {switch: True, "telemetry": {"endpoint": "http://other:4318/"}})
    assert other.telemetry_endpoint == "http://other:4318"
    settings.SLIPWAY = dataclasses.replace(own, otlp_endpoint="")
    with pytest.raises(Invalid, match="SLIPWAY_OTLP_ENDPOINT"):
        validate("local", {switch: True})


@given(st.integers(1, 600_000))
def test_what_is_omitted_stays_as_it_was(wait: int) -> None:
    before = DeploymentConfiguration(cpu=2.5, memory_mb=2000, tags={"a": "b"}, port=9000)
    after = validate("local", {"maxQueueWaitMs": wait}, before)
    assert after == from_dict({**before.as_dict(), "max_queue_wait_ms": wait})
