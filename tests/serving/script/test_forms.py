"""multipart/form-data bodies are taken apart as browsers and clients make them."""

from __future__ import annotations

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from serving.script.multipart import parse

HEAD = b'Content-Disposition: form-data; name="a"\r\n'


def made(files: list[tuple[str, tuple[str | None, bytes]]]) -> tuple[str, bytes]:
    """A body as the library requests makes it, and its content type."""
    request = requests.Request("POST", "http://x", files=files).prepare()
    assert isinstance(request.body, bytes)
    return str(request.headers["content-type"]), request.body


@given(
    st.lists(
        st.tuples(
            st.text("abcé .-_", min_size=1),
            st.one_of(st.none(), st.text("xyz.ü", min_size=1)),
            st.binary(max_size=200),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_a_client_puts_in_comes_out(parts: list[tuple[str, str | None, bytes]]) -> None:
    kind, body = made([(name, (filename, content)) for name, filename, content in parts])
    found = [(part.name, part.filename, part.content) for part in parse(kind, body)]
    assert found == parts


@given(st.binary(max_size=300))
def test_anything_else_is_a_value_error_or_parts(body: bytes) -> None:
    try:
        parse("multipart/form-data; boundary=b", b"--b" + body + b"\r\n--b--")
    except ValueError:
        pass


def test_a_line_like_the_boundary_inside_a_file_is_content() -> None:
    body = b"--b\r\n" + HEAD + b"\r\nx --b y\n--b\r\n--b--\r\n"
    assert [part.content for part in parse("multipart/form-data; boundary=b", body)] == [
        b"x --b y\n--b"
    ]


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("multipart/form-data", b"", "names no boundary"),
        ("multipart/form-data; boundary=b", b"", "last boundary is missing"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + HEAD + b"\r\nx", "last boundary"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + HEAD + b"\r\n--b--", "no end of its"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--", "no name"),
        ("multipart/form-data; boundary=b", b"--b\r\n" * 2000 + b"--b--", "more than 1000 parts"),
    ],
)
def test_a_broken_form_says_what_is_missing(kind: str, body: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(kind, body)
