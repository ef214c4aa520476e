"""The one family of errors that service functions raise and that pages and API show.

Messages are for the person who made the request; `code` is for programs.
"""

from __future__ import annotations

from collections.abc import Mapping


class Problem(Exception):
    """A request that cannot be carried out; changes nothing.

    Args:
        message: one or two sentences that name what is wrong and the next step.
        fields: per input field, every sentence about it.
    """

    code = "bad_request"
    status = 400

    def __init__(
        self,
        message: str,
        *,
        fields: Mapping[str, list[str]] | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}
        if code is not None:
            self.code = code


class Invalid(Problem):
    """Input is wrong; `fields` lists all violations at once."""

    code = "invalid"


class NotFound(Problem):
    code = "not_found"
    status = 404


class Conflict(Problem):
    """The state of things forbids it now: an open operation, a version in use, a name taken."""

    code = "conflict"
    status = 409


class Unavailable(Problem):
    """An engine behind us (MLflow, Docker, Redis, disk) does not answer or is full."""

    code = "unavailable"
    status = 503
