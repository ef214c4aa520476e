"""Turns MLflow's failures into ours. For `workspaces.tracking` alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.utils.translation import gettext as _

from workspaces import deadline
from workspaces.errors import Invalid, NotFound, Problem, Unavailable
from workspaces.tracking.store.bugs import BUGS, bug_in

HTTP_TIMEOUT_S = 4  # a page must say so within 5 s when MLflow does not answer
NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND"}
WRONG_INPUT = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST"}
REFUSED = {"UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED"}
EVERYWHERE = tuple(f"api/2.0/mlflow/{kind}/" for kind in ("experiments", "runs", "metrics"))
QUERY_LIMITS = (  # SQLite's and PostgreSQL's words for a query with too many parts
    "tables in a join",
    "too many SQL variables",
    "Expression tree is too large",
    "parser stack overflow",
    "stack depth limit exceeded",
)


@contextmanager
def mlflow_errors(field: str = "", subject: str = "") -> Iterator[None]:
    """Turns every failure of MLflow into one of ours; our own bugs are raised as they are.

    Args:
        field: the input field to blame when MLflow calls the input wrong.
        subject: what was asked for, as the start of a sentence, for "… does not exist."
    """
    try:
        yield
    except Problem:
        raise
    except Exception as error:  # the boundary: MLflow raises its own, SQLAlchemy's, requests'
        bug = bug_in(error, asked=bool(field), remote=settings.SLIPWAY.tracking_is_remote)
        if bug is not None:
            raise bug from None
        raise _problem(error, field, subject) from error


def _problem(error: Exception, field: str, subject: str) -> Problem:
    code = str(getattr(error, "error_code", ""))
    status = getattr(getattr(error, "response", None), "status_code", None)
    if _is_no_mlflow(error, code):
        return Unavailable(_unavailable_sentence(error))
    if code in NOT_FOUND or status == 404 or isinstance(error, FileNotFoundError):
        return NotFound(_("%(subject)s does not exist.") % {"subject": subject or _("It")})
    if code in REFUSED or status in {401, 403}:
        return Unavailable(
            _("The MLflow tracking server refuses this studio. Check SLIPWAY_TRACKING_TOKEN.")
        )
    if code in WRONG_INPUT and not _from_database(error):
        return _wrong_input(_first_line(error), field)
    if _is_no_answer(error):
        return Unavailable(_unavailable_sentence(error))
    if isinstance(error, ValueError | OverflowError) or "too large to convert" in str(error):
        return _wrong_input(_("This value cannot be used: ") + _first_line(error), field)
    if field and isinstance(error, BUGS):
        return _wrong_input(_("This value cannot be used."), field)
    if field and (_is_parser_limit(error) or any(text in str(error) for text in QUERY_LIMITS)):
        return _wrong_input(_("This is too long or too deeply nested to be searched for."), field)
    return Unavailable(_unavailable_sentence(error))


def _is_no_mlflow(error: Exception, code: str) -> bool:
    """A 404 that is not MLflow's own, for calls that every MLflow has: another kind of server."""
    if code not in NOT_FOUND or type(error).__name__ != "MlflowException":
        return False
    return any(path in str(error) for path in EVERYWHERE)


def _is_no_answer(error: Exception) -> bool:
    """What the server sent is not what was asked for; Python calls some of it a wrong value."""
    return isinstance(error, OSError | json.JSONDecodeError)  # requests' errors are OSErrors


def _is_parser_limit(error: Exception) -> bool:
    return isinstance(error, RecursionError) or type(error).__module__.startswith("sqlparse")


def _wrong_input(message: str, field: str) -> Problem:
    return Invalid(message, fields={field: [message]} if field else None)


def _from_database(error: Exception) -> bool:
    """MLflow calls some database failures a bad request; their text is SQL, not for people."""
    return type(error.__cause__).__module__.startswith("sqlalchemy")


def _unavailable_sentence(error: Exception) -> str:
    where = without_password(settings.SLIPWAY.tracking_uri)
    if "database is locked" in str(error):
        deadline.give_up()
        return _("MLflow's database is locked: something writes into it for long.")
    if "timeout" in str(error).lower() or "timed out" in str(error).lower():
        deadline.give_up()
        return _("MLflow at %(where)s did not answer within %(seconds)s s.") % {
            "where": where,
            "seconds": HTTP_TIMEOUT_S,
        }
    if "out-of-date database schema" in str(error):
        return _("The MLflow store is of an older version. Run: manage.py upgrade")
    return _("MLflow at %(where)s cannot be reached or does not answer properly.") % {
        "where": where
    }


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).strip()
    text = text.removeprefix("INVALID_PARAMETER_VALUE:").strip()
    return (text.splitlines() or [type(error).__name__])[0][:500]


def without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
