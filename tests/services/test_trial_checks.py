"""What a trial says to a person, and what is read of the line that a model's process wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.configuring.check_values import Check, check_from, worst
from deployments.trying.trial import Ran, answer_read
from deployments.trying.trial_checks import checks_of

GOOD = {"trial": 1, "ok": True, "stage": "", "error": "", "load_seconds": 1.25, "rows": 3,
        "ms_per_row": 0.5, "first_ms": 2.0, "rest_mb": 100, "peak_mb": 120, "output_equal": None,
        "row_wise": True, "row_wise_reason": "64 rows were equal.", "sample": "example",
        "traceback": "", "answer": "[1]"}  # fmt: skip


def ran(**changes: Any) -> Ran:
    return Ran(answer_read([json.dumps({**GOOD, **changes})]))


def found(trial: Ran, memory_mb: int = 512) -> dict[str, Check]:
    return {check.name: check for check in checks_of(trial, memory_mb=memory_mb)}


def test_all_is_well() -> None:
    checks = found(ran())
    assert list(checks) == ["load", "example", "batching", "memory"]
    assert worst(checks.values()) == "passed"
    assert checks["load"].sentence == "Loads in 1.2 s."
    assert checks["example"].sentence == "The input example (3 rows) was scored in 0.5 ms per row."
    assert "100 MB of memory at rest and 120 MB at its peak; 512" in checks["memory"].sentence


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        (
            {"ok": False, "stage": "load", "error": "ModuleNotFoundError: No module named 'a.b'"},
            *("load", "The package “a” is missing"),
        ),
        (
            {
                **{"ok": False, "stage": "load"},
                "error": "OSError: libgomp.so.1: cannot open shared object file: No such file",
            },
            *("load", "The library libgomp.so.1 of the operating system is missing"),
        ),
        ({"ok": False, "stage": "load", "error": "ValueError: no"}, "load", "ValueError: no"),
        ({"ok": False, "stage": "signature", "error": "x"}, "signature", "The input example does"),
        (
            {"ok": False, "stage": "signature", "error": "x", "sample": "given"},
            *("signature", "The sample does not fit"),
        ),
        ({"ok": False, "stage": "score", "error": "boom"}, "example", "could not be scored: boom"),
        ({"ok": False, "stage": "output", "error": "1 was"}, "output", "not the one that was"),
    ],
)
def test_what_failed_is_named(changes: dict[str, Any], name: str, words: str) -> None:
    check = found(ran(**changes))[name]
    assert check.result == "failed"
    assert words in check.sentence
    assert check.next_step


@pytest.mark.parametrize(
    ("trial", "name", "words"),
    [
        (
            Ran(too_much_mb=600.4),
            "memory",
            "more than 512 MB of memory (measured at least 600 MB).",
        ),
        (Ran(too_much_mb=512.0), "memory", "more than the 512 MB of memory it was given."),
        (Ran(timed_out=True), "load", "did not end within 600 s."),
        (Ran(exit_code=-9), "load", "without an answer (exit code -9)."),
    ],
)
def test_a_trial_without_an_answer_is_told(trial: Ran, name: str, words: str) -> None:
    checks = found(trial)
    assert list(checks) == [name]
    assert checks[name].next_step
    assert words in checks[name].sentence


def test_memory_near_its_limit_and_no_example_are_warnings() -> None:
    checks = found(ran(peak_mb=450, sample="none", rows=None))
    assert (checks["memory"].result, checks["example"].result) == ("warning", "warning")
    assert checks["memory"].next_step
    assert checks["example"].next_step


def test_an_environment_is_named_to_those_who_can_choose_one() -> None:
    error = "ModuleNotFoundError: No module named 'a'"
    missing = ran(ok=False, stage="load", error=error)
    (without, _memory) = checks_of(missing, memory_mb=512)
    assert without.next_step.startswith("Add it to the model's requirements and register it again")
    (with_one, _memory) = checks_of(missing, memory_mb=512, scripted=True)
    assert with_one.next_step.startswith("Choose an environment that has it")


def test_a_check_survives_being_stored() -> None:
    check = Check("a", "warning", "b", "c")
    assert check_from(check.as_dict()) == check
    assert check_from({}).result == "failed"


def test_the_answer_is_found_behind_what_the_model_prints() -> None:
    lines = ["x", "no end of line" + json.dumps(GOOD), "bye"]
    assert (answer_read(lines) or {})["ok"] is True


@pytest.mark.parametrize("line", ["", "{", '{"trial": 1', '{"trial": 1}', "\x00", "[]"])
def test_what_is_no_answer_is_none(line: str) -> None:
    assert answer_read([line]) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries(dict.fromkeys([name for name in GOOD if name != "trial"], JSON)))
def test_whatever_a_line_holds_it_becomes_checks(raw: dict[str, Any]) -> None:
    answer = answer_read([json.dumps({"trial": 1, **raw})])
    assert answer is not None
    assert answer["ok"] == (raw["ok"] is True)
    checks = checks_of(Ran(answer), memory_mb=512)
    json.dumps([check.as_dict() for check in checks], allow_nan=False).encode()
    "".join(check.sentence for check in checks).encode()
