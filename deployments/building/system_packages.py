"""Libraries of the operating system that wheels take from their machine; slim images lack them."""

from __future__ import annotations

from typing import NamedTuple

from packaging.utils import canonicalize_name

from deployments.building.lock_text import pins


class Library(NamedTuple):
    """A shared library, and the Debian package that brings it."""

    soname: str
    package: str


# By the wheel's name. Only what was seen to be missing: most wheels bring their libraries along.
NEEDED = {"lightgbm": Library("libgomp.so.1", "libgomp1")}


def system_steps(lock_text: str) -> tuple[str, ...]:
    """Return the Docker steps that install what the packages of a lock need and the image lacks.

    Each is one line, asks `ldconfig` first, and fails with a sentence where there is no `apt-get`.
    """
    names = {canonicalize_name(name) for name, _version in pins(lock_text)}
    return tuple(_step(name, NEEDED[name]) for name in sorted(names & NEEDED.keys()))


def _step(name: str, library: Library) -> str:
    advice = (
        f"{name} needs {library.soname}, which the base image does not have, nor apt-get to "
        "install it. Install it by Docker steps or choose another base image."
    )
    install = (
        "apt-get update && "
        f"apt-get install -y --no-install-recommends {library.package} && "
        "rm -rf /var/lib/apt/lists/*"
    )
    return (
        f"RUN if ! ldconfig -p | grep -qF '{library.soname}'; then "
        f"if command -v apt-get >/dev/null; then {install}; "
        f"else echo '{advice}' >&2; exit 1; fi; fi"
    )
