"""Which runs are compared: read from an address, with a sentence for what cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from workspaces.tracking.many import runs_read
from workspaces.tracking.values import Run

FEWEST_RUNS, MOST_RUNS = 2, 100


@dataclass(frozen=True)
class Chosen:
    """The runs to compare. `problem`: the sentence why they cannot be; then `runs` is empty."""

    asked: tuple[str, ...]
    runs: tuple[Run, ...] = ()
    unknown: tuple[str, ...] = ()
    problem: str = ""

    @property
    def ids(self) -> list[str]:
        return [run.id for run in self.runs]

    @property
    def experiment_ids(self) -> list[str]:
        """Each once, in the order of the runs."""
        return list(dict.fromkeys(run.experiment_id for run in self.runs))

    @property
    def deleted(self) -> list[Run]:
        return [run for run in self.runs if run.deleted]

    @property
    def is_open(self) -> bool:
        return any(run.is_open for run in self.runs)


def ids_parse(values: Iterable[str]) -> tuple[str, ...]:
    """Run ids of an address, each once: `run=a&run=b`, or several in one with commas."""
    texts = (text.strip() for value in values for text in value.split(","))
    return tuple(dict.fromkeys(text for text in texts if text))


def runs_chosen(values: Iterable[str], fewest: int = FEWEST_RUNS) -> Chosen:
    """The runs of these ids, at least `fewest` and at most 100.

    Raises:
        Unavailable.
    """
    asked = ids_parse(values)
    if len(asked) > MOST_RUNS:
        words = {"asked": len(asked), "most": MOST_RUNS}
        return Chosen(asked, problem=_("These are %(asked)s runs, and at most %(most)s can be "
                                       "compared. Choose fewer.") % words)  # fmt: skip
    if len(asked) < fewest:
        return Chosen(asked, problem=_too_few(len(asked)))
    runs = tuple(runs_read(asked))
    have = {run.id for run in runs}
    unknown = tuple(run_id for run_id in asked if run_id not in have)
    if len(runs) < fewest:
        return Chosen(asked, unknown=unknown, problem=f"{unknown_text(unknown)} {_too_few(0)}")
    return Chosen(asked, runs, unknown)


def _too_few(count: int) -> str:
    if count == 1:
        return _("This is one run. Choose at least two to compare them.")
    return _("Choose at least two runs of an experiment to compare them.")


def unknown_text(unknown: Sequence[str]) -> str:
    """The sentence about runs that do not exist; empty for none."""
    if not unknown:
        return ""
    named = ", ".join(run_id[:40] for run_id in unknown[:5])
    more = len(unknown) - 5
    words = {"named": f"{named}, …" if more > 0 else named, "count": len(unknown)}
    text = ngettext(
        "This run does not exist: %(named)s.",
        "%(count)s of these runs do not exist: %(named)s.",
        len(unknown),
    )
    return text % words
