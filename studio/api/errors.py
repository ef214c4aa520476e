"""Every refusal of the API is `{"code", "message", "fields"}`, all violations in one answer."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from workspaces.errors import Problem

NO_FIELD = "non_field_errors"
_CODES = {
    400: "invalid",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
    429: "throttled",
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer for an exception of a view; None: unexpected, a 500 that is logged with its trace."""
    set_rollback()
    if isinstance(error, Problem):
        return _answer(error.status, error.code, error.message, error.fields)
    if isinstance(error, Http404):
        return _answer(404, "not_found", _("There is nothing at this address."))
    if isinstance(error, PermissionDenied):
        return _answer(403, "forbidden", _("You may not do this."))
    if isinstance(error, OperationalError):
        return _answer(
            503, "unavailable", _("The studio's database does not answer. Try again in a moment.")
        )
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error)
    if isinstance(error, exceptions.APIException):
        return _from_rest_framework(error)
    return None


def _invalid(error: exceptions.ValidationError) -> Response:
    fields = field_sentences(error.detail)
    general = fields.pop(NO_FIELD, []) + fields.pop("", [])
    message = " ".join(general) or _("The input is wrong: see `fields`.")
    return _answer(400, "invalid", message, fields)


def _from_rest_framework(error: exceptions.APIException) -> Response:
    headers = {}
    challenge = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    wait = getattr(error, "wait", None)
    if wait:
        headers["Retry-After"] = str(int(wait))
    status = error.status_code
    code = "parse_error" if isinstance(error, exceptions.ParseError) else _CODES.get(status)
    return _answer(status, code or str(error.default_code), str(error.detail), headers=headers)


def field_sentences(detail: Any, path: str = "") -> dict[str, list[str]]:
    """Flatten nested errors: `{"deployment.cpu": ["…"], "tags.0": ["…"]}`."""
    if isinstance(detail, dict):
        parts = [(f"{path}.{key}" if path else str(key), value) for key, value in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        parts = [(f"{path}.{index}" if path else str(index), v) for index, v in enumerate(detail)]
    else:
        texts = detail if isinstance(detail, list) else [detail]
        return {path.removesuffix("." + NO_FIELD): [str(text) for text in texts]} if texts else {}
    found: dict[str, list[str]] = {}
    for key, value in parts:
        for name, sentences in field_sentences(value, key).items():
            found.setdefault(name, []).extend(sentences)
    return found


def _answer(
    status: int,
    code: str,
    message: str,
    fields: dict[str, list[str]] | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Response:
    body = {"code": code, "message": message, "fields": fields or {}}
    return Response(body, status=status, headers=headers)
