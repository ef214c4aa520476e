"""The orphan sweep, the control loop and heartbeats."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from config.paths import DataFolder
from deployments.building import runtimes
from deployments.control import heartbeats, loop, reconcile, steps, sweep
from deployments.control.instances import instance_spec
from deployments.drivers.fake import FakeDriver
from deployments.models import Heartbeat, Operation, Port, Service, Target
from tests.factories import RevisionFactory, TargetFactory, deploying
from tests.services.conftest import Turn

pytestmark = pytest.mark.django_db


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """A data folder of this test alone."""
    made = DataFolder(tmp_path / "data")
    made.tmp.mkdir(parents=True)
    monkeypatch.setattr(settings, "DATA", made)
    monkeypatch.setattr(settings, "SLIPWAY_DRIVERS", {"fake": "unused"})
    Target.objects.update(node=made.node_id)
    return made


def test_orphans_end_and_what_is_owned_stays(fake: FakeDriver, data: DataFolder) -> None:
    owned, orphan = RevisionFactory(), RevisionFactory()
    for revision in (owned, orphan):
        fake.apply(instance_spec(revision.service, revision))
    Port.objects.filter(revision=orphan).delete()
    sweep.run()
    assert list(fake.names()) == [f"{owned.service.name}-1-0"]


def test_a_target_that_is_away_does_not_stop_the_sweep(fake: FakeDriver, data: DataFolder) -> None:
    fake.play("*", {"unreachable": True})
    sweep.run()
    assert Target.objects.get().problems


def test_targets_of_another_node_are_left_alone(fake: FakeDriver, data: DataFolder) -> None:
    Target.objects.all().delete()
    TargetFactory(name="fake", node="elsewhere", checked_at=None)
    sweep.run()
    assert Target.objects.get().checked_at is None


def test_old_leftovers_in_tmp_go_and_young_ones_stay(fake: FakeDriver, data: DataFolder) -> None:
    for name in ("old", "young"):
        (data.tmp / name).mkdir()
        (data.tmp / f"{name}.txt").touch()
    past = time.time() - sweep.STALE_SECONDS - 10
    for name in ("old", "old.txt"):
        os.utime(data.tmp / name, (past, past))
    sweep.run()
    assert sorted(path.name for path in data.tmp.iterdir()) == ["young", "young.txt"]


def test_runtimes_of_earlier_versions_go_when_no_revision_is_pinned_to_them(
    fake: FakeDriver, data: DataFolder
) -> None:
    now = f"{runtimes.version()}-3.11"
    RevisionFactory(runtime="pinned-3.11")
    for name in ("pinned-3.11", "old-3.11", "young-3.11", now):
        (data.runtimes / name).mkdir(parents=True)
        (data.runtimes / f".{name}.lock").touch()
    past = time.time() - sweep.STALE_SECONDS - 10
    for name in ("pinned-3.11", "old-3.11", now):
        os.utime(data.runtimes / name, (past, past))
    sweep.run()
    left = sorted(path.name for path in data.runtimes.glob("[!.]*"))
    assert left == sorted(["pinned-3.11", "young-3.11", now])
    assert not (data.runtimes / ".old-3.11.lock").exists()


def test_models_and_environments_that_no_revision_names_go_after_a_day(
    fake: FakeDriver, data: DataFolder
) -> None:
    RevisionFactory(model_sha256="a" * 64, environment_hash="b" * 64)
    roots = (data.models, data.environments)
    past = time.time() - sweep.FOLDER_SECONDS - 10
    for root in roots:
        for name in ("a" * 64, "b" * 64, "c" * 64, "d" * 64, "locks"):
            (root / name).mkdir(parents=True)
            if name != "d" * 64:
                os.utime(root / name, (past, past))
    operation = deploying("diabetes")
    sweep.run()
    assert (data.models / ("c" * 64)).is_dir()  # it may be about to be used
    Operation.objects.filter(pk=operation.pk).update(status="Succeeded")
    sweep.run()
    left = [sorted(path.name[0] for path in root.iterdir()) for root in roots]
    assert left == [["a", "d", "l"], ["b", "d", "l"]]


def test_the_loop_carries_a_service_as_far_as_it_can_and_is_then_quiet(
    fake: FakeDriver, data: DataFolder
) -> None:
    service = Service.objects.get(operations=deploying("diabetes"))
    Service.objects.update(desired="stopped")
    Operation.objects.update(status="Cancelled")
    assert loop.run() is False
    service.refresh_from_db()
    assert service.state == "Stopped"


@pytest.mark.django_db(transaction=True)
def test_no_more_loops_run_than_there_are_slots(
    fake: FakeDriver, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploying("diabetes")
    inside, most, release = [], [0], threading.Event()

    def step(service_id: int, holder: str = "") -> bool:
        inside.append(service_id)
        most[0] = max(most[0], len(inside))
        release.wait(10)
        inside.pop()
        Service.objects.update(next_check_at=timezone.now() + timedelta(hours=1))
        return True

    monkeypatch.setattr(reconcile, "step", step)

    def run(_: int) -> bool:
        try:
            return loop.run()
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        runs = [pool.submit(run, number) for number in range(5)]
        refused = [one for one in runs if _ends(one)]
        release.set()
        answers = [one.result(20) for one in runs]
    assert (len(refused), most[0]) == (5 - loop.SLOTS, loop.SLOTS)
    assert answers.count(True) == 0


def _ends(run: object, seconds: float = 1.0) -> bool:
    from concurrent.futures import TimeoutError as TooLate

    try:
        run.result(seconds)  # type: ignore[attr-defined]
    except TooLate:
        return False
    return True


@pytest.mark.django_db(transaction=True)
def test_two_loops_never_step_one_service_at_the_same_time(
    fake: FakeDriver, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = [deploying(f"diabetes-{number}").service_id for number in range(3)]
    real, lock = reconcile._step, threading.Lock()
    under_way: set[int] = set()
    doubled: list[int] = []
    stepped: set[int] = set()

    def step(service: Service, lease: str) -> None:
        with lock:
            doubled.extend({service.pk} & under_way)
            under_way.add(service.pk)
            stepped.add(service.pk)
        try:
            real(service, lease)
        finally:
            with lock:
                under_way.discard(service.pk)

    monkeypatch.setattr(reconcile, "_step", step)
    end = time.monotonic() + 2

    def turn(_: int) -> None:
        try:
            while time.monotonic() < end:
                for service_id in services:
                    reconcile.step(service_id)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turn, range(4)))
    assert doubled == []
    assert stepped == set(services)


def test_a_lease_that_a_dead_worker_left_runs_out(fake: FakeDriver) -> None:
    service = Service.objects.get(operations=deploying("diabetes"))
    later = timezone.now() + timedelta(seconds=30)
    Service.objects.update(lease="dead", lease_until=later)
    assert reconcile.due() == []
    assert reconcile.step(service.pk) is False
    Service.objects.update(lease_until=timezone.now())
    assert reconcile.due() == [service.pk]
    assert reconcile.step(service.pk) is True


def test_the_next_loop_in_a_killed_loops_slot_takes_over_its_lease_at_once(
    fake: FakeDriver, data: DataFolder
) -> None:
    service = Service.objects.get(operations=deploying("diabetes"))
    later = timezone.now() + timedelta(seconds=30)
    Service.objects.update(lease="control-0:dead", lease_until=later)
    with loop._slot() as slot:  # the killed loop's name: only one process can hold it
        assert slot == "control-0"
        loop.run()  # in the other slot: that lease may be alive
        assert Service.objects.get(pk=service.pk).lease == "control-0:dead"
    loop.run()
    row = Service.objects.get(pk=service.pk)
    assert row.lease == ""
    assert row.next_check_at > service.next_check_at  # it was stepped


def test_the_work_of_another_node_is_left_to_it(fake: FakeDriver, data: DataFolder) -> None:
    operation = deploying("diabetes", prepared=False)
    operation.steps.filter(name="Queued").update(state="succeeded", ended_at=timezone.now())
    later = timezone.now() + timedelta(seconds=30)
    Target.objects.update(node="elsewhere")
    assert reconcile.due() == []
    Service.objects.update(lease="control-0:alive", lease_until=later)
    reconcile.leases_release("control-0")
    assert Service.objects.get().lease == "control-0:alive"
    steps.run_steps(str(operation.pk))
    assert set(operation.steps.values_list("state", flat=True)) == {"succeeded", "pending"}


def test_an_error_in_one_service_does_not_keep_the_others(
    fake: FakeDriver, data: DataFolder, turn: Turn
) -> None:
    broken, good = deploying("broken"), deploying("good")
    broken.revision.deployment = {"cpu": [], "memory_mb": {}}
    broken.revision.save()
    fake.play("broken", {"phases": ["no such phase"]})
    for _ in range(3):
        Service.objects.update(next_check_at=timezone.now())
        reconcile.step(broken.service_id)
    row = Service.objects.get(name="broken")
    assert row.next_check_at > timezone.now() + timedelta(seconds=10)
    assert row.lease == ""
    assert turn(good).state == "Healthy"


def test_a_heartbeat_is_one_row_that_gets_younger() -> None:
    heartbeats.write("control@here", "control", {"pid": 1})
    Heartbeat.objects.update(at=timezone.now() - timedelta(hours=1))
    heartbeats.write("control@here", "control", {"pid": 2})
    heartbeats.beat_ticked()
    row = Heartbeat.objects.get(kind="control")
    assert row.data == {"pid": 2}
    assert row.at > timezone.now() - timedelta(minutes=1)
    assert Heartbeat.objects.count() == 2
