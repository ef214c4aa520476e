"""Notebooks as text and pictures; nothing of them runs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.runs.previews import notebooks
from studio.runs.previews.notebooks import NotANotebook, notebook_read

PNG = base64.b64encode(b"\x89PNG picture").decode()
words = st.one_of(st.none(), st.booleans(), st.integers(), st.text("a<", max_size=4))
values = st.recursive(
    words,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "cells",
                    "cell_type",
                    "source",
                    "outputs",
                    "output_type",
                    "data",
                    "text",
                    "image/png",
                ]
            ),
            inner | st.sampled_from(["code", "markdown", "stream", "display_data", "error", PNG]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


def notebook(*cells: dict[str, Any]) -> bytes:
    return json.dumps({"nbformat": 4, "cells": list(cells)}).encode()


def code(source: str = "", *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": [source], "execution_count": 3, "outputs": list(outputs)}


@settings(deadline=None)
@given(st.lists(values, max_size=4))
def test_any_json_is_a_notebook_or_not(cells: list[Any]) -> None:
    read = notebook_read(json.dumps({"cells": cells}).encode())
    for cell in read.cells:
        assert "<script" not in cell.html
        for output in cell.outputs:
            assert output.kind in {"text", "error", "image", "omitted"}
            assert output.kind != "image" or output.text.startswith("data:image/")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"cells": {}}', b"\xff", b"[" * 100_000])
def test_what_is_none_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(NotANotebook):
        notebook_read(data)


def test_cells_are_code_markdown_and_raw() -> None:
    read = notebook_read(
        notebook(
            {"cell_type": "markdown", "source": "# Hi <script>x</script>"},
            code("import os  # <b>"),
            {"cell_type": "raw", "source": "<i>"},
        )
    )
    hi, imports, raw = read.cells
    assert "<h3>Hi &lt;script&gt;" in hi.html
    assert '<span class="hl-keyword">import</span>' in imports.html
    assert imports.count == "3"
    assert raw.html == "&lt;i&gt;"


def test_outputs_are_text_errors_and_pictures() -> None:
    (cell,) = notebook_read(
        notebook(
            code(
                "x",
                {"output_type": "stream", "text": ["one\n", "two"]},
                {"output_type": "error", "traceback": ["\x1b[0;31mValueError\x1b[0m: no"]},
                {
                    "output_type": "display_data",
                    "data": {"image/png": PNG, "text/plain": "Figure"},
                },
                {
                    "output_type": "execute_result",
                    "data": {"text/html": "<script>x</script>", "text/plain": ["a  b"]},
                },
                {"output_type": "display_data", "data": {"application/javascript": "alert(1)"}},
            )
        )
    ).cells
    assert [(output.kind, output.text) for output in cell.outputs] == [
        ("text", "one\ntwo"),
        ("error", "ValueError: no"),
        ("image", f"data:image/png;base64,{PNG}"),
        ("text", "a  b"),
        ("omitted", "An output that is not shown here: application/javascript"),
    ]


@pytest.mark.parametrize("content", ['x" onerror="alert(1)', "javascript:alert(1)", "%%%"])
def test_a_picture_is_nothing_but_base64(content: str) -> None:
    output = {"output_type": "display_data", "data": {"image/png": content, "text/plain": "safe"}}
    (cell,) = notebook_read(notebook(code("x", output))).cells
    assert cell.outputs[0].kind == "text"


def test_notebooks_of_format_3_are_read() -> None:
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "1 + 1"}]}]}
    (cell,) = notebook_read(json.dumps(old).encode()).cells
    assert "+" in cell.html


def test_large_notebooks_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    read = notebook_read(notebook(*[code("x")] * 400))
    assert len(read.cells) == notebooks.MOST_CELLS
    assert "400" in read.sentence
    monkeypatch.setattr(notebooks, "PICTURE_BYTES", 20)
    picture = {"output_type": "display_data", "data": {"image/png": PNG}}
    (cell,) = notebook_read(notebook(code("x", picture, picture))).cells
    assert [output.kind for output in cell.outputs] == ["image", "omitted"]
    monkeypatch.setattr(notebooks, "ALL_CHARACTERS", 100)
    read = notebook_read(notebook(code("x" * 90), code("y" * 90), code("z" * 90)))
    assert sum(len(cell.html) for cell in read.cells) < 110
    assert "not shown" in read.sentence
    monkeypatch.setattr(notebooks, "ALL_CHARACTERS", 10**6)
    long = {"output_type": "stream", "text": "x" * 50_000}
    (cell,) = notebook_read(notebook(code("x", long))).cells
    assert len(cell.outputs[0].text) == notebooks.TEXT_CHARACTERS + 1
