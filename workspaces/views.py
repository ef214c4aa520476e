"""Pages of workspaces: sign-in, own tokens, users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import user_passes_test
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from workspaces.errors import Problem
from workspaces.sign_in import sign_in_failed, sign_in_problem
from workspaces.tokens import token_create, token_revoke, tokens_of
from workspaces.users import user_create, user_reset_password, user_set_active, users_list

USERS_SHOWN = 50


class SignInView(LoginView):
    """Sign-in. After too many failures it answers 429 and looks no password up."""

    template_name = "workspaces/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        problem = sign_in_problem(username=self._username(), address=self._address())
        if problem:
            context = {"form": AuthenticationForm(request), "problem": problem}
            return render(request, self.template_name, context, status=429)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        sign_in_failed(username=self._username(), address=self._address())
        context = self.get_context_data(form=form)
        context["problem"] = _("The user name or the password is wrong.")
        return render(self.request, self.template_name, context, status=401)

    def _username(self) -> str:
        return self.request.POST.get("username", "")[:150]

    def _address(self) -> str:
        return str(self.request.META.get("REMOTE_ADDR", ""))


def staff_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Only administrators; others get the page that says so."""

    def check(user: Any) -> bool:
        if user.is_authenticated and not user.is_staff:
            raise PermissionDenied(_("Only administrators can see this page."))
        return bool(user.is_staff)

    return user_passes_test(check)(view)


def _tokens_page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "tokens": tokens_of(request.user),
        "tracking_uri": request.build_absolute_uri("/mlflow"),
        "api_uri": request.build_absolute_uri("/api/v1"),
        **more,
    }
    return render(request, "workspaces/tokens.html", context, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """Own tokens; a new one is shown in the answer to the POST that made it, and never again."""
    if request.method == "GET":
        return _tokens_page(request)
    name = request.POST.get("name", "")
    try:
        row, plain = token_create(user=request.user, name=name)
    except Problem as problem:
        return _tokens_page(request, 422, problem=problem, name=name)
    return _tokens_page(request, made=row, plain=plain)


@require_POST
def token_revoke_view(request: HttpRequest, token_id: int) -> HttpResponse:
    try:
        row = token_revoke(user=request.user, token_id=token_id)
        messages.success(request, _("Token “%(name)s” was revoked.") % {"name": row.name})
    except Problem as problem:
        messages.error(request, problem.message)
    return redirect("workspaces:tokens")


def _users_page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    people = Paginator(users_list(), USERS_SHOWN).get_page(request.GET.get("page"))
    context = {"people": people, **more}
    return render(request, "workspaces/users.html", context, status=status)


@never_cache
@staff_only
@require_http_methods(["GET", "POST"])
def users(request: HttpRequest) -> HttpResponse:
    """All users; a new one's password is shown in the answer to the POST, and never again."""
    if request.method == "GET":
        return _users_page(request)
    try:
        user, plain = user_create(
            username=request.POST.get("username", ""),
            email=request.POST.get("email", ""),
            is_staff=request.POST.get("is_staff") == "on",
            actor=request.user,
        )
    except Problem as problem:
        return _users_page(request, 422, problem=problem, given=request.POST)
    return _users_page(request, shown_for=user.get_username(), plain=plain)


@never_cache
@staff_only
@require_POST
def user_reset(request: HttpRequest, username: str) -> HttpResponse:
    try:
        plain = user_reset_password(username=username, actor=request.user)
    except Problem as problem:
        return _users_page(request, problem.status, problem=problem)
    return _users_page(request, shown_for=username, plain=plain)


def _set_active(request: HttpRequest, username: str, active: bool) -> HttpResponse:
    try:
        user_set_active(username=username, active=active, actor=request.user)
    except Problem as problem:
        messages.error(request, problem.message)
    else:
        text = _("%(name)s may sign in again.") if active else _("%(name)s was deactivated.")
        messages.success(request, text % {"name": username})
    return redirect("workspaces:users")


@staff_only
@require_POST
def user_deactivate(request: HttpRequest, username: str) -> HttpResponse:
    return _set_active(request, username, False)


@staff_only
@require_POST
def user_activate(request: HttpRequest, username: str) -> HttpResponse:
    return _set_active(request, username, True)


@require_GET
def mlflow_home(request: HttpRequest) -> HttpResponse:
    """Only reached where the ASGI dispatcher is not in front (`runserver`, tests)."""
    text = _("MLflow is reached through the studio's own server: start it with `manage.py up`.")
    return HttpResponse(text, status=404, content_type="text/plain; charset=utf-8")
