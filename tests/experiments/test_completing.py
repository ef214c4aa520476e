"""Completion of the filter of runs: what can stand where the caret is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.experiments.completing import MOST, complete

NAMES = {"metrics": ["rmse", "val loss", "r2"], "params": ["model", "order"], "tags": ["team"]}


def labels(text: str, at: int | None = None) -> list[str]:
    found = complete(text, len(text) if at is None else at, lambda kind: NAMES[kind])
    return [item.label for item in found.items]


def accepted(text: str, label: str) -> str:
    """The text after that offer was taken."""
    found = complete(text, len(text), lambda kind: NAMES[kind])
    item = next(one for one in found.items if one.label == label)
    return text[: found.start] + item.insert + text[found.end :]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("", ["metrics.", "params.", "tags.", "attributes.", "datasets."]),
        ("met", ["metrics."]),
        ("metrics.", ["r2", "rmse", "val loss"]),
        ("metrics.r", ["r2", "rmse"]),
        ("metrics.loss", ["val loss"]),
        ("metrics.`val l", ["val loss"]),
        ("rm", ["rmse"]),
        ("status", ["status"]),
        ("metrics.rmse ", [">", ">=", "=", "!=", "<", "<="]),
        ("params.model L", ["LIKE"]),
        ("attributes.status = ", ["FINISHED", "RUNNING", "FAILED", "KILLED", "SCHEDULED"]),
        ("status = 'FA", ["FAILED"]),
        ("metrics.rmse < 1 ", ["AND"]),
        ("metrics.rmse < 1 AND par", ["params."]),
        ("tags.`team` IS NOT NULL ", ["AND"]),
        ("metrics.rmse < ", []),
        ("nonsense.x", []),
    ],
)
def test_what_fits_is_offered(text: str, offered: list[str]) -> None:
    assert labels(text) == offered


def test_an_offer_replaces_what_was_typed() -> None:
    assert accepted("metrics.rm", "rmse") == "metrics.`rmse` "
    assert accepted("metrics.`val l", "val loss") == "metrics.`val loss` "
    assert accepted("a", "attributes.") == "attributes."
    assert accepted("status = 'FA", "FAILED") == "status = 'FAILED' "
    assert accepted("metrics.rmse < 1 ", "AND") == "metrics.rmse < 1 AND "


def test_in_the_middle_the_rest_of_the_word_is_replaced_too() -> None:
    found = complete("metrics.rmse > 1", 10, lambda kind: NAMES[kind])
    assert (found.start, found.end) == (0, 12)


@given(st.text(st.sampled_from("metrics. `'\"=<>AND()1ab\n"), max_size=40), st.integers(-5, 50))
def test_any_text_and_place_can_be_completed(text: str, at: int) -> None:
    found = complete(text, at, lambda kind: [f"name {n}" for n in range(500)])
    assert 0 <= found.start <= found.end <= len(text)
    assert len(found.items) <= MOST
