"""What a script answers with: AMLResponse, and any result as status, headers and body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from starlette.datastructures import MutableHeaders

from serving.script.encode import to_json
from serving.script.headers import RESERVED, RUN_FAILED

HTML, JSON = "text/html; charset=utf-8", "application/json"
TEXT, LINES, BINARY = (
    "text/plain; charset=utf-8",
    "application/x-ndjson",
    "application/octet-stream",
)
WITHOUT_BODY = frozenset({204, 205, 304})

Headers = list[tuple[str, str]]


class Result(NamedTuple):
    """One answer of a script. `body` is bytes, or an iterator that streams."""

    status: int
    headers: Headers
    body: bytes | Iterator[Any]
    failed: bool


class ResponseHeaders(MutableHeaders):
    """Headers that can be set and repeated, by Starlette's methods and by Werkzeug's."""

    def add(self, name: str, value: Any) -> None:
        """Append a header, also where there is one of that name."""
        self.append(name, _clean(name, value))

    def set(self, name: str, value: Any) -> None:
        """Replace a header."""
        self[name] = value

    def extend(self, more: Any) -> None:
        """Append headers of a mapping or of pairs."""
        for name, value in more.items() if isinstance(more, Mapping) else more:
            self.add(name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, _clean(name, value))


class AMLResponse:
    """An answer with a status and headers of the script's own.

    Args:
        message: text or bytes are sent as they are, an iterator is streamed, None is {}, and
            anything else is JSON.
        status_code: 200 to 599; 500 and above also says that run() failed.
        response_headers: a comma in a value makes one header per piece.
        json_str: send `message` as JSON even when it is a text.
        run_function_failed: what the header x-ms-run-function-failed says.
    """

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, Any] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        self.response = message
        self.status_code = status_code
        self.json_str = json_str
        self.run_function_failed = run_function_failed
        self.headers = ResponseHeaders()
        for name, value in (response_headers or {}).items():
            for piece in str(value).split(","):
                self.headers.add(name, piece.strip())

    def get_data(self, as_text: bool = False) -> Any:
        """Return the body; a streamed one has none to return."""
        body = _body(self.response, json_str=self.json_str)[0]
        if not isinstance(body, bytes):
            raise TypeError("a streamed answer has no data")
        return body.decode("utf-8") if as_text else body

    @property
    def data(self) -> bytes:
        found: bytes = self.get_data()
        return found


def _clean(name: str, value: Any) -> str:
    text = str(value)
    if any((ord(sign) < 32 and sign != "\t") or ord(sign) == 127 for sign in name + text):
        raise ValueError(f"header {name!r} holds a control character")
    try:
        (name + text).encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"header {name!r} holds a sign beyond Latin-1") from None
    if not name or any(sign in ' :\t"(),/;<=>?@[\\]{}' for sign in name):
        raise ValueError(f"{name!r} is not a header's name")
    return text


def to_result(value: Any) -> Result:
    """Return what `run()` returned as an answer; raises TypeError or ValueError when it is none."""
    if isinstance(value, AMLResponse):
        body, media_type = _body(value.response, json_str=value.json_str)
        return _answer(
            value.status_code, value.headers.items(), body, media_type, value.run_function_failed
        )
    if callable(getattr(value, "get_data", None)) and hasattr(value, "status_code"):
        return _of_werkzeug(value)
    if isinstance(value, Iterator):
        return Result(200, [], value, False)  # its first piece tells the type
    return Result(200, [("content-type", JSON)], to_json(value), False)


def _body(message: Any, *, json_str: bool) -> tuple[bytes | Iterator[Any], str]:
    if message is None:
        return b"{}", JSON
    if not json_str and isinstance(message, str):
        return message.encode("utf-8"), HTML
    if not json_str and isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message), HTML
    if isinstance(message, Iterator):
        return message, HTML
    return to_json(message), JSON


def _of_werkzeug(value: Any) -> Result:
    """A Response of Flask or Werkzeug, or the AMLResponse of a really installed package."""
    pairs = [(str(name), str(text)) for name, text in value.headers.items()]
    told = [text.lower() for name, text in pairs if name.lower() == RUN_FAILED]
    failed = bool(getattr(value, "run_function_failed", False)) or "true" in told
    streamed = getattr(value, "is_streamed", False) or getattr(value, "direct_passthrough", False)
    body = iter(value.iter_encoded()) if streamed else value.get_data()
    return _answer(value.status_code, pairs, body, HTML, failed)


def _answer(
    status: Any,
    pairs: Iterable[tuple[str, str]],
    body: bytes | Iterator[Any],
    media_type: str,
    failed: bool,
) -> Result:
    code = int(status)
    if not 200 <= code <= 599:
        raise ValueError(f"{code} is not a status that ends a request; use 200 to 599")
    kept = [(name.lower(), _clean(name, text)) for name, text in pairs]
    kept = [(name, text) for name, text in kept if name not in RESERVED]
    if code in WITHOUT_BODY:
        body = b""
    elif not any(name == "content-type" for name, _ in kept):
        kept.append(("content-type", media_type))
    return Result(code, kept, body, failed or code >= 500)


def joined(pieces: Iterator[Any]) -> bytes:
    """Return a stream as one body."""
    return b"".join(piece(value)[0] for value in pieces)


def piece(value: Any) -> tuple[bytes, str]:
    """Return one piece of a stream as bytes, and the type a stream that begins so has."""
    if isinstance(value, str):
        return value.encode("utf-8"), TEXT
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), BINARY
    return to_json(value) + b"\n", LINES
