"""`manage.py down`: stop the studio of this data folder."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from deployments.selectors import services_outliving
from studio.supervisor.up import down


class Command(BaseCommand):
    help = "Stop the studio of this data folder, local services included; `up` brings them back."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--keep-serving",
            action="store_true",
            help="the gateway and the services go on answering (for an upgrade)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        code = down(settings.SLIPWAY, keep_serving=options["keep_serving"], say=self.stdout.write)
        if code:
            sys.exit(code)
        left = [] if options["keep_serving"] else _outliving()
        if left:
            self.stdout.write(f"Not stopped, as their targets run them: {', '.join(left)}.")


def _outliving() -> list[str]:
    try:
        return services_outliving()
    except DatabaseError:  # away, or never filled: the processes are stopped all the same
        return []
