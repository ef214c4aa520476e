"""A revision that no service has: what pre-flight and profile prepare as a deploy would.

The steps of a deploy make its parts (copy, environment, image) through the very same functions;
only what they find out is kept with the operation instead of with a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deployments.choices import OperationKind
from deployments.configuring import configuration
from deployments.control import instances, step_handlers
from deployments.control.background import found_keep
from deployments.control.step_handlers import Work
from deployments.drivers.base import Driver
from deployments.models import Revision, Service, Target
from deployments.targets import driver_for
from deployments.trying.draft_values import KEPT, NO_LOCK
from serving.contract import ReplicaConfig

# in a pre-flight the loading is not judged while the environment is made: trying it does that;
# a profile is measured as the service would run, batching included, so there the check is made
_NOT_YET = "It is tried in the next step."


@dataclass(frozen=True)
class Draft(Work):
    """A claimed step whose revision is not in the database; `asked` says what it is made of."""

    @cached_property
    def target(self) -> Target:
        return Target.objects.get(name=self.operation.asked["target"])

    @property
    def driver(self) -> Driver:
        return driver_for(self.target)

    @cached_property
    def service(self) -> Service:
        return Service(name="draft", target=self.target)

    @cached_property
    def revision(self) -> Revision:
        asked = self.operation.asked
        is_trial = self.operation.kind == OperationKind.PREFLIGHT
        values: dict[str, Any] = {
            "service": self.service,
            "number": 0,
            "model_name": asked["model"],
            "model_version": asked["version"],
            "deployment": asked["deployment"],
            "inference": asked["inference"],
            "row_wise_reason": _NOT_YET if is_trial else "",
            **self.operation.found.get(KEPT, {}),
        }
        return Revision(**values)

    @property
    def wish(self) -> configuration.DeploymentConfiguration:
        """The resources that it is tried with."""
        return configuration.from_dict(self.revision.deployment)

    def keep(self, **values: Any) -> None:
        """Write what this step found out about the draft to its operation."""
        for name, value in values.items():
            setattr(self.revision, name, value)
        found_keep(self.operation, **{KEPT: {**self.operation.found.get(KEPT, {}), **values}})

    def prepare(self) -> None:
        """Make the environment and, where the target runs images, the image. Idempotent.

        Raises:
            StepFailed, DriverError, Problem. processes.Cancelled.
        """
        step_handlers.prepare_environment(self)
        if self.driver.builds_image:
            step_handlers.build_image(self)

    def prepare_with(self, loader: str, reason: str) -> None:
        """Make both again for another loader. Raises: as `prepare`."""
        self.keep(loader=loader, loader_reason=reason, environment_hash=NO_LOCK)
        self.prepare()

    def replica_config(self, port: int = 0) -> ReplicaConfig:
        """What a replica of it would be told, with paths as they are on this machine."""
        return instances.replica_config(self.service, self.revision, self.wish, port)


def draft_of(work: Work) -> Draft:
    """The draft that a claimed step of background work is about."""
    return Draft(work.operation, work.step, work.log, work.cancelled)
