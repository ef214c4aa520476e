"""Home: what needs attention, recent runs, services, how to start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deployments.choices import Desired, OperationStatus, ServiceState
from deployments.models import Operation, Service
from studio.context import link
from studio.demo import demo_start, demo_status
from workspaces import tracking
from workspaces.errors import Problem

SHOWN = 5
RECENT = timedelta(days=7)
TROUBLED = (ServiceState.FAILED, ServiceState.UNHEALTHY, ServiceState.UNSCHEDULABLE)
ENDED_BADLY = (OperationStatus.FAILED, OperationStatus.TIMED_OUT)


@dataclass(frozen=True)
class Concern:
    """One thing that a person should look at."""

    name: str
    what: str  # "Service", "Deploy"
    url: str
    state: str
    message: str
    since: datetime


def _services() -> QuerySet[Service]:
    return (
        Service.objects.exclude(desired=Desired.DELETED)
        .select_related("target", "active", "wanted")
        .order_by("name")
    )


def concerns_list() -> list[Concern]:
    """Services that do not serve and operations that failed this week, newest first.

    An operation is left out when its service is listed already or a later operation of the same
    service went well.
    """
    services = list(_services().filter(state__in=TROUBLED).exclude(desired=Desired.STOPPED))
    found = [
        Concern(
            row.name,
            _("Service"),
            reverse("deployments:service", args=[row.name]),
            row.state,
            _first_line(row.message or row.reason),
            row.state_since,
        )
        for row in services
    ]
    listed = {row.name for row in services}
    for operation in _last_operations():
        if operation.service_name in listed or operation.status not in ENDED_BADLY:
            continue
        found.append(
            Concern(
                operation.service_name,
                operation.get_kind_display(),
                reverse("deployments:operation", args=[operation.id]),
                operation.status,
                _first_line(operation.error),
                operation.ended_at or operation.created_at,
            )
        )
    return sorted(found, key=lambda concern: concern.since, reverse=True)


def _last_operations() -> list[Operation]:
    """The last ended operation of each service that still exists, of this week."""
    ended = Operation.objects.filter(
        ~Q(status=OperationStatus.RUNNING),
        created_at__gte=timezone.now() - RECENT,
        service__isnull=False,
    ).order_by("-created_at")
    last: dict[str, Operation] = {}
    for operation in ended[:500]:
        last.setdefault(operation.service_name, operation)
    return list(last.values())


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    concerns = concerns_list()
    services = list(_services()[: SHOWN + 1])
    context = {
        "concerns": concerns[:SHOWN],
        "more_concerns": max(len(concerns) - SHOWN, 0),
        "services": services[:SHOWN],
        "services_total": _services().count() if len(services) > SHOWN else len(services),
        "tracking_url": request.build_absolute_uri("/mlflow"),
        "experiments_url": link("studio:experiments"),
        "models_url": link("registry:models"),
        "services_url": link("deployments:services"),
        "tokens_url": link("workspaces:tokens"),
    }
    return render(request, "studio/home.html", context)


@require_GET
def home_runs(request: HttpRequest) -> HttpResponse:
    """Fragment of Home: recent runs, asked for after the page so that MLflow delays nothing."""
    try:
        context = {"runs": tracking.runs_recent(SHOWN), "demo": demo_status()}
    except Problem as problem:
        context = {"problem": problem}
    return render(request, "studio/home.html#runs", context)


@require_POST
def demo(request: HttpRequest) -> HttpResponse:
    """Start filling the studio with demo data; Home shows how far it is."""
    try:
        demo_start(user=request.user)
    except Problem as problem:
        messages.error(request, problem.message)
    return redirect("studio:home")
