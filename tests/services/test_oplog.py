"""Logs by offset: pieces read one after the other are the whole, whatever grows meanwhile."""

from __future__ import annotations

import re
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.choices import OperationStatus, StepState
from deployments.control.operations import operation_end, step_end
from deployments.drivers.fake import FakeDriver
from deployments.logs import oplog
from deployments.logs.utf8 import decode_whole
from deployments.models import Operation
from tests.factories import deploying

lines = st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])))


@given(data=st.binary(), limit=st.integers(4, 40))
def test_any_bytes_are_read_whole_in_pieces(data: bytes, limit: int) -> None:
    text, offset = "", 0
    while offset < len(data):
        part, taken = decode_whole(data[offset : offset + limit])
        if not taken:
            break  # a character whose rest is missing
        text, offset = text + part, offset + taken
    assert data[:offset].decode("utf-8", "replace") == text
    assert len(data) - offset < 4


@given(lines=lines, limit=st.integers(4, 60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_is_read_whole_in_pieces(tmp_path: Path, lines: list[str], limit: int) -> None:
    path = tmp_path / "step.log"
    whole = "".join(f"{line}\n" for line in lines)
    path.write_text(whole, encoding="utf-8")
    text, offset, complete = "", 0, False
    while not complete:
        chunk = oplog.read(path, offset, complete=True, limit=limit)
        text, offset, complete = text + chunk.text, chunk.next_offset, chunk.complete
    assert text == whole
    assert oplog.read(path, offset, complete=True) == oplog.LogChunk("", offset, True)


def test_a_half_written_character_is_left_for_the_next_read(tmp_path: Path) -> None:
    path = tmp_path / "step.log"
    path.write_bytes(b"caf\xc3")
    first = oplog.read(path, 0, complete=False)
    path.write_bytes("café\n".encode())
    assert first.text + oplog.read(path, first.next_offset, complete=False).text == "café\n"


def test_a_log_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    missing = tmp_path / "missing.log"
    assert oplog.read(missing, 0, complete=False) == oplog.LogChunk("", 0, False)


@pytest.fixture
def operation(fake: FakeDriver) -> Operation:
    return deploying("diabetes", prepared=False)


def follow(operation: Operation, offset: int = 0) -> tuple[str, int, bool]:
    text = ""
    while True:
        chunk = oplog.read_operation(operation, offset)
        if not chunk.text:
            return text, offset, chunk.complete
        text, offset = text + chunk.text, chunk.next_offset


def test_every_line_has_its_time_and_every_step_its_heading(operation: Operation) -> None:
    first, second, *_ = operation.steps.all()
    oplog.writer(first)("one\ntwo")
    step_end(first, StepState.SUCCEEDED)
    oplog.writer(second)("thréé")
    text, _, complete = follow(operation)
    assert not complete
    assert [re.sub(r"^\d{14}\|", "", line) for line in text.splitlines()] == [
        *("== Queued ==", "one", "two", "== Copy model ==", "thréé"),
    ]


def test_an_offset_stays_valid_while_the_operation_goes_on(operation: Operation) -> None:
    text, offset = "", 0
    with mock.patch.object(oplog, "MAX_CHUNK", 10):
        for number, step in enumerate(operation.steps.all()):
            oplog.writer(step)(f"é{number} begins")
            more, offset, _ = follow(operation, offset)
            oplog.writer(step)(f"é{number} ends")
            step_end(step, StepState.SUCCEEDED)
            text += more
            more, offset, _ = follow(operation, offset)
            text += more
    operation_end(operation, OperationStatus.SUCCEEDED)
    more, offset, complete = follow(operation, offset)
    assert complete
    assert text + more == follow(operation)[0]
    assert text.count("begins") == text.count("ends") == operation.steps.count()
