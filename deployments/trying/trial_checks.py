"""What a trial says to a person: each fact of it as a check. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

from deployments.configuring.check_values import Check
from deployments.trying.trial import TIMEOUT, Ran

NEAR_LIMIT = 0.8  # of the memory it may have: worth a warning
_MISSING = re.compile(r"(?:ModuleNotFoundError|ImportError): No module named '([\w.]+)'")
_NO_LIBRARY = re.compile(r"(lib[\w.+-]*\.so[.\d]*): cannot open shared object file")


def checks_of(ran: Ran, *, memory_mb: int, scripted: bool = False) -> list[Check]:
    """The findings of one trial, in the order in which they were made.

    Args:
        memory_mb: what it was allowed.
        scripted: whether an entry script was tried, for which an environment can be chosen.
    """
    return list(_checks(ran, memory_mb, scripted))


def _checks(ran: Ran, memory_mb: int, scripted: bool) -> Iterator[Check]:
    if ran.too_much_mb is not None:
        yield _too_little(ran.too_much_mb, memory_mb)
        return
    if ran.timed_out:
        text = _("Loading and scoring did not end within %(seconds)s s.")
        yield Check(
            *("load", "failed", text % {"seconds": f"{TIMEOUT:g}"}),
            _("Read the log: it says how far the model came."),
        )
        return
    answer = ran.answer
    if answer is None:
        text = _("The process ended without an answer (exit code %(code)s).")
        yield Check(
            *("load", "failed", text % {"code": ran.exit_code}),
            _("Read the log: it holds the last words of the model's code."),
        )
        return
    if answer["stage"] == "load":
        yield _not_loaded(answer["error"], scripted)
    else:
        text = _("Loads in %(seconds)s s.")
        yield Check("load", "passed", text % {"seconds": f"{answer['load_seconds'] or 0:.2g}"})
        yield from _scored(answer)
        yield from _batching(answer)
    yield _memory(answer["rest_mb"], answer["peak_mb"], memory_mb)


def _too_little(measured_mb: float, memory_mb: int) -> Check:
    values = {"asked": memory_mb, "measured": round(max(measured_mb, memory_mb))}
    if measured_mb > memory_mb:
        text = _(
            "The model needs more than %(asked)s MB of memory (measured at least %(measured)s MB)."
        )
    else:
        text = _("The model needs more than the %(asked)s MB of memory it was given.")
    return Check("memory", "failed", text % values, _("Give it more memory and try it again."))


def _not_loaded(error: str, scripted: bool) -> Check:
    if found := _MISSING.search(error):
        package = found[1].partition(".")[0]
        text = _("The package “%(name)s” is missing in the environment: %(error)s")
        step = _(
            "Add it to the model's requirements and register it again, or deploy it with an entry "
            "script, for which you can choose an environment that has it."
        )
        if scripted:
            step = _("Choose an environment that has it, or add it to a new version of this one.")
        return Check("load", "failed", text % {"name": package, "error": error}, step)
    if library := _NO_LIBRARY.search(error):
        text = _("The library %(name)s of the operating system is missing: %(error)s")
        step = _(
            "Install it on this machine, or deploy to Docker: with Docker steps that install it, "
            "or a base image that has it."
        )
        return Check("load", "failed", text % {"name": library[1], "error": error}, step)
    text = _("The model could not be loaded: %(error)s") % {"error": error}
    return Check("load", "failed", text, _("The traceback below says where."))


def _scored(answer: dict[str, object]) -> Iterator[Check]:
    stage, error = answer["stage"], answer["error"]
    given = answer["sample"] == "given"
    name = _("The sample") if given else _("The input example")
    if answer["sample"] == "none":
        text = _("There was nothing to score: the model has no input example.")
        yield Check("example", "warning", text, _("Give a sample, or register it with one."))
        return
    if stage == "signature":
        text = _("%(what)s does not fit the model's signature: %(error)s")
        step = _("Correct the sample, or give another one.")
        if not given:
            step = _("Give a sample that fits, or register the model again with one.")
        yield Check("signature", "failed", text % {"what": name, "error": error}, step)
        return
    if stage == "score":
        text = _("%(what)s could not be scored: %(error)s") % {"what": name, "error": error}
        yield Check("example", "failed", text, _("The traceback below says where."))
        return
    yield Check("example", "passed", _speed(name, answer))
    if stage == "output":
        text = _("The answer is not the one that was expected: %(error)s") % {"error": error}
        yield Check("output", "failed", text, _("Compare the sample output with the answer below."))
    elif answer["output_equal"]:
        yield Check("output", "passed", _("The answer is the one that was expected."))


def _speed(name: str, answer: dict[str, object]) -> str:
    rows, millis = answer["rows"], answer["ms_per_row"]
    values = {"what": name, "ms": f"{millis or 0:.3g}", "rows": f"{rows or 1:.0f}"}
    if rows:
        return _("%(what)s (%(rows)s rows) was scored in %(ms)s ms per row.") % values
    return _("%(what)s was scored in %(ms)s ms.") % values


def _batching(answer: dict[str, object]) -> Iterator[Check]:
    if answer["row_wise"] is None:
        return
    text = _("Requests are scored together: %(why)s")
    if not answer["row_wise"]:
        text = _("Requests are scored one by one: %(why)s")
    yield Check("batching", "passed", text % {"why": answer["row_wise_reason"]})


def _memory(rest_mb: float | None, peak_mb: float | None, memory_mb: int) -> Check:
    peak = peak_mb or 0.0
    values = {"rest": round(rest_mb or peak), "peak": round(peak), "asked": memory_mb}
    text = _("Needs %(rest)s MB of memory at rest and %(peak)s MB at its peak; %(asked)s MB given.")
    if peak > memory_mb * NEAR_LIMIT:
        step = _("Give it more: requests that come together need more than one alone.")
        return Check("memory", "warning", text % values, step)
    return Check("memory", "passed", text % values)
