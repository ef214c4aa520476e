"""`manage.py preflight models:/NAME/VERSION`: will it run? Exit code 1 when it will not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deployments.configuring.check_values import Check, check_from, worst
from deployments.trying import at_hand
from deployments.trying.preflight import preflight
from deployments.trying.preflight_steps import CHECKS, MEASURED
from deployments.trying.trials import preflight_ask
from workspaces.errors import Problem

SIGNS = {"passed": "ok", "warning": "look", "failed": "FAILED"}


class Command(BaseCommand):
    help = "Check a model version for a target, then try it there, as a service would run."

    def add_arguments(self, parser: CommandParser) -> None:
        at_hand.arguments_add(parser)
        parser.add_argument("--name", help="name of the service it is meant for")
        parser.add_argument("--quick", action="store_true", help="only what needs no trial")
        parser.add_argument(
            "--sample-output", type=Path, metavar="FILE", help="JSON that must be answered"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        at_hand.target_ready(options["target"])
        asked = {
            "model": options["model"],
            "target": options["target"],
            "deployment": at_hand.deployment_of(options),
            "inference": at_hand.inference_of(options),
        }
        checks = preflight(name=options["name"] or "unnamed", **asked)
        if not options["name"]:
            checks = [check for check in checks if check.name != "name"]
        found: dict[str, Any] = {}
        if not options["quick"]:
            found = self._try(asked, options)
            tried = [check_from(item) for item in found.get(CHECKS, [])]
            known = {check.name for check in tried} | {"trial"}  # what was tried says more
            checks = [check for check in checks if check.name not in known] + tried
        self._say(checks, found.get(MEASURED) or {}, as_json=options["json"])
        if worst(checks) == "failed" or found.get("failed"):
            sys.exit(1)

    def _try(self, asked: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        sample = at_hand.samples_of(options)
        try:
            operation = preflight_ask(**asked, sample=sample, user=None)
        except Problem as problem:
            raise CommandError(problem.message) from None
        say = self.stderr.write if options["verbose"] else lambda _line: None
        ended = at_hand.operation_follow(operation, say)
        found = dict(ended.found)
        if not at_hand.succeeded(ended) and not found.get(CHECKS):
            raise CommandError(ended.error or ended.get_status_display())
        return found | {"failed": not at_hand.succeeded(ended)}

    def _say(self, checks: list[Check], measured: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            document = {"checks": [check.as_dict() for check in checks], "measured": measured}
            self.stdout.write(json.dumps(document, indent=2, ensure_ascii=False))
            return
        for check in checks:
            self.stdout.write(f"{SIGNS[check.result]:<8}{check.name:<14}{check.sentence}")
            if check.next_step and check.result != "passed":
                self.stdout.write(f"{'':<22}→ {check.next_step}")
        if measured.get("traceback"):
            self.stdout.write("\n" + measured["traceback"].rstrip("\n"))
