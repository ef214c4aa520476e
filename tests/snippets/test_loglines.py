"""Log lines: levels, times, tracebacks, the runtime's JSON."""

from deployments.logs.loglines import at_least, parse, shown

TEXT = """== Start ==
20260101120001|Starting process on port 20001
20260101120002|Traceback (most recent call last):
20260101120002|  File "model.py", line 1, in load
20260101120002|ModuleNotFoundError: No module named 'x'
20260101120003|WARNING: slow disk
{"time": "2026-01-01T12:00:04.000Z", "level": "ERROR", "message": "failed", "status": 500}
printed by the model
"""


def test_every_line_has_the_level_it_speaks_of() -> None:
    levels = [line.level for line in parse(TEXT)]
    assert levels == ["INFO", "INFO", "ERROR", "ERROR", "ERROR", "WARNING", "ERROR", "INFO"]


def test_a_line_shows_its_time() -> None:
    assert [line.time for line in parse(TEXT)][1] == "12:00:01"
    assert "12:00:04  ERROR failed  status=500" in [shown(line) for line in parse(TEXT)]


def test_headings_stay_when_lines_are_filtered() -> None:
    kept = at_least(parse(TEXT), "ERROR")
    assert kept[0].is_heading
    assert all(line.level == "ERROR" for line in kept[1:])


def test_colours_of_a_terminal_are_dropped() -> None:
    assert [line.text for line in parse("\x1b[31mred\x1b[0m")] == ["red"]


def test_json_that_is_no_log_record_is_shown_as_it_is() -> None:
    assert [line.text for line in parse('{"a": 1}\n{broken')] == ['{"a": 1}', "{broken"]
