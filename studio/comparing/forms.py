"""Forms of comparisons: what a chart can show, what a pin is, by what runs are ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from studio.comparing.boards import NEWEST
from studio.comparing.differences import columns_of
from studio.comparing.models import LONGEST_TITLE
from studio.comparing.settings import AXES, ChartSettings, metrics_usual
from studio.experiments.columns import Column
from workspaces.tracking.values import Run

MOST_OFFERED = 300  # of one kind; more make a list that nobody reads
SMOOTHINGS = ("", "0.5", "0.8", "0.9", "0.95", "0.99")


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class Select:
    """A field of the form: `groups` of choices, by title. `many`: several may be chosen."""

    name: str
    label: str
    groups: tuple[tuple[str, tuple[Choice, ...]], ...]
    many: bool = False
    more: int = 0  # choices that are not offered


@dataclass(frozen=True)
class ChartForm:
    """What can be set of a kind of chart. `hidden`: set, but not by a field of its own."""

    settings: ChartSettings
    selects: tuple[Select, ...]
    hidden: tuple[tuple[str, str], ...] = ()


def chart_form(
    settings: ChartSettings,
    runs: Sequence[Run],
    *,
    offered: Sequence[str] = (),
    wanted: Sequence[str] = (),
) -> ChartForm:
    """The fields of a chart's kind, filled with its settings.

    Args:
        offered, wanted: metrics to choose from and those chosen, of curves.
    """
    lists = settings.as_lists()

    def column(name: str, label: str, *, none: str = "", numbers: bool = False) -> Select:
        return _column_select(name, label, lists.get(name, []), runs, none=none, numbers=numbers)

    logs = Select(
        "log",
        _("Logarithmic"),
        (("", _choices([("x", "x"), ("y", "y")], list(settings.log))),),
        many=True,
    )
    own = _("the runs' own")
    fields: dict[str, list[Select]] = {
        "curves": [_metrics(offered, wanted), *_curve_selects(settings), logs],
        "scatter": [
            column("x", _("Across")),
            column("y", _("Up")),
            column("colour", _("Colour"), none=own),
            logs,
        ],
        "parallel": [
            _dims(settings, runs),
            column("colour", _("Colour"), none=own, numbers=True),
        ],
        "box": [
            column("y", _("Value"), numbers=True),
            column("group", _("Grouped by"), none=_("nothing")),
            logs,
        ],
        "contour": [
            column("x", _("Across")),
            column("y", _("Up")),
            column("z", _("Height"), numbers=True),
        ],
        "importance": [_metric(settings, runs)],
    }
    hidden = tuple(("keep", text) for text in lists.get("keep", ()))
    return ChartForm(settings, tuple(fields[settings.kind]), hidden)


def _choices(pairs: Iterable[tuple[str, Any]], chosen: Sequence[str]) -> tuple[Choice, ...]:
    return tuple(Choice(value, str(label), value in chosen) for value, label in pairs)


def _curve_selects(settings: ChartSettings) -> list[Select]:
    smooth = f"{settings.smooth:g}" if settings.smooth else ""
    steps = [(text, text or _("none")) for text in SMOOTHINGS]
    if smooth not in SMOOTHINGS:
        steps.append((smooth, smooth))
    return [
        Select("axis", _("Across"), (("", _choices(AXES.items(), [settings.axis])),)),
        Select("smooth", _("Smoothing"), (("", _choices(steps, [smooth])),)),
    ]


def _metrics(offered: Sequence[str], wanted: Sequence[str]) -> Select:
    names = [*wanted, *(name for name in offered if name not in wanted)]
    shown = _choices([(name, name) for name in names[:MOST_OFFERED]], wanted)
    more = max(len(names) - MOST_OFFERED, 0)
    return Select("metric", _("Metrics"), (("", shown),), many=True, more=more)


def _metric(settings: ChartSettings, runs: Sequence[Run]) -> Select:
    names = metrics_usual(runs)
    shown = _choices([(name, name) for name in names[:MOST_OFFERED]], [settings.metric])
    return Select("metric", _("Metric"), (("", shown),), more=max(len(names) - MOST_OFFERED, 0))


def _groups(
    runs: Sequence[Run], chosen: Sequence[str], *, numbers: bool
) -> tuple[list[tuple[str, tuple[Choice, ...]]], int]:
    """Columns by kind, what is chosen first, and how many are not offered."""
    titles = {"metrics": _("Metrics"), "params": _("Parameters")}
    if not numbers:
        titles["tags"] = _("Tags")
    found, more = [], 0
    for kind, title in titles.items():
        columns = columns_of(runs, kind)
        columns.sort(key=lambda column: (column.name not in chosen, column.key))
        more += max(len(columns) - MOST_OFFERED, 0)
        found.append((title, columns[:MOST_OFFERED]))
    keys = ("duration",) if numbers else ("duration", "start", "status", "user", "source")
    found.append((_("Run"), [Column("attribute", key) for key in keys]))
    named = [(title, [(c.name, c.label) for c in columns]) for title, columns in found if columns]
    return [(title, _choices(pairs, chosen)) for title, pairs in named], more


def _column_select(
    name: str, label: str, chosen: Sequence[str], runs: Sequence[Run], *, none: str, numbers: bool
) -> Select:
    groups, more = _groups(runs, chosen, numbers=numbers)
    if none:
        groups.insert(0, ("", (Choice("", none, not chosen),)))
    return Select(name, label, tuple(groups), more=more)


def _dims(settings: ChartSettings, runs: Sequence[Run]) -> Select:
    chosen = [column.name for column in settings.dims]
    groups, more = _groups(runs, chosen, numbers=False)
    # axes are drawn in this order: what was put in before what came out
    groups.sort(key=lambda group: group[0] == _("Metrics"))
    return Select("dim", _("Axes"), tuple(groups), many=True, more=more)


class PinForm(forms.Form):
    """Pin a chart to a board. `newest`: how many runs it follows, or none."""

    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=LONGEST_TITLE,
        required=False,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
    newest = forms.TypedChoiceField(
        label=gettext_lazy("Of which runs"),
        coerce=int,
        empty_value="0",
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    experiment = forms.ChoiceField(
        label=gettext_lazy("Board of"), widget=forms.Select(attrs={"class": "form-select"})
    )

    def __init__(
        self, *args: Any, experiments: Sequence[tuple[str, str]], count: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        these = _("the runs of this chart (%(count)s)") % {"count": count}
        follow = _("the newest %(count)s runs of the experiment")
        choices = [(number, follow % {"count": number}) for number in NEWEST]
        self.fields["newest"].choices = [(0, these), *choices]  # type: ignore[attr-defined]
        self.fields["experiment"].choices = list(experiments)  # type: ignore[attr-defined]


class PinEditForm(forms.Form):
    """The title of a chart on a board."""

    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=LONGEST_TITLE,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )


class BestForm(forms.Form):
    """By what the runs of an experiment are ranked."""

    metric = forms.ChoiceField(
        label=gettext_lazy("Metric"), widget=forms.Select(attrs={"class": "form-select"})
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("Best is"),
        choices=[
            ("max", gettext_lazy("the highest value")),
            ("min", gettext_lazy("the lowest value")),
        ],
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    def __init__(self, *args: Any, metrics: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["metric"].choices = [(key, key) for key in metrics]  # type: ignore[attr-defined]
