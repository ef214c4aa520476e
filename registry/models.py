"""What MLflow cannot hold about a model version, keyed by store, name and version."""

from datetime import datetime, timedelta

from django.conf import settings
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
    properties = models.JSONField(default=dict)  # a key that is set never changes
    # where it came from: {"kind": "run" | "upload" | "path", "by", "path", "folder", "files"}
    origin = models.JSONField(default=dict)
    format = models.CharField(
        max_length=32, blank=True
    )  # a key of registry.formats.recognising.KINDS
    format_problem = models.TextField(blank=True)  # why no MLmodel could be written for the files
    framework = models.CharField(max_length=64, blank=True)
    framework_version = models.CharField(max_length=100, blank=True)
    sample_input = models.JSONField(null=True)
    sample_output = models.JSONField(null=True)
    notes = models.TextField(blank=True)  # Markdown
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


class Deleted(models.Model):
    """What both kinds of deleted things share. A row is written before MLflow deletes."""

    store = models.CharField(max_length=64)
    name = models.CharField(max_length=512)  # of the registered model
    gone = models.BooleanField(default=False)  # MLflow has deleted it; else it is about to
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    deleted_at = models.DateTimeField(db_index=True)

    class Meta:
        abstract = True

    @property
    def kept_until(self) -> datetime:
        """When it is removed for good."""
        return self.deleted_at + timedelta(days=settings.SLIPWAY.keep_deleted_days)


class DeletedModel(Deleted):
    """What a deleted model said of itself; its versions are rows of their own."""

    # ISO text of when MLflow made it: a model of the same name that is made later is another one
    made_at = models.CharField(max_length=64, blank=True)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store", "name"], name="one_deleted_model"),
        ]

    def __str__(self) -> str:
        return self.name


class DeletedVersion(Deleted):
    """All that is needed to register a deleted version anew, with the files it had."""

    version = models.CharField(max_length=32)
    identity = models.CharField(max_length=64)  # as VersionRecord's
    made_at = models.DateTimeField(null=True)
    source = models.CharField(max_length=500, blank=True, db_index=True)  # MLflow's own length
    run_id = models.CharField(max_length=500, blank=True)
    model_id = models.CharField(max_length=500, blank=True)  # of a logged model
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    aliases = models.JSONField(default=list)
    record = models.JSONField(default=dict)  # of VersionRecord, all that registry.records forgets
    # who restores or removes it just now, and how often somebody began to
    claim = models.CharField(max_length=32, blank=True)
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["store", "name", "version", "identity"], name="one_deleted_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


class Environment(models.Model):
    """A named set of Python packages, settings and image parts that services can run in."""

    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(blank=True)
    curated = models.BooleanField(default=False)  # made by Slipway; people cannot change it
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class EnvironmentVersion(models.Model):
    """One version of an environment. It never changes; it can only be archived."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="versions")
    version = models.CharField(max_length=32)  # "1", "2", …; the newest has the highest id
    python = models.CharField(max_length=8)  # minor, "3.11"
    packages = models.JSONField(default=list)  # lines as of requirements.txt
    # conda packages that were given: [{"given": "pytorch=2.1", "became": "torch==2.1.*", "note"}]
    conda = models.JSONField(default=list)
    variables = models.JSONField(default=dict)
    base_image = models.CharField(max_length=512, blank=True)  # "": SLIPWAY_BASE_IMAGE
    docker_steps = models.JSONField(default=list)  # Dockerfile instructions after the base image
    source = models.CharField(max_length=600, blank=True)  # "requirements.txt", "models:/NAME/1"
    archived = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "version"], name="one_environment_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.environment.name}:{self.version}"


class EnvironmentLock(models.Model):
    """The exact packages that a version came to on one Python and platform."""

    version = models.ForeignKey(EnvironmentVersion, on_delete=models.CASCADE, related_name="locks")
    python = models.CharField(max_length=8)
    platform = models.CharField(max_length=64)  # sysconfig.get_platform()
    text = models.TextField()  # name==version lines
    sha256 = models.CharField(max_length=64)  # names environments/<hash>/ and images' label
    sizes = models.JSONField(default=dict)  # {"numpy": bytes}, of the files that are fetched
    installed = models.JSONField(default=dict)  # the same of what a build put on disk; {}: none yet
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "python", "platform"], name="one_environment_lock"
            ),
        ]
        indexes = [models.Index(fields=["sha256"])]

    def __str__(self) -> str:
        return f"{self.version} on Python {self.python}, {self.platform}"
