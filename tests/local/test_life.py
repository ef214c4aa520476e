"""Local replicas live exactly once, end when asked, and come back when they were killed."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from deployments.drivers import local as local_module
from deployments.drivers.base import EXIT_KILLED, InstanceSpec, InvalidSpec, NoCapacity, Phase
from serving.contract import EXIT_PORT_TAKEN, LOCK_FILE
from tests.drivers.cases import LocalCase, until
from tests.local.conftest import asker, open_to_all
from tests.serving.replica import alive


def processes(spec: InstanceSpec) -> list[psutil.Process]:
    """Masters and workers of this replica that live now."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(spec.folder) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def masters(spec: InstanceSpec) -> list[psutil.Process]:
    return [process for process in processes(spec) if "replica" in process.cmdline()]


def gone(case: LocalCase, spec: InstanceSpec) -> None:
    until(lambda: case.driver.remove(spec.name, spec.folder))


def test_a_killed_master_is_told_takes_its_workers_with_it_and_comes_back(local: LocalCase) -> None:
    spec = local.running()
    first = local.record(spec)["pid"]
    os.kill(first, signal.SIGKILL)
    found = local.reaches(spec, Phase.EXITED)
    assert (found.message, found.exit_code) == ("The process was killed.", EXIT_KILLED)
    until(lambda: not processes(spec), 5)

    local.driver.apply(spec)
    until(lambda: local.observe(spec).auth_version)
    assert [process.pid for process in masters(spec)] == [local.record(spec)["pid"]]
    assert local.record(spec)["pid"] != first


def test_many_who_apply_at_once_start_one_master(local: LocalCase) -> None:
    spec = local.spec()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(local.driver.apply, [spec] * 16))
    until(lambda: local.observe(spec).auth_version)
    assert len(masters(spec)) == 1
    assert "another master" not in local.text(spec)


def test_looking_never_disturbs_a_master_that_starts(local: LocalCase) -> None:
    spec = local.spec()
    local.driver.apply(spec)
    while not (found := local.observe(spec)).auth_version:  # as fast as it goes
        assert found.phase in {Phase.PENDING, Phase.RUNNING}, found
    assert found.phase is Phase.RUNNING


def test_applying_the_same_wish_leaves_the_process_alone(local: LocalCase) -> None:
    spec = local.running()
    before = local.record(spec)["pid"]
    for _ in range(3):
        local.driver.apply(spec)
    assert local.observe(spec).phase is Phase.RUNNING
    assert [process.pid for process in masters(spec)] == [before]


def test_another_digest_is_another_process_with_the_new_settings(local: LocalCase) -> None:
    spec = local.running()
    before = local.record(spec)["pid"]
    changed = local.spec(like=spec, digest="d2")
    local.replaced(changed)
    assert local.record(spec)["pid"] != before
    assert [process.pid for process in masters(spec)] == [local.record(spec)["pid"]]


@pytest.mark.parametrize("moment", ["at once", "when its master runs", "while its model loads"])
def test_removing_while_it_starts_leaves_nothing(local: LocalCase, moment: str) -> None:
    spec = local.spec("slow:60")
    local.driver.apply(spec)
    if moment == "when its master runs":
        until(lambda: local.observe(spec).phase is Phase.RUNNING)
    elif moment == "while its model loads":
        until(lambda: "starting" in local.text(spec))
    gone(local, spec)
    until(lambda: not processes(spec), 5)
    assert local.observe(spec).phase is Phase.ABSENT
    assert spec.name not in list(local.driver.names())


def test_the_log_is_kept_when_it_is_removed_and_nothing_secret_is(local: LocalCase) -> None:
    spec = local.spec("exit:3:the last words")
    local.driver.apply(spec)
    local.reaches(spec, Phase.EXITED)
    gone(local, spec)
    assert "the last words" in local.text(spec)
    left = {path.name for path in spec.folder.iterdir() if path.is_file()}
    assert left <= {"service.log", LOCK_FILE}


def test_a_master_that_hangs_is_killed_with_its_workers(
    local: LocalCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "GRACE_SECONDS", 0.5)
    spec = local.running()
    os.kill(local.record(spec)["pid"], signal.SIGSTOP)
    gone(local, spec)
    until(lambda: not processes(spec), 5)


def test_what_the_models_code_started_ends_with_the_service(local: LocalCase) -> None:
    spec = local.running(**open_to_all())
    child = int(asker(local, spec)("spawn", "60"))
    assert alive(child)
    gone(local, spec)
    until(lambda: not alive(child), 5)


def test_a_port_that_somebody_else_holds_is_told(local: LocalCase) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        spec = local.spec()
        spec = InstanceSpec(**{**vars(spec), "port": taken.getsockname()[1]})
        local.driver.apply(spec)
        found = local.reaches(spec, Phase.EXITED)
    assert found.exit_code == EXIT_PORT_TAKEN
    assert f"port {spec.port}" in found.message


def test_more_memory_than_the_machine_has_can_never_run(local: LocalCase) -> None:
    total = psutil.virtual_memory().total // 2**20
    spec = local.spec(memory_mb=total * 2)
    with pytest.raises(InvalidSpec, match=f"this machine has {total} MB"):
        local.driver.apply(spec)
    assert local.observe(spec).phase is Phase.ABSENT


def test_more_memory_than_is_free_has_to_wait(local: LocalCase) -> None:
    memory = psutil.virtual_memory()
    between = (memory.total + memory.available) // 2 // 2**20
    spec = local.spec(memory_mb=between)
    with pytest.raises(NoCapacity, match="are free now"):
        local.driver.apply(spec)
    assert local.observe(spec).phase is Phase.ABSENT
    local.driver.apply(local.spec(like=spec))  # room came


@pytest.mark.parametrize("part", ["environment_dir", "runtime_dir", "model_dir"])
def test_a_part_that_vanished_is_named_and_nothing_is_started(local: LocalCase, part: str) -> None:
    spec = local.spec()
    spec = InstanceSpec(**{**vars(spec), part: local.folder / "vanished"})
    with pytest.raises(InvalidSpec, match="vanished"):
        local.driver.apply(spec)
    assert local.observe(spec).phase is Phase.ABSENT


def test_a_hostile_umask_does_not_shut_the_service_out(local: LocalCase) -> None:
    before = os.umask(0o077)
    try:
        spec = local.running()
    finally:
        os.umask(before)
    assert (spec.folder.stat().st_mode & 0o777) == 0o700


def test_a_log_is_never_cut_within_a_character(local: LocalCase) -> None:
    spec = local.spec()
    spec.folder.mkdir(parents=True)
    (spec.folder / "service.log").write_text("é€𝄞" * 50, encoding="utf-8")
    text, offset = "", 0
    while (part := local.driver.logs(spec.name, spec.folder, since=offset, limit=7))[0]:
        text, offset = text + part[0], part[1]
    assert text == "é€𝄞" * 50


def test_a_rotated_log_is_read_from_its_start(local: LocalCase) -> None:
    spec = local.spec()
    spec.folder.mkdir(parents=True)
    (spec.folder / "service.log").write_text("new\n")
    assert local.driver.logs(spec.name, spec.folder, since=5000) == ("new\n", 4)
