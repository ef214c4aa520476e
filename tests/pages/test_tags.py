"""Filters and tags that every template may use."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.template import Context, Template
from django.test import RequestFactory

from deployments.choices import PILLS, OperationStatus, ServiceState, StepState
from studio.templatetags import studio as tags

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _frozen():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=40), "40 seconds ago"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(days=30), "30 days ago"),
        (timedelta(days=31), "Jan. 29, 2026"),
        (timedelta(days=-2), "March 3, 2026"),
    ],
)
def test_a_moment_is_told_relative_to_now_for_thirty_days(before, text):
    assert tags.relative(NOW - before) == text


@pytest.mark.parametrize(
    "same", [NOW, NOW.timestamp(), int(NOW.timestamp() * 1000), "2026-03-01T12:00:00+00:00"]
)
def test_a_moment_may_be_a_datetime_seconds_milliseconds_or_text(same):
    assert tags.iso(same) == "2026-03-01T12:00:00.000+00:00"


@pytest.mark.parametrize("nothing", [None, "", "yesterday", -1, True, float("nan"), 1e300])
def test_what_is_no_moment_shows_a_dash(nothing):
    assert tags.relative(nothing) == "–"
    assert tags.iso(nothing) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0412, "41 ms"),
        (4.24, "4.2 s"),
        (59.9, "59 s"),
        (185, "3 min 5 s"),
        (180, "3 min"),
        (timedelta(hours=2, minutes=10), "2 h 10 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (-1, "–"),
        (None, "–"),
    ],
)
def test_a_duration_has_at_most_two_units(value, text):
    assert tags.duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (250 * 1024**2, "250 MB"), (None, "–")],
)
def test_bytes_get_a_unit(value, text):
    assert tags.bytes_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.123456789, "0.12346"),
        (12.0, "12"),
        (1e-7, "1e-07"),
        (1.5e9 + 0.5, "1.5e+09"),
        (float("nan"), "NaN"),
        (float("inf"), "∞"),
        (None, "–"),
        ("text", "text"),
    ],
)
def test_numbers_keep_what_matters(value, text):
    assert tags.number(value) == text


def test_an_identifier_is_shortened_in_the_middle():
    assert tags.middle("3f2a91c4aabbccdd88d0", 12) == "3f2a91c4…8d0"
    assert tags.middle("short", 12) == "short"


def test_every_state_has_a_word_a_colour_and_an_icon_that_exists():
    fallback = tags.icon("circle-question-mark", 14)
    for word in [*ServiceState, *OperationStatus, *StepState]:
        assert str(word) in PILLS
        shown = tags.pill(word)
        assert shown.label
        assert tags.icon(shown.icon, 14) != fallback
    assert tags.pill("Odd") == ("Odd", "neutral", "circle-dashed")


def test_an_unknown_icon_is_a_question_mark_and_no_error():
    assert tags.icon("no-such-icon", 16) == tags.icon("circle-question-mark", 16)
    assert 'aria-hidden="true"' in tags.icon("rocket", 16)


def render(text, path="/?sort=name&page=3&q=a%26b", **context):
    return Template(text).render(Context({"request": RequestFactory().get(path), **context}))


def test_a_query_string_is_replaced_and_keeps_the_rest():
    assert render("{% query page=4 %}") == "?sort=name&amp;page=4&amp;q=a%26b"
    assert render('{% query page="" q="" %}') == "?sort=name"


def test_sorting_twice_by_the_same_column_turns_the_order_round():
    assert render('{% sort_query "name" %}') == "?sort=-name&amp;q=a%26b"
    assert render('{% sort_query "created" %}') == "?sort=created&amp;q=a%26b"
    assert render('{% sort_state "name" %}') == "ascending"
    assert render('{% sort_state "name" %}', path="/?sort=-name") == "descending"


@pytest.mark.parametrize("values", [[], [1], [None, 3], None])
def test_a_sparkline_of_fewer_than_two_numbers_draws_nothing(values):
    assert tags.sparkline(values) == ""


def test_a_sparkline_breaks_at_gaps_and_takes_equal_values():
    assert tags.sparkline([1, 2, None, 4, 5]).count("M") == 2
    assert "nan" not in tags.sparkline([3, 3, 3])


def test_json_is_shown_with_what_json_cannot_hold_as_text():
    assert tags.json_pretty({"at": NOW}) == '{\n  "at": "2026-03-01 12:00:00+00:00"\n}'
