"""Which tests go to one worker together: a file's, and all that share the one whole studio."""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling

STUDIO = "the whole studio"
FOLDERS = ("tests/flow/", "tests/browser/flow/")
ALONE = ("tests/flow/test_remote_tracking.py",)  # has a studio of its own


class TogetherScheduling(LoadScopeScheduling):
    """By file, as `--dist loadfile` does; those of the whole studio are one group."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False  # files in order: the long group is an early one
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        shared = file.startswith(FOLDERS) and file not in ALONE
        return STUDIO if shared else file
