"""The master: restarts, limits, locks, records, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from serving import contract, logs
from serving.files import read_json
from tests.serving.replica import Replica, alive, wait_until

Replicas = Callable[..., Replica]


def act(action: str, amount: float = 0) -> dict[str, Any]:
    return {"data": [{"action": action, "amount": amount}]}


def test_a_killed_worker_is_restarted_and_no_request_is_refused(
    replicas: Replicas, scripted_model: Path
) -> None:
    service = replicas(scripted_model, workers=2).started()
    wait_until(lambda: service.log().count(" is ready after ") == 2, "both workers are ready")
    killed = service.post("/score", act("nothing")).json()[0]

    os.kill(killed, signal.SIGKILL)
    answers = [service.post("/score", act("nothing")) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}
    wait_until(lambda: service.record()["restarts"] == 1, "the record counts it", 10)
    assert "SIGKILL" in service.record()["message"]
    wait_until(lambda: service.log().count(" is ready after ") == 3, "the new worker is ready")
    wait_until(lambda: service.record()["message"] == "", "the message is over", 5)
    assert killed not in service.worker_pids()
    metrics = service.get("/metrics").text
    assert re.search(r"^slipway_worker_restarts_total{.*} 1$", metrics, re.MULTILINE)


def test_of_two_workers_that_are_down_one_says_loading(
    replicas: Replicas, scripted_model: Path
) -> None:
    service = replicas(scripted_model, workers=2).started()
    wait_until(lambda: service.log().count(" is ready after ") == 2, "both workers are ready")
    first, second = service.worker_pids()

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: set(service.worker_pids()) - {first, second}, "one starts again", 10)
    assert service.get("/health").status_code == 200
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: len(set(service.worker_pids()) - {first, second}) == 2, "the other too", 10)

    assert service.get("/health").status_code == 503  # at once, not when a model is loaded
    wait_until(lambda: service.log().count(" is ready after ") == 4, "both are back")
    assert service.get("/health").status_code == 200


@pytest.mark.skipif(not Path("/proc").exists(), reason="this system has no /proc")
def test_a_replica_may_open_as_many_files_as_the_system_allows(
    replicas: Replicas, diabetes_model: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # few for a replica, and enough for all that the tests of this process hold open
    few = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    try:
        service = replicas(diabetes_model).start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (worker,) = wait_until(service.worker_pids, "a worker", 20)

    limits = Path(f"/proc/{worker}/limits").read_text()
    (found,) = re.findall(r"^Max open files +(\d+)", limits, re.MULTILINE)
    assert int(found) == (65536 if hard == resource.RLIM_INFINITY else min(hard, 65536))


def test_requests_wait_for_the_only_worker_to_come_back(scripted: Replica) -> None:
    restarts = scripted.record()["restarts"]
    with pytest.raises(requests.ConnectionError):
        scripted.post("/score", act("exit", 7))

    wait_until(lambda: scripted.record()["restarts"] == restarts + 1, "it was restarted", 10)
    assert "exit code 7" in scripted.record()["message"]
    assert scripted.record()["phase"] == "starting"
    # The listening socket is the master's: connections wait instead of being refused.
    assert scripted.get("/health").status_code == 503
    assert scripted.post("/score", act("nothing")).status_code == 503
    wait_until(lambda: scripted.record()["phase"] == "ready", "it is back")
    assert scripted.post("/score", act("nothing")).status_code == 200


def test_a_worker_above_its_memory_is_restarted(scripted: Replica) -> None:
    restarts = scripted.record()["restarts"]
    with contextlib.suppress(requests.ConnectionError):  # it may be killed with this request
        scripted.post("/score", act("allocate", 700))

    wait_until(lambda: scripted.record()["restarts"] == restarts + 1, "it was restarted", 10)
    message = scripted.record()["message"]
    assert message.startswith("used ")
    assert message.endswith(" of 700 MB")
    wait_until(lambda: scripted.record()["phase"] == "ready", "it is back")


def test_too_little_memory_to_load_ends_the_replica(
    replicas: Replicas, diabetes_model: Path
) -> None:
    service = replicas(diabetes_model, memory_mb=80).start()

    assert service.wait_for_exit() == contract.EXIT_OUT_OF_MEMORY
    record = service.record()
    assert (record["phase"], record["exit_code"]) == ("exited", contract.EXIT_OUT_OF_MEMORY)
    assert record["message"].endswith(" of 80 MB")


def test_a_model_that_does_not_load_ends_the_replica_with_the_reason(
    replicas: Replicas, broken_model: Path
) -> None:
    service = replicas(broken_model).start()

    assert service.wait_for_exit() == contract.EXIT_LOAD_FAILED
    record = service.record()
    assert (record["phase"], record["exit_code"]) == ("exited", contract.EXIT_LOAD_FAILED)
    assert record["message"] == "ModuleNotFoundError: No module named 'no_such_library'"
    assert "Traceback" in service.log()


def test_a_second_master_of_the_same_folder_does_nothing(diabetes: Replica) -> None:
    before = diabetes.record()

    assert diabetes.another_master().wait(30) == contract.EXIT_LOCKED
    after = read_json(diabetes.folder / contract.RECORD_FILE)
    assert (after["pid"], after["phase"]) == (before["pid"], "ready")


def test_a_port_that_is_taken_ends_the_replica(replicas: Replicas, diabetes_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = replicas(diabetes_model, port=port).start()

        assert service.wait_for_exit() == contract.EXIT_PORT_TAKEN
    assert f"port {port}" in service.record()["message"]


def test_no_worker_outlives_a_killed_master(replicas: Replicas, diabetes_model: Path) -> None:
    service = replicas(diabetes_model, workers=2).start()
    wait_until(lambda: len(service.worker_pids()) == 2, "two workers", 10)
    workers = service.worker_pids()
    assert service.process is not None

    os.kill(service.process.pid, signal.SIGKILL)

    wait_until(lambda: not any(alive(pid) for pid in workers), "no worker is left", 5)
    service.process.wait(5)


def test_sigterm_lets_a_slow_request_finish(replicas: Replicas, scripted_model: Path) -> None:
    service = replicas(scripted_model).started()
    url, answers = service.url, []
    slow = threading.Thread(
        target=lambda: answers.append(service.post("/score", act("sleep", 1.5)))
    )
    slow.start()
    wait_until(lambda: _in_flight(service), "the request is under way", 5)
    assert service.process is not None

    service.process.send_signal(signal.SIGTERM)
    slow.join()

    assert [answer.status_code for answer in answers] == [200]
    assert service.wait_for_exit(10) == contract.EXIT_OK
    assert (service.record()["phase"], service.record()["exit_code"]) == ("exited", 0)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def _in_flight(service: Replica) -> bool:
    import psutil

    kinds = [link.status for link in psutil.Process(service.worker_pids()[0]).net_connections()]
    return psutil.CONN_ESTABLISHED in kinds


def test_a_stop_file_ends_a_replica_that_still_loads(
    replicas: Replicas, diabetes_model: Path
) -> None:
    service = replicas(diabetes_model).start()
    wait_until(lambda: service.record().get("memory_mb"), "it runs", 10)

    (service.folder / contract.STOP_FILE).touch()

    assert service.wait_for_exit(15) == contract.EXIT_OK


def test_the_record_says_who_runs_and_what_it_takes(diabetes: Replica) -> None:
    import psutil

    record = wait_until(lambda: diabetes.record().get("memory_mb") and diabetes.record(), "memory")
    assert diabetes.process is not None

    assert record["pid"] == diabetes.process.pid
    assert record["create_time"] == psutil.Process(record["pid"]).create_time()
    assert record["digest"] == "digest-1"
    assert record["load_seconds"] > 0
    assert 50 < record["memory_mb"] < 1000


def test_workers_get_their_cpu_share_and_the_services_variables(
    replicas: Replicas, diabetes_model: Path
) -> None:
    import psutil

    service = replicas(diabetes_model, cpu=1.5, environment={"GREETING": "hello"}).start()
    wait_until(service.worker_pids, "a worker", 10)
    process = psutil.Process(service.worker_pids()[0])

    found = wait_until(lambda: process.environ().get("OMP_NUM_THREADS") and process.environ(), "it")
    assert found["OMP_NUM_THREADS"] == "2"
    assert found["GREETING"] == "hello"


def test_a_full_log_is_kept_once_and_started_anew(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with log.open("ab") as writer:
        writer.write(b"x" * 1000)
        writer.flush()
        assert not logs.rotate(log, limit=1000)
        assert logs.rotate(log, limit=999)
        writer.write(b"after")
        writer.flush()

    assert (tmp_path / "service.log.1").read_bytes() == b"x" * 1000
    assert log.read_bytes() == b"after"
