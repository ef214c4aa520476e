"""`deploymentconfig.json` of Azure ML v1 and our deployment configuration, both ways. Pure.

`local` is ours with v1's one name, so `configuration.validate` judges it; `aci`, `aks` and
`aksendpoint` are read by the tables here. All violations of v1's rules are in one message; what has
no meaning here is a warning and is kept for the export. Keys and passwords are never kept.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from deployments.configuring.configuration import DeploymentConfiguration, validate
from registry.scripts.v1_inference import without_secrets
from registry.scripts.v1_reading import Reading, summary
from workspaces.errors import Invalid

KINDS = ("local", "aci", "aks", "aksendpoint")
CLOUD = KINDS[1:]
RESOURCES = "containerResourceRequirements"
SCALER = "autoScaler"
PROBE = "livenessProbeRequirements"
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{,61}[a-z0-9])?")
_VERSION_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
Json = dict[str, Any]
Check = Callable[[Reading, str, Any], None]


def is_v1(raw: Any) -> bool:
    """Whether this is v1's configuration of a cloud target, which our own reader does not know."""
    kind = raw.get("computeType") if isinstance(raw, Mapping) else None
    return isinstance(kind, str) and kind.lower() in CLOUD


# --- rules of one value ------------------------------------------------------------------------


def _number(low: float, *, above: bool = False, whole: bool = False, high: float = 1e12) -> Check:
    def check(reading: Reading, name: str, value: Any) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) <= 1e15:
            reading.fault(name, _("must be a number."))
        elif whole and value != int(value):
            reading.fault(name, _("must be a whole number."))
        elif not (low < value if above else low <= value) or value > high:
            text = _("must be above %(low)s.") if above else _("must be from %(low)s on.")
            if high < 1e12:
                text = _("must be from %(low)s to %(high)s.")
            reading.fault(name, text % {"low": f"{low:g}", "high": f"{high:g}"})

    return check


def _kind(kind: type, words: str) -> Check:
    def check(reading: Reading, name: str, value: Any) -> None:
        reading.typed(name, value, kind, words)

    return check


def _matching(pattern: re.Pattern[str], words: str) -> Check:
    def check(reading: Reading, name: str, value: Any) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            reading.fault(name, words)

    return check


def _pem_path(reading: Reading, name: str, value: Any) -> None:
    """A path, as in v1: what is in the file must not be kept."""
    found = reading.typed(name, value, str, _("must be a text."))
    if found and ("-----" in found or "\n" in found):
        reading.fault(name, _("must be the path of a file, not what is in it."))


_TEXT = _kind(str, "must be a text.")
_SWITCH = _kind(bool, "must be true or false.")
_OBJECT = _kind(Mapping, "must be an object.")
_POSITIVE = _number(0, above=True)
_COUNT = _number(0, above=True, whole=True)
_FROM_ONE = _number(1, whole=True)

_COMMON: dict[str, Check] = {
    f"{RESOURCES}.cpu": _POSITIVE,
    f"{RESOURCES}.memoryInGB": _POSITIVE,
    "authEnabled": _SWITCH,
    # v1 has tokens on AKS only; here every target has, and an export must be read again as it was
    "tokenAuthEnabled": _SWITCH,
    "aadAuthEnabled": _SWITCH,
    "appInsightsEnabled": _SWITCH,
    "keys.primaryKey": _TEXT,
    "keys.secondaryKey": _TEXT,
    "tags": _OBJECT,
    "properties": _OBJECT,
    "description": _TEXT,
}
_ACI: dict[str, Check] = {
    **_COMMON,
    **dict.fromkeys(
        (
            *("location", "cname", "dnsNameLabel", "vaultBaseUrl", "keyName"),
            *("keyVersion", "vnetName", "subnetName"),
        ),
        _TEXT,
    ),
    "sslEnabled": _SWITCH,
    "sslCertificate": _pem_path,
    "sslKey": _pem_path,
}
_AKS: dict[str, Check] = {
    **_COMMON,
    f"{RESOURCES}.cpuLimit": _POSITIVE,
    f"{RESOURCES}.memoryInGBLimit": _POSITIVE,
    f"{RESOURCES}.gpu": _number(0, whole=True),
    f"{SCALER}.autoscaleEnabled": _SWITCH,
    f"{SCALER}.minReplicas": _COUNT,
    f"{SCALER}.maxReplicas": _COUNT,
    f"{SCALER}.refreshPeriodInSeconds": _COUNT,
    f"{SCALER}.targetUtilization": _COUNT,
    "dataCollection.storageEnabled": _SWITCH,
    "gpuCores": _number(0, whole=True),
    "scoringTimeoutMs": _COUNT,
    "maxConcurrentRequestsPerContainer": _COUNT,
    "maxQueueWaitMs": _number(0, whole=True),
    "numReplicas": _COUNT,
    f"{PROBE}.periodSeconds": _FROM_ONE,
    f"{PROBE}.initialDelaySeconds": _number(0, whole=True),
    f"{PROBE}.timeoutSeconds": _FROM_ONE,
    f"{PROBE}.successThreshold": _FROM_ONE,
    f"{PROBE}.failureThreshold": _FROM_ONE,
    "namespace": _matching(
        _NAMESPACE, "must have small letters, digits and hyphens, at most 63 characters."
    ),
    "computeTargetName": _TEXT,
    "blobfuseEnabled": _SWITCH,
}
_TABLES: dict[str, dict[str, Check]] = {
    "aci": _ACI,
    "aks": _AKS,
    "aksendpoint": {
        **_AKS,
        "versionName": _matching(
            _VERSION_NAME, "must start with a small letter and hold letters, digits and hyphens."
        ),
        "trafficPercentile": _number(0, high=100),
    },
}
# what our own configuration has under the same name
_SAME = ("maxConcurrentRequestsPerContainer", "maxQueueWaitMs", "scoringTimeoutMs")
_WORDS = ("tags", "properties", "description")
_TAKEN = {
    *(*_SAME, *_WORDS, "authEnabled", "tokenAuthEnabled", "aadAuthEnabled", "appInsightsEnabled"),
    *(f"{RESOURCES}.{name}" for name in ("cpu", "memoryInGB", "cpuLimit", "memoryInGBLimit")),
}


