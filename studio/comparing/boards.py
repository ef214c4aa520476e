"""Boards: charts that somebody pinned to an experiment. Pages change them through here alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from studio.comparing.choosing import MOST_RUNS
from studio.comparing.models import LONGEST_TITLE, SIZES, Board, Pin
from studio.comparing.settings import ChartSettings, settings_parse
from workspaces import tracking
from workspaces.errors import Conflict, Invalid, NotFound
from workspaces.paging import LARGEST_ID
from workspaces.tracking.many import RUN_ID, runs_read
from workspaces.tracking.values import Run

MOST_PINS = 40
NEWEST = (10, 20, 50, 100)  # how many runs a chart may follow


def pins_of(experiment_id: str) -> list[Pin]:
    """The charts of an experiment's board, in their order."""
    mine = {"board__store": tracking.store_id(), "board__experiment_id": experiment_id}
    return list(Pin.objects.filter(**mine).select_related("created_by"))


def pin_get(experiment_id: str, pin_id: int) -> Pin:
    """Raises: NotFound."""
    mine = {"board__store": tracking.store_id(), "board__experiment_id": experiment_id}
    pin = None
    if "\x00" not in experiment_id:  # PostgreSQL cannot be asked for it
        found = Pin.objects.filter(pk=min(pin_id, LARGEST_ID), **mine)
        pin = found.select_related("board").first()
    if pin is None:
        raise NotFound(_("This chart is no longer on the board."))
    return pin


def pin_settings(pin: Pin) -> ChartSettings:
    return settings_parse(pin.settings)


def pin_runs(pin: Pin) -> list[Run]:
    """The runs that a pinned chart shows now: its own, or the newest of the experiment.

    Runs that were deleted for good are left out.

    Raises:
        Unavailable.
    """
    if not pin.newest:
        return runs_read(pin.runs)
    page = tracking.runs_search(
        experiment_ids=[pin.board.experiment_id],
        order_by=["attributes.start_time DESC"],
        limit=min(pin.newest, MOST_RUNS),
    )
    return list(page.items)


def pin_add(
    *,
    experiment_id: str,
    settings: ChartSettings,
    run_ids: Sequence[str],
    newest: int = 0,
    title: str = "",
    user: Any,
) -> Pin:
    """Put a chart at the end of an experiment's board.

    Args:
        run_ids: what it shows, 1 to 100 runs; not kept when it follows the newest ones.
        newest: how many of the experiment's newest runs it follows, one of NEWEST; 0 for none.
        title: shown above it; the chart's own words when empty.
    Raises:
        Invalid: all that is wrong, in `fields`.
        Conflict: the board is full. NotFound: there is no such experiment. Unavailable.
    """
    tracking.experiment_get(experiment_id)
    fields = _wrong(title=title, newest=newest)
    ids = [run_id for run_id in dict.fromkeys(run_ids) if RUN_ID.fullmatch(run_id)]
    if not newest and not 1 <= len(ids) <= MOST_RUNS:
        fields["runs"] = [_("Choose 1 to %(most)s runs.") % {"most": MOST_RUNS}]
    _raise(fields)
    with transaction.atomic():
        board, _made = Board.objects.get_or_create(
            store=tracking.store_id(), experiment_id=experiment_id
        )
        if board.pins.count() >= MOST_PINS:
            text = _("The board holds %(most)s charts. Remove one first.")
            raise Conflict(text % {"most": MOST_PINS})
        last = board.pins.aggregate(last=Max("position"))["last"]
        return Pin.objects.create(
            board=board,
            title=(title.strip() or settings.title)[:LONGEST_TITLE],
            kind=settings.kind,
            settings=settings.as_lists(),
            runs=[] if newest else ids,
            newest=newest,
            position=0 if last is None else last + 1,
            created_by=user,
        )


def pin_update(*, pin: Pin, title: str | None = None, size: int | None = None) -> Pin:
    """Rename or resize a chart; what is None stays.

    Raises:
        Invalid: all that is wrong, in `fields`. NotFound: it was removed meanwhile.
    """
    fields = _wrong(title=title or "", size=size)
    if title is not None and not title.strip():
        fields["title"] = [_("Give it a name.")]
    _raise(fields)
    if title is not None:
        pin.title = title.strip()
    if size is not None:
        pin.size = size
    changed = {"title": pin.title, "size": pin.size}
    if not Pin.objects.filter(pk=pin.pk).update(**changed):  # somebody removed it meanwhile
        raise NotFound(_("This chart is no longer on the board."))
    return pin


def pin_move(*, pin: Pin, by: int) -> None:
    """Move a chart so many places towards the end (negative: the start); it stops at the ends."""
    with transaction.atomic():
        pins = list(Pin.objects.select_for_update().filter(board=pin.board_id))
        here = next((place for place, item in enumerate(pins) if item.pk == pin.pk), None)
        if here is None:
            raise NotFound(_("This chart is no longer on the board."))
        pins.insert(min(max(here + by, 0), len(pins) - 1), pins.pop(here))
        for place, item in enumerate(pins):
            item.position = place
        Pin.objects.bulk_update(pins, ["position"])


def pin_remove(*, pin: Pin) -> None:
    """Take a chart off its board; again is the same."""
    Pin.objects.filter(pk=pin.pk).delete()


def _wrong(*, title: str = "", size: int | None = None, newest: int = 0) -> dict[str, list[str]]:
    fields = {}
    if len(title.strip()) > LONGEST_TITLE or "\x00" in title:
        fields["title"] = [_("At most %(most)s characters.") % {"most": LONGEST_TITLE}]
    if size is not None and size not in SIZES:
        fields["size"] = [_("It is 1, 2 or 3.")]
    if newest and newest not in NEWEST:
        named = ", ".join(str(number) for number in NEWEST)
        fields["newest"] = [_("It is one of %(named)s.") % {"named": named}]
    return fields


def _raise(fields: dict[str, list[str]]) -> None:
    if fields:
        raise Invalid(" ".join(text for texts in fields.values() for text in texts), fields=fields)
