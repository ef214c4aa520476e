"""deploymentconfig.json of v1: local, aci, aks and aksendpoint, every rule, and out again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.configuring import configuration
from deployments.configuring.v1_json import deployment_export, deployment_import, is_v1, kept
from workspaces.errors import Invalid

RESOURCES = "containerResourceRequirements"
LOCAL = {"computeType": "local", "port": 32267}
ACI: dict[str, Any] = {
    "containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 1.0},
    "authEnabled": True,
    "sslEnabled": False,
    "appInsightsEnabled": False,
    "computeType": "ACI",
}
AKS: dict[str, Any] = {
    "computeType": "aks",
    "autoScaler": {
        "autoscaleEnabled": True,
        "minReplicas": 1,
        "maxReplicas": 3,
        "refreshPeriodInSeconds": 1,
        "targetUtilization": 70,
    },
    "dataCollection": {"storageEnabled": True},
    "authEnabled": True,
    "containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 1.0},
    "scoringTimeoutMs": 5000,
    "maxConcurrentRequestsPerContainer": 2,
    "maxQueueWaitMs": 100,
    "livenessProbeRequirements": {"periodSeconds": 10, "initialDelaySeconds": 310},
    "keys": {"primaryKey": "geheim", "secondaryKey": "auch"},
    "namespace": "mine",
    "computeTargetName": "cluster",
}
ENDPOINT = {**AKS, "computeType": "AksEndpoint", "versionName": "a-1", "trafficPercentile": 20.5}
SAMPLES = [LOCAL, ACI, AKS, ENDPOINT]


def wrong(raw: Any) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as caught:
        deployment_import(raw)
    assert all(name in caught.value.message for name in caught.value.fields)
    return caught.value.fields


def test_local_is_read_with_its_port() -> None:
    found, warnings = deployment_import(LOCAL)
    assert (found, warnings) == ({"port": 32267}, [])
    assert configuration.validate("local", found).port == 32267
    assert deployment_import({"computeType": "LOCAL", "port": None})[0] == {}


def test_aci_is_read() -> None:
    found, _warnings = deployment_import(ACI)
    wish = configuration.validate("docker", found)
    assert (wish.cpu, wish.memory_mb, wish.auth_enabled) == (0.5, 1024, True)


def test_aks_is_read_and_says_what_has_no_meaning() -> None:
    found, warnings = deployment_import(AKS)
    wish = configuration.validate("local", found)
    assert (wish.scoring_timeout_ms, wish.max_concurrent_requests) == (5000, 2)
    assert wish.max_queue_wait_ms == 100
    told = " ".join(warnings)
    for name in ("maxReplicas", "storageEnabled", "periodSeconds", "namespace", "keys"):
        assert name in told
    assert "geheim" not in told


def test_the_limit_is_what_counts_here() -> None:
    limits = {"cpu": 0.5, "cpuLimit": 1, "memoryInGB": 1, "memoryInGBLimit": 2}
    raw = {"computeType": "aks", RESOURCES: limits}
    assert deployment_import(raw)[0][RESOURCES] == {"cpu": 1, "memoryInGB": 2}


def test_a_service_is_never_opened_by_what_was_left_out() -> None:
    found, warnings = deployment_import({"computeType": "aci"})
    assert found == {"authEnabled": True}
    assert any(text.startswith("authEnabled") for text in warnings)
    assert deployment_import({"computeType": "aci", "authEnabled": False})[0] == {
        "authEnabled": False
    }
    token = deployment_import({"computeType": "aks", "tokenAuthEnabled": True})[0]
    assert token == {"tokenAuthEnabled": True, "authEnabled": False}
    off = deployment_import({"computeType": "aks", "tokenAuthEnabled": False})[0]
    assert off == {"tokenAuthEnabled": False, "authEnabled": True}


def test_telemetry_needs_a_collector() -> None:
    raw = {"computeType": "aci", "appInsightsEnabled": True}
    assert "appInsightsEnabled" not in deployment_import(raw)[0]
    assert deployment_import(raw, has_collector=True)[0]["appInsightsEnabled"] is True


def aks(**changes: Any) -> dict[str, Any]:
    return {"computeType": "aks", **changes}


def aci(**changes: Any) -> dict[str, Any]:
    return {"computeType": "aci", **changes}


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        ({}, {"computeType"}),
        ([], {"computeType"}),
        ({"computeType": "batch"}, {"computeType"}),
        ({"computeType": 3}, {"computeType"}),
        ({"computeType": "local", "port": 0}, {"port"}),
        ({"computeType": "local", "port": 65536}, {"port"}),
        ({"computeType": "local", "port": "80"}, {"port"}),
        (
            aci(**{RESOURCES: {"cpu": 0, "memoryInGB": -1}}),
            {f"{RESOURCES}.cpu", f"{RESOURCES}.memoryInGB"},
        ),
        (aci(**{RESOURCES: 3}), {RESOURCES}),
        (aci(authEnabled="yes", location=3), {"authEnabled", "location"}),
        (aci(sslEnabled=True), {"sslCertificate", "sslKey", "cname"}),
        (aci(vnetName="x"), {"subnetName"}),
        (aci(sslKey="-----BEGIN PRIVATE KEY-----"), {"sslKey"}),
        (aci(authEnabled=True, tokenAuthEnabled=True), {"tokenAuthEnabled"}),
        ({"computeType": "local", "workers": "two", "autoScaler": {}}, {"workers", "autoScaler"}),
        ({"computeType": "local", RESOURCES: 3}, {RESOURCES}),
        (aci(vaultBaseUrl="x", keyName="y"), {"keyVersion"}),
        (aks(numReplicas=2, autoScaler={"autoscaleEnabled": True}), {"numReplicas"}),
        (aks(autoScaler={"autoscaleEnabled": False}), {"numReplicas"}),
        (
            aks(numReplicas=2, autoScaler={"minReplicas": 1, "maxReplicas": 2}),
            {"autoScaler.minReplicas", "autoScaler.maxReplicas"},
        ),
        (aks(autoScaler={"minReplicas": 5, "maxReplicas": 2}), {"autoScaler.minReplicas"}),
        (aks(autoScaler={"minReplicas": 11}), {"autoScaler.minReplicas"}),
        (
            aks(autoScaler={"refreshPeriodInSeconds": 0, "targetUtilization": 0}),
            {"autoScaler.refreshPeriodInSeconds", "autoScaler.targetUtilization"},
        ),
        (aks(authEnabled=True, tokenAuthEnabled=True), {"tokenAuthEnabled"}),
        (aks(authEnabled=True, aadAuthEnabled=True), {"tokenAuthEnabled"}),
        (aks(**{RESOURCES: {"cpu": 2, "cpuLimit": 1}}), {f"{RESOURCES}.cpuLimit"}),
        (
            aks(**{RESOURCES: {"memoryInGB": 2, "memoryInGBLimit": 1}}),
            {f"{RESOURCES}.memoryInGBLimit"},
        ),
        (aks(**{RESOURCES: {"gpu": 0.5}}), {f"{RESOURCES}.gpu"}),
        (aks(gpuCores=-1), {"gpuCores"}),
        (
            aks(livenessProbeRequirements={"periodSeconds": 0, "failureThreshold": 0.5}),
            {
                "livenessProbeRequirements.periodSeconds",
                "livenessProbeRequirements.failureThreshold",
            },
        ),
        (aks(namespace="Big_One"), {"namespace"}),
        (
            {**ENDPOINT, "trafficPercentile": 101, "versionName": "1a"},
            {"trafficPercentile", "versionName"},
        ),
        (
            aks(namespace="-", scoringTimeoutMs="long", gpuCores=True, authEnabled=1),
            {"namespace", "scoringTimeoutMs", "gpuCores", "authEnabled"},
        ),
    ],
)
def test_every_violation_is_in_one_message(raw: Any, fields: set[str]) -> None:
    assert set(wrong(raw)) == fields


def test_a_name_that_v1_does_not_know_is_told() -> None:
    assert deployment_import(aci(cpus=3))[1][0].startswith("cpus is not a name that v1 knows")


@pytest.mark.parametrize("raw", SAMPLES, ids=lambda raw: raw["computeType"])
def test_the_samples_come_out_as_they_went_in(raw: dict[str, Any]) -> None:
    ours = configuration.validate("local", deployment_import(raw)[0]).as_json()
    document = deployment_export(ours, kept(raw))
    assert document == {name: value for name, value in raw.items() if name != "keys"}


def test_what_was_changed_since_is_in_the_export() -> None:
    found = deployment_import(AKS)[0]
    changed = {**found, "scoringTimeoutMs": 9000, RESOURCES: {"cpu": 2, "memoryInGB": 1}}
    ours = configuration.validate("local", changed).as_json()
    document = deployment_export(ours, kept(AKS))
    assert document["scoringTimeoutMs"] == 9000
    assert document[RESOURCES] == {"cpu": 2, "memoryInGB": 1.0}
    assert document["autoScaler"] == AKS["autoScaler"]
    again = configuration.validate("local", deployment_import(document)[0])
    assert again == configuration.validate("local", changed)


def test_a_service_made_here_comes_out_as_local() -> None:
    wish = configuration.DeploymentConfiguration(cpu=2, port=2000, workers=3)
    document = deployment_export(wish.as_json(), {})
    assert document["computeType"] == "local"
    assert configuration.validate("local", deployment_import(document)[0]) == wish


def test_a_local_file_comes_out_with_what_was_changed_since() -> None:
    wish = configuration.validate("local", {**deployment_import(LOCAL)[0], "workers": 3})
    assert deployment_export(wish.as_json(), kept(LOCAL)) == {**LOCAL, "workers": 3}


def test_tokens_that_were_turned_on_since_are_read_again_from_any_export() -> None:
    raw = aci(authEnabled=True)
    wish = configuration.validate("docker", {"authEnabled": False, "tokenAuthEnabled": True})
    document = deployment_export(wish.as_json(), kept(raw))
    assert configuration.validate("docker", deployment_import(document)[0]) == wish


def test_telemetry_that_was_left_out_is_no_change_and_what_was_turned_on_is() -> None:
    raw = aci(appInsightsEnabled=True)
    ours = configuration.validate("docker", deployment_import(raw)[0]).as_json()
    assert deployment_export(ours, kept(raw)) == raw
    off = deployment_export(ours, kept(raw), has_collector=True)
    assert off["appInsightsEnabled"] is False
    on = deployment_export({**ours, "appInsightsEnabled": True}, aci(appInsightsEnabled=False))
    assert on["appInsightsEnabled"] is True


def test_only_cloud_targets_are_translated() -> None:
    assert is_v1(ACI)
    assert is_v1(ENDPOINT)
    assert not is_v1(LOCAL)
    assert not is_v1(None)


SECONDS = st.integers(1, 100)


@given(
    st.fixed_dictionaries(
        {"computeType": st.sampled_from(["aks", "AKS", "aksendpoint"])},
        optional={
            "tokenAuthEnabled": st.just(False),
            "authEnabled": st.booleans(),
            "scoringTimeoutMs": st.integers(100, 3_600_000),
            "maxConcurrentRequestsPerContainer": st.integers(1, 10_000),
            "maxQueueWaitMs": st.integers(0, 600_000),
            "numReplicas": st.just(1),
            "description": st.text("abc ", max_size=5),
            "tags": st.dictionaries(st.text("ab", min_size=1), st.text("cd"), max_size=2),
            "livenessProbeRequirements": st.fixed_dictionaries(
                {}, optional={"periodSeconds": SECONDS, "timeoutSeconds": SECONDS}
            ),
            RESOURCES: st.fixed_dictionaries(
                {}, optional={"cpu": st.integers(1, 8), "memoryInGB": st.integers(1, 8)}
            ),
            "namespace": st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True),
            "blobfuseEnabled": st.booleans(),
        },
    )
)
def test_what_is_valid_keeps_its_meaning_there_and_back(raw: dict[str, Any]) -> None:
    wish = configuration.validate("docker", deployment_import(raw)[0])
    document = deployment_export(wish.as_json(), kept(raw))
    assert document == raw
    assert configuration.validate("docker", deployment_import(document)[0]) == wish


@given(
    st.dictionaries(
        st.sampled_from([*AKS, *ACI, "port", "numReplicas", "sslKey", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=3)
        | st.sampled_from(["aci", "aks", "local", "aksendpoint"])
        | st.dictionaries(
            st.sampled_from(["cpu", "minReplicas", "gpu"]), st.floats() | st.text(max_size=2)
        ),
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        deployment_import(value)
    except Invalid as problem:
        if not problem.fields:
            raise
