"""A form with files is read the same, however its bytes arrive."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.incoming.multipart import Multipart, Part, PartEnd, boundary_of
from workspaces.errors import Invalid

EXAMPLES = int(os.environ.get("SLIPWAY_TEST_EXAMPLES", "25"))
BOUNDARY = b"-x-bound"


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    lines = []
    for name, file_name, content in parts:
        file = f'; filename="{file_name}"' if file_name is not None else ""
        head = f'Content-Disposition: form-data; name="{name}"{file}\r\nX-Other: y'
        lines.append(b"--" + BOUNDARY + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n")
    return b"".join(lines) + b"--" + BOUNDARY + b"--\r\n"


def parse(pieces: list[bytes]) -> tuple[list[tuple[str, str | None, bytes]], bool]:
    parser = Multipart(BOUNDARY)
    found: list[Any] = []
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, Part):
                found.append([event.name, event.file_name, b"", False])
            elif isinstance(event, PartEnd):
                found[-1][3] = True
            else:
                found[-1][2] += event
    assert all(item[3] for item in found) or not parser.ended
    return [tuple(item[:3]) for item in found], parser.ended


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


contents = st.binary(max_size=60) | st.sampled_from(
    [b"", b"\r\n", b"\r\n--", b"\r\n---x-boun", b"--" + BOUNDARY, b"\r", b"-" * 30, b"\r\n" * 20]
)


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from(["a", "files"]), st.none() | st.just("d/f"), contents), max_size=5
    ),
    places=st.lists(st.integers(0, 2000), max_size=12),
)
def test_however_it_is_cut_the_parts_are_the_same(parts: Any, places: list[int]) -> None:
    parts = [part for part in parts if b"\r\n--" + BOUNDARY not in part[2]]
    found, ended = parse(cut(form(*parts), places))
    assert (found, ended) == (parts, True)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=5))
def test_anything_else_is_refused_or_not_whole(data: bytes, places: list[int]) -> None:
    try:
        parse(cut(data, places))
    except Invalid:
        pass


def test_a_form_that_broke_off_is_not_ended() -> None:
    whole = form(("a", "f", b"x" * 100))
    for end in range(len(whole) - 5):
        assert not parse([whole[:end]])[1]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('name="files"; filename="a/b c.bin"', "a/b c.bin"),
        (r'name="files"; filename="say \"hi\".bin"', 'say "hi".bin'),
        ('name="files"; filename="say %22hi%22%0A"', 'say "hi"\n'),
        ("name=files; filename=plain.bin", "plain.bin"),
        ("name=\"files\"; filename*=utf-8''%C3%BC.bin", "ü.bin"),
        ('name="files"; filename="x"; filename*=UTF-8\'\'%C3%BC.bin', "ü.bin"),
        ('name="files"; filename="ü.bin"', "ü.bin"),
        ('filename="f"; name="files"', "f"),
    ],
)
def test_file_names_are_read_as_clients_write_them(header: str, name: str) -> None:
    head = f"--{BOUNDARY.decode()}\r\nContent-Disposition: form-data; {header}\r\n\r\nx\r\n"
    found, _ended = parse([head.encode() + b"--" + BOUNDARY + b"--"])
    assert found == [("files", name, b"x")]


def test_boundaries_are_found_in_the_content_type() -> None:
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"
    assert boundary_of("multipart/form-data; boundary=ab; charset=utf-8") == b"ab"
    with pytest.raises(Invalid):
        boundary_of("multipart/form-data")


def test_headers_without_end_are_refused() -> None:
    with pytest.raises(Invalid):
        parse([b"--" + BOUNDARY + b"\r\n" + b"X: y\r\n" * 10_000])
    with pytest.raises(Invalid):
        parse([b"x" * 50_000])
