"""Tells our own bugs from what MLflow, its database or its server did. For `tracking_errors` alone.

A page must say that MLflow does not answer; it must not say so when the mistake is ours: such an
error has to reach the log with its trace.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

# what Python raises when code is wrong; a value that cannot be used is another matter
BUGS = (TypeError, LookupError, AttributeError, NameError, AssertionError, ZeroDivisionError)
OURS = frozenset({"workspaces", "registry", "deployments", "studio", "config"})
PARSERS = frozenset({"mlflow", "sqlparse"})  # fail in many ways on a filter that they cannot read
CLIENTS = frozenset({"mlflow", "google", "requests", "urllib3"})  # …on an answer of that kind


class StrangeAnswer(Exception):
    """A server answered with something that MLflow never sends."""


@contextmanager
def answer_read() -> Iterator[None]:
    """Around code of ours that takes a server's answer apart: what fails there is the server's.

    Raises:
        StrangeAnswer.
    """
    try:
        yield
    except (*BUGS, ValueError) as error:
        raise StrangeAnswer(str(error)) from error


def bug_in(error: Exception, *, asked: bool, remote: bool) -> Exception | None:
    """The bug that an error is, or that MLflow's session has wrapped; None when it is no bug.

    Args:
        asked: a person's input was being read, so a failing parser is the input's fault.
        remote: an answer of a server was being read, so a failing client is the server's fault.
    """
    cause = error.__cause__
    if type(error).__module__.startswith("mlflow") and isinstance(cause, BUGS):
        error = cause
    if not isinstance(error, BUGS):
        return None
    place = _place(error)
    if (asked and place in PARSERS) or (remote and place in CLIENTS):
        return None
    return error


def _place(error: BaseException) -> str:
    """The package that raised it; Python's own library counts as the package that called it."""
    known = OURS | PARSERS | CLIENTS | {"sqlalchemy"}
    for frame, _line in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in known:
            return package
    return ""
