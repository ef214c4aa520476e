"""The state rule, tested by enumerating its inputs against its invariants."""

import itertools
from collections.abc import Iterator

import pytest

from deployments.choices import Desired, ServiceState
from deployments.control.state import Facts, Probe, Verdict, derive, next_check_seconds
from deployments.drivers.base import Observation, Phase

DIGEST = "wanted"


def every_fact() -> Iterator[Facts]:
    observations = [None] + [
        Observation(phase, digest=digest, message="m", out_of_memory=memory)
        for phase in Phase
        for digest in (DIGEST, "other")
        for memory in (False, True)
    ]
    for desired, failed, is_open, proven, seen, left, probe, notice in itertools.product(
        Desired,
        (0, 6, 7),
        (False, True),
        (False, True),
        observations,
        (False, True),
        (None, False, True),
        ("", "update failed"),
    ):
        yield Facts(
            desired=desired,
            generation=7,
            failed_generation=failed,
            operation_open=is_open,
            proven=proven,
            digest=DIGEST,
            seen=seen,
            leftovers=left,
            probe=Probe(probe, 0, "no answer"),
            unreachable="" if seen else "the socket does not answer",
            failure="it crashed",
            notice=notice,
        )


EVERY = list(every_fact())


def test_there_are_thousands_of_cases() -> None:
    assert len(EVERY) > 5_000


def test_healthy_only_with_the_wanted_revision_answering_its_probe() -> None:
    for facts in EVERY:
        if derive(facts).state == ServiceState.HEALTHY:
            assert facts.desired == Desired.RUNNING
            assert facts.seen is not None
            assert facts.seen.phase == Phase.RUNNING
            assert facts.seen.digest == DIGEST
            assert facts.probe.ok is True


def test_a_deleted_service_never_shows_another_state() -> None:
    for facts in EVERY:
        if facts.desired == Desired.DELETED:
            assert derive(facts).state == ServiceState.DELETING


def test_an_unreachable_target_is_unhealthy_never_failed() -> None:
    for facts in EVERY:
        if facts.seen is None and facts.desired != Desired.DELETED:
            verdict = derive(facts)
            if facts.failed_generation == facts.generation and facts.desired == Desired.RUNNING:
                assert verdict.state == ServiceState.FAILED  # it failed before, for its own reason
            else:
                assert verdict.state == ServiceState.UNHEALTHY
                assert verdict.reason == "TargetUnreachable"


def test_failed_belongs_to_the_generation_that_failed() -> None:
    for facts in EVERY:
        if derive(facts).state == ServiceState.FAILED:
            assert facts.failed_generation == facts.generation


def test_stopped_only_when_nothing_is_left() -> None:
    for facts in EVERY:
        if derive(facts).state == ServiceState.STOPPED:
            assert facts.desired == Desired.STOPPED
            assert not facts.leftovers
            assert facts.seen is not None
            assert facts.seen.phase == Phase.ABSENT


def test_every_case_has_a_reason_and_a_time_to_look_again() -> None:
    for facts in EVERY:
        verdict = derive(facts)
        assert verdict.reason
        assert next_check_seconds(verdict, 0) > 0


@pytest.mark.parametrize("failures", [0, 1, 5, 50, 5000])
def test_looking_again_backs_off_but_never_gives_up(failures: int) -> None:
    for facts in EVERY[::97]:
        verdict = derive(facts)
        assert 0 < next_check_seconds(verdict, failures) <= 3600


def test_a_failed_update_keeps_serving_and_says_so() -> None:
    facts = Facts(
        desired=Desired.RUNNING,
        generation=2,
        failed_generation=0,
        operation_open=False,
        proven=True,
        digest=DIGEST,
        seen=Observation(Phase.RUNNING, digest=DIGEST),
        leftovers=False,
        probe=Probe(ok=True),
        notice="update failed: no such package",
    )
    verdict = derive(facts)
    assert (verdict.state, verdict.reason) == (ServiceState.HEALTHY, "UpdateFailed")
    assert "no such package" in verdict.message


def test_what_does_not_stop_for_long_is_looked_at_less_often() -> None:
    stopping = Verdict(ServiceState.TRANSITIONING, "Stopping", "")
    away = Verdict(ServiceState.DELETING, "Deleting", "the socket does not answer")
    assert next_check_seconds(stopping, 1) < next_check_seconds(stopping, 1000)
    assert next_check_seconds(away, 20) > 10
