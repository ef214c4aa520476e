"""Pre-flight: what can be known before deploying, as a list of checks with a sentence each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from deployments import quotas
from deployments.building import pythons
from deployments.choices import OperationKind
from deployments.configuring import quota_rules
from deployments.configuring.check_values import Check as Check
from deployments.configuring.checks import (
    base_configuration,
    check_name,
    configured,
    inference_check,
    target_get,
    version_get,
)
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.configuring.inference import needs
from deployments.models import Service, Target
from deployments.targets import builds_image
from deployments.trying.findings import findings_of
from deployments.trying.tried import image_python_check, same_script, trial_check
from registry.services import VersionInfo
from workspaces.errors import Problem

MB = 1024 * 1024


def preflight(
    *,
    name: str,
    model: str,
    target: str,
    inference: Mapping[str, Any] | None = None,
    deployment: Mapping[str, Any] | None = None,
) -> list[Check]:
    """Everything that would stop or harm this deployment; changes nothing, raises nothing.

    Takes as long as one look at MLflow's store; the target's last check is used, and what earlier
    trials found. Every check that is not passed has a next step.
    """
    checks = [_name(name)]
    place, target_check = _target(target)
    checks.append(target_check)
    version, model_checks = _model(model, scripted=bool(inference))
    checks += model_checks
    wish = None
    if place is not None:
        wish, found = _configuration(place, model, deployment)
        checks += found
    scripted, script_checks = _inference(inference, model)
    checks += script_checks
    if version is not None and place is not None:
        is_clear = all(check.result != "failed" for check in [*model_checks, *script_checks])
        checks += _known(place, version, scripted, wish, can_be_tried=is_clear)
    checks.append(_disk())
    return checks


def _known(
    place: Target,
    version: VersionInfo,
    inference: dict[str, Any],
    wish: DeploymentConfiguration | None,
    *,
    can_be_tried: bool,
) -> Iterator[Check]:
    """Python and trial: what earlier trials of this version on this target say counts."""
    rows = findings_of(version.name, version.version, OperationKind.PREFLIGHT, place.name)
    asked = needs(inference, [], version.python_version)
    made_with = asked.python or pythons.own_minor()
    wanted = (wish.python if wish is not None else "") or made_with
    if wanted != made_with:
        yield _other_python(made_with, wanted)
    if place.kind in settings.SLIPWAY_DRIVERS and builds_image(place):
        yield image_python_check(place, same_script(rows, inference), wanted, asked.base_image)
    else:
        yield _python(place, wanted)
    if can_be_tried:
        yield trial_check(place, rows, inference, wish)


def _other_python(made_with: str, wanted: str) -> Check:
    text = _("The model was made with Python %(made)s and would run on %(wanted)s, as you ask.")
    step = _("Try it first: what was pickled by one may not load in another.")
    return Check("other-python", "warning", text % {"made": made_with, "wanted": wanted}, step)


def _name(name: str) -> Check:
    if texts := check_name(name):
        return Check("name", "failed", _("The name ") + " ".join(texts), _("Choose another name."))
    if Service.objects.filter(name=name).exists():
        text = _("A service named %(name)s exists already; choose another name.")
        step = _("Delete or update that service, or choose another name.")
        return Check("name", "failed", text % {"name": name}, step)
    return Check("name", "passed", _("The name is free."))


def _target(name: str) -> tuple[Target | None, Check]:
    try:
        place = target_get(name)
    except Problem as problem:
        return None, Check("target", "failed", problem.message, _("Choose one of Targets."))
    if place.checked_at is None:
        step = _("Check it on its page.")
        return place, Check("target", "warning", _("The target has not been checked yet."), step)
    if place.problems:
        step = _("Mend that and check the target again, or choose another.")
        return place, Check("target", "failed", " ".join(place.problems), step)
    return place, Check("target", "passed", _("%(name)s is ready.") % {"name": place.name})


def _model(uri: str, *, scripted: bool) -> tuple[VersionInfo | None, list[Check]]:
    try:
        version = version_get(uri)
    except Problem as problem:
        step = _("Choose a version of Models, as models:/NAME/VERSION.")
        return None, [Check("model", "failed", problem.message, step)]
    if scripted:
        return version, [Check("model", "passed", _("The entry script loads the model."))]
    if version.needs_script:
        step = _("Give an entry script: there is a template for its format.")
        return version, [Check("model", "failed", version.why_script, step)]
    return version, list(_model_checks(version))


def _model_checks(version: VersionInfo) -> Iterator[Check]:
    if "python_function" not in version.flavors:
        yield Check(
            "model",
            "failed",
            _("The model has no python_function flavour; log it with an MLflow model flavour."),
            _("Log it so and register that, or deploy this one with an entry script."),
        )
        return
    yield Check("model", "passed", _("The model can be deployed without code."))
    if not version.requirements:
        text = _("The model lists no requirements, so nobody knows what to install.")
        yield Check("environment", "failed", text, _requirements_step(version))
    if version.signature is None:
        text = _("The model has no signature: wrong input is found by the model itself only.")
        yield Check("signature", "warning", text, _signature_step(version))
    else:
        yield Check("signature", "passed", _("Input is checked against the signature."))
    if version.input_example is None:
        text = _("The model has no input example: the smoke test checks health only.")
        if version.sample_input is not None:
            text = _("Trying it scores its sample input; the smoke test checks health only.")
        yield Check("example", "warning", text, _example_step(version))
    else:
        yield Check("example", "passed", _("The input example will be scored as smoke test."))


def _requirements_step(version: VersionInfo) -> str:
    if version.is_logged:
        return _("Log it again with pip_requirements=…, and register that.")
    return _("Register it again with a requirements.txt among its files.")


def _signature_step(version: VersionInfo) -> str:
    if version.is_logged:
        return _("Log it again with mlflow.models.infer_signature, and register that.")
    if version.format == "mlflow":
        return _("Save it again with mlflow.models.infer_signature, and register that.")
    return _("Register it again with a sample input.")


def _example_step(version: VersionInfo) -> str:
    if version.is_logged:
        return _("Log it again with input_example=…, and register that.")
    if version.format == "mlflow" and version.sample_input is not None:
        return _("Save it again with input_example=…, and register that.")
    return _("Register it again with a sample input.")


def _configuration(
    place: Target, model: Any, raw: Any
) -> tuple[DeploymentConfiguration | None, list[Check]]:
    try:
        wish = configured(place, raw, base_configuration(place, model))
    except Problem as problem:
        step = _("Correct what it names.")
        return None, [Check("configuration", "failed", problem.message, step)]
    return wish, [*_access(wish), _capacity(place, wish), _quota(place, wish)]


def _access(wish: DeploymentConfiguration) -> list[Check]:
    if wish.auth_enabled or wish.token_auth_enabled:
        return []
    text = _("Callers need neither a key nor a token: anybody who reaches the gateway may call.")
    step = _("Turn one of them on, unless that is what you want.")
    return [Check("access", "warning", text, step)]


def _inference(given: Any, model: Any) -> tuple[dict[str, Any], list[Check]]:
    try:
        found = inference_check(given, model)
    except Problem as problem:
        step = _("Correct what it names.")
        return {}, [Check("inference", "failed", problem.message, step)]
    if not found:
        return {}, []
    checks = [Check("inference", "passed", _("The entry script has init() and run()."))]
    if "sampleInput" not in found:
        text = _("There is no sample input: the smoke test may check health only.")
        step = _("Give a sample input beside the entry script.")
        checks.append(Check("example", "warning", text, step))
    return found, checks


def _capacity(place: Target, wish: DeploymentConfiguration) -> Check:
    total = place.capacity.get("memory_total_mb")
    free = place.capacity.get("memory_free_mb")
    cpus = place.capacity.get("cpu_total")
    values = {"asked": wish.memory_mb, "total": round(total or 0), "free": round(free or 0)}
    if total is not None and wish.memory_mb > total:
        text = _("%(asked)s MB of memory were asked for; the target has %(total)s MB.")
        return Check("capacity", "failed", text % values, _("Ask for less, or choose another."))
    if cpus is not None and wish.cpu > cpus:
        text = _("%(cpu)s CPU were asked for; the target has %(cpus)s.")
        values = {"cpu": f"{wish.cpu:g}", "cpus": f"{cpus:g}"}
        return Check("capacity", "failed", text % values, _("Ask for less, or choose another."))
    if free is not None and wish.memory_mb > free:
        text = _("%(asked)s MB of memory were asked for; only %(free)s MB are free now.")
        step = _("It waits until there is room; stop something, or ask for less.")
        return Check("capacity", "warning", text % values, step)
    return Check("capacity", "passed", _("There is room for it."))


def _quota(place: Target, wish: DeploymentConfiguration) -> Check:
    if not quotas.limits_of(place).is_set:
        return Check("quota", "passed", _("The target has no quota."))
    if found := quotas.shortages_of(place, wish):
        said = quota_rules.sentences(place.name, found)
        return Check("quota", "failed", said, str(quota_rules.NEXT_STEP))
    return Check("quota", "passed", _("The target's quota has room for it."))


def _python(place: Target, wanted: str) -> Check:
    if place.kind != "local":
        return Check("python", "passed", _("Runs on Python %(minor)s.") % {"minor": wanted})
    found = pythons.available(settings.SLIPWAY.service_user)
    if wanted in found:
        return Check("python", "passed", _("Runs on Python %(minor)s.") % {"minor": wanted})
    text = _("The model needs Python %(wanted)s; this machine has %(found)s.")
    names = ", ".join(sorted(found)) or _("none")
    step = _(
        "Install it, log the model with one of those, or run it on another anyway: "
        "Advanced, Python."
    )
    return Check("python", "failed", text % {"wanted": wanted, "found": names}, step)


def _disk() -> Check:
    root = settings.DATA.root
    free = shutil.disk_usage(root if root.exists() else "/").free
    if free < settings.SLIPWAY.min_free_bytes:
        text = _("Only %(free)s MB of disk are free.")
        step = _("Free some space first: unused builds and old versions can be removed.")
        return Check("disk", "failed", text % {"free": free // MB}, step)
    return Check("disk", "passed", _("There is enough free disk."))
