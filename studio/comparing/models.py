"""What people chose about an experiment: its best metric, and the charts of its board."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from studio.comparing.directions import MODES

LONGEST_METRIC = 500
LONGEST_TITLE = 120
SIZES = {1: _("Small"), 2: _("Wide"), 3: _("Full width")}


class BestChoice(models.Model):
    """By which metric, and in which direction, the runs of an experiment are ranked."""

    store = models.CharField(max_length=64)  # tracking.store_id()
    experiment_id = models.CharField(max_length=64)
    metric = models.CharField(max_length=LONGEST_METRIC)
    mode = models.CharField(max_length=3, choices=[(mode, mode) for mode in MODES])
    chosen_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    chosen_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "experiment_id"], name="one_best_choice"),
        ]

    def __str__(self) -> str:
        return self.word

    @property
    def word(self) -> str:
        """ "min:NAME" or "max:NAME"."""
        return f"{self.mode}:{self.metric}"


class Board(models.Model):
    """The pinned charts of an experiment."""

    store = models.CharField(max_length=64)
    experiment_id = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "experiment_id"], name="one_board"),
        ]

    def __str__(self) -> str:
        return f"board of {self.experiment_id}"


class Pin(models.Model):
    """One chart of a board: how it is drawn, and of which runs."""

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="pins")
    title = models.CharField(max_length=LONGEST_TITLE)
    kind = models.CharField(max_length=16)  # a key of settings.KINDS
    settings = models.JSONField(default=dict)  # ChartSettings.as_lists
    runs = models.JSONField(default=list)  # ids; empty when it follows the newest ones
    newest = models.PositiveSmallIntegerField(default=0)  # how many runs it follows; 0: `runs`
    size = models.PositiveSmallIntegerField(default=1, choices=list(SIZES.items()))
    position = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.title