# --- import ------------------------------------------------------------------------------------


def deployment_import(raw: Any, *, has_collector: bool = False) -> tuple[Json, list[str]]:
    """Our deployment configuration for one of v1, and what had no meaning here.

    Args:
        has_collector: the studio has a collector of its own for traces.
    Returns:
        JSON that `configuration.validate` takes; what v1 leaves out takes our defaults.
    Raises:
        Invalid: every violation of v1's rules by field.
    """
    kind = raw.get("computeType") if isinstance(raw, Mapping) else None
    if not isinstance(kind, str) or kind.lower() not in KINDS:
        text = _("must be one of %(kinds)s.") % {"kinds": ", ".join(KINDS)}
        message = _("Error parsing the deployment configuration: computeType ") + text
        raise Invalid(message, fields={"computeType": [text]})
    if kind.lower() == "local":
        return _local(raw)
    reading = Reading()
    flat = dict(_flat(reading, raw, _TABLES[kind.lower()]))
    _check_together(reading, kind.lower(), flat)
    if reading.violations:
        raise Invalid(summary("deploymentconfig.json", reading), fields=reading.violations)
    made = _translated(reading, kind.lower(), flat, has_collector)
    for name in flat:
        if name not in _TAKEN and not name.startswith("keys.") and name != "numReplicas":
            reading.warn(name)
    return made, reading.warnings


def _local(raw: Mapping[str, Any]) -> tuple[Json, list[str]]:
    made = {name: value for name, value in raw.items() if name != "computeType"}
    if made.get("port") is None:
        made.pop("port", None)
    validate("local", made)
    return made, []


def _flat(reading: Reading, raw: Mapping[str, Any], table: Mapping[str, Check]) -> Iterator[Any]:
    """Names with a dot and their values, each checked; null is the same as absent."""
    groups = {name.partition(".")[0] for name in table if "." in name}
    for name, value in raw.items():
        if name == "computeType" or value is None:
            continue
        if name in groups:
            inner = reading.objects(name, value)
            pairs = [(f"{name}.{key}", item) for key, item in inner.items() if item is not None]
        else:
            pairs = [(str(name), value)]
        for key, item in pairs:
            if key not in table:
                reading.warn(key, _("is not a name that v1 knows; it was left out."))
                continue
            table[key](reading, key, item)
            yield key, item


def _check_together(reading: Reading, kind: str, flat: Json) -> None:
    """v1's rules between values."""
    token = flat.get("tokenAuthEnabled", flat.get("aadAuthEnabled"))
    if token is True and flat.get("authEnabled") is True:
        reading.fault("tokenAuthEnabled", _("and authEnabled cannot both be true."))
    if kind == "aci":
        _check_aci(reading, flat)
        return
    for name in ("cpu", "memoryInGB"):
        low, high = flat.get(f"{RESOURCES}.{name}"), flat.get(f"{RESOURCES}.{name}Limit")
        if _is_less(high, low):
            text = _("must not be below %(name)s.") % {"name": name}
            reading.fault(f"{RESOURCES}.{name}Limit", text)
    _check_scaling(reading, flat)


