"""The cells of the runs table, which are written in Python: every value is escaped and bounded."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from studio.experiments.cells import SHOWN, TOLD, cell_html
from studio.experiments.columns import ATTRIBUTES, Column

HOSTILE = "\"'<script>alert(1)</script>&"


@pytest.mark.parametrize("kind", ["params", "tags"])
def test_a_text_is_escaped_and_shortened(kind: str) -> None:
    html = cell_html(Column(kind, "x"), HOSTILE + "é" * 5_000)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert html.count("é") == (SHOWN + TOLD) - 2 * len(HOSTILE) - 2


@pytest.mark.parametrize("column", [Column("attribute", key) for key in ATTRIBUTES])
def test_no_attribute_lets_html_through(column: Column) -> None:
    value: Any = HOSTILE
    if column.key in ("start", "ended"):
        value = datetime(2026, 1, 2, tzinfo=UTC)
    assert "<script" not in cell_html(column, value)
    nothing = cell_html(column, None)
    assert nothing.count("<td") == nothing.count("</td>") == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [(math.nan, "NaN"), (math.inf, "∞"), (-math.inf, "−∞"), (1e300, "1e+300"), (2.0, "2")],
)
def test_a_metric_shows_its_number_and_tells_all_its_digits(value: float, shown: str) -> None:
    html = cell_html(Column("metrics", "m"), value)
    assert f">{shown}</td>" in html
    assert f'title="{value}"' in html


def test_what_was_not_logged_is_a_dash() -> None:
    for column in (Column("metrics", "m"), Column("params", "p"), Column("tags", "t")):
        assert "–" in cell_html(column, None)
