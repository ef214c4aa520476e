"""MLflow's server is down, slow, or somebody else's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import asgi
from tests.proxy.conftest import Web, serve
from workspaces import proxy as proxy_module
from workspaces.proxy import Upstream


@pytest.fixture
def upstream(web: Web) -> Iterator[Any]:
    """Put another server behind the proxy for one test."""
    before, used = asgi.proxy.upstream, []

    def use(new: Upstream) -> None:
        asgi.proxy.upstream = new
        used.append(new)

    yield use
    asgi.proxy.upstream = before
    for one in used:
        asyncio.run_coroutine_threadsafe(one.close(), one.loop).result(timeout=10)


def test_a_server_that_is_down_is_503(
    web: Web, bearer: dict[str, str], cookie: dict[str, str], upstream: Any, tmp_path: Path
) -> None:
    upstream(Upstream(socket=tmp_path / "nobody.sock"))
    answer = web.ask("/mlflow/api/2.0/mlflow/runs/get?run_id=1", headers=bearer)
    assert answer.status_code == 503
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert answer.headers["Retry-After"]
    page = web.ask("/mlflow/", headers={**cookie, "Accept": "text/html"})
    assert page.status_code == 503
    assert "<h1>MLflow does not answer</h1>" in page.text


@pytest.fixture
def remote() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server somewhere else, below a path, that notes what it is asked."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        seen.append({"path": scope["raw_path"].decode(), **_text(scope["headers"])})
        if scope["path"].endswith("/version"):
            await asyncio.sleep(5)
        headers = [(b"location", b"http://elsewhere/base/api/2.0/x?y=1"), (b"set-cookie", b"a=b")]
        headers += [(b"access-control-allow-origin", b"*")]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    server, thread = serve(app)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/base", seen
    server.should_exit = True
    thread.join(timeout=20)


def _text(headers: Any) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}


def test_a_remote_server_gets_its_own_token_and_name(
    web: Web,
    bearer: dict[str, str],
    cookie: dict[str, str],
    upstream: Any,
    remote: tuple[str, list[dict[str, Any]]],
) -> None:
    url, seen = remote
    upstream(Upstream(socket=Path("unused"), url=url, token="theirs"))
    answer = web.ask("/mlflow/api/2.0/mlflow/runs/get?run_id=a%2Fb", headers={**bearer, **cookie})
    asked = seen[-1]
    assert asked["path"] == "/base/api/2.0/mlflow/runs/get"
    assert asked["authorization"] == "Bearer theirs"
    assert asked["host"] in url
    assert asked["x-forwarded-for"] == "127.0.0.1"
    assert "cookie" not in asked
    assert answer.headers["Location"] == "/mlflow/api/2.0/x?y=1"
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_server_that_does_not_answer_in_time_is_504(
    web: Web,
    bearer: dict[str, str],
    upstream: Any,
    remote: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proxy_module, "READ_TIMEOUT_S", 0.3)
    upstream(Upstream(socket=Path("unused"), url=remote[0]))
    answer = web.ask("/mlflow/version", headers=bearer)
    assert answer.status_code == 504
    assert answer.json()["error_code"] == "DEADLINE_EXCEEDED"
