"""The one failure that a person at the terminal sees."""


class StartProblem(Exception):
    """The studio cannot start; the message is one sentence that says why and what to do."""
