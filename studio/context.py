"""What every page's frame shows: the left navigation and the links of the top bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Entry:
    """One row of the left navigation; selected on every path that starts with one of `prefixes`."""

    label: Any
    icon: str
    view: str
    prefixes: tuple[str, ...] = ()


NAVIGATION: tuple[tuple[Any, bool, tuple[Entry, ...]], ...] = (  # caption, staff only, entries
    ("", False, (Entry(_("Home"), "house", "studio:home"),)),
    (
        _("Author"),
        False,
        (Entry(_("Experiments"), "flask-conical", "studio:experiments", ("/runs/", "/compare/")),),
    ),
    (
        _("Assets"),
        False,
        (
            Entry(_("Models"), "box", "registry:models", ("/deleted-models/",)),
            Entry(_("Environments"), "layers", "deployments:environments"),
            Entry(_("Services"), "rocket", "deployments:services", ("/deploy/", "/operations/")),
        ),
    ),
    (_("Manage"), False, (Entry(_("Compute targets"), "server", "deployments:targets"),)),
    (
        _("Admin"),
        True,
        (
            Entry(_("Overview"), "gauge", "studio:admin-overview"),
            Entry(_("Operations"), "list-checks", "deployments:operations"),
            Entry(_("Quotas"), "scale", "deployments:quotas"),
            Entry(_("Users and tokens"), "users", "workspaces:users"),
        ),
    ),
)


def link(view: str) -> str:
    """URL of a view by name; empty when this studio has no such page."""
    try:
        return reverse(view)
    except NoReverseMatch:
        return ""


def _is_selected(path: str, url: str, prefixes: tuple[str, ...]) -> bool:
    if url == "/":
        return path == "/"
    return path.startswith((url, *prefixes))


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of entries this person can use; pages that do not exist are left out."""
    groups = []
    for caption, staff_only, entries in NAVIGATION:
        if staff_only and not request.user.is_staff:
            continue
        rows = [
            {
                "label": entry.label,
                "icon": entry.icon,
                "url": url,
                "selected": _is_selected(request.path_info, url, entry.prefixes),
            }
            for entry in entries
            if (url := link(entry.view))
        ]
        if rows:
            groups.append({"caption": caption, "entries": rows})
    return groups


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `frame` with the navigation and the top bar's links."""
    user = getattr(request, "user", None)
    signed_in = bool(user and user.is_authenticated)
    return {
        "frame": {
            "signed_in": signed_in,
            "groups": navigation(request) if signed_in else [],
            "tokens": link("workspaces:tokens"),
            "logout": link("logout"),
            "search": link("studio:search") if signed_in else "",
            "api_docs": link("api:docs"),
            "docs": getattr(settings, "DOCS_URL", ""),
        }
    }
