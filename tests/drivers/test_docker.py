"""What only Docker has: real limits, isolation, ports, restarts, and its errors in plain words."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from deployments.drivers.base import InvalidSpec, NoCapacity, Phase, TargetUnreachable
from deployments.drivers.docker import DockerDriver
from deployments.drivers.docker_client import api_error, unreachable_sentence
from deployments.drivers.docker_layout import INSTANCE_LABEL
from tests.drivers.cases import DockerCase, auth, free_port, until

pytestmark = pytest.mark.docker


def get(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=15) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def run_inside(case: DockerCase, name: str, *command: str) -> str:
    client = case.driver.client
    made = client.exec_create(case.driver.container_name(name), list(command))
    return client.exec_start(made["Id"]).decode()


def test_the_published_port_answers_on_loopback_only(docker_case: DockerCase) -> None:
    spec = docker_case.running()
    endpoint = docker_case.observe(spec).endpoint
    assert endpoint == f"http://127.0.0.1:{spec.port}"
    answer = get(endpoint)
    assert answer["port"] == 5001
    config = answer["config"]
    assert isinstance(config, dict)
    assert (config["host"], config["model_dir"]) == ("0.0.0.0", "/slipway/model")
    ports = docker_case.inspect(spec.name)["NetworkSettings"]["Ports"]
    assert ports["5001/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(spec.port)}]


def test_limits_are_the_cgroups_own(docker_case: DockerCase) -> None:
    spec = docker_case.running(memory_mb=96)
    host = docker_case.inspect(spec.name)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (96 * 2**20, 96 * 2**20)
    assert host["NanoCpus"] == 500_000_000
    assert host["PidsLimit"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "2"}


def test_the_model_runs_without_root_without_rights_and_without_mounts(
    docker_case: DockerCase,
) -> None:
    spec = docker_case.running()
    status = run_inside(docker_case, spec.name, "cat", "/proc/self/status")
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    attrs = docker_case.inspect(spec.name)
    assert attrs["Mounts"] == []
    assert not attrs["HostConfig"]["Binds"]
    assert not attrs["HostConfig"]["Privileged"]


def test_keys_are_in_no_label_no_variable_and_no_other_user_reads_them(
    docker_case: DockerCase,
) -> None:
    spec = docker_case.running()
    digest = spec.auth["keys"][0]["sha256"]
    assert digest not in json.dumps(docker_case.inspect(spec.name))
    assert digest in run_inside(docker_case, spec.name, "cat", "auth.json")
    shown = run_inside(docker_case, spec.name, "stat", "-c", "%a %u", "auth.json")
    assert shown.split() == ["600", "10001"]
    docker_case.driver.put_auth(spec.name, spec.folder, auth(2))
    shown = run_inside(docker_case, spec.name, "stat", "-c", "%a %u", "auth.json")
    assert shown.split() == ["600", "10001"]


def test_a_container_can_be_found_by_its_labels(docker_case: DockerCase) -> None:
    spec = docker_case.running(labels={"slipway.test": "1"})
    labels = docker_case.inspect(spec.name)["Config"]["Labels"]
    wanted = {
        "slipway.node": docker_case.node,
        "slipway.instance": spec.name,
        "slipway.service": spec.service,
        "slipway.revision": "1",
        "slipway.digest": "d1",
        "slipway.test": "1",
    }
    assert wanted.items() <= labels.items()


def test_another_nodes_containers_are_not_ours(docker_case: DockerCase, tmp_path: Path) -> None:
    spec = docker_case.running()
    other = DockerDriver(node=f"{docker_case.node}x")
    assert list(other.names()) == []
    assert other.remove(spec.name, tmp_path) is True
    assert docker_case.observe(spec).phase is Phase.RUNNING


def test_requests_under_way_are_answered_while_the_container_ends(
    docker_case: DockerCase,
) -> None:
    spec = docker_case.running()
    url = f"{docker_case.observe(spec).endpoint}/slow/2"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(get, url)
        time.sleep(0.5)  # the request has to be inside
        assert docker_case.driver.remove(spec.name, spec.folder) is False
        until(lambda: docker_case.driver.remove(spec.name, spec.folder))
        assert answer.result()["port"] == 5001


def test_two_processes_that_apply_at_once_make_one_container(docker_case: DockerCase) -> None:
    spec = docker_case.spec()
    together = threading.Barrier(3)

    def apply() -> str:
        driver = DockerDriver(node=docker_case.node)
        together.wait()
        try:
            driver.apply(spec)
        except TargetUnreachable as error:  # it is tried again, and finds the container
            return str(error)
        return ""

    with ThreadPoolExecutor(3) as pool:
        said = [found.result() for found in [pool.submit(apply) for _ in range(3)]]
    assert "" in said, said
    until(lambda: docker_case.observe(spec).auth_version)
    assert list(docker_case.driver.names()) == [spec.name]


def test_a_killed_container_comes_back_by_itself(docker_case: DockerCase) -> None:
    spec = docker_case.running()
    before = docker_case.inspect(spec.name)["State"]["Pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: docker_case.inspect(spec.name)["State"]["Pid"] not in (0, before))
    until(lambda: docker_case.observe(spec).auth_version)
    assert docker_case.observe(spec).restarts == 1
    assert get(docker_case.observe(spec).endpoint)["port"] == 5001


def test_a_model_that_crashes_over_and_over_is_seen_as_ended(docker_case: DockerCase) -> None:
    spec = docker_case.spec("exit:3:ValueError: no such column")
    docker_case.driver.apply(spec)
    until(lambda: docker_case.observe(spec).restarts >= 2)
    found = docker_case.reaches(spec, Phase.EXITED)
    assert found.exit_code == 3
    assert found.message == "ValueError: no such column"


def test_a_container_is_asked_to_end_before_another_takes_its_place(
    docker_case: DockerCase,
) -> None:
    spec = docker_case.running()
    before = docker_case.inspect(spec.name)["Id"]
    changed = docker_case.spec(like=spec, digest="d2")
    docker_case.driver.apply(changed)
    assert docker_case.inspect(spec.name)["Id"] == before  # its requests get their time

    def replaced() -> bool:
        docker_case.driver.apply(changed)
        return docker_case.inspect(spec.name)["Id"] != before

    until(replaced)
    assert docker_case.observe(changed).digest == "d2"


def test_a_taken_port_is_a_lack_of_room_and_passes(docker_case: DockerCase) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        spec = docker_case.spec(port=taken.getsockname()[1])
        with pytest.raises(NoCapacity, match="port"):
            docker_case.driver.apply(spec)
        assert docker_case.observe(spec).phase is Phase.NO_CAPACITY
        with pytest.raises(NoCapacity):
            docker_case.driver.apply(spec)
        assert list(docker_case.driver.names()) == [spec.name]
    docker_case.driver.apply(spec)
    until(lambda: docker_case.observe(spec).auth_version)


def test_another_port_replaces_a_container_that_could_not_have_its_own(
    docker_case: DockerCase,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        spec = docker_case.spec(port=taken.getsockname()[1])
        with pytest.raises(NoCapacity):
            docker_case.driver.apply(spec)
        moved = docker_case.spec(like=spec, port=free_port())
        docker_case.driver.apply(moved)
        until(lambda: docker_case.observe(moved).auth_version)
        assert list(docker_case.driver.names()) == [spec.name]


def test_an_image_that_is_not_there_is_an_invalid_wish(docker_case: DockerCase) -> None:
    with pytest.raises(InvalidSpec, match="slipway/nothing:1 is not on this Docker host"):
        docker_case.driver.apply(docker_case.spec(image="slipway/nothing:1"))
    assert list(docker_case.driver.names()) == []


def test_less_memory_than_docker_takes_is_an_invalid_wish(docker_case: DockerCase) -> None:
    with pytest.raises(InvalidSpec, match="at least 6MB"):
        docker_case.driver.apply(docker_case.spec(memory_mb=4))


def test_more_cpus_than_the_host_has_is_an_invalid_wish(docker_case: DockerCase) -> None:
    spec = docker_case.spec()
    spec.config["cpu"] = 512.0
    with pytest.raises(InvalidSpec, match=r"has \d+\.?\d* CPUs"):
        docker_case.driver.apply(spec)


def test_the_log_goes_on_after_a_restart(docker_case: DockerCase) -> None:
    spec = docker_case.running()
    _, offset = docker_case.driver.logs(spec.name, spec.folder)
    docker_case.end(spec)
    docker_case.driver.apply(spec)
    until(lambda: docker_case.observe(spec).auth_version)
    text, _ = docker_case.driver.logs(spec.name, spec.folder, since=offset)
    assert text.startswith("ended\nstarting\nserving")


def test_a_log_position_fits_into_a_javascript_number(docker_case: DockerCase) -> None:
    spec = docker_case.running()
    assert docker_case.driver.logs(spec.name, spec.folder)[1] < 2**53


def given(case: DockerCase) -> tuple[float, float] | None:
    """CPUs and MB that the engine itself has given to all Slipway services; other tests' too."""
    client = case.driver.client
    try:
        hosts = [
            client.inspect_container(found["Id"])["HostConfig"]
            for found in client.containers(filters={"label": INSTANCE_LABEL})
        ]
    except docker.errors.NotFound:  # another test's, gone between the two calls
        return None
    cpus = sum(host["NanoCpus"] for host in hosts) / 1e9
    return round(cpus, 3), sum(host["Memory"] for host in hosts) / 2**20


