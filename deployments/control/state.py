"""What a service's state is: one pure function of what is wanted and what was seen.

`derive` is the only place that decides a state. It does no I/O and knows no table, so that its
inputs can be enumerated against the invariants of docs/reference/states.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployments.choices import Desired, ServiceState
from deployments.drivers.base import Observation, Phase

PATIENT_LOOKS = 200  # at what is stopping; then less often: it will not be quick any more


@dataclass(frozen=True)
class Probe:
    """What the readiness probe of the wanted revision said. `ok` None: not asked."""

    ok: bool | None = None
    failures: int = 0  # in a row, this one included
    message: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything the state depends on. `seen` None: the target did not answer."""

    desired: Desired
    generation: int
    failed_generation: int  # the generation that was found unable to run; 0: none
    operation_open: bool  # a change is being carried out
    proven: bool  # the wanted revision has passed its smoke test before
    digest: str  # of the wanted revision; "" when not known yet
    seen: Observation | None
    leftovers: bool  # instances other than the wanted one still exist
    probe: Probe = Probe()
    unreachable: str = ""  # the driver's sentence
    failure: str = ""  # why failed_generation failed
    notice: str = ""  # to be said beside Healthy: "update failed: …"


@dataclass(frozen=True)
class Verdict:
    state: ServiceState
    reason: str
    message: str


def derive(facts: Facts) -> Verdict:
    """The state that these facts mean, with one word for programs and a sentence for people."""
    if facts.desired == Desired.DELETED:
        return Verdict(ServiceState.DELETING, "Deleting", facts.unreachable)
    if facts.desired == Desired.STOPPED:
        return _derive_stopped(facts)
    return _derive_running(facts)


def _derive_stopped(facts: Facts) -> Verdict:
    if facts.seen is None:
        return _unreachable(facts)
    if facts.seen.phase == Phase.ABSENT and not facts.leftovers:
        return Verdict(ServiceState.STOPPED, "Stopped", "")
    return Verdict(ServiceState.TRANSITIONING, "Stopping", "")


def _derive_running(facts: Facts) -> Verdict:
    if facts.failed_generation == facts.generation:
        return Verdict(ServiceState.FAILED, "Failed", facts.failure)
    if facts.seen is None:
        return _unreachable(facts)
    if facts.seen.phase == Phase.NO_CAPACITY:
        return Verdict(ServiceState.UNSCHEDULABLE, "NoCapacity", facts.seen.message)
    if facts.operation_open:
        return Verdict(ServiceState.TRANSITIONING, "Deploying", "")
    if is_ready(facts):
        reason = "UpdateFailed" if facts.notice else "Ready"
        return Verdict(ServiceState.HEALTHY, reason, facts.notice)
    return _derive_not_ready(facts, facts.seen)


def _derive_not_ready(facts: Facts, seen: Observation) -> Verdict:
    if seen.phase == Phase.EXITED:
        reason = "OutOfMemory" if seen.out_of_memory else "Exited"
        return Verdict(ServiceState.UNHEALTHY, reason, seen.message)
    if seen.phase == Phase.ABSENT:
        return Verdict(ServiceState.UNHEALTHY, "Absent", "")
    if seen.phase == Phase.RUNNING and seen.digest == facts.digest and facts.probe.ok is False:
        return Verdict(ServiceState.UNHEALTHY, "NotAnswering", facts.probe.message)
    return Verdict(ServiceState.UNHEALTHY, "Starting", seen.message)


def _unreachable(facts: Facts) -> Verdict:
    return Verdict(ServiceState.UNHEALTHY, "TargetUnreachable", facts.unreachable)


def is_ready(facts: Facts) -> bool:
    """True when the wanted revision itself, not another, answers its readiness probe now."""
    return (
        facts.seen is not None
        and facts.seen.phase == Phase.RUNNING
        and bool(facts.digest)
        and facts.seen.digest == facts.digest
        and facts.probe.ok is True
    )


def next_check_seconds(verdict: Verdict, failures: int, *, waiting: bool = False) -> float:
    """How long reconcile may look away from a service in this state, in seconds.

    Args:
        failures: looks in a row that did not find it ready.
        waiting: a worker of the steps queue is at work and will wake us.
    """
    if verdict.state == ServiceState.DELETING and verdict.message:  # the target is away
        return min(0.5 * 2.0 ** min(failures, 10), 15.0)
    if verdict.reason in {"Stopping", "Deleting"} and failures > PATIENT_LOOKS:
        return 2.0
    if verdict.state in {ServiceState.TRANSITIONING, ServiceState.DELETING}:
        return 1.0 if waiting else 0.1
    if verdict.state in {ServiceState.UNHEALTHY, ServiceState.UNSCHEDULABLE}:
        return min(0.5 * 2.0 ** min(failures, 10), 15.0)
    if verdict.state == ServiceState.HEALTHY:
        return 5.0
    return 3600.0
