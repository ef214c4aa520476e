"""`manage.py demo`: fill an empty studio with real runs, by training."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from studio.demo import demo_run
from studio.supervisor import folder
from studio.supervisor.problem import StartProblem
from studio.supervisor.up import studio_url
from workspaces.errors import Problem


class Command(BaseCommand):
    help = "Fill the studio with two experiments by training models (about a minute)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", default="admin", help="whose runs they are (admin)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            folder.prepare(settings.SLIPWAY)
            status = demo_run(username=options["user"], say=self._say)
        except (Problem, StartProblem) as problem:
            self.stderr.write(str(problem))
            sys.exit(1)
        self._say(f"{status.total} runs are there: {studio_url(settings.SLIPWAY)}/experiments/")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