def test_what_the_services_were_given_is_counted(docker_case: DockerCase) -> None:
    docker_case.running(memory_mb=512)

    def counted() -> bool:
        capacity = docker_case.driver.check().capacity
        assert capacity.cpu_used is not None
        assert capacity.memory_total_mb is not None
        assert capacity.memory_free_mb is not None
        taken = round(capacity.memory_total_mb - capacity.memory_free_mb)
        return (round(capacity.cpu_used, 3), taken) == given(docker_case)

    until(counted)


def test_a_base_image_that_must_be_fetched_is_noted_and_stops_nothing() -> None:
    report = DockerDriver(base_image="python:3.99-nowhere").check()
    assert report.problems == ()
    assert "python:3.99-nowhere is not on this Docker host yet" in report.notes[0]


def test_on_a_network_containers_are_addressed_by_name(docker_case: DockerCase) -> None:
    client = docker_case.driver.client
    network = f"slipway-{docker_case.node}"
    client.create_network(network, labels={"slipway.test": "1"})
    try:
        docker_case.driver.network = network
        spec = docker_case.running()
        name = docker_case.driver.container_name(spec.name)
        assert docker_case.observe(spec).endpoint == f"http://{name}:5001"
        attrs = docker_case.inspect(spec.name)
        assert list(attrs["NetworkSettings"]["Networks"]) == [network]
        assert not attrs["HostConfig"]["PortBindings"]
        fetch = f"import urllib.request as r; print(r.urlopen('http://{name}:5001').status)"
        assert run_inside(docker_case, spec.name, "python3", "-c", fetch).strip() == "200"
    finally:
        client.remove_container(docker_case.driver.container_name(spec.name), force=True)
        client.remove_network(network)