def _check_scaling(reading: Reading, flat: Json) -> None:
    replicas = flat.get("numReplicas")
    scales = flat.get(f"{SCALER}.autoscaleEnabled", replicas is None)
    if scales is True and replicas is not None:
        reading.fault("numReplicas", _("cannot be set while autoscaling is on."))
    if scales is False and replicas is None:
        reading.fault("numReplicas", _("is required when autoscaling is off."))
    names = ("minReplicas", "maxReplicas", "refreshPeriodInSeconds", "targetUtilization")
    if scales is False:
        for name in names:
            if f"{SCALER}.{name}" in flat:
                reading.fault(f"{SCALER}.{name}", _("cannot be set while autoscaling is off."))
    elif _is_less(flat.get(f"{SCALER}.maxReplicas", 10), flat.get(f"{SCALER}.minReplicas", 1)):
        reading.fault(f"{SCALER}.minReplicas", _("must not be above maxReplicas."))


def _is_less(one: Any, other: Any) -> bool:
    numbers = all(isinstance(item, int | float) for item in (one, other))
    return numbers and one < other


def _check_aci(reading: Reading, flat: Json) -> None:
    ssl = ("sslCertificate", "sslKey", "cname")
    if flat.get("sslEnabled") is True:
        for name in ssl:
            if not flat.get(name):
                reading.fault(name, _("is required when sslEnabled is true."))
    for group in (("vaultBaseUrl", "keyName", "keyVersion"), ("vnetName", "subnetName")):
        missing = [name for name in group if not flat.get(name)]
        if len(missing) < len(group):
            for name in missing:
                text = _("is required beside %(others)s.")
                others = ", ".join(item for item in group if item != name)
                reading.fault(name, text % {"others": others})


def _translated(reading: Reading, kind: str, flat: Json, has_collector: bool) -> Json:
    made: Json = {name: flat[name] for name in (*_SAME, *_WORDS) if name in flat}
    resources = {
        name: limit
        for name in ("cpu", "memoryInGB")
        # a limit is what counts here: a service that passes it is restarted
        if (limit := flat.get(f"{RESOURCES}.{name}Limit", flat.get(f"{RESOURCES}.{name}")))
    }
    if resources:
        made[RESOURCES] = resources
    token = flat.get("tokenAuthEnabled", flat.get("aadAuthEnabled"))
    if token is not None:
        made["tokenAuthEnabled"] = token
    # said where it is left out, too: what is left out of a change stays, and a service that had
    # tokens only would be open without them
    made["authEnabled"] = flat.get("authEnabled", not token)
    if kind == "aci" and "authEnabled" not in flat and not token:
        text = _("is left out: v1 would have asked for no key, here a key is asked for.")
        reading.warn("authEnabled", text)
    if flat.get("appInsightsEnabled") and not has_collector:
        text = _("is left out, as SLIPWAY_OTLP_ENDPOINT names no collector here.")
        reading.warn("appInsightsEnabled", text)
    elif "appInsightsEnabled" in flat:
        made["appInsightsEnabled"] = flat["appInsightsEnabled"]
    if any(name.startswith("keys.") for name in flat):
        reading.warn("keys", _("are left out: a service gets keys of its own."))
    if (flat.get("numReplicas") or 1) != 1:
        reading.warn("numReplicas", _("is left out: a service has one replica here."))
    return made


# --- export ------------------------------------------------------------------------------------


def kept(raw: Any) -> Json:
    """What of a document is kept beside a revision for the export; no secrets."""
    return without_secrets(raw) if isinstance(raw, Mapping) else {}


def deployment_export(
    ours: Mapping[str, Any], original: Mapping[str, Any], *, has_collector: bool = False
) -> Json:
    """v1's deployment configuration for ours.

    Args:
        has_collector: as in the import; without one, v1's telemetry was left out and is no change.
        ours: in our JSON names, as `DeploymentConfiguration.as_json` gives it.
        original: the document that it was imported from, as `kept` gave it; empty when there is
            none. What was not changed since stays as it was written.
    """
    if not original:
        return {"computeType": "local", **copy.deepcopy(dict(ours))}
    made: Json = copy.deepcopy(dict(original))
    defaults = DeploymentConfiguration().as_json()
    if str(made.get("computeType")).lower() == "local":
        changed = {name for name, value in ours.items() if value != defaults.get(name)}
        return made | {name: ours[name] for name in ours if name in changed or name in made}
    try:
        before, _warnings = deployment_import(original, has_collector=has_collector)
    except Invalid:
        before = {}
    usual = {**defaults, **before}
    for name in (*_SAME, *_WORDS, "authEnabled", "tokenAuthEnabled", "appInsightsEnabled"):
        if name in ours and ours[name] != usual[name]:
            if name == "tokenAuthEnabled":
                made.pop("aadAuthEnabled", None)
            made[name] = ours[name]
    _export_resources(made, ours.get(RESOURCES, {}), usual[RESOURCES])
    return made


def _export_resources(made: Json, ours: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    for name, usual in DeploymentConfiguration().as_json()[RESOURCES].items():
        now = ours.get(name, usual)
        # memory is kept in whole MB
        if abs(float(now) - float(before.get(name, usual))) * 1024 > 1:
            group = made.setdefault(RESOURCES, {})
            group[name] = now
            group.pop(f"{name}Limit", None)
