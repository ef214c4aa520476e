"""How many files, and so connections, this process may have open."""

from __future__ import annotations

import contextlib
import resource


def raise_limit(wanted: int) -> int | None:
    """Raise the soft limit on open files to `wanted`, as far as the hard one lets it.

    Returns the limit in force, which may be lower or higher; None for no limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft
