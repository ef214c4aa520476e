"""`manage.py profile models:/NAME/VERSION`: how big should its service be?"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deployments.trying import at_hand
from deployments.trying.preflight_steps import MEASURED
from deployments.trying.profiles import profile_ask
from workspaces.errors import Problem


class Command(BaseCommand):
    help = "Score a sample at rising load on a target, and recommend CPU, memory and replicas."

    def add_arguments(self, parser: CommandParser) -> None:
        at_hand.arguments_add(parser)
        parser.add_argument("--requests-per-second", type=float, help="to serve at the peak")
        parser.add_argument("--p99-ms", type=float, help="99 %% shall be answered within it")
        parser.add_argument("--time-limit-seconds", type=float, help="of measuring (120)")
        parser.add_argument("--max-clients", type=int, help="at once, at most (64)")

    def handle(self, *args: Any, **options: Any) -> None:
        at_hand.target_ready(options["target"])
        names = ("requests_per_second", "p99_ms", "time_limit_seconds", "max_clients")
        try:
            operation = profile_ask(
                model=options["model"],
                target=options["target"],
                deployment=at_hand.deployment_of(options),
                inference=at_hand.inference_of(options),
                sample=at_hand.samples_of(options),
                wanted={name: options[name] for name in names},
                user=None,
            )
        except Problem as problem:
            raise CommandError(problem.message) from None
        say = self.stderr.write if options["verbose"] else lambda _line: None
        ended = at_hand.operation_follow(operation, say)
        if not at_hand.succeeded(ended):
            raise CommandError(ended.error or ended.get_status_display())
        result = ended.found[MEASURED]
        if options["json"]:
            self.stdout.write(json.dumps(result, indent=2))
            return
        self._say(result)

    def _say(self, result: dict[str, Any]) -> None:
        self.stdout.write("clients  requests/s     p50 ms     p99 ms    CPU       MB")
        for level in result["levels"]:
            cpu = "-" if level["cpu"] is None else f"{level['cpu']:.2f}"
            memory = "-" if level["memory_mb"] is None else f"{level['memory_mb']:,.0f}"
            self.stdout.write(
                f"{level['clients']:>7}  {level['rate']:>10,.1f} {level['p50_ms']:>10,.2f} "
                f"{level['p99_ms']:>10,.2f} {cpu:>6} {memory:>8}"
            )
        self.stdout.write(result["stopped"])
        replicas = result["recommendedReplicas"]
        if replicas is None:
            self.stdout.write("No load keeps the latency that was asked for.")
            return
        self.stdout.write(
            f"Recommended: {result['recommendedCpu']:g} CPU, "
            f"{result['recommendedMemoryInGB']:g} GB, {replicas} replica(s)"
        )