# --- an engine that is not there ------------------------------------------------------------------


def test_a_missing_socket_says_how_to_install_or_start_docker(tmp_path: Path) -> None:
    report = DockerDriver(base_url=f"unix://{tmp_path}/no.sock").check()
    assert report.problems[0].startswith(f"There is no Docker here: {tmp_path}/no.sock")
    assert "systemctl start docker" in report.problems[0]


def test_a_daemon_that_is_down_says_how_to_start_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(f"{tmp_path}/left.sock")
    report = DockerDriver(base_url=f"unix://{tmp_path}/left.sock").check()
    assert report.problems[0].startswith("The Docker daemon is down")


def test_a_daemon_that_never_answers_is_given_up_within_five_seconds(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/silent.sock")
        silent.listen()
        began = time.monotonic()
        report = DockerDriver(base_url=f"unix://{tmp_path}/silent.sock").check()
        assert time.monotonic() - began < 5
        assert "did not answer in time" in report.problems[0]


def test_a_forbidden_socket_says_which_group_to_join() -> None:
    wrapped = ConnectionError("connection aborted", PermissionError(13, "Permission denied"))
    sentence = unreachable_sentence(wrapped, "unix:///var/run/docker.sock")
    assert "usermod -aG docker" in sentence
    assert "/var/run/docker.sock" in sentence


def test_errors_of_the_engine_are_sorted_by_what_can_be_done() -> None:
    assert isinstance(api_error(500, "write /x: no space left on device"), NoCapacity)
    assert isinstance(api_error(400, "something odd"), InvalidSpec)
    assert isinstance(api_error(500, "something odd"), TargetUnreachable)
    assert isinstance(api_error(None, "something odd"), TargetUnreachable)
