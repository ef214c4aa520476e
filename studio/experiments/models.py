"""Tables of the lists: which experiments somebody starred, and views of runs that were saved."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Star(models.Model):
    """An experiment that a person marked. MLflow knows no people, so it is kept here."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    store = models.CharField(max_length=64)  # tracking_stores.store_id()
    experiment_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "store", "experiment_id"], name="one_star"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ★ {self.experiment_id}"


class SavedView(models.Model):
    """A list of runs under a name: its query string. Shared ones are seen by everyone."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    store = models.CharField(max_length=64)
    experiment_id = models.CharField(max_length=64)
    name = models.CharField(max_length=100)
    query = models.TextField(blank=True)  # without "?" and without the place in the list
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "store", "experiment_id", "name"], name="one_view_name"
            ),
        ]
        indexes = [models.Index(fields=["store", "experiment_id", "name"], name="views_by_name")]
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return f"{self.name} of experiment {self.experiment_id}"
