"""The Deploy page: What, Where, Access and resources on one page, pre-filled."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from deployments import selectors, services, targets
from deployments.building import pythons
from deployments.configuring import configuration
from deployments.configuring.checks import (
    configured,
    inference_check,
    script_check,
    version_get,
)
from deployments.configuring.choosing import all_facts, all_targets, capacity_of, target_cards
from deployments.configuring.v1_configuration import configurations_import, json_read, pasted
from deployments.models import Service, Target
from deployments.pages import wizard_table as table
from deployments.pages.carried import carried_tags
from deployments.pages.forms import (
    DeployInput,
    answers_read,
    deploy_input,
    with_deployment,
)
from deployments.pages.prefilled import following, prefilled
from deployments.pages.script_form import script_context, with_import, with_version
from deployments.pages.wizard import Recommendation, recommend
from deployments.trying import findings
from deployments.trying.preflight import Check, preflight
from deployments.views.common import go
from registry import selectors as registry
from registry.pairs import tags_parse
from workspaces.errors import Conflict, Invalid, Problem

FRESH = timedelta(seconds=15)  # a check of a target younger than this is shown as it is
DOUBLE_CLICK = timedelta(minutes=2)
UNPROCESSABLE = 422


def _context(values: DeployInput, version: Any, **more: Any) -> dict[str, Any]:
    cards = target_cards(all_targets())
    return {
        "values": values,
        "version": version,
        "measured": findings.measured_of(values.model, values.version),
        "versions": _versions(values),
        "cards": cards,
        "table": table,
        "pythons": pythons.known(settings.SLIPWAY.service_user),
        "runs_as_root": os.geteuid() == 0,
        **script_context(values.script, version.why_script if version else ""),
        **more,
    }


def _versions(values: DeployInput) -> list[str]:
    """Versions to choose from, the newest first; the chosen one is always among them."""
    try:
        known = [row.version for row in registry.versions_list(values.model)]
    except Problem:
        known = []
    return known if values.version in known else [values.version, *known]


@require_http_methods(["GET", "HEAD", "POST"])
def deploy(request: HttpRequest) -> HttpResponseBase:
    """The page, and pressing Deploy on it."""
    if request.method == "POST":
        return _deploy(request)
    model = request.GET.get("model", "")
    if not model:
        return render(request, "deployments/deploy_choose.html")
    wanted = request.GET.get("version", "")
    if not wanted:
        known = registry.versions_list(model)
        wanted = known[0].version if known else ""
    version = registry.version_get(model, wanted)
    return render(request, "deployments/deploy.html", _context(prefilled(version), version))


def _deploy(request: HttpRequest) -> HttpResponseBase:
    values = _posted(request)
    made = _just_made(values, request.user)
    if made is not None:  # the second click of a double click
        return go(request, _landing(made.name))
    try:
        tags = {**carried_tags(values.carried), **tags_parse(values.tags, "\n,")}
        checks = _checks(values)
        if _failed(checks):
            raise _as_problem(values, checks)
        operation = services.service_create(
            name=values.name,
            model=values.model_uri,
            target=values.target,
            inference=values.script.inference(request.user),
            deployment=values.deployment(),
            description=values.description,
            tags=tags,
            v1=pasted(request.POST.dict()),
            user=request.user,  # type: ignore[arg-type]
        )
    except Problem as problem:
        made = _just_made(values, request.user) if isinstance(problem, Conflict) else None
        return go(request, _landing(made.name)) if made else _refused(request, values, problem)
    return go(request, _landing(operation.service_name))


def _landing(name: str) -> str:
    return reverse("deployments:service", args=[name]) + "?watch=1"


def _posted(request: HttpRequest) -> DeployInput:
    name = request.POST.get("target", "")
    target = Target.objects.filter(name=name).first() if "\x00" not in name else None
    return deploy_input(request.POST.dict(), target.kind if target else "")


def _just_made(values: DeployInput, user: Any) -> Service | None:
    """The service that a first click on the same form has made a moment ago."""
    return (
        selectors.services_list()
        .filter(
            name=values.name,
            created_by=user,
            created_at__gte=timezone.now() - DOUBLE_CLICK,
            target__name=values.target,
            wanted__model_name=values.model,
            wanted__model_version=values.version,
        )
        .first()
    )


def _configure(values: DeployInput) -> None:
    """Judge the form's configuration as the service function will. Raises: Invalid."""
    place = Target.objects.filter(name=values.target).first()
    if place is None:
        configuration.validate(values.kind, values.deployment())
    else:
        configured(place, values.deployment(), None)


