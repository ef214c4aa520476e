"""Two checks of one model at a time: each has its working folder to itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployments.building import modelcheck
from tests.environments.conftest import Site


def test_a_check_does_not_lose_its_folder_to_another(site: Site) -> None:
    environment = site.folder / "environment"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin" / "python"
    python.write_text('#!/bin/sh\nsleep 1\n[ -d "$HOME" ] && echo there\nexit 0\n')
    python.chmod(0o755)
    builder = site.builder()

    def check(_: int) -> list[str]:
        return modelcheck.run_here(
            builder,
            environment=environment,
            runtime=Path("/nowhere"),
            model=Path("/models/one"),
            loader="plain",
        )

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(check, range(2))) == [["there"], ["there"]]
