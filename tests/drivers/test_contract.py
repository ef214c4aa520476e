"""What every driver must hold to: the docstrings of deployments/drivers/base.py."""

from __future__ import annotations

import time

import pytest

from deployments.drivers.base import ABSENT, Phase, TargetUnreachable
from tests.drivers.cases import Case, auth, until


def test_a_target_that_is_there_is_ready_and_says_what_it_has(case: Case) -> None:
    began = time.monotonic()
    report = case.driver.check()
    assert report.problems == ()
    assert report.version
    assert report.capacity.cpu_total
    assert report.capacity.cpu_total > 0
    assert report.capacity.memory_total_mb
    assert report.capacity.memory_total_mb > 100
    assert time.monotonic() - began < 5


def test_nothing_is_known_of_an_unknown_instance(case: Case) -> None:
    folder = case.folder / "ghost-1-0"
    assert case.driver.observe("ghost-1-0", folder) == ABSENT
    assert case.driver.logs("ghost-1-0", folder, since=7) == ("", 7)
    assert case.driver.remove("ghost-1-0", folder) is True
    case.driver.put_auth("ghost-1-0", folder, auth(2))
    assert "ghost-1-0" not in list(case.driver.names())


def test_an_applied_instance_runs_and_says_where(case: Case) -> None:
    spec = case.running()
    found = case.observe(spec)
    assert (found.phase, found.digest) == (Phase.RUNNING, "d1")
    assert found.endpoint.startswith("http://")
    assert (found.restarts, found.exit_code, found.out_of_memory) == (0, None, False)
    assert found.auth_version == 1


def test_apply_returns_at_once(case: Case) -> None:
    began = time.monotonic()
    case.driver.apply(case.spec())
    assert time.monotonic() - began < 5


def test_applying_twice_gives_one_object(case: Case) -> None:
    spec = case.running()
    before = case.identity(spec.name)
    case.driver.apply(spec)
    case.driver.apply(spec)
    assert case.identity(spec.name) == before
    assert list(case.driver.names()).count(spec.name) == 1
    assert case.observe(spec).phase is Phase.RUNNING


def test_another_digest_replaces_the_object(case: Case) -> None:
    spec = case.running()
    before = case.identity(spec.name)
    changed = case.spec(like=spec, digest="d2")
    case.replaced(changed)
    assert case.observe(changed).digest == "d2"
    assert case.identity(spec.name) != before
    assert list(case.driver.names()).count(spec.name) == 1


def test_a_crash_between_create_and_start_leaves_one_object_that_is_then_started(
    case: Case,
) -> None:
    spec = case.spec()
    case.apply_and_die(spec)
    assert list(case.driver.names()) == [spec.name]
    assert case.observe(spec).phase is Phase.PENDING
    before = case.identity(spec.name)
    case.driver.apply(spec)
    until(lambda: case.observe(spec).auth_version)
    assert case.identity(spec.name) == before
    assert list(case.driver.names()) == [spec.name]


def test_an_instance_that_ended_is_started_again(case: Case) -> None:
    spec = case.running()
    case.end(spec)
    case.reaches(spec, Phase.EXITED)
    before = case.identity(spec.name)
    case.driver.apply(spec)
    until(lambda: case.observe(spec).auth_version)
    assert case.identity(spec.name) == before


def test_a_new_start_takes_the_new_keys(case: Case) -> None:
    spec = case.running()
    case.end(spec)
    case.reaches(spec, Phase.EXITED)
    case.driver.apply(case.spec(like=spec, auth_version=5))
    assert until(lambda: case.observe(spec).auth_version) == 5


def test_an_instance_that_ends_says_its_exit_code_and_why(case: Case) -> None:
    spec = case.spec("exit:3:No module named 'sklearn'")
    case.driver.apply(spec)
    found = case.reaches(spec, Phase.EXITED)
    assert found.exit_code == 3
    assert found.message.endswith("No module named 'sklearn'")
    assert not found.out_of_memory
    assert not found.endpoint


