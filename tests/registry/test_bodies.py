"""What Django takes is bounded: a body that is too long is refused before all of it was taken."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from django.conf import settings as studio
from django.contrib.auth import get_user_model
from django.core.asgi import get_asgi_application

from registry.incoming import bodies
from registry.incoming.bodies import Bounded
from registry.scripts import folders
from tests.registry.asgi import BOUNDARY, body
from workspaces.tokens import token_create

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # whitenoise reads assets so where nothing was collected
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]
MB = 1024 * 1024
FORM = f"multipart/form-data; boundary={BOUNDARY}"
SOURCES = "/api/v1/sources"


@pytest.fixture
def token(transactional_db: None) -> str:
    user = get_user_model().objects.create_user("ada", password="a-long-password")
    return token_create(user=user, name="test")[1]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch, settings: Any) -> int:
    """Bytes that a request with source files may have; forms and JSON have less."""
    monkeypatch.setattr(folders, "MAX_BYTES", 2 * MB)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = MB
    return 4 * MB + bodies.OVERHEAD


class Sent:
    """One request to the application in this process, of as many pieces as are asked for."""

    def __init__(self, path: str, kind: str, token: str = "", length: int | None = None) -> None:
        headers = [(b"host", b"localhost"), (b"content-type", kind.encode())]
        if token:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        self.scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode()}
        self.scope |= {"query_string": b"", "headers": headers, "http_version": "1.1"}
        self.taken, self.messages = 0, list[Any]()

    def endless(self, most: int, at_first: bytes = b"") -> Sent:
        """Send until it is answered, at most so many bytes."""

        async def receive() -> Any:
            await asyncio.sleep(0)
            if self.messages:  # it was answered: whoever sends stops
                return {"type": "http.disconnect"}
            piece = at_first if not self.taken and at_first else bytes(256 * 1024)
            self.taken += len(piece)
            assert self.taken <= most, "it takes everything"
            return {"type": "http.request", "body": piece, "more_body": True}

        return self._run(receive)

    def whole(self, content: bytes) -> Sent:
        waiting = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        return self._run(receive)

    def _run(self, receive: Any) -> Sent:
        async def send(message: Any) -> None:
            self.messages.append(message)

        application = Bounded(get_asgi_application())  # type: ignore[arg-type]
        asyncio.run(application(self.scope, receive, send))  # type: ignore[arg-type]
        return self

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def text(self) -> str:
        return b"".join(item.get("body", b"") for item in self.messages).decode()


def test_source_files_within_the_limit_are_kept(token: str, limit: int) -> None:
    form = body([], {}).replace(f"--{BOUNDARY}--\r\n".encode(), b"")
    head = 'Content-Disposition: form-data; name="file"; filename="a.py"'
    form += f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + bytes(MB + MB // 2)
    form += f"\r\n--{BOUNDARY}--\r\n".encode()
    sent = Sent(SOURCES, FORM, token, len(form)).whole(form)
    assert (sent.status, json.loads(sent.text)["scripts"]) == (201, ["a.py"])


def test_a_length_beyond_the_limit_is_refused_unread(token: str, limit: int) -> None:
    for length in (limit + 1, 10**30):
        sent = Sent(SOURCES, FORM, token, length).endless(0)
        assert sent.status == 413
        sentence = "At most 2 MB of files can be kept."
        found = json.loads(sent.text)
        assert (found["message"], found["fields"]) == (sentence, {"files": [sentence]})


def test_a_body_that_says_no_length_ends_at_the_limit(token: str, limit: int) -> None:
    start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    sent = Sent(SOURCES, FORM, token).endless(limit + MB, start.encode())
    assert sent.status == 413
    assert limit < sent.taken
    # nor one that lies
    assert Sent(SOURCES, FORM, token, 10).endless(limit + MB, start.encode()).status == 413


def test_nobody_who_is_not_signed_in_sends_source_files(limit: int, db: None) -> None:
    form = body([], {"x": "1"})
    assert Sent(SOURCES, FORM, "", len(form)).whole(form).status == 401
    assert Sent(SOURCES, FORM, "slw_no_such_token").endless(3 * MB).status == 413


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (SOURCES, "application/json"),
        ("/api/v1/services", "application/json"),
        ("/deploy/", "application/x-www-form-urlencoded"),
        ("/deploy/", FORM),
    ],
)
def test_forms_and_json_are_bounded_for_everybody(
    token: str, limit: int, path: str, kind: str
) -> None:
    for caller in (token, ""):
        assert Sent(path, kind, caller, 3 * MB).endless(0).status == 413
        sent = Sent(path, kind, caller).endless(3 * MB)
        assert sent.status == 413
        assert "at most 1 MB" in sent.text
        assert sent.text.startswith("{") is path.startswith("/api/")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_no_method_may_send_more(token: str, limit: int, method: str) -> None:
    """Django reads the body of any of them into a file before it looks."""
    sent = Sent("/login/", "text/plain")
    sent.scope["method"] = method
    assert sent.endless(3 * MB).status == 413


def test_what_is_short_reaches_django(token: str, limit: int) -> None:
    content = json.dumps({"files": {"a.py": "x" * 1000}}).encode()
    assert Sent(SOURCES, "application/json", token, len(content)).whole(content).status == 201
    assert Sent("/deploy/", FORM).whole(body([], {"model": "x"})).status in {302, 403}


@pytest.fixture
def port(limit: int) -> Iterator[int]:
    """The application behind the web server that the studio runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    application = Bounded(get_asgi_application())  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(timeout=20)
    listener.close()


def test_the_server_answers_and_closes_while_the_body_still_comes(
    port: int, token: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LINGER_S", 0.2)
    head = f"POST {SOURCES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: {FORM}\r\nContent-Length: {10**12}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(head.encode() + bytes(100_000))
        answer = b""
        while b"can be kept" not in answer:
            piece = link.recv(65_536)
            assert piece, answer
            answer += piece
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert _sent_until_closed(link, 10**9) < 10**9


def _sent_until_closed(link: socket.socket, most: int) -> int:
    sent = 0
    try:
        while sent < most:
            sent += link.send(bytes(65_536))
    except OSError:
        pass  # reset, or a broken pipe
    return sent


def test_limits_are_those_of_the_settings(db: None) -> None:
    scope = {"path": "/x", "method": "POST", "headers": []}
    found = asyncio.run(bodies.limit_of(scope))
    assert found.most == studio.DATA_UPLOAD_MAX_MEMORY_SIZE + bodies.OVERHEAD