def _script_check(values: DeployInput) -> None:
    """Judge the form's entry script as the service function will. Raises: Problem."""
    found = inference_check(values.script.inference(), values.model_uri)
    try:
        version = version_get(values.model_uri)
    except Problem:
        return  # said of the model
    script_check(version, found)


_JUDGES = {"configuration": _configure, "inference": _script_check}


def _as_problem(values: DeployInput, checks: list[Check]) -> Problem:
    """What pre-flight found, at the controls where a person can mend it."""
    fields: dict[str, list[str]] = {}
    told = set()
    for name, judge in _JUDGES.items():
        try:
            judge(values)
        except Problem as problem:
            fields.update(problem.fields)
            told.add(name if problem.fields else "")
    controls = {"name": "name", "target": "target", "model": "version", "inference": "script"}
    said = {text for texts in fields.values() for text in texts}
    for check in checks:
        if check.result == "failed" and check.name not in told and check.sentence not in said:
            control = controls.get(check.name, "preflight")
            fields.setdefault(control, []).append(check.sentence)
    return Invalid(_("Nothing was deployed."), fields=fields)


def _refused(request: HttpRequest, values: DeployInput, problem: Problem) -> HttpResponse:
    values = values.with_problem(problem.fields)
    return _again(request, values, UNPROCESSABLE, problem=problem)


def _again(request: HttpRequest, values: DeployInput, status: int, **more: Any) -> HttpResponse:
    """The page with what was typed and what there is to say about it."""
    version = None
    try:
        version = registry.version_get(values.model, values.version)
        if version.needs_script:
            values = replace(values, script=with_version(values.script, version))
    except Problem:
        pass  # the message says so already
    context = _context(values, version, **more)
    template = "deployments/deploy.html"
    if getattr(request, "htmx", False):
        template += "#form"
    return render(request, template, context, status=status)


def _checks(values: DeployInput) -> list[Check]:
    wish: Any = {}
    try:
        wish = values.script.inference()
    except Problem:
        wish = {"entryScript": values.script.script_name}  # fails; _readable says why
    return preflight(
        name=values.name,
        model=values.model_uri,
        target=values.target,
        inference=wish,
        deployment=values.deployment(),
    )


def _readable(values: DeployInput, checks: list[Check]) -> list[Check]:
    """The checks with the form's words for what the configurations call by v1's names."""
    said: dict[str, str] = {}
    for name, judge in _JUDGES.items():
        try:
            judge(values)
        except Problem as problem:
            errors = values.with_problem(problem.fields).labelled_errors()
            lines = [f"{label} {item}" for label, texts in errors.items() for item in texts]
            said[name] = " ".join(lines) or problem.message
    return [
        replace(check, sentence=said.get(check.name, check.sentence))
        if check.result == "failed"
        else check
        for check in checks
    ]


def _failed(checks: list[Check]) -> bool:
    return any(check.result == "failed" for check in checks)


@require_POST
def deploy_preflight(request: HttpRequest) -> HttpResponse:
    """The list of checks for what the form holds now, and the button that they allow."""
    values = _posted(request)
    checks = _checks(values)
    order = {"failed": 0, "warning": 1, "passed": 2}
    context = {
        "values": values,
        "checks": sorted(_readable(values, checks), key=lambda check: order[check.result]),
        "failed": _failed(checks),
    }
    return render(request, "deployments/_preflight.html", context)