def test_too_little_memory_is_told_apart_from_other_ends(case: Case) -> None:
    spec = case.spec("eat")
    case.driver.apply(spec)
    found = case.reaches(spec, Phase.EXITED)
    assert found.out_of_memory
    assert found.message.startswith("used ")
    assert found.message.endswith(f"{case.memory_mb} MB")


def test_new_keys_reach_a_running_instance(case: Case) -> None:
    spec = case.running()
    before = case.identity(spec.name)
    for version in range(2, 12):
        case.driver.put_auth(spec.name, spec.folder, auth(version))
    until(lambda: case.observe(spec).auth_version == 11)
    assert case.identity(spec.name) == before
    assert "HALF WRITTEN" not in case.text(spec)


def test_names_lists_what_runs_what_ended_and_not_what_is_gone(case: Case) -> None:
    one, other = case.running(), case.spec("exit:0:done")
    case.driver.apply(other)
    case.reaches(other, Phase.EXITED)
    assert sorted(case.driver.names()) == sorted([one.name, other.name])
    until(lambda: case.driver.remove(one.name, one.folder))
    assert list(case.driver.names()) == [other.name]


def test_removing_does_not_block_and_ends_with_nothing_left(case: Case) -> None:
    spec = case.running()
    began = time.monotonic()
    case.driver.remove(spec.name, spec.folder)
    assert time.monotonic() - began < 3
    until(lambda: case.driver.remove(spec.name, spec.folder))
    assert case.observe(spec) == ABSENT
    assert case.driver.remove(spec.name, spec.folder) is True


def test_an_instance_that_does_not_want_to_end_is_ended(case: Case) -> None:
    spec = case.running("stubborn")
    assert case.driver.remove(spec.name, spec.folder) is False
    assert case.driver.remove(spec.name, spec.folder) is False
    until(lambda: case.driver.remove(spec.name, spec.folder))
    assert case.observe(spec) == ABSENT


def test_an_instance_applied_again_after_its_removal_runs(case: Case) -> None:
    spec = case.running()
    until(lambda: case.driver.remove(spec.name, spec.folder))
    case.driver.apply(spec)
    until(lambda: case.observe(spec).auth_version)


def test_logs_are_read_in_pieces_without_loss_or_repetition(case: Case) -> None:
    spec = case.running("lines:200")
    whole = until(lambda: "line 199" in case.text(spec) and case.text(spec))
    pieces, offset = [], 0
    while True:
        text, following = case.driver.logs(spec.name, spec.folder, since=offset, limit=500)
        if not text:
            break
        assert following > offset
        assert len(text.encode()) <= 500
        pieces.append(text)
        offset = following
    assert len(pieces) > 5
    assert "".join(pieces) == whole
    assert case.driver.logs(spec.name, spec.folder, since=offset) == ("", offset)


def test_logs_can_be_read_after_the_end(case: Case) -> None:
    spec = case.spec("exit:3:the last words")
    case.driver.apply(spec)
    case.reaches(spec, Phase.EXITED)
    assert "starting" in case.text(spec)
    assert "the last words" in case.text(spec)


def test_what_cannot_be_started_says_why_in_state_and_log(case: Case) -> None:
    spec = case.spec("unstartable")
    try:
        case.driver.apply(spec)
    except Exception as error:
        assert "nothing" in str(error)  # noqa: PT017 - a driver may say it at once, or later
    found = case.reaches(spec, Phase.EXITED)
    assert "nothing" in found.message
    assert "nothing" in case.text(spec)


@pytest.mark.parametrize(
    "case", ["fake", pytest.param("docker", marks=pytest.mark.docker)], indirect=True
)
def test_an_engine_that_is_away_is_told_and_never_taken_for_absent(case: Case) -> None:
    away, spec = case.away(), case.spec()
    assert away.check().problems
    for verb in (
        lambda: away.apply(spec),
        lambda: away.observe(spec.name, spec.folder),
        lambda: away.remove(spec.name, spec.folder),
        lambda: away.logs(spec.name, spec.folder),
        lambda: list(away.names()),
        lambda: away.put_auth(spec.name, spec.folder, auth(2)),
    ):
        with pytest.raises(TargetUnreachable):
            verb()
