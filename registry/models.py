"""What MLflow cannot hold about a model version, keyed by store, name and version."""

from django.db import models


class VersionRecord(models.Model):
    """Facts measured by Slipway: the manifest of files and what pre-flight found."""

    store = models.CharField(max_length=64)  # tracking.store_id()
    name = models.CharField(max_length=512)
    version = models.CharField(max_length=32)
    # a model that is deleted and made again starts at version 1: which of the two is meant
    identity = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict)  # registry.facts.Facts, read once from the files
    manifest = models.JSONField(default=list)  # [{"path", "size", "sha256"}]
    sha256 = models.CharField(max_length=64, blank=True)  # of the manifest; names models/<sha256>/
    properties = models.JSONField(default=dict)
    memory_mb = models.FloatField(null=True)  # peak of a process with the model loaded
    load_seconds = models.FloatField(null=True)
    ms_per_row = models.FloatField(null=True)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "name", "version"], name="one_record"),
        ]

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


class VersionUse(models.Model):
    """A service uses this version. Written by deployments, read here: deleting is refused."""

    store = models.CharField(max_length=64)
    name = models.CharField(max_length=512)
    version = models.CharField(max_length=32)
    service = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "name", "version", "service"], name="one_use"),
        ]

    def __str__(self) -> str:
        return f"{self.service} uses {self.name} version {self.version}"
