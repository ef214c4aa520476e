"""The Settings tab: the configuration, which makes a revision, and the words about a service."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from deployments import services
from deployments.configuring import configuration
from deployments.configuring.configuration import DeploymentConfiguration
from deployments.configuring.jsontext import pretty
from deployments.models import Revision, Service
from deployments.pages import script_form, settings_form
from deployments.views.common import go
from registry.pairs import tags_parse, tags_text
from registry.scripts import folders
from registry.selectors import version_get
from workspaces.errors import Problem

PAGE, FORM = "deployments/service_settings.html", "deployments/_configuration_form.html"
UNPROCESSABLE = 422
Context = dict[str, Any]


def current(service: Service) -> DeploymentConfiguration | None:
    """The configuration that a change starts from."""
    revision = service.wanted or service.revisions.first()
    return configuration.from_dict(revision.deployment) if revision else None


def settings_context(service: Service) -> Context:
    """What the tab shows before anything was typed."""
    wish = current(service)
    return {
        "description": service.description,
        "tags": tags_text(service.tags),
        "errors": {},
        "groups": settings_form.shown(wish) if wish else (),
    }


def inference_context(revision: Revision | None) -> Context:
    """The entry script of the revision that is shown, where it has one."""
    if revision is None:
        return {}
    shown, why = script_form.shown(revision.inference), _why_script(revision)
    values = script_form.script_context(shown, why)
    if not revision.inference:
        return values
    return values | _shown(revision.inference)


def _why_script(revision: Revision) -> str:
    """Why it cannot be served without; "" where it can, or where MLflow does not answer."""
    try:
        found = version_get(revision.model_name, revision.model_version, read_files=False)
    except Problem:
        return ""
    return found.why_script


def _shown(inference: dict[str, Any]) -> Context:
    environment = inference.get("environment")
    try:
        info = folders.source_files(inference["source"])
        text = folders.source_read(inference["source"], inference["entryScript"])
    except Problem as problem:
        return {"inference": inference, "script_problem": problem.message}
    return {
        "inference": inference,
        "environment_text": pretty(environment) if isinstance(environment, dict) else "",
        "script_text": text,
        "script_files": info.files,
    }


def settings_save(request: HttpRequest, service: Service, context: Context) -> HttpResponseBase:
    """Save one of the tab's two forms; what cannot be used comes back with its sentences (422)."""
    if request.POST.get("form") == "configuration":
        return _configuration_save(request, service, context)
    if request.POST.get("form") == "inference":
        return _inference_save(request, service, context)
    return _words_save(request, service, context)


def _words_save(request: HttpRequest, service: Service, context: Context) -> HttpResponseBase:
    description = request.POST.get("description", "").replace("\x00", "").strip()
    tags = request.POST.get("tags", "").replace("\x00", "").replace("\r\n", "\n")
    # a tag that no line can express, set by the API, stays while nobody touches the text
    touched = tags.strip() != tags_text(service.tags).replace("\r\n", "\n").strip()
    try:
        services.service_update(
            service=service,
            description=description,
            tags=tags_parse(tags) if touched else None,
            user=request.user,  # type: ignore[arg-type]
        )
    except Problem as problem:
        context.update(_all(service, context), description=description, tags=tags)
        context.update(errors=problem.fields, problem=problem)
        return render(request, PAGE, context, status=UNPROCESSABLE)
    messages.success(request, _("Saved."))
    return redirect("deployments:service-tab", name=service.name, tab="settings")


def _configuration_save(
    request: HttpRequest, service: Service, context: Context
) -> HttpResponseBase:
    groups = settings_form.posted(request.POST.dict())
    before = current(service)
    try:
        raw = settings_form.deployment(groups)
        if before == configuration.validate(service.target.kind, raw, before):
            messages.info(request, _("Nothing was changed."))
            tab = reverse("deployments:service-tab", args=[service.name, "settings"])
            return go(request, tab)
        services.service_update(service=service, deployment=raw, user=request.user)  # type: ignore[arg-type]
    except Problem as problem:
        return _refused(request, service, context, groups, problem)
    return go(request, reverse("deployments:service", args=[service.name]))


def _all(service: Service, context: Context) -> Context:
    return settings_context(service) | inference_context(context["revision"])


def _inference_save(request: HttpRequest, service: Service, context: Context) -> HttpResponseBase:
    values = script_form.script_input(request.POST.dict())
    try:
        services.service_update(
            service=service,
            inference=values.inference(request.user),
            user=request.user,  # type: ignore[arg-type]
        )
    except Problem as problem:
        errors = script_form.by_control(problem.fields)
        context.update(_all(service, context))
        told = script_form.script_context(values, context.get("script_why", ""))
        context.update(told, inference_problem=problem.message)
        context.update(inference_errors=errors, inference_told=script_form.labelled(errors))
        template = "deployments/_inference_form.html"
        template = template if getattr(request, "htmx", False) else PAGE
        return render(request, template, context, status=UNPROCESSABLE)
    return go(request, reverse("deployments:service", args=[service.name]))


def _refused(
    request: HttpRequest,
    service: Service,
    context: Context,
    groups: tuple[settings_form.Group, ...],
    problem: Problem,
) -> HttpResponse:
    marked, others = settings_form.with_problem(groups, problem.fields)
    told = bool(problem.fields) and not others  # every sentence stands at its control
    message = _("Some values cannot be used.") if told else problem.message
    context.update(_all(service, context), groups=marked)
    context.update(configuration_problem=message, configuration_errors=others)
    template = FORM if getattr(request, "htmx", False) else PAGE
    return render(request, template, context, status=UNPROCESSABLE)
