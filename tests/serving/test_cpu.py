"""The CPU limit of a replica without a container."""

import math
import os
import subprocess
import sys

import psutil
import pytest

from tests.serving.replica import Replica

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity"
)


def cores_after(cpu: float, seed: int) -> set[int]:
    """Cores that a process of its own may use after the call."""
    program = (
        "import os; from serving.cpu import pin; "
        f"pin({cpu}, {seed}); print(*os.sched_getaffinity(0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {int(core) for core in done.stdout.split()}


def test_a_worker_may_use_as_many_cores_as_it_was_given(diabetes: Replica) -> None:
    allowed = len(os.sched_getaffinity(0))
    for pid in diabetes.worker_pids():
        cores = psutil.Process(pid).cpu_affinity()
        assert len(cores or []) == min(allowed, math.ceil(diabetes.config["cpu"]))


def test_replicas_are_spread_over_the_cores() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) > 1:
        assert cores_after(1, seed=0) != cores_after(1, seed=1)


def test_more_than_there_are_is_all_of_them() -> None:
    assert cores_after(512, seed=3) == os.sched_getaffinity(0)
