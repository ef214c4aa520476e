"""What is wrong with an entry script, said to the person who wrote it."""

from __future__ import annotations

RUN_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


class ScriptError(Exception):
    """The entry script cannot be served; the text says what to change."""
