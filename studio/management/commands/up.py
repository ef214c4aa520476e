"""`manage.py up`: start the studio and everything it needs, under one supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from studio.supervisor import folder
from studio.supervisor.problem import StartProblem
from studio.supervisor.up import Up


class Command(BaseCommand):
    help = "Start the studio: web, tracking, gateway, workers, beat and Redis. Ctrl-C stops it all."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--detach", action="store_true", help="go to the background once everything answers"
        )
        parser.add_argument("--ready-file", help="(internal) log to continue in once it is ready")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            code = self._detach() if options["detach"] else self._run(options["ready_file"])
        except StartProblem as problem:
            self.stderr.write(str(problem))
            sys.exit(1)
        if code:
            sys.exit(code)

    def _run(self, ready_file: str | None) -> int:
        def on_ready() -> None:
            if ready_file:
                _continue_in(Path(ready_file))

        return Up(
            settings.SLIPWAY,
            source_root=settings.SOURCE_ROOT,
            bundled=settings.BUNDLED.is_dir(),
            say=self._say,
            on_ready=on_ready,
        ).run()

    def _say(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            pass  # the terminal is gone; the supervisor goes on until it is told to stop

    def _detach(self) -> int:
        """Run `up` in a session of its own; show what it says until it is ready or has ended."""
        folder.prepare(settings.SLIPWAY)
        log = settings.DATA.logs / "up.log"
        process = subprocess.Popen(
            [*_this_command(), "up", "--ready-file", str(log)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        for line in process.stdout:  # ends when it goes on in its log, or ends
            self._say(line.decode(errors="replace").rstrip("\n"))
        try:
            return process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._say("It runs in the background; `manage.py down` stops it.")
            return 0


def _this_command() -> list[str]:
    """How this program was started, to start it again: `slipway`, `manage.py` or `-m`."""
    program = Path(sys.argv[0])
    if program.is_file() and os.access(program, os.R_OK):
        return [sys.executable, str(program.resolve())]
    return [sys.executable, "-m", "django"]


def _continue_in(path: Path) -> None:
    """Send this process's output to `path` from now on; the pipe to the terminal closes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
