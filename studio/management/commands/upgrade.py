"""`manage.py upgrade`: back up the databases and migrate them."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from studio.supervisor.problem import StartProblem
from studio.upgrade import upgrade


class Command(BaseCommand):
    help = "Back up the databases, then migrate the studio's and MLflow's to this release."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--yes",
            action="store_true",
            help="databases on PostgreSQL were saved with pg_dump",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            upgrade(settings.SLIPWAY, yes=options["yes"], say=self.stdout.write)
        except StartProblem as problem:
            self.stderr.write(str(problem))
            sys.exit(1)
