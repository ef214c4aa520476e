"""Admin > Quotas: what all services on a target may ask for together, and what they do."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from deployments import quotas, selectors
from deployments.configuring.choosing import all_targets
from deployments.pages import quota_form
from deployments.pages.wizard_table import kind_of
from deployments.views.common import go, staff_only
from workspaces.errors import Invalid

UNPROCESSABLE = 422


@staff_only
@require_safe
def quotas_page(request: HttpRequest) -> HttpResponse:
    """Every target with its limits and what is used of them."""
    found = quotas.states(all_targets())
    rows = [
        {"state": state, "kind": kind_of(state.target.kind), "bars": quota_form.bars(state)}
        for state in found
    ]
    context = {"rows": rows, "any_limit": any(state.limits.is_set for state in found)}
    return render(request, "deployments/quotas.html", context)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def quota_edit(request: HttpRequest, name: str) -> HttpResponse:
    """The limits of one target, in the side panel."""
    target = selectors.target_get(name)
    (state,) = quotas.states([target])
    context = {"state": state, "bars": quota_form.bars(state), "values": quota_form.shown(state)}
    if request.method != "POST":
        return render(request, "deployments/_quota_form.html", context)
    values = quota_form.posted(request.POST.dict())
    try:
        given = quota_form.limits_given(values)
        quotas.quota_set(target=target, given=given, user=request.user)  # type: ignore[arg-type]
    except Invalid as problem:
        context |= {"values": values, "errors": quota_form.by_control(problem.fields)}
        return render(request, "deployments/_quota_form.html", context, status=UNPROCESSABLE)
    messages.success(request, _("The quota of %(name)s was set.") % {"name": name})
    return go(request, reverse("deployments:quotas"))