@require_POST
def deploy_version(request: HttpRequest) -> HttpResponse:
    """The form for another version of the model; what was typed stays."""
    values = _posted(request)
    after = registry.version_get(values.model, values.version)
    try:
        before = registry.version_get(values.model, request.POST.get("filled_for", ""))
        values = following(values, before, after)
    except Problem:
        pass  # it was deleted meanwhile: everything is taken for typed
    query = urlencode({"model": values.model, "version": values.version})
    response = _again(request, values, 200)
    response["HX-Push-Url"] = f"{reverse('deployments:deploy')}?{query}"
    return response


@require_POST
def deploy_import(request: HttpRequest) -> HttpResponse:
    """Fill the form with v1's two files; what has no meaning here is told."""
    values = _posted(request)
    read: dict[str, Any] = {}
    try:
        for name in ("inferenceconfig", "deploymentconfig"):
            if text := request.POST.get(name, "").strip():
                read[name] = json_read(name, text)
        found = configurations_import(
            inference=read.get("inferenceconfig"),
            deployment=read.get("deploymentconfig"),
            source=values.script.source,
        )
    except Problem as problem:
        return _again(request, values, UNPROCESSABLE, problem=problem, v1=request.POST)
    if found["inference"]:
        values = replace(values, script=with_import(values.script, found["inference"]))
    if found["deployment"] is not None:  # an empty one takes back what a file before it said
        values = with_deployment(values, found["deployment"])
    return _again(request, values, 200, warnings=found["warnings"], imported=True)


@require_POST
def deploy_recommend(request: HttpRequest) -> HttpResponse:
    """Help me choose: ranked reasons; moves the selection and fills in the resources."""
    values = _posted(request)
    asked = {
        name.removeprefix("q-"): str(value)
        for name, value in request.POST.items()
        if name.startswith("q-")
    }
    known = findings.measured_of(values.model, values.version)
    try:
        answers = answers_read(asked, known.memory_mb, known.milliseconds)
    except Problem as problem:
        context = {"problem": problem, "questions": QUESTION_LABELS}
        return render(request, "deployments/_recommendations.html", context, status=UNPROCESSABLE)
    ranked = recommend(answers, all_facts())
    best = ranked[0] if ranked and ranked[0].fits else None
    context = {"ranked": ranked, "best": best, "values": _moved(values, best), "oob": True}
    response = render(request, "deployments/_recommendations.html", context)
    response["HX-Trigger-After-Settle"] = json.dumps({"deploy-changed": {}})
    return response


QUESTION_LABELS = {
    "requests_per_second": _("Requests per second"),
    "milliseconds": _("Time per request"),
    "memory": _("Memory"),
}


def _moved(values: DeployInput, best: Recommendation | None) -> DeployInput:
    if best is None:
        return values
    resources = best.configuration["containerResourceRequirements"]
    return replace(
        values,
        target=best.target or values.target,
        cpu=f"{resources['cpu']:g}",
        memory=f"{resources['memoryInGB']:g}",
        auth=best.configuration["authEnabled"],
    )


@require_http_methods(["GET", "POST"])
def deploy_target_live(request: HttpRequest, name: str) -> HttpResponse:
    """Live availability of one target, for its card; POST (Check now) always asks the engine."""
    target = selectors.target_get(name)
    stale = target.checked_at is None or target.checked_at < timezone.now() - FRESH
    before = target.is_ready
    if request.method == "POST" or stale:
        user = request.user if isinstance(request.user, User) else None
        target = targets.target_check(target=target, user=user)
    context = {"target": target, "capacity": capacity_of(target)}
    response = render(request, "deployments/_target_live.html", context)
    if target.is_ready != before:
        response["HX-Trigger-After-Settle"] = json.dumps({"deploy-changed": {}})
    return response
