"""The services list, the service page with its tabs, and what keeps them live."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from deployments import selectors
from deployments.choices import OperationKind, OperationStatus, ServiceState
from deployments.configuring import configuration
from deployments.configuring.jsontext import pretty
from deployments.control.instances import batches
from deployments.models import Operation, Revision, Service
from deployments.pages import examples
from deployments.pages.snippets import KEY_PLACEHOLDER, snippets
from deployments.views import common
from deployments.views.settings import inference_context, settings_context, settings_save
from registry import selectors as registry
from registry.values import VersionInfo
from workspaces.errors import NotFound, Problem

PAGE_SIZE = 50
TABS = ("overview", "test", "consume", "logs", "settings")
MB = 1024 * 1024
KEY_NAMES = (("primary", gettext_lazy("Primary key")), ("secondary", gettext_lazy("Secondary key")))
ARRIVING = (OperationKind.DEPLOY, OperationKind.UPDATE, OperationKind.START)


# --- the list ------------------------------------------------------------------------------------
def _filtered(request: HttpRequest) -> QuerySet[Service]:
    rows = selectors.services_list().order_by("name")
    search = request.GET.get("q", "").strip().replace("\x00", "")
    if search:
        rows = rows.filter(
            Q(name__icontains=search)
            | Q(wanted__model_name__icontains=search)
            | Q(description__icontains=search)
        )
    state = request.GET.get("state", "")
    return rows.filter(state=state) if state in ServiceState.values else rows


@require_safe
def services_list(request: HttpRequest) -> HttpResponse:
    """Every service; its rows look again while one of them is on its way."""
    page = Paginator(_filtered(request), PAGE_SIZE).get_page(request.GET.get("page"))
    host = request.get_host()
    rows = [(service, selectors.scoring_uri(service, host)) for service in page]
    moving = common.any_moving(service for service, _uri in rows)
    context = {
        "page": page,
        "rows": rows,
        "moving": moving,
        "states": ServiceState,
        "state": request.GET.get("state", ""),
        "search": request.GET.get("q", ""),
    }
    if request.GET.get("part") == "rows":
        status = 200 if moving else common.STOP_POLLING
        return render(request, "deployments/services.html#rows", context, status=status)
    return render(request, "deployments/services.html", context)


# --- one service --------------------------------------------------------------------------------
def _shown_revision(service: Service) -> Revision | None:
    return service.active or service.wanted or service.revisions.first()


def service_context(request: HttpRequest, service: Service) -> dict[str, Any]:
    """What the frame of a service page shows on every tab."""
    operation = selectors.latest_operation(service)
    host = request.get_host()
    revision = _shown_revision(service)
    deployment = configuration.from_dict(revision.deployment) if revision else None
    takes_keys = deployment is None or deployment.auth_enabled
    takes_tokens = deployment is not None and deployment.token_auth_enabled
    return {
        "takes_keys": takes_keys,
        "takes_tokens": takes_tokens,
        "is_closed": takes_keys or takes_tokens,
        "batches": bool(revision and deployment and batches(revision, deployment)),
        "is_fast": bool(revision and revision.loader == "fast"),
        "service": service,
        "operation": operation,
        "revision": revision,
        "configuration": deployment,
        "scoring_uri": selectors.scoring_uri(service, host),
        "swagger_uri": selectors.swagger_uri(service, host),
        "poll": common.poll_seconds(service, operation),
        "moving": common.is_moving(service, operation),
        "watch": request.GET.get("watch") == "1",
        "can_retry": bool(operation and common.can_retry(operation)),
        "can_cancel": bool(operation and common.can_cancel(operation)),
        "key_names": KEY_NAMES,
        "memory_bytes": deployment.memory_mb * MB if deployment else None,
        "timeout_seconds": deployment.scoring_timeout_ms / 1000 if deployment else None,
        "is_ready": service.state == ServiceState.HEALTHY,
        "is_stopped": service.desired == "stopped",
        "is_deleting": service.desired == "deleted",
    }


@require_http_methods(["GET", "HEAD", "POST"])
def service_page(request: HttpRequest, name: str, tab: str = "overview") -> HttpResponseBase:
    """One tab of the service page. POST saves Settings."""
    service = selectors.service_get(name)
    if tab not in TABS:
        raise NotFound(_("There is no such page."))
    if request.method == "POST" and tab != "settings":
        return HttpResponse(status=405)
    context = {**service_context(request, service), "tab": tab}
    if request.method == "POST":
        return settings_save(request, service, context)
    context.update(EXTRAS[tab](request, service, context))
    return render(request, f"deployments/service_{tab}.html", context)


def _overview(request: HttpRequest, service: Service, context: dict[str, Any]) -> dict[str, Any]:
    operation: Operation | None = context["operation"]
    done = operation is None or operation.status == OperationStatus.SUCCEEDED
    return {"show_operation": not done}


def _version(context: dict[str, Any]) -> tuple[VersionInfo | None, str]:
    """The model version of the shown revision, or the sentence why it cannot be read now."""
    revision: Revision | None = context["revision"]
    if revision is None:
        return None, _("The service has no revision yet.")
    try:
        return registry.version_get(revision.model_name, revision.model_version), ""
    except Problem as problem:
        return None, problem.message


def _sample(context: dict[str, Any]) -> Any:
    """The sample input of an entry script; None when there is none."""
    revision: Revision | None = context["revision"]
    return revision.inference.get("sampleInput") if revision else None


def test_context(service: Service, context: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """The editor of the Test tab, filled with the input example."""
    version, problem = _version(context)
    if (scripted := _sample(context)) is not None:
        return {
            "version": version,
            "version_problem": problem,
            "fields": [],
            "editor": "json",
            "body": pretty(scripted),
            "has_example": True,
        }
    example = version.input_example if version else None
    fields = examples.form_fields(version.signature if version else None, example)
    body = (
        examples.one_row(example) if example or not fields else examples.parse_form(fields, {})[0]
    )
    return {
        "version": version,
        "version_problem": problem,
        "fields": fields,
        "editor": "json" if as_json or not fields else "form",
        "body": pretty(body),
        "has_example": example is not None,
    }


def _test(request: HttpRequest, service: Service, context: dict[str, Any]) -> dict[str, Any]:
    return test_context(service, context, request.GET.get("input") == "json")


def consume_context(
    service: Service, context: dict[str, Any], key: str = KEY_PLACEHOLDER
) -> dict[str, Any]:
    """The programs of the Consume tab; `key` is the placeholder unless it was asked for."""
    version, problem = _version(context)
    sample = _sample(context)
    example = version.input_example if version else None
    body = sample if isinstance(sample, dict) else examples.one_row(example)
    return {
        "version_problem": problem,
        "has_example": sample is not None or bool(version and version.input_example),
        "snippets": snippets(
            uri=context["scoring_uri"], body=body, auth_enabled=context["is_closed"], key=key
        ),
        "key_shown": key != KEY_PLACEHOLDER,
    }


def _consume(request: HttpRequest, service: Service, context: dict[str, Any]) -> dict[str, Any]:
    return consume_context(service, context)


def _logs(request: HttpRequest, service: Service, context: dict[str, Any]) -> dict[str, Any]:
    wanted = request.GET.get("source", "service")
    operations = list(service.operations.all()[:20])
    chosen = next((item for item in operations if str(item.pk) == wanted), None)
    return {"operations": operations, "chosen": chosen, "source": wanted if chosen else "service"}


def _settings(request: HttpRequest, service: Service, context: dict[str, Any]) -> dict[str, Any]:
    return settings_context(service) | inference_context(context["revision"])


EXTRAS = {
    "overview": _overview,
    "test": _test,
    "consume": _consume,
    "logs": _logs,
    "settings": _settings,
}


def _arrived(operation: Operation | None) -> bool:
    """Whether the operation brought the service up."""
    return (
        operation is not None
        and operation.status == OperationStatus.SUCCEEDED
        and operation.kind in ARRIVING
    )


@require_safe
def service_live(request: HttpRequest, name: str) -> HttpResponse:
    """State, commands and steps as they are now, for the page that is open on a service.

    Answers 286 when nothing will change by itself. Sends the browser to the list when the service
    is gone, and to Test when the deploy it watched has succeeded.
    """
    try:
        service = selectors.service_get(name)
    except NotFound:
        messages.success(request, _("The service %(name)s was deleted.") % {"name": name})
        return common.go(request, reverse("deployments:services"))
    context = service_context(request, service)
    operation: Operation | None = context["operation"]
    if context["watch"] and context["is_ready"] and _arrived(operation):
        test = reverse("deployments:service-tab", args=[name, "test"])
        return common.go(request, f"{test}?ready=1")
    # what a person has opened in the steps stays open: all is replaced only at a new operation
    # and at its end
    is_other = operation is not None and request.GET.get("operation") != str(operation.pk)
    has_ended = operation is not None and not operation.is_open and "open" in request.GET
    whole = is_other or has_ended
    context.update(
        tab=request.GET.get("tab", "overview"),
        whole=whole,
        renew=whole or request.GET.get("every") != str(context["poll"]),
        show_operation=operation is not None and operation.status != OperationStatus.SUCCEEDED,
    )
    status = 200 if context["poll"] else common.STOP_POLLING
    return render(request, "deployments/_service_live.html", context, status=status)
