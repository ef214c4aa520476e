"""`manage.py doctor`: say what is available, and how to mend what is not."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from studio.doctor import Finding, examine

SIGNS = {"ok": "ok", "warning": "look", "missing": "MISSING"}


class Command(BaseCommand):
    help = "Say what is available (Redis, Docker, database, disk, Pythons), how to mend the rest."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine(settings.SLIPWAY)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            for finding in findings:
                self._write(finding)
        if any(finding.result == "missing" for finding in findings):
            sys.exit(1)

    def _write(self, finding: Finding) -> None:
        self.stdout.write(f"{SIGNS[finding.result]:<8}{finding.name:<20}{finding.sentence}")
        if finding.mend:
            self.stdout.write(f"{'':<28}→ {finding.mend}")
