"""Trying and measuring a version: parts of the Deploy page and of a version's page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from deployments.choices import OperationKind, OperationStatus
from deployments.configuring.check_values import ORDER
from deployments.configuring.checks import base_configuration, configured, inference_check
from deployments.configuring.choosing import all_targets
from deployments.models import Finding, Operation, Target
from deployments.pages.forms import DeployInput, number
from deployments.trying import findings, trials
from deployments.trying.draft_values import subject_of
from deployments.trying.known_scripts import KnownScript, known_script
from deployments.trying.profile_charts import latency_chart
from deployments.trying.profiles import profile_ask
from deployments.views.deploy import _posted as posted
from registry import selectors as registry
from registry.values import VersionInfo
from workspaces.errors import Invalid, Problem
from workspaces.parsers import json_text

UNPROCESSABLE = 422


@require_POST
def deploy_trial(request: HttpRequest) -> HttpResponse:
    """What is known of the chosen version on the chosen target, or how far its trial is."""
    context = _trial_context(posted(request))
    response = render(request, "deployments/_trial.html", context)
    if "watching" in request.POST and not context.get("operation"):  # the quick checks tell of it
        response["HX-Trigger-After-Settle"] = json.dumps({"trial-ended": {}})
    return response


@require_POST
def deploy_try(request: HttpRequest) -> HttpResponse:
    """Try first: asks for a trial with what the form holds, and shows how it goes."""
    values = posted(request)
    problem = None
    try:
        trials.preflight_ask(
            model=values.model_uri,
            target=values.target,
            deployment=values.deployment(),
            inference=values.script.inference(request.user),
            sample=_samples(request.POST),
            user=request.user,  # type: ignore[arg-type]
        )
    except Problem as error:
        problem = error
    context = _trial_context(values) | {"problem": problem}
    status = UNPROCESSABLE if problem else 200
    return render(request, "deployments/_trial.html", context, status=status)


def _samples(given: Mapping[str, str]) -> dict[str, Any]:
    """What was typed as samples. Raises: Invalid: with each that is no JSON."""
    found: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    for name in trials.SAMPLE:
        text = str(given.get(name, "")).strip()
        try:
            if text:
                found[name] = json_text(text)
        except Invalid as problem:
            faults[name] = [problem.message]
    if faults:
        raise Invalid(_("The sample cannot be used."), fields=faults)
    return found


def _trial_context(values: DeployInput) -> dict[str, Any]:
    place = _target(values.target)
    context: dict[str, Any] = {"values": values, "target": place}
    if place is None or "\x00" in values.model_uri:
        return context
    kind = OperationKind.PREFLIGHT
    found = findings.findings_of(values.model, values.version, kind, place.name)
    context.update(_progress(kind, place, values.model, values.version, found))
    if found:
        wish = _wish(place, values)
        context |= {
            "finding": found[0],
            "checks": _sorted(found[0]),
            "changes": findings.changes_since(found[0], wish) if wish else [],
        }
    return context


def _wish(place: Target, values: DeployInput) -> findings.Situation | None:
    """What the form asks for; None while it cannot be used."""
    try:
        base = base_configuration(place, values.model_uri)
        script = inference_check(values.script.inference(), values.model_uri)
        return findings.situation(configured(place, values.deployment(), base), script)
    except Problem:
        return None


def _target(name: str) -> Target | None:
    return None if "\x00" in name else Target.objects.filter(name=name).first()


def _progress(
    kind: OperationKind, place: Target, name: str, version: str, found: list[Finding]
) -> dict[str, Any]:
    """The operation at work, or the last one when it ended without finding anything."""
    operation = trials.open_operation(kind, place, name, version)
    if operation is not None:
        steps = operation.steps.all()
        return {"operation": operation, "step": next((x for x in steps if not x.ended_at), None)}
    subject = subject_of(place, name, version)
    last = Operation.objects.filter(kind=kind, subject=subject).first()
    ended = last is not None and last.status != OperationStatus.SUCCEEDED
    known = found and last is not None and found[0].operation == last.pk
    return {"ended": last if ended and not known else None}


def _sorted(finding: Finding) -> list[Any]:
    return sorted(findings.checks_of(finding), key=lambda check: ORDER[check.result])


# --- a version's page -----------------------------------------------------------------------------


@require_safe
def version_findings(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """The parts of a version's page that say what trials and profiles found."""
    info = registry.version_get(name, version, read_files=False)
    rows = findings.latest_by_target(
        findings.findings_of(info.name, info.version, OperationKind.PREFLIGHT)
    )
    tried = [{"finding": row, "checks": _sorted(row)} for row in rows]
    context = {"name": info.name, "version": info.version, "tried": tried}
    context |= _profile_context(info, request.GET)
    return render(request, "deployments/_version_findings.html", context)


