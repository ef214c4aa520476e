"""How files are shown, by name and content; any bytes have a preview."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.runs.previews.highlighting import _BY_EXTENSION, LONGEST, highlight, language_of
from studio.runs.previews.kinds import kind_of
from studio.runs.previews.making import JSON_BYTES, NOTEBOOK_BYTES, TEXT_BYTES, preview_make

ENDINGS = ["csv", "tsv", "json", "txt", "bin", "md", "ipynb", "parquet", "py", "sql", ""]


@dataclass
class Opened:
    """A file of a test, with what has been read of it."""

    data: bytes
    size: int | None = None
    taken: int = 0

    def read(self, limit: int) -> bytes:
        self.taken += min(limit, len(self.data))
        return self.data[:limit]

    def __iter__(self) -> Iterator[bytes]:
        stream = io.BytesIO(self.data)
        while chunk := stream.read(7):
            self.taken += len(chunk)
            yield chunk


def shown(path: str, data: bytes, size: int | None = None):
    return preview_make(path, Opened(data, len(data) if size is None else size))


@settings(deadline=None)
@given(
    st.one_of(st.binary(max_size=300), st.text('a,"\n\r\t{}[]:0 ', max_size=80).map(str.encode)),
    st.sampled_from(ENDINGS),
)
def test_any_bytes_have_a_preview(data: bytes, extension: str) -> None:
    preview = shown(f"f.{extension}", data)
    assert preview.kind in {"code", "table", "none", "html", "notebook"}
    assert preview.kind != "none" or preview.sentence


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("a.png", b"\x89PNG", "image"),
        ("a.SVG", b"<svg/>", "image"),
        ("a.html", b"<p>", "page"),
        ("a.wav", b"RIFF", "audio"),
        ("a.pdf", b"%PDF", "pdf"),
        ("a.json", b'{"a": 1}', "code"),
        ("a.json", b"{", "code"),
        ("t.json", b'{"columns": ["a"], "data": [[1]]}', "table"),
        ("a.csv", b"a,b\n1,2\n", "table"),
        ("MLmodel", b"flavors: {}", "code"),
        ("readme.md", b"# <b>", "html"),
        ("m.pkl", b"\x80\x00\x01", "none"),
        ("empty.txt", b"", "none"),
        ("empty.csv", b"", "none"),
        ("n.ipynb", b'{"cells": []}', "notebook"),
        ("n.ipynb", b"[]", "code"),
        ("wrong.parquet", b"PAR1", "none"),
        ("data.csv", b"a,b\n\x00\x01", "none"),
    ],
)
def test_a_file_is_shown_by_its_kind(path: str, data: bytes, kind: str) -> None:
    assert shown(path, data).kind == kind


def test_what_is_large_is_cut_and_said_so() -> None:
    text = shown("a.txt", b"x" * (TEXT_BYTES + 9))
    assert len(str(text.html)) == TEXT_BYTES
    assert "first" in text.sentence
    assert shown("a.json", b"1" * (JSON_BYTES + 9)).kind == "code"
    huge = shown("a.png", b"", size=10**9)
    assert huge.kind == "none"
    assert "Download" in huge.sentence
    assert shown("n.ipynb", b" " * (NOTEBOOK_BYTES + 9)).kind == "none"


@pytest.mark.parametrize("ending", ["txt", "bin", "json", "ipynb", "md", "parquet"])
def test_no_more_is_read_than_can_be_shown(ending: str) -> None:
    opened = Opened(b"1" * 30_000_000, 10**10)
    preview_make(f"f.{ending}", opened)
    assert opened.taken <= 20_000_001


def test_markdown_runs_nothing() -> None:
    html = str(shown("a.md", b"# Hi\n<script>x</script>\n[a](javascript:x)\n![](http://x/y)").html)
    assert "<h3>Hi</h3>" in html
    assert "<script" not in html
    assert "href" not in html
    assert "<img" not in html


def test_code_is_coloured_and_escaped() -> None:
    html = str(shown("a.py", b'def f(x):  # why <b>\n    return "a<b" + 1.5e-3\n').html)
    assert '<span class="hl-keyword">def</span>' in html
    assert '<span class="hl-comment"># why &lt;b&gt;</span>' in html
    assert '<span class="hl-string">&quot;a&lt;b&quot;</span>' in html
    assert '<span class="hl-number">1.5e-3</span>' in html


@settings(deadline=None)
@given(
    st.text("ab'\"#/*-\\\r\n\ufeff<&`{ 0.9eE+;", max_size=120),
    st.sampled_from([*sorted(set(_BY_EXTENSION.values())), ""]),
)
def test_colouring_loses_and_adds_nothing(text: str, language: str) -> None:
    from html import unescape
    from re import sub

    html = str(highlight(text, language))
    assert unescape(sub(r"</?span[^>]*>", "", html)) == text
    assert "<" not in sub(r"</?span( class=\"hl-[a-z]+\")?>", "", html)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("language", ["python", "javascript"])
def test_colouring_stays_quick_on_long_and_odd_text(language: str) -> None:
    for odd in ("'", "/*", '"""', "1e", "a:", "[{", "<", "\\"):
        assert highlight(odd * (LONGEST // len(odd)), language)
    assert str(highlight("def " * LONGEST, language)) == "def " * LONGEST


def test_code_that_is_html_stays_text() -> None:
    hostile = b'"</pre><script>alert(1)</script>" # <img src=x onerror=alert(2)>\n</span>'
    for name in ("a.py", "a.js", "a.xml", "a.css", "a.zzz", "a.diff"):
        html = str(shown(name, hostile).html)
        assert re.sub(r'<span class="hl-[a-z]+">|</span>', "", html).count("<") == 0
        assert "style=" not in html


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.PY", "python"),
        ("x.yaml", "yaml"),
        ("MLmodel", "yaml"),
        ("a/Dockerfile", "docker"),
        ("a.zzz", ""),
    ],
)
def test_a_language_is_known_by_the_name(path: str, language: str) -> None:
    assert language_of(path) == language


@given(st.text(max_size=30))
def test_any_name_has_a_kind(name: str) -> None:
    assert kind_of(name)
