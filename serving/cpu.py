"""CPU limit of a replica without a container: whole cores, by affinity."""

from __future__ import annotations

import math
import os


def pin(cpu: float, seed: int) -> None:
    """Keep this process and all it starts on ceil(`cpu`) of the cores it may use.

    Where the system has no affinity (macOS) or too few cores, nothing is limited. A share of a
    core needs a cgroup, which a container has.

    Args:
        seed: spreads replicas over the cores; their port serves.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    wanted = max(1, math.ceil(cpu))
    if wanted < len(allowed):
        chosen = {allowed[(seed + index) % len(allowed)] for index in range(wanted)}
        os.sched_setaffinity(0, chosen)