@require_safe
def version_profile(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """How far a profile is, or what it found."""
    info = registry.version_get(name, version, read_files=False)
    return render(request, "deployments/_profile.html", _profile_context(info, request.GET))


@require_POST
def version_profile_make(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """How big should it be?: asks for a profile, and shows how it goes."""
    info = registry.version_get(name, version)
    script = _script(info)
    problem = None
    wanted = {
        key: value
        for key in ("requests_per_second", "p99_ms", "time_limit_seconds")
        if (value := number(request.POST.get(key, ""))) is not None
    }
    resources = {key: number(request.POST.get(key, "")) for key in ("cpu", "memoryInGB")}
    try:
        profile_ask(
            model=info.uri,
            target=request.POST.get("target", ""),
            deployment={"containerResourceRequirements": resources},
            inference=script.inference if script else None,
            sample=_samples(request.POST),
            wanted=wanted,
            user=request.user,  # type: ignore[arg-type]
        )
    except Problem as error:
        problem = error
    context = _profile_context(info, request.POST) | {"problem": problem}
    status = UNPROCESSABLE if problem else 200
    return render(request, "deployments/_profile.html", context, status=status)


def _script(info: VersionInfo) -> KnownScript | None:
    """The entry script to measure with; None where none is needed, or none is known."""
    return known_script(info.name, info.version) if info.needs_script else None


def _profile_context(info: VersionInfo, given: Mapping[str, str]) -> dict[str, Any]:
    name, version, script = info.name, info.version, _script(info)
    places = [place for place in all_targets() if place.is_ready]
    kind = OperationKind.PROFILE
    found = findings.findings_of(name, version, kind)
    wanted = _target(given.get("target", ""))
    nearest = min(places, key=lambda item: item.kind != "local", default=None)
    place = wanted or _target(found[0].target if found else "") or nearest
    context: dict[str, Any] = {"name": name, "version": version, "targets": places, "place": place}
    context |= {"given": given, "problem": None, "script": script}
    context["lacks_script"] = info.needs_script and script is None
    context["sample_hint"] = _sample_hint(info, script)
    if place is None:
        return context
    here = [row for row in found if row.target == place.name]
    defaults = base_configuration(place, f"models:/{name}/{version}")
    context |= {"cpu": f"{defaults.cpu:g}", "memory_gb": f"{defaults.memory_mb / 1024:g}"}
    context.update(_progress(kind, place, name, version, here))
    if here:
        context |= {"profile": here[0], "result": here[0].measured, "checks": _sorted(here[0])}
        context["figure"] = latency_chart(here[0].measured.get("levels") or [])
        context["changes"] = findings.changes_since(here[0], findings.situation_of(here[0]))
    return context


def _sample_hint(info: VersionInfo, script: KnownScript | None) -> str:
    """What is scored when no sample is typed; "" when there is nothing, so that one must be."""
    if script is not None and script.inference.get("sampleInput") is not None:
        return _("JSON; empty: the sample of the entry script")
    if info.sample_input is not None:
        return _("JSON; empty: the sample that it was registered with")
    if script is None and (info.input_example is not None or not info.is_read):
        return _("JSON; empty: the model's input example")
    return ""
