"""What goes into a loaded model and what comes out of it: the types its neighbours share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Union

from serving.errors import ServingError

SCORE, INVOCATIONS, V2 = "score", "invocations", "v2"


class ScoreRequest(NamedTuple):
    """One request for predictions, as it came; nothing in it is parsed."""

    body: bytes
    content_type: str | None
    dialect: str  # SCORE, INVOCATIONS or V2: the path it came by
    request_id: str


class Answer(NamedTuple):
    """What the model answered, ready to be sent."""

    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


Outcome = Union[Answer, ServingError]  # noqa: UP007  # evaluated on Python 3.9 as well


class Servable(Protocol):
    """A loaded model. Every method runs in the model thread, one at a time."""

    @property
    def batches(self) -> bool:
        """Whether it may be given several requests at once."""

    @property
    def documents(self) -> Mapping[str, bytes]:
        """The API document of the service by Swagger version, made when the model was loaded."""

    def answer(self, requests: Sequence[ScoreRequest]) -> list[Outcome]:
        """Return one outcome per request, in their order; raises nothing that a model raises.

        Several requests are scored as one frame where their layouts and params are equal; when
        that fails each is scored alone, so that a bad row fails alone.
        """

    def v2_metadata(self) -> dict[str, Any]:
        """Return the model's metadata document of the Open Inference Protocol."""
