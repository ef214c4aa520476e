"""Consume: each program sends exactly the example body and the key, whatever they hold."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.pages.snippets import KEY_PLACEHOLDER, Snippet, snippets

NASTY = {
    "dataframe_split": {
        "columns": ["it's", 'a "b"', "back\\slash", "$HOME `id`", "é\u2028", ']--"', "__proto__"],
        "data": [[1, 2.5, None, True, ']"', "'''", "\n"]],
    }
}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(["inputs", "instances"]), json_values, min_size=1)


def made(
    language: str, body: dict[str, Any], uri: str = "http://h:1/score", **more: Any
) -> Snippet:
    return next(item for item in snippets(uri=uri, body=body, **more) if item.language == language)


@pytest.fixture
def service() -> Iterator[tuple[str, list[tuple[str | None, str | None, Any]]]]:
    """A server that remembers what it was sent: authorization, content type, body."""
    seen: list[tuple[str | None, str | None, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append(
                (self.headers["authorization"], self.headers["content-type"], json.loads(body))
            )
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"predictions": [41.5]}')

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/v1/service/x/score", seen
    server.shutdown()
    server.server_close()


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
@pytest.mark.parametrize("body", [NASTY, {"inputs": [[1.5, -2]]}], ids=["nasty", "plain"])
def test_the_program_runs_and_sends_the_example(language, body, service, tmp_path: Path) -> None:
    uri, seen = service
    snippet = made(language, body, uri, key="s3cr'et")
    file = tmp_path / snippet.filename
    file.write_text(snippet.code, encoding="utf-8")
    command = {
        "curl": lambda: ["sh", str(file)],
        "python": lambda: [sys.executable, str(file)],
        "javascript": lambda: [node(), str(file)],
    }[language]()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "41.5" in done.stdout
    [(authorization, content_type, received)] = seen
    assert authorization == "Bearer s3cr'et"
    assert content_type == "application/json"
    assert received == body


@given(bodies)
def test_curl_holds_the_body_as_one_word(body: dict[str, Any]) -> None:
    parts = shlex.split(made("curl", body).code.replace("\\\n", " ", 3))
    assert json.loads(parts[parts.index("--data-raw") + 1]) == body


@given(bodies)
def test_python_holds_the_body_as_a_literal(body: dict[str, Any]) -> None:
    tree = ast.parse(made("python", body).code)
    [value] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "body"  # type: ignore[attr-defined]
    ]
    assert ast.literal_eval(value) == body


@given(bodies)
def test_csharp_holds_the_body_in_a_raw_string(body: dict[str, Any]) -> None:
    code = made("csharp", body).code
    text = code.split('"""\n', 1)[1].split('\n"""', 1)[0]
    assert code.count('"""') == 2
    assert json.loads(text) == body


@given(bodies)
def test_r_holds_the_body_in_a_raw_string(body: dict[str, Any]) -> None:
    code = made("r", body).code
    match = re.search(r'body <- r"(-*)\[(.*?)\]\1"\n\nresponse', code, re.DOTALL)
    assert match
    assert json.loads(match[2]) == body
    assert f']{match[1]}"' not in match[2]


def test_no_key_is_sent_where_none_is_needed() -> None:
    for item in snippets(uri="http://h/score", body={"inputs": [1]}, auth_enabled=False):
        assert "Bearer" not in item.code
        assert KEY_PLACEHOLDER not in item.code


def test_the_placeholder_stands_for_the_key_until_it_is_asked_for() -> None:
    for item in snippets(uri="http://h/score", body={"inputs": [1]}):
        assert KEY_PLACEHOLDER in item.code
