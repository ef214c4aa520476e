"""Tools of long steps: their output line by line, their end with everything they started."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from deployments.building.processes import Cancelled, run
from tests.drivers.cases import until
from tests.serving.replica import alive


def tool(program: str, log: list[str], *, cancelled=lambda: False, timeout: float = 20):
    """Run a Python program as a tool."""
    return run(
        [sys.executable, "-u", "-c", program],
        log=log.append,
        cancelled=cancelled,
        timeout=timeout,
        environment={"PATH": "/usr/bin:/bin"},
        cwd="/",
        account={},
    )


def test_both_streams_are_logged_line_by_line() -> None:
    log: list[str] = []
    program = "import sys; print('one'); print('two', file=sys.stderr); print('é', end='')"
    assert tool(program, log) == (0, ["one", "two", "é"])
    assert "\n".join(log).split("\n") == ["one", "two", "é"]


def test_the_exit_code_and_the_last_200_lines_are_kept() -> None:
    code, tail = tool("for n in range(1000): print(n)\nraise SystemExit(7)", [])
    assert code == 7
    assert tail == [str(number) for number in range(800, 1000)]


def test_output_arrives_while_the_tool_runs() -> None:
    log: list[str] = []
    program = "import time; print('early'); time.sleep(60)"
    with pytest.raises(Cancelled):
        tool(program, log, cancelled=lambda: log == ["early"])


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    code, tail = tool("import os; os.write(1, bytes([255, 254, 10]))", [])
    assert (code, tail) == (0, ["\ufffd\ufffd"])


def test_a_tool_that_takes_too_long_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="took too long"):
        tool("import time; time.sleep(60)", [], timeout=0.5)
    assert time.monotonic() - began < 8


def test_cancel_ends_what_the_tool_started_and_what_ignores_the_signal(tmp_path: Path) -> None:
    child = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open('{tmp_path}/ready', 'w').close(); time.sleep(60)"
    )
    program = (
        "import subprocess, sys, time; "
        f"print(subprocess.Popen([sys.executable, '-c', {child!r}]).pid); time.sleep(60)"
    )
    log: list[str] = []
    with pytest.raises(Cancelled):
        tool(program, log, cancelled=(tmp_path / "ready").exists)
    until(lambda: not alive(int(log[0])), 5)


def test_a_child_that_keeps_the_output_open_does_not_hold_the_step() -> None:
    program = (
        "import subprocess, sys; "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('done')"
    )
    began = time.monotonic()
    assert tool(program, []) == (0, ["done"])
    assert time.monotonic() - began < 10


def test_a_tool_that_closes_its_output_is_waited_for() -> None:
    program = "import os, time; os.close(1); os.close(2); time.sleep(3.3); os._exit(5)"
    assert tool(program, []) == (5, [])


def test_the_environment_is_the_given_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_SECRET_KEY", "hidden")
    _, tail = tool("import os; print(sorted(os.environ))", [])
    assert "SLIPWAY_SECRET_KEY" not in tail[0]
