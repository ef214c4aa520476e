"""Compute targets: what there is, whether it can be used, what runs there."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from deployments import quotas, selectors, targets
from deployments.configuring.choosing import all_targets, capacity_of, target_cards
from deployments.pages import quota_form
from deployments.pages.wizard_table import kind_of
from deployments.views.common import acts

PAGE_SIZE = 50


@require_safe
def targets_list(request: HttpRequest) -> HttpResponse:
    """Every target and the kinds that have none here, with what they would need."""
    cards = target_cards(all_targets())
    rows = [
        {
            "target": card["target"],
            "kind": card["kind"],
            "capacity": capacity_of(card["target"]),
            "services": card["target"].service_count,
        }
        for card in cards
        if card["target"] is not None
    ]
    context = {"rows": rows, "missing": [card["kind"] for card in cards if card["target"] is None]}
    return render(request, "deployments/targets.html", context)


@require_safe
def target_page(request: HttpRequest, name: str) -> HttpResponse:
    """State, capacity, quota and services of one target."""
    target = selectors.target_get(name)
    (state,) = quotas.states([target])
    services = selectors.services_list().filter(target=target).order_by("name")
    context = {
        "target": target,
        "kind": kind_of(target.kind),
        "capacity": capacity_of(target),
        "quota": quota_form.bars(state) if state.limits.is_set else [],
        "services": Paginator(services, PAGE_SIZE).get_page(request.GET.get("page")),
    }
    return render(request, "deployments/target.html", context)


@require_POST
@acts
def target_check(request: HttpRequest, name: str) -> str:
    """Check now: ask the engine, which answers within seconds."""
    target = selectors.target_get(name)
    checked = targets.target_check(target=target, user=request.user)  # type: ignore[arg-type]
    if checked.problems:
        messages.warning(request, " ".join(map(str, checked.problems)))
    else:
        messages.success(request, _("%(name)s is ready.") % {"name": name})
    return reverse("deployments:target", args=[name])
